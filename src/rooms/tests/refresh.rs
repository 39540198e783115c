//! After a gap (rule 12).

use std::sync::Arc;

use super::house::*;
use crate::ids::Place;
use crate::protocol::frame::Event;
use crate::rooms::State;
use crate::rooms::request::RoomState;

const ROOM: &str = "r:a";

fn member(house: &mut House<()>, worker: u16, slot: u32) -> Place {
    let place = house.connect(worker, slot);
    house.join(place, ROOM, 0, How { unread: true, ..How::default() });
    house.settle();
    house.said(place);
    place
}

fn gap(house: &mut House<()>) {
    let told = Arc::new(Event::new("gap", &"told"));
    house.step(|ledger, _, out| ledger.gap(&told, |room| room.starts_with("r:"), out));
    house.wait(50);
}

fn answer(house: &mut House<()>, stored: Option<State>) {
    let read = house.room_reads.remove(0);
    let snapshot = |newest: Option<&State>| {
        Event::new("snapshot", &newest.map_or("nothing".to_owned(), |state| state.value.to_string()))
    };
    let found = RoomState { state: stored, snapshot: Arc::new(snapshot) };
    house.step(|ledger, _, out| ledger.refreshed(read, Some(found), out));
    house.settle();
}

#[test]
fn everyone_in_a_room_is_told_of_a_gap_and_each_room_is_read_once_for_all() {
    let mut house = House::<()>::new(2, NO_LIMITS);
    let (here, there) = (member(&mut house, 0, 0), member(&mut house, 1, 0));
    let stranger = house.connect(0, 1);
    gap(&mut house);
    assert_eq!(house.room_reads.len(), 1);
    answer(&mut house, Some(state(7, "stored")));
    for place in [here, there] {
        assert_eq!(house.said(place), ["gap told", "snapshot stored"]);
    }
    assert!(house.said(stranger).is_empty());
}

#[test]
fn what_passes_while_a_room_is_read_anew_and_is_not_older_wins() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let place = member(&mut house, 0, 0);
    gap(&mut house);
    house.publish(vec![status(9, "live", &[ROOM])]);
    house.settle();
    answer(&mut house, Some(state(9, "stored")));
    assert_eq!(house.said(place), ["gap told", "event live", "snapshot live"]);
}

#[test]
fn a_state_that_the_store_does_not_have_yet_is_shown_after_a_gap() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let place = member(&mut house, 0, 0);
    house.publish(vec![status(9, "unwritten", &[ROOM])]);
    house.settle();
    house.said(place);
    gap(&mut house);
    answer(&mut house, Some(state(3, "stored")));
    assert_eq!(house.said(place), ["gap told", "snapshot unwritten"]);
}

#[test]
fn a_room_that_all_have_left_meanwhile_is_not_shown_to_who_came_after() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let place = member(&mut house, 0, 0);
    gap(&mut house);
    house.die(place);
    house.step(|ledger, _, _| ledger.gone(place.uid));
    let next = member(&mut house, 0, 0);
    answer(&mut house, Some(state(3, "stored")));
    assert!(house.said(next).is_empty());
}

#[test]
fn a_room_that_the_store_cannot_say_is_asked_for_again() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let place = member(&mut house, 0, 0);
    gap(&mut house);
    let read = house.room_reads.remove(0);
    house.step(|ledger, _, out| ledger.refreshed(read, None, out));
    house.wait(50);
    answer(&mut house, None);
    assert_eq!(house.said(place), ["gap told", "snapshot nothing"]);
}
