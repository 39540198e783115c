//! What the registry keeps of a room's state until the store has it (rule 2).

use super::house::*;
use crate::rooms::Publication;
use crate::rooms::ledger::Confirmed;

const ROOM: &str = "r:a";

fn confirm(house: &mut House<()>, time: i64, place: u64) {
    house.step(|ledger, _, out| {
        ledger.confirmed(Confirmed::State { room: ROOM.into(), time, place }, out);
    });
}

/// What a subscriber is shown where the store knows nothing.
fn snapshot(house: &mut House<()>) -> String {
    let socket = house.connect(0, 9);
    house.join(socket, ROOM, 0, How::default());
    house.settle();
    house.answer(found(None));
    let first = house.said(socket).remove(0);
    house.die(socket);
    house.ledger.gone(socket.uid);
    first
}

#[test]
fn the_newest_state_is_kept_without_members_and_of_equal_times_the_later() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    house.publish(vec![
        status(5, "first", &[ROOM]),
        status(5, "second", &[ROOM]),
        status(4, "late", &[ROOM]),
    ]);
    assert_eq!(house.ledger.unconfirmed(), 1);
    assert_eq!(snapshot(&mut house), "snapshot second@5");
}

#[test]
fn a_state_without_an_event_is_kept_and_shown_like_any_other() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 0, How::default());
    house.settle();
    house.publish(vec![
        event("before", &[ROOM]),
        Publication { event: None, ..status(5, "set", &[ROOM]) },
        event("after", &[ROOM]),
    ]);
    house.settle();
    house.answer(found(Some(state(1, "old"))));
    assert_eq!(house.said(socket), ["snapshot set@5", "subscribed r:a", "event after"]);
    assert_eq!(snapshot(&mut house), "snapshot set@5");
}

#[test]
fn a_kept_state_goes_with_the_confirmation_of_one_that_is_not_older() {
    // (time, place) of what is confirmed, and whether (5, place 2) is kept still
    for (time, place, kept) in
        [(4, 9, true), (5, 1, true), (5, 2, false), (5, 3, false), (6, 1, false), (i64::MAX, 0, false)]
    {
        let mut house = House::<()>::new(1, NO_LIMITS);
        house.publish(vec![status(5, "a", &[ROOM]), status(5, "b", &[ROOM]), status(3, "late", &[ROOM])]);
        confirm(&mut house, time, place);
        assert_eq!(house.ledger.unconfirmed() == 1, kept, "after ({time}, {place})");
        let expected = if kept { "snapshot b@5" } else { "snapshot nothing" };
        assert_eq!(snapshot(&mut house), expected, "after ({time}, {place})");
    }
}

#[test]
fn a_confirmation_of_another_room_or_of_nothing_kept_changes_nothing() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    house.publish(vec![status(5, "a", &["r:b"])]);
    confirm(&mut house, 9, 9);
    assert_eq!(house.ledger.unconfirmed(), 1);
}
