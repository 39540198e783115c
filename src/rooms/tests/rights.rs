//! A change of rights takes members and waiting subscribes out at once (rule 11).

use super::house::*;
use crate::ids::Place;
use crate::rooms::request::Right;

const ROOM: &str = "topic:c";

fn how(user: &str, claimed: bool) -> How {
    How { right: Some(Right { user: user.into(), claimed }), ..How::default() }
}

/// A live member by this right.
fn member(house: &mut House<()>, worker: u16, slot: u32, how: How) -> Place {
    let place = house.connect(worker, slot);
    house.join(place, ROOM, 1, how);
    house.settle();
    house.answer(found(None));
    house.said(place);
    place
}

#[test]
fn who_loses_his_right_is_told_and_gets_no_event_after_it() {
    let mut house = House::<()>::new(2, NO_LIMITS);
    let one = member(&mut house, 0, 0, how("u", false));
    let two = member(&mut house, 1, 0, how("u", true));
    let other = member(&mut house, 1, 1, how("v", true));
    let firm = member(&mut house, 0, 1, How::default());
    house.publish(vec![event("before", &[ROOM])]);
    house.withdraw(ROOM, Some("u"), false);
    house.publish(vec![event("after", &[ROOM])]);
    house.settle();
    for gone in [one, two] {
        assert_eq!(house.said(gone), ["event before", "lost topic:c"]);
        assert!(!house.is_live(gone, ROOM));
    }
    for stays in [other, firm] {
        assert_eq!(house.said(stays), ["event before", "event after"]);
    }
    assert_eq!(house.counts(), [(ROOM.to_owned(), 2)]);
}

#[test]
fn a_claim_stands_where_the_store_only_gives_nothing_any_more() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let granted = member(&mut house, 0, 0, how("u", false));
    let claimed = member(&mut house, 0, 1, how("u", true));
    house.withdraw(ROOM, Some("u"), true);
    house.settle();
    assert_eq!(house.said(granted), ["lost topic:c"]);
    assert!(house.said(claimed).is_empty() && house.is_live(claimed, ROOM));
}

#[test]
fn what_everybody_loses_leaves_those_whose_right_is_another() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let granted = member(&mut house, 0, 0, how("u", false));
    let claimed = member(&mut house, 0, 1, how("v", true));
    let firm = member(&mut house, 0, 2, How::default());
    house.withdraw(ROOM, None, true);
    house.settle();
    assert_eq!(house.said(granted), ["lost topic:c"]);
    assert!(house.is_live(claimed, ROOM) && house.is_live(firm, ROOM));
}

#[test]
fn what_everybody_loses_but_some_leaves_those() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let granted = member(&mut house, 0, 0, how("u", false));
    let other = member(&mut house, 0, 1, how("v", false));
    house.withdraw_from_all_but(ROOM, &["v"]);
    house.settle();
    assert_eq!(house.said(granted), ["lost topic:c"]);
    assert!(house.is_live(other, ROOM));
}

#[test]
fn a_subscribe_that_is_under_way_is_denied_whatever_was_read_for_it() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, how("u", true));
    house.settle(); // the store is being read
    house.join(socket, ROOM, 2, how("u", true)); // and this one is on its way to the lane
    house.withdraw(ROOM, Some("u"), false);
    house.settle();
    let denied =
        ["error topic:c denied", "nack 1 denied", "error topic:c denied", "nack 2 denied"].map(str::to_owned);
    assert_eq!(house.said(socket), denied);
    house.answer(found(None)); // seen before the change
    house.publish(vec![event("after", &[ROOM])]);
    house.settle();
    assert!(house.said(socket).is_empty() && house.counts().is_empty());
}

#[test]
fn a_member_who_asks_again_meanwhile_is_told_both() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, 0, how("u", false));
    house.join(socket, ROOM, 2, how("u", false));
    house.settle();
    house.withdraw(ROOM, Some("u"), false);
    house.settle();
    assert_eq!(house.said(socket), ["lost topic:c", "error topic:c denied", "nack 2 denied"]);
}

#[test]
fn who_asks_after_it_is_judged_by_what_is_read_then() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, 0, how("u", false));
    house.withdraw(ROOM, Some("u"), false);
    house.join(socket, ROOM, 2, how("u", false)); // added again
    house.settle();
    house.answer(found(None));
    assert_eq!(
        house.said(socket),
        ["lost topic:c", "snapshot nothing", "subscribed topic:c", "ack 2 topic:c"]
    );
    assert!(house.is_live(socket, ROOM));
}

#[test]
fn the_newest_request_says_by_what_right() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, 0, how("u", false));
    house.join(socket, ROOM, 2, how("u", true)); // with a fresh token
    house.settle();
    house.answer(found(None));
    house.said(socket);
    house.withdraw(ROOM, Some("u"), true);
    house.settle();
    assert!(house.said(socket).is_empty());
    house.join(socket, ROOM, 3, How::default());
    house.withdraw(ROOM, Some("u"), false);
    house.settle();
    assert!(house.is_live(socket, ROOM));
}

#[test]
fn who_has_left_or_is_gone_is_told_nothing() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let stays = member(&mut house, 0, 0, How::default());
    let left = member(&mut house, 0, 1, how("u", false));
    let dead = member(&mut house, 0, 2, how("u", false));
    house.leave(left, ROOM, 2);
    house.withdraw(ROOM, Some("u"), false);
    house.die(dead);
    house.settle();
    house.ledger.gone(dead.uid);
    assert_eq!(house.said(left), ["unsubscribed left topic:c", "ack 2 left topic:c"]);
    assert_eq!(house.counts(), [(ROOM.to_owned(), 1)]);
    assert!(house.is_live(stays, ROOM));
    house.withdraw("topic:empty", None, false); // nobody is there
}
