//! Who gets an event, and where its share of what may be in flight goes.

use super::house::*;
use crate::rooms::Publication;

fn in_at_once() -> How {
    How { unread: true, ..How::default() }
}

#[test]
fn a_socket_in_two_of_an_events_rooms_gets_one_copy() {
    let mut house = House::<()>::new(2, NO_LIMITS);
    let (both, one) = (house.connect(0, 0), house.connect(1, 0));
    house.join(both, "r:a", 0, in_at_once());
    house.join(both, "r:b", 0, in_at_once());
    house.join(one, "r:b", 0, in_at_once());
    house.publish(vec![event("x", &["r:a", "r:b"]), event("y", &["r:b", "r:a", "r:b"])]);
    house.settle();
    assert_eq!(house.said(both)[2..], ["event x", "event y"]);
    assert_eq!(house.said(one)[1..], ["event x", "event y"]);
}

#[test]
fn only_workers_that_have_members_are_told_and_only_joins_before_the_event_get_it() {
    let mut house = House::<()>::new(2, NO_LIMITS);
    let (early, late) = (house.connect(0, 0), house.connect(1, 0));
    house.join(early, "r:a", 0, in_at_once());
    house.publish(vec![event("x", &["r:a"]), event("for nobody", &["r:b"])]);
    assert!(house.lanes[1].mailbox.is_empty());
    house.join(late, "r:a", 0, in_at_once());
    house.settle();
    assert_eq!(house.said(early), ["subscribed r:a", "event x"]);
    assert_eq!(house.said(late), ["subscribed r:a"]);
}

#[test]
fn members_are_found_after_others_have_left_from_among_them() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let sockets: Vec<_> = (0..5).map(|slot| house.connect(0, slot)).collect();
    for &socket in &sockets {
        house.join(socket, "r:a", 0, in_at_once());
        house.join(socket, "r:b", 0, in_at_once());
    }
    house.leave(sockets[0], "r:a", 0);
    house.settle();
    house.die(sockets[3]);
    house.leave(sockets[4], "r:a", 0);
    house.publish(vec![event("x", &["r:a"]), event("y", &["r:b"])]);
    house.settle();
    for (socket, last) in [(0, &["event y"][..]), (1, &["event x", "event y"]), (4, &["event y"])] {
        let said = house.said(sockets[socket]);
        let events: Vec<_> = said.iter().filter(|text| text.starts_with("event")).collect();
        assert_eq!(events, last, "socket {socket}");
    }
}

#[test]
fn what_was_in_flight_is_given_back_when_the_last_lane_is_done() {
    let mut house = House::<()>::new(2, NO_LIMITS);
    for worker in 0..2 {
        let socket = house.connect(worker, 0);
        house.join(socket, "r:a", 0, in_at_once());
    }
    house.settle();
    house.publish(vec![event("x", &["r:a"]), event("y", &["r:a"])]);
    house.handle(0);
    assert_eq!(house.permits.in_flight(), (2, 2 / 2));
    house.handle(1);
    assert_eq!(house.permits.in_flight(), (0, 0));
    house.publish(vec![event("for nobody", &["r:c"])]);
    assert_eq!(house.permits.in_flight(), (0, 0));
}

#[test]
fn records_go_to_the_writer_with_their_place_also_where_nobody_listens() {
    let mut house: House<&str> = House::new(1, NO_LIMITS);
    let record = |what| Publication { record: Some(what), ..event("x", &["r:a"]) };
    house.publish(vec![record("one"), event("y", &["r:a"]), record("three")]);
    assert_eq!(house.records, [(1, "one"), (3, "three")]);
}

#[test]
fn a_socket_that_has_it_already_is_left_out_and_nobody_else() {
    let mut house = House::<()>::new(2, NO_LIMITS);
    let (has_it, same_lane, same_slot) = (house.connect(0, 0), house.connect(0, 1), house.connect(1, 0));
    for socket in [has_it, same_lane, same_slot] {
        house.join(socket, "r:a", 0, in_at_once());
        house.join(socket, "r:b", 0, in_at_once());
    }
    let left_out = || Publication { except: Some(has_it), ..event("x", &["r:a", "r:b"]) };
    house.publish(vec![left_out(), event("y", &["r:a"])]);
    house.settle();
    assert_eq!(house.said(has_it)[2..], ["event y"]);
    assert_eq!(house.said(same_lane)[2..], ["event x", "event y"]);
    assert_eq!(house.said(same_slot)[2..], ["event x", "event y"]);
    house.die(has_it);
    let next = house.connect(0, 0);
    house.join(next, "r:a", 0, in_at_once());
    house.publish(vec![left_out()]);
    house.settle();
    assert_eq!(house.said(next), ["subscribed r:a", "event x"], "who has its slot now is another");
}
