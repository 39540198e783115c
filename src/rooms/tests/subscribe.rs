//! Snapshot, then stream (rules 3 to 11), in single steps; the model test runs them together.

use super::house::*;
use crate::rooms::request::ReadAnswer;

const ROOM: &str = "r:a";

/// A house with one socket whose subscribe waits for the store.
fn waiting() -> (House<()>, crate::ids::Place) {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, How::default());
    house.settle();
    (house, socket)
}

fn none() -> [&'static str; 0] {
    []
}

#[test]
fn the_answer_is_snapshot_subscribed_ack_and_then_what_passed() {
    let (mut house, socket) = waiting();
    house.publish(vec![event("x", &[ROOM])]);
    house.settle();
    assert_eq!(house.said(socket), none());
    house.answer(found(Some(state(3, "stored"))));
    assert_eq!(house.said(socket), ["snapshot stored@3", "subscribed r:a", "ack 1 r:a", "event x"]);
    house.publish(vec![event("y", &[ROOM])]);
    house.settle();
    assert_eq!(house.said(socket), ["event y"]);
}

#[test]
fn the_read_begins_only_when_the_join_has_its_place_in_the_lane() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, How::default());
    assert!(house.reads.is_empty());
    house.handle(0);
    assert_eq!((house.reads.len(), house.reads[0].uid), (1, socket.uid));
}

#[test]
fn a_second_subscribe_joins_the_watch_and_both_are_answered_by_one_read() {
    let (mut house, socket) = waiting();
    house.publish(vec![status(5, "b", &[ROOM])]);
    house.join(socket, ROOM, 2, How::default());
    house.settle();
    assert_eq!(house.reads.len(), 1);
    house.answer(found(None));
    let one = ["snapshot b@5", "subscribed r:a"];
    assert_eq!(house.said(socket), [&one[..], &["ack 1 r:a"], &one, &["ack 2 r:a"]].concat());
}

#[test]
fn subscribing_again_interrupts_nothing_and_sends_the_snapshot_again() {
    let (mut house, socket) = waiting();
    house.answer(found(None));
    house.said(socket);
    house.join(socket, ROOM, 2, How::default());
    house.settle();
    house.publish(vec![event("x", &[ROOM]), status(5, "b", &[ROOM])]);
    house.settle();
    assert_eq!(house.said(socket), ["event x", "event b"]);
    house.answer(found(Some(state(1, "old"))));
    assert_eq!(house.said(socket), ["snapshot b@5", "subscribed r:a", "ack 2 r:a"]);
}

#[test]
fn a_subscribe_that_a_leave_overtakes_is_answered_with_its_words() {
    let (mut house, socket) = waiting();
    house.join(socket, ROOM, 2, How::default());
    house.publish(vec![event("x", &[ROOM])]);
    house.leave(socket, ROOM, 3);
    house.settle();
    let acks = ["ack 1 left r:a", "ack 2 left r:a", "ack 3 left r:a"];
    assert_eq!(house.said(socket), [&["unsubscribed left r:a"][..], &acks].concat());
    house.answer(found(None));
    house.publish(vec![event("y", &[ROOM])]);
    house.settle();
    assert_eq!(house.said(socket), none());
    assert_eq!(house.counts(), []);
}

#[test]
fn an_answer_for_a_watch_before_a_leave_does_not_answer_the_watch_after_it() {
    let (mut house, socket) = waiting();
    house.leave(socket, ROOM, 0);
    house.join(socket, ROOM, 2, How::default());
    house.settle();
    house.said(socket);
    house.answer(found(Some(state(1, "read before"))));
    assert_eq!(house.said(socket), none());
    house.answer(found(Some(state(2, "read after"))));
    assert_eq!(house.said(socket)[0], "snapshot read after@2");
}

#[test]
fn a_store_that_cannot_answer_turns_away_whoever_is_not_in() {
    let (mut house, socket) = waiting();
    house.join(socket, ROOM, 2, How::default());
    house.settle();
    house.answer(ReadAnswer::Unavailable);
    let one = "error r:a unavailable";
    assert_eq!(house.said(socket), [one, "nack 1 unavailable", one, "nack 2 unavailable"]);
    assert_eq!((house.counts(), house.is_live(socket, ROOM)), (vec![], false));
}

#[test]
fn a_store_that_cannot_answer_leaves_a_member_in() {
    let (mut house, socket) = waiting();
    house.answer(found(None));
    house.join(socket, ROOM, 2, How::default());
    house.settle();
    house.said(socket);
    house.wait(PATIENCE);
    assert_eq!(house.said(socket), ["error r:a unavailable", "nack 2 unavailable"]);
    house.publish(vec![event("x", &[ROOM])]);
    house.settle();
    assert_eq!(house.said(socket), ["event x"]);
    assert_eq!(house.counts(), [(ROOM.to_owned(), 1)]);
}

#[test]
fn a_late_answer_after_the_deadline_is_dropped() {
    let (mut house, socket) = waiting();
    house.wait(PATIENCE - 1);
    assert_eq!(house.said(socket), none());
    house.wait(1);
    assert_eq!(house.said(socket), ["error r:a unavailable", "nack 1 unavailable"]);
    house.answer(found(None));
    assert_eq!(house.said(socket), none());
    assert_eq!(house.counts(), []);
}

#[test]
fn where_the_read_is_optional_the_client_is_let_in_without_it() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, How { optional: true, ..How::default() });
    house.settle();
    house.publish(vec![event("x", &[ROOM])]);
    house.settle();
    house.wait(PATIENCE);
    assert_eq!(house.said(socket), ["subscribed r:a", "ack 1 r:a", "event x"]);
    assert!(house.is_live(socket, ROOM));
}

#[test]
fn a_client_without_the_right_is_put_out_also_where_it_was_in() {
    for was_in in [false, true] {
        let (mut house, socket) = waiting();
        if was_in {
            house.answer(found(None));
            house.join(socket, ROOM, 1, How::default());
            house.settle();
            house.said(socket);
        }
        house.answer(ReadAnswer::Denied);
        house.publish(vec![event("x", &[ROOM])]);
        house.settle();
        let told = ["lost r:a", "error r:a denied", "nack 1 denied"];
        assert_eq!(house.said(socket), told[usize::from(!was_in)..]);
        assert_eq!((house.counts(), house.is_live(socket, ROOM)), (vec![], false));
    }
}

#[test]
fn what_reaches_a_watcher_by_another_room_empties_its_list() {
    let (mut house, socket) = waiting();
    house.join(socket, "r:b", 0, How { unread: true, ..How::default() });
    house.publish(vec![event("x", &[ROOM]), status(4, "both", &[ROOM, "r:b"]), event("y", &[ROOM])]);
    house.settle();
    assert_eq!(house.said(socket), ["subscribed r:b", "event both"]);
    house.answer(found(None));
    assert_eq!(house.said(socket), ["snapshot both@4", "subscribed r:a", "ack 1 r:a", "event y"]);
}

#[test]
fn two_sockets_watch_one_room_each_by_its_own_read() {
    let (mut house, first) = waiting();
    house.publish(vec![event("x", &[ROOM])]);
    house.settle();
    let second = house.connect(0, 1);
    house.join(second, ROOM, 2, How::default());
    house.settle();
    house.publish(vec![event("y", &[ROOM])]);
    house.settle();
    house.answer(found(None));
    house.publish(vec![event("z", &[ROOM])]);
    house.settle();
    house.answer(found(None));
    assert_eq!(house.said(first)[3..], ["event x", "event y", "event z"]);
    assert_eq!(house.said(second)[3..], ["event y", "event z"]);
}

#[test]
fn a_copy_for_another_room_is_not_listed_where_its_own_room_is_empty() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, "r:copies", 1, How { optional: true, ..How::default() });
    house.publish(vec![status(2, "first", &[ROOM, "r:copies"])]);
    house.join(socket, ROOM, 2, How::default());
    house.publish(vec![status(2, "second", &[ROOM, "r:copies"])]);
    house.settle();
    house.reads.swap(0, 1);
    house.answer(found(None));
    house.answer(found_notes(&[], 0));
    let said = house.said(socket);
    assert_eq!(said[..2], ["snapshot second@2", "subscribed r:a"]);
    assert_eq!(said[3..], ["subscribed r:copies", "ack 1 r:copies"], "nothing older follows the snapshot");
}

#[test]
fn what_reaches_a_watcher_empties_the_lists_of_all_the_events_rooms() {
    let (mut house, socket) = waiting();
    house.join(socket, "r:b", 0, How { unread: true, ..How::default() });
    house.publish(vec![event("x", &[ROOM]), event("both", &["r:b", ROOM]), event("y", &[ROOM])]);
    house.settle();
    house.answer(found(None));
    assert_eq!(
        house.said(socket),
        ["subscribed r:b", "event both", "snapshot nothing", "subscribed r:a", "ack 1 r:a", "event y"]
    );
}

#[test]
fn what_passed_before_a_second_request_comes_before_its_answer() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, "r:a", 1, How::default());
    house.publish(vec![event("between", &["r:a"])]);
    house.join(socket, "r:a", 2, How::default());
    house.settle();
    house.answer(found(Some(state(1, "A"))));
    let first = ["snapshot A@1", "subscribed r:a", "ack 1 r:a", "event between"];
    let second = ["snapshot A@1", "subscribed r:a", "ack 2 r:a"];
    assert_eq!(house.said(socket), [first.as_slice(), &second].concat());
}
