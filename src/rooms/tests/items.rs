//! Stored events: they wait a moment for the store, and no socket gets one twice or misses one.

use super::house::*;
use crate::ids::Place;
use crate::rooms::ledger::Confirmed;
use crate::rooms::request::CaughtUp;

const OWN: &str = "user:u";

fn own(mark: i64, ids: &[&str]) -> How {
    let ids = ids.iter().map(|id| (*id).into()).collect();
    How { optional: true, caught_up: Some(CaughtUp { mark, ids }), ..How::default() }
}

fn confirm(house: &mut House<()>, place: u64, room: Option<&str>, mark: i64) {
    let room = room.map(Into::into);
    house.step(|ledger, _, out| {
        ledger.confirmed(Confirmed::Item { place, room, mark: Some(mark) }, out);
    });
    house.settle();
}

/// A house whose only socket is in its own room, having been sent all up to mark 3 when it connected.
fn live() -> (House<()>, Place) {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, OWN, 0, own(3, &["n3"]));
    house.settle();
    assert_eq!(house.reads[0].since, 3);
    house.answer(found_notes(&[], 3));
    assert_eq!(house.said(socket), ["subscribed user:u"]);
    (house, socket)
}

/// Leaves and comes again; says since which mark the store is asked.
fn again(house: &mut House<()>, socket: Place) -> i64 {
    house.leave(socket, OWN, 0);
    house.join(socket, OWN, 0, own(0, &[]));
    house.settle();
    house.said(socket);
    house.reads[0].since
}

#[test]
fn a_stored_event_waits_for_the_store_and_later_ones_wait_behind_it() {
    let (mut house, socket) = live();
    house.publish(vec![note("n4", OWN), event("at once", &[OWN]), note("n5", OWN)]);
    house.settle();
    assert_eq!(house.said(socket), ["event at once"]);
    confirm(&mut house, 3, None, 5);
    assert_eq!(house.said(socket), [""; 0], "the one before it has not come back yet");
    confirm(&mut house, 1, None, 4);
    assert_eq!(house.said(socket), ["note n4", "note n5"]);
    assert_eq!((house.ledger.unconfirmed(), house.permits.in_flight()), (0, (0, 0)));
}

#[test]
fn after_its_patience_a_stored_event_goes_out_and_is_kept_until_the_store_has_it() {
    let (mut house, socket) = live();
    house.publish(vec![note("n4", OWN)]);
    house.wait(249);
    assert_eq!(house.said(socket), [""; 0]);
    assert_eq!(house.permits.in_flight().0, 1);
    house.wait(1);
    assert_eq!(house.said(socket), ["note n4"]);
    assert_eq!((house.ledger.unconfirmed(), house.permits.in_flight()), (1, (0, 0)));
    confirm(&mut house, 1, None, 4);
    assert_eq!((house.ledger.unconfirmed(), house.said(socket)), (0, vec![]));
}

#[test]
fn waiting_in_another_room_holds_nobody_up() {
    let (mut house, socket) = live();
    house.publish(vec![note("n1", "user:v"), note("n2", OWN)]);
    confirm(&mut house, 2, None, 4);
    assert_eq!(house.said(socket), ["note n2"]);
}

#[test]
fn the_store_says_whose_it_is() {
    let (mut house, socket) = live();
    house.publish(vec![note("n4", "owner:c"), note("n5", "owner:c")]);
    confirm(&mut house, 1, Some(OWN), 4);
    confirm(&mut house, 2, None, 5);
    assert_eq!(house.said(socket), ["note n4"], "an owner who is not here costs nothing");
}

#[test]
fn what_was_sent_when_it_connected_is_not_sent_again_live() {
    let (mut house, socket) = live();
    house.publish(vec![note("n3", OWN), note("n4", OWN)]);
    confirm(&mut house, 1, None, 3);
    confirm(&mut house, 2, None, 4);
    assert_eq!(house.said(socket), ["note n4"]);
}

#[test]
fn live_ones_move_the_mark_where_it_is_known() {
    let (mut house, socket) = live();
    house.publish(vec![note("n4", OWN)]);
    confirm(&mut house, 1, None, 4);
    house.said(socket);
    assert_eq!(again(&mut house, socket), 4);
}

#[test]
fn one_that_went_out_without_a_mark_is_not_sent_again_by_the_read_that_finds_it() {
    let (mut house, socket) = live();
    house.publish(vec![note("n4", OWN)]);
    house.wait(250);
    assert_eq!(house.said(socket), ["note n4"]);
    confirm(&mut house, 1, None, 4);
    assert_eq!(again(&mut house, socket), 3);
    house.answer(found_notes(&["n4", "n5"], 5));
    assert_eq!(house.said(socket), ["subscribed user:u", "note n5"]);
}

#[test]
fn a_subscriber_gets_what_was_stored_since_its_mark_and_what_passed_meanwhile() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.publish(vec![note("n4", OWN)]);
    house.wait(250); // out, to nobody, and not written yet
    house.join(socket, OWN, 1, own(3, &["n3"]));
    house.publish(vec![note("n5", OWN), note("n6", OWN)]);
    confirm(&mut house, 1, None, 4);
    confirm(&mut house, 2, None, 5);
    confirm(&mut house, 3, None, 6);
    assert_eq!(house.said(socket), [""; 0]);
    house.answer(found_notes(&["n4", "n5"], 5));
    let notes = ["note n4", "note n5", "note n6"];
    assert_eq!(house.said(socket), [&["subscribed user:u", "ack 1 user:u"][..], &notes].concat());
}

#[test]
fn what_the_store_does_not_have_yet_is_handed_to_a_subscriber() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.publish(vec![note("n4", OWN)]);
    house.wait(250);
    house.join(socket, OWN, 0, own(3, &[]));
    house.settle();
    house.answer(found_notes(&[], 3));
    assert_eq!(house.said(socket), ["subscribed user:u", "note n4"]);
}

#[test]
fn a_second_subscribe_to_the_own_room_reads_nothing() {
    let (mut house, socket) = live();
    house.join(socket, OWN, 2, own(0, &[]));
    house.settle();
    assert!(house.reads.is_empty());
    assert_eq!(house.said(socket), ["subscribed user:u", "ack 2 user:u"]);
}

#[test]
fn a_member_of_anothers_room_gets_each_stored_event_once() {
    let (mut house, _) = live();
    let other = house.connect(0, 1);
    house.join(other, OWN, 0, How { unread: true, ..How::default() });
    house.publish(vec![note("n3", OWN)]);
    confirm(&mut house, 1, None, 3);
    assert_eq!(house.said(other), ["subscribed user:u", "note n3"]);
}

#[test]
fn a_room_that_takes_the_number_of_the_own_room_is_not_the_own_room() {
    let (mut house, socket) = live();
    house.leave(socket, OWN, 0);
    house.join(socket, "r:a", 0, How::default());
    house.settle();
    house.answer(found(None));
    house.join(socket, "r:a", 0, How::default());
    house.settle();
    house.answer(found(None));
    let both = ["snapshot nothing", "subscribed r:a", "snapshot nothing", "subscribed r:a"];
    assert_eq!(house.said(socket)[1..], both);
    let next = house.connect(0, 1);
    house.leave(socket, "r:a", 0);
    house.join(next, OWN, 0, own(3, &[]));
    house.settle();
    house.answer(found_notes(&[], 3));
    house.join(socket, "r:a", 0, How::default());
    house.settle();
    assert_eq!(house.reads[0].since, 3, "and moves no mark");
}

#[test]
fn a_member_of_anothers_room_who_subscribes_again_gets_each_stored_event_once() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let other = house.connect(0, 1);
    house.join(other, OWN, 0, How { optional: true, ..How::default() });
    house.settle();
    house.answer(found_notes(&[], 0));
    house.publish(vec![note("n1", OWN)]);
    house.wait(250); // not written yet
    house.join(other, OWN, 0, How { optional: true, ..How::default() });
    house.publish(vec![note("n2", OWN)]);
    house.wait(250);
    house.answer(found_notes(&[], 0));
    assert_eq!(house.said(other), ["subscribed user:u", "note n1", "note n2", "subscribed user:u"]);
}

#[test]
fn what_went_out_before_a_subscribe_to_anothers_room_does_not_follow_it() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let other = house.connect(0, 1);
    house.publish(vec![note("n1", OWN)]);
    house.wait(250);
    house.join(other, OWN, 0, How { optional: true, ..How::default() });
    house.settle();
    house.answer(found_notes(&[], 0));
    assert_eq!(house.said(other), ["subscribed user:u"]);
}

#[test]
fn what_was_published_under_another_name_and_is_not_written_is_handed_to_a_subscriber() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.publish(vec![note("n4", "owner:c"), note("n5", OWN), note("n6", "owner:c")]);
    house.wait(250);
    house.join(socket, OWN, 0, How { aliases: Some(Vec::new()), ..own(3, &[]) });
    house.step(|ledger, now, out| ledger.loaded(&OWN.into(), 1, Some(vec!["owner:c".into()]), now, out));
    house.settle();
    house.answer(found_notes(&[], 3));
    assert_eq!(house.said(socket), ["subscribed user:u", "note n4", "note n5", "note n6"]);
}

#[test]
fn what_goes_out_at_one_time_goes_in_the_order_of_arrival_whatever_it_was_published_to() {
    let (mut house, socket) = live();
    for round in 0..8 {
        let ids: Vec<String> = (0..6).map(|id| format!("{round}-{id}")).collect();
        house.join(socket, "owner:c", 0, How { unread: true, ..How::default() });
        house.publish(ids.iter().zip(["owner:c", OWN].iter().cycle()).map(|(id, to)| note(id, to)).collect());
        house.settle();
        house.said(socket);
        house.wait(250);
        let expected: Vec<String> = ids.iter().map(|id| format!("note {id}")).collect();
        assert_eq!(house.said(socket), expected);
    }
}

#[test]
fn a_confirmation_does_not_let_go_what_is_overdue_before_older_ones_of_other_names() {
    let (mut house, socket) = live();
    house.join(socket, "owner:c", 0, How { unread: true, ..How::default() });
    house.publish(vec![note("n4", OWN), note("n5", "owner:c"), note("n6", OWN)]);
    house.settle();
    house.said(socket);
    house.now += 250; // the writer is heard before the clock is looked at
    confirm(&mut house, 1, None, 4);
    house.wait(0);
    assert_eq!(house.said(socket), ["note n4", "note n5", "note n6"]);
}

#[test]
fn who_was_let_in_without_the_store_gets_what_it_missed_when_it_asks_again() {
    for leaves in [false, true] {
        let mut house = House::<()>::new(1, NO_LIMITS);
        let socket = house.connect(0, 0);
        house.join(socket, OWN, 0, own(3, &[]));
        house.settle();
        house.wait(PATIENCE); // n4 is in the store, and the store does not answer
        house.reads.clear();
        house.publish(vec![note("n5", OWN)]);
        confirm(&mut house, 1, None, 5);
        assert_eq!(house.said(socket), ["subscribed user:u", "note n5"]);
        if leaves {
            house.leave(socket, OWN, 0);
        }
        house.join(socket, OWN, 2, own(0, &[]));
        house.settle();
        house.said(socket);
        assert_eq!(house.reads[0].since, 3);
        house.answer(found_notes(&["n4", "n5"], 5));
        assert_eq!(house.said(socket), ["subscribed user:u", "ack 2 user:u", "note n4"]);
        assert_eq!(again(&mut house, socket), 5);
    }
}

#[test]
fn what_can_never_be_written_goes_out_and_is_not_waited_for() {
    let (mut house, socket) = live();
    let dropped = |house: &mut House<()>, place| {
        house.step(|ledger, _, out| ledger.confirmed(Confirmed::Dropped { place }, out));
        house.settle();
    };
    house.publish(vec![note("n4", OWN), note("n5", OWN), status(1, "kept", &["r:a"])]);
    house.settle();
    dropped(&mut house, 1);
    assert_eq!(house.said(socket), ["note n4"]);
    house.wait(250);
    assert_eq!((house.said(socket), house.ledger.unconfirmed()), (vec!["note n5".to_owned()], 2));
    dropped(&mut house, 2);
    dropped(&mut house, 3);
    assert_eq!((house.said(socket), house.ledger.unconfirmed()), (vec![], 0));
}

#[test]
fn what_the_full_queue_did_not_take_is_let_go_by_its_room() {
    let (mut house, socket) = live();
    house.publish(vec![note("n4", OWN), note("n5", OWN), status(1, "new", &["r:a"])]);
    house.settle();
    let told = [
        Confirmed::Item { place: 1, room: None, mark: None },
        Confirmed::State { room: "r:a".into(), time: 1, place: 3 },
    ];
    for what in told {
        house.step(|ledger, _, out| ledger.confirmed(what, out));
    }
    house.settle();
    assert_eq!((house.said(socket), house.ledger.unconfirmed()), (vec!["note n4".to_owned()], 1));
    house.wait(250);
    assert_eq!(house.said(socket), ["note n5"]);
    house.step(|ledger, _, out| ledger.confirmed(Confirmed::Item { place: 2, room: None, mark: None }, out));
    assert_eq!(house.ledger.unconfirmed(), 0);
}
