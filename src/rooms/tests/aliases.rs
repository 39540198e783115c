//! Other names of rooms: loaded before a join is answered, moved by the writer, gone with the room.

use super::house::*;
use crate::ids::Place;
use crate::rooms::RoomName;
use crate::rooms::ledger::Claim;

const ROOM: &str = "user:u";
const COPY: [&str; 2] = ["topic:c", "owner:c"];

fn how(claims: &[&str]) -> How {
    How { unread: true, aliases: Some(rooms(claims).to_vec()), ..How::default() }
}

/// Answers the load of this number.
fn loaded(house: &mut House<()>, generation: u64, names: Option<&[&str]>) {
    loaded_for(house, ROOM, generation, names);
}

fn loaded_for(house: &mut House<()>, room: &str, generation: u64, names: Option<&[&str]>) {
    let names: Option<Vec<RoomName>> = names.map(|names| rooms(names).to_vec());
    house.step(|ledger, now, out| ledger.loaded(&room.into(), generation, names, now, out));
    house.settle();
}

fn moved(house: &mut House<()>, alias: &str, to: Option<&str>) {
    let to: Option<RoomName> = to.map(Into::into);
    house.step(|ledger, now, out| ledger.move_alias(&alias.into(), to.as_ref(), now, out));
}

/// Whether a member of the user room gets the copy of an event for the owner of `c`.
fn gets_copy(house: &mut House<()>, socket: Place) -> bool {
    house.said(socket);
    house.publish(vec![event("copy", &COPY)]);
    house.settle();
    house.said(socket) == ["event copy"]
}

#[test]
fn joins_wait_in_order_until_the_rooms_names_are_loaded() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (first, second) = (house.connect(0, 0), house.connect(0, 1));
    house.join(first, ROOM, 1, how(&["owner:c"]));
    house.join(second, ROOM, 1, how(&["owner:c"]));
    house.join(first, ROOM, 2, how(&[]));
    house.settle();
    assert_eq!(house.said(first), [""; 0]);
    assert_eq!((house.loads.len(), &house.loads[0].claims), (1, &vec!["owner:c".into()]));
    assert_eq!(house.counts(), [(ROOM.to_owned(), 2)], "who waits is counted");
    loaded(&mut house, 1, Some(&["owner:c"]));
    assert_eq!(house.said(first), ["subscribed user:u", "ack 1 user:u", "subscribed user:u", "ack 2 user:u"]);
    assert_eq!(house.said(second), ["subscribed user:u", "ack 1 user:u"]);
    assert!(gets_copy(&mut house, second));
    house.join(second, ROOM, 3, how(&["owner:c"]));
    house.settle();
    assert_eq!(house.said(second), ["subscribed user:u", "ack 3 user:u"], "known names are not loaded again");
}

#[test]
fn a_claim_that_was_not_looked_at_is_loaded_and_an_older_answer_does_not_do() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (first, second) = (house.connect(0, 0), house.connect(0, 1));
    house.join(first, ROOM, 1, how(&[]));
    house.join(second, ROOM, 1, how(&["owner:c"]));
    assert_eq!(house.loads.iter().map(|load| load.generation).collect::<Vec<_>>(), [1, 2]);
    loaded(&mut house, 1, Some(&[]));
    assert_eq!((house.said(first), house.said(second)), (vec![], vec![]));
    loaded(&mut house, 2, Some(&["owner:c"]));
    assert!(gets_copy(&mut house, first) && gets_copy(&mut house, second));
}

#[test]
fn a_leave_overtakes_a_join_that_waits_for_names() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (leaver, dead) = (house.connect(0, 0), house.connect(0, 1));
    house.join(leaver, ROOM, 1, how(&[]));
    house.join(dead, ROOM, 1, how(&[]));
    house.leave(leaver, ROOM, 2);
    house.settle();
    assert_eq!(house.said(leaver), ["unsubscribed left user:u", "ack 1 left user:u", "ack 2 left user:u"]);
    house.die(dead);
    house.ledger.gone(dead.uid);
    assert_eq!(house.counts(), []);
    loaded(&mut house, 1, Some(&["owner:c"]));
    assert_eq!(house.said(leaver), [""; 0]);
}

#[test]
fn names_vanish_when_the_room_empties_and_are_loaded_again_by_the_next() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 0, how(&[]));
    loaded(&mut house, 1, Some(&["owner:c"]));
    house.leave(socket, ROOM, 0);
    house.join(socket, "user:other", 0, how(&[])); // takes the room's number
    loaded_for(&mut house, "user:other", 2, Some(&[]));
    assert!(!gets_copy(&mut house, socket));
    house.join(socket, ROOM, 0, how(&[]));
    assert_eq!(house.loads.last().map(|load| load.generation), Some(3));
    loaded(&mut house, 1, Some(&[])); // asked for by those who have left
    assert_eq!(house.said(socket), [""; 0]);
    loaded(&mut house, 3, Some(&["owner:c"]));
    assert!(gets_copy(&mut house, socket));
}

#[test]
fn a_change_of_owner_moves_the_name() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (u, v) = (house.connect(0, 0), house.connect(0, 1));
    house.join(u, ROOM, 0, how(&[]));
    house.join(v, "user:v", 0, how(&[]));
    loaded(&mut house, 1, Some(&["owner:c"]));
    loaded_for(&mut house, "user:v", 2, Some(&[]));
    moved(&mut house, "owner:c", Some("user:v"));
    assert!(!gets_copy(&mut house, u) && gets_copy(&mut house, v));
    moved(&mut house, "owner:c", None);
    assert!(!gets_copy(&mut house, u) && !gets_copy(&mut house, v));
    moved(&mut house, "owner:c", Some("user:nobody"));
    moved(&mut house, "owner:c", Some(ROOM));
    assert!(gets_copy(&mut house, u) && !gets_copy(&mut house, v));
}

#[test]
fn an_owners_copy_in_both_rooms_is_one_and_its_state_belongs_to_the_first() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 0, how(&[]));
    loaded(&mut house, 1, Some(&["owner:c"]));
    house.join(socket, "topic:c", 0, How::default());
    house.settle();
    house.answer(found(None));
    house.said(socket);
    house.publish(vec![status(1, "x", &COPY)]);
    house.settle();
    assert_eq!(house.said(socket), ["event x"]);
}

#[test]
fn names_that_do_not_come_in_time_are_those_claimed_until_the_store_says() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, how(&["owner:c"]));
    house.wait(249);
    assert_eq!(house.said(socket), [""; 0]);
    house.wait(1);
    assert_eq!(house.said(socket), ["subscribed user:u", "ack 1 user:u"]);
    assert!(gets_copy(&mut house, socket));
    house.wait(1_000);
    assert_eq!(house.loads.len(), 2, "the store is asked again");
    let again = house.loads[1].generation;
    loaded(&mut house, again, Some(&[]));
    assert!(!gets_copy(&mut house, socket), "the store names another owner");
    house.wait(10_000);
    assert_eq!(house.loads.len(), 2);
}

#[test]
fn names_that_stand_are_not_lost_when_a_store_cannot_say_more() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (first, second) = (house.connect(0, 0), house.connect(0, 1));
    house.join(first, ROOM, 0, how(&[]));
    loaded(&mut house, 1, Some(&["owner:c"]));
    house.join(second, ROOM, 0, how(&["owner:d"]));
    house.wait(250);
    assert!(gets_copy(&mut house, first));
    loaded(&mut house, 2, None);
    assert!(gets_copy(&mut house, first));
}

#[test]
fn an_answer_to_fewer_claims_does_not_stand_for_more() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 0, how(&[]));
    house.join(socket, ROOM, 0, how(&["owner:c"]));
    house.wait(250);
    loaded(&mut house, 1, Some(&[]));
    assert!(gets_copy(&mut house, socket));
    house.wait(1_000);
    let again = house.loads.last().map_or(0, |load| load.generation);
    loaded(&mut house, again, Some(&["owner:d"]));
    assert!(!gets_copy(&mut house, socket));
}

#[test]
fn a_claim_that_the_store_has_given_to_another_stays_with_it_when_the_store_cannot_say() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (u, v) = (house.connect(0, 0), house.connect(0, 1));
    house.join(v, "user:v", 0, how(&[]));
    loaded_for(&mut house, "user:v", 1, Some(&[]));
    house.join(u, ROOM, 0, how(&["owner:c"]));
    moved(&mut house, "owner:c", Some("user:v"));
    house.wait(250);
    assert!(!gets_copy(&mut house, u) && gets_copy(&mut house, v));
}

#[test]
fn claims_of_others_do_not_make_a_join_wait_longer() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (first, second) = (house.connect(0, 0), house.connect(0, 1));
    house.join(first, ROOM, 0, how(&[]));
    house.wait(200);
    house.join(second, ROOM, 0, how(&["owner:c"]));
    house.wait(50);
    assert_eq!(house.said(first), ["subscribed user:u"]);
}

fn claim(house: &mut House<()>, counts: bool) {
    let claim = Claim { alias: "owner:c".into(), room: ROOM.into(), counts };
    house.step(|ledger, now, out| ledger.judge_claim(&claim, now, out));
}

#[test]
fn a_claim_that_does_not_count_any_more_is_dropped_at_once_and_loaded_when_it_does_again() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, how(&["owner:c"]));
    loaded(&mut house, 1, Some(&["owner:c"]));
    assert!(gets_copy(&mut house, socket));
    claim(&mut house, false);
    assert!(!gets_copy(&mut house, socket));
    assert_eq!(house.loads.len(), 1);
    claim(&mut house, true);
    assert_eq!((house.loads.len(), &house.loads[1].claims), (2, &vec!["owner:c".into()]));
    loaded(&mut house, 2, Some(&["owner:c"]));
    assert!(gets_copy(&mut house, socket));
}

#[test]
fn what_belongs_to_nobody_any_more_is_asked_for_where_it_is_claimed() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (claimant, other) = (house.connect(0, 0), house.connect(0, 1));
    house.join(claimant, ROOM, 1, how(&["owner:c"]));
    loaded(&mut house, 1, Some(&[]));
    house.join(other, "user:v", 1, how(&[]));
    loaded_for(&mut house, "user:v", 2, Some(&["owner:c"]));
    assert!(gets_copy(&mut house, other));
    moved(&mut house, "owner:c", None);
    assert!(!gets_copy(&mut house, other) && !gets_copy(&mut house, claimant));
    assert_eq!(house.loads.len(), 3, "only the room that claims it");
    loaded(&mut house, 3, Some(&["owner:c"]));
    assert!(gets_copy(&mut house, claimant) && !gets_copy(&mut house, other));
    // the owner that the store names is believed, and nobody is asked
    moved(&mut house, "owner:c", Some("user:v"));
    assert!(gets_copy(&mut house, other) && !gets_copy(&mut house, claimant));
    assert_eq!(house.loads.len(), 3);
}
