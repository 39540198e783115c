//! How many may be where, and that nothing is left when they have gone.

use super::house::*;
use crate::rooms::RoomName;
use crate::rooms::ledger::Limits;

fn in_at_once() -> How {
    How { unread: true, ..How::default() }
}

#[test]
fn a_full_room_refuses_in_the_step_that_would_add_and_takes_whoever_comes_next_when_one_has_left() {
    let mut house = House::<()>::new(1, Limits { room_size: 2, ..NO_LIMITS });
    let sockets: Vec<_> = (0..3).map(|slot| house.connect(0, slot)).collect();
    sockets.iter().for_each(|&socket| house.join(socket, "r:a", 1, in_at_once()));
    assert_eq!(house.counts(), [("r:a".to_owned(), 2)], "before any lane has handled anything");
    house.settle();
    assert_eq!(house.said(sockets[1]), ["subscribed r:a", "ack 1 r:a"]);
    assert_eq!(house.said(sockets[2]), ["error r:a room_full", "nack 1 room_full"]);
    house.leave(sockets[0], "r:a", 2);
    house.join(sockets[2], "r:a", 2, in_at_once());
    house.settle();
    assert_eq!(house.said(sockets[2]), ["subscribed r:a", "ack 2 r:a"]);
}

#[test]
fn a_socket_in_as_many_rooms_as_it_may_be_in_is_refused_another() {
    let mut house = House::<()>::new(1, Limits { rooms_per_socket: 2, ..NO_LIMITS });
    let socket = house.connect(0, 0);
    ["r:a", "r:b", "r:c"].iter().for_each(|room| house.join(socket, room, 0, in_at_once()));
    house.settle();
    assert_eq!(house.said(socket), ["subscribed r:a", "subscribed r:b", "error r:c room_limit"]);
    assert_eq!(house.ledger.rooms_of(socket.uid), ["r:a", "r:b"].map(RoomName::from));
    house.leave(socket, "r:a", 0);
    house.join(socket, "r:c", 0, in_at_once());
    house.settle();
    assert_eq!(house.said(socket), ["unsubscribed left r:a", "subscribed r:c"]);
}

#[test]
fn rejoining_is_never_refused_and_counts_once() {
    let mut house = House::<()>::new(1, Limits { room_size: 1, rooms_per_socket: 1, ..NO_LIMITS });
    let socket = house.connect(0, 0);
    (1..=3).for_each(|ack| house.join(socket, "r:a", ack, in_at_once()));
    house.settle();
    assert_eq!(house.said(socket).iter().filter(|text| *text == "subscribed r:a").count(), 3);
    assert_eq!(house.counts(), [("r:a".to_owned(), 1)]);
}

#[test]
fn counts_are_back_at_zero_after_leaving_dying_and_dropping() {
    let mut house = House::<()>::new(2, NO_LIMITS);
    let (leaver, dead, late) = (house.connect(0, 0), house.connect(1, 0), house.connect(1, 1));
    house.join(leaver, "r:a", 0, in_at_once());
    house.join(dead, "r:a", 0, in_at_once());
    house.join(dead, "r:b", 0, How::default());
    house.join(late, "r:b", 0, How::default());
    house.settle();
    assert_eq!(house.counts(), [("r:a".to_owned(), 2), ("r:b".to_owned(), 2)]);
    house.leave(leaver, "r:a", 0);
    house.die(dead);
    house.ledger.gone(dead.uid);
    assert_eq!(house.counts(), [("r:b".to_owned(), 1)]);
    house.wait(PATIENCE);
    assert_eq!(house.said(late), ["error r:b unavailable"]);
    assert_eq!(house.counts(), []);
    assert!(house.ledger.rooms_of(late.uid).is_empty());
}

#[test]
fn a_drop_that_names_an_older_request_is_ignored() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, "r:a", 1, How::default());
    house.settle();
    house.join(socket, "r:a", 2, How::default()); // under way while the first times out
    house.now += PATIENCE;
    house.expire(0);
    assert!(house.hear_dropped());
    assert_eq!(house.counts(), [("r:a".to_owned(), 1)]);
    house.settle();
    house.reads.remove(0);
    house.answer(found(None));
    assert_eq!(house.said(socket)[2..], ["snapshot nothing", "subscribed r:a", "ack 2 r:a"]);
    assert!(house.is_live(socket, "r:a"));
}

#[test]
fn leaving_a_room_that_one_is_not_in_is_answered_like_leaving() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.leave(socket, "r:a", 7);
    house.settle();
    assert_eq!(house.said(socket), ["unsubscribed left r:a", "ack 7 left r:a"]);
}

#[test]
fn a_join_for_a_socket_that_is_gone_does_not_hit_the_next_one_in_its_slot() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let first = house.connect(0, 0);
    house.join(first, "r:a", 0, How::default());
    house.settle();
    house.join(first, "r:b", 0, in_at_once());
    house.leave(first, "r:a", 0);
    house.die(first);
    let second = house.connect(0, 0);
    house.settle();
    house.answer(found(None)); // the first one's read
    house.publish(vec![event("x", &["r:a", "r:b"])]);
    house.settle();
    assert_eq!(house.said(second), [""; 0]);
    house.ledger.gone(first.uid);
    assert_eq!(house.counts(), []);
}

#[test]
fn a_socket_that_was_only_refused_leaves_nothing_behind() {
    let mut house = House::<()>::new(1, Limits { room_size: 1, ..NO_LIMITS });
    let (first, second) = (house.connect(0, 0), house.connect(0, 1));
    house.join(first, "r:a", 0, in_at_once());
    house.join(second, "r:a", 0, in_at_once());
    assert_eq!(house.ledger.sockets(), 1);
    house.leave(first, "r:a", 0);
    assert_eq!(house.ledger.sockets(), 0);
}
