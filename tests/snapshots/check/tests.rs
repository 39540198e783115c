//! The checker sees what it has to.

use super::*;

const C: Room = Room::Campaign(0);
const U: Room = Room::User(0);

/// One campaign: status at 10, update, late status at 5, tied status at 10, update, status at 20.
fn published() -> Published {
    let status = |time| Fact { time, is_status: true };
    let update = |time| Fact { time, is_status: false };
    let facts = vec![status(10), update(11), status(5), status(10), update(12), status(20)];
    Published::new(vec![Some(1)], vec![facts], vec![vec![0]])
}

fn ask(id: u64, join: bool, room: Room, seen: u32) -> Entry {
    Entry::Ask { id, join, room, seen: [seen].into() }
}

fn event(number: u32) -> Entry {
    Entry::Event { topic: 0, number, fact: published().facts[0][number as usize] }
}

fn snapshot(shown: Shown) -> Entry {
    Entry::Snapshot { topic: 0, shown, time: published().time(0, shown) }
}

fn subscribed(room: Room, published: u32) -> Entry {
    Entry::Subscribed { room, published: [published].into() }
}

/// Joins the campaign with a snapshot, anywhere from `seen` to `published`.
fn join(seen: u32, shown: Shown, published: u32) -> Vec<Entry> {
    let answer = Entry::Answer { id: 1, room: C };
    vec![ask(1, true, C, seen), snapshot(shown), subscribed(C, published), answer]
}

fn follow(seen: u32) -> Vec<Entry> {
    vec![ask(2, true, U, seen), subscribed(U, seen), Entry::Answer { id: 2, room: U }]
}

fn leave(room: Room, seen: u32) -> Vec<Entry> {
    vec![ask(3, false, room, seen), Entry::Unsubscribed { room }, Entry::Answer { id: 3, room }]
}

fn fault(parts: &[&[Entry]]) -> Option<String> {
    check(&published(), &parts.concat()).err()
}

#[track_caller]
fn sound(parts: &[&[Entry]]) {
    assert_eq!(fault(parts), None);
}

#[track_caller]
fn wrong(what: &str, parts: &[&[Entry]]) {
    let fault = fault(parts).expect("it passes for sound");
    assert!(fault.contains(what), "{fault}");
}

#[test]
fn a_snapshot_and_all_that_follows_is_sound() {
    let all: Vec<Entry> = (1..6).map(event).collect();
    sound(&[&join(0, Shown::Status(0), 3), &all, &leave(C, 6), &[Entry::Done]]);
    sound(&[&join(0, Shown::Stored, 0), &[event(0)], &all, &leave(C, 6), &[Entry::Done]]);
    sound(&[
        &join(3, Shown::Status(0), 3),
        &[event(3), event(4)],
        &leave(C, 5),
        &join(5, Shown::Status(3), 5),
    ]);
}

#[test]
fn a_gap_behind_the_snapshot_or_later_is_told() {
    wrong("are missing", &[&join(0, Shown::Stored, 6), &[event(1)]]);
    wrong("are missing", &[&join(0, Shown::Status(0), 1), &[event(2)]]);
    wrong("are missing", &[&join(0, Shown::Stored, 0), &[event(0), event(2)]]);
    wrong("has not come", &[&join(0, Shown::Stored, 0), &[event(0)], &leave(C, 2)]);
}

#[test]
fn doubled_disordered_and_older_events_are_told() {
    wrong("doubled", &[&join(0, Shown::Stored, 0), &[event(0), event(0)]]);
    wrong("doubled", &[&join(1, Shown::Status(0), 1), &[event(0)]]);
    wrong("doubled", &[&join(0, Shown::Stored, 0), &[event(0), event(1), event(0)]]);
    wrong(
        "nothing like it",
        &[&[Entry::Event { topic: 0, number: 9, fact: Fact { time: 1, is_status: true } }]],
    );
}

#[test]
fn a_snapshot_that_is_too_old_too_new_or_not_the_newest_is_told() {
    wrong("no place", &[&join(1, Shown::Stored, 6)]);
    wrong("no place", &[&join(0, Shown::Status(5), 5)]);
    wrong("no place", &[&join(0, Shown::Status(2), 6)]);
    wrong("its time", &[&[Entry::Snapshot { topic: 0, shown: Shown::Status(0), time: Some(11) }]]);
    wrong("no snapshot", &[&[ask(1, true, C, 0), subscribed(C, 0)]]);
}

#[test]
fn a_member_that_subscribes_again_gets_the_state_of_its_own_place() {
    let again =
        |shown| [ask(7, true, C, 0), snapshot(shown), subscribed(C, 6), Entry::Answer { id: 7, room: C }];
    let begun = [join(0, Shown::Stored, 0), vec![event(0), event(1)]].concat();
    sound(&[&begun, &again(Shown::Status(0)), &[event(2), event(3)]]);
    wrong("no place", &[&begun, &again(Shown::Status(3))]);
    wrong("no place", &[&begun, &again(Shown::Stored)]);
}

#[test]
fn requests_that_are_answered_in_one_go_share_the_place_of_the_first() {
    let asked = [ask(1, true, C, 0), ask(2, true, C, 2)];
    let answer = |id| [snapshot(Shown::Status(0)), subscribed(C, 2), Entry::Answer { id, room: C }];
    sound(&[&asked, &answer(1), &answer(2), &[event(1)]]);
    wrong("doubled", &[&[ask(1, true, C, 2)], &answer(1), &[event(1)]]);
    let later = [answer(1).to_vec(), vec![ask(2, true, C, 2)], answer(2).to_vec()].concat();
    wrong("doubled", &[&[ask(1, true, C, 0)], &later[..3], &[event(1)], &later[3..], &[event(1)]]);
}

#[test]
fn nothing_may_come_outside_a_room() {
    wrong("no room", &[&[event(0)]]);
    wrong("no room", &[&join(0, Shown::Stored, 0), &[event(0)], &leave(C, 1), &[event(1)]]);
    wrong("no room", &[&follow(0), &[event(0), event(1)]]);
    wrong("no room", &[&follow(0), &[event(0)], &leave(U, 1), &[event(2)]]);
}

#[test]
fn an_owner_gets_each_change_of_status_once() {
    sound(&[&follow(0), &[event(0), event(2), event(3), event(5)], &leave(U, 6)]);
    wrong("copy of 2 is missing", &[&follow(0), &[event(0), event(3)]]);
    wrong("doubled", &[&follow(0), &[event(0), event(0)]]);
    wrong("is missing", &[&follow(0), &[event(0)], &leave(U, 3)]);
    sound(&[&follow(0), &[event(0)], &leave(U, 2)]);
}

#[test]
fn an_owner_in_both_rooms_gets_one_copy_and_no_gap_where_it_joins_or_leaves_one() {
    let both = [follow(0), vec![event(0)], join(0, Shown::Status(0), 6)].concat();
    sound(&[&both, &[event(1), event(2), event(3)], &leave(C, 4), &[event(5)]]);
    sound(&[&both, &[event(2), event(3)]]); // joined behind the update
    wrong("doubled", &[&both, &[event(1), event(2), event(2)]]);
    wrong("missing", &[&both, &[event(3)]]);
    wrong("no room", &[&both, &[event(1)], &leave(C, 2), &leave(U, 2), &[event(2)]]);
}

#[test]
fn what_passed_before_the_owners_room_was_joined_may_follow_the_snapshot_after_it() {
    let pending =
        [ask(1, true, C, 1), ask(2, true, U, 2), subscribed(U, 2), Entry::Answer { id: 2, room: U }];
    let answer = [snapshot(Shown::Status(0)), subscribed(C, 2), Entry::Answer { id: 1, room: C }];
    sound(&[&pending, &answer, &[event(1), event(2)]]);
    wrong("missing", &[&pending, &answer, &[event(1), event(3)]]);
    wrong("doubled", &[&pending, &answer, &[event(0)]]);
}

#[test]
fn every_request_is_answered_once_and_in_its_order() {
    let overtaken = [
        ask(1, true, C, 0),
        ask(2, false, C, 0),
        Entry::Unsubscribed { room: C },
        Entry::Answer { id: 1, room: C },
    ];
    sound(&[&overtaken, &[Entry::Answer { id: 2, room: C }, Entry::Done]]);
    wrong("has had no ack", &[&overtaken, &[Entry::Done]]);
    wrong("never answered", &[&[ask(1, true, C, 0), Entry::Done]]);
    wrong("not due", &[&[ask(1, true, C, 0), Entry::Answer { id: 1, room: C }]]);
    wrong("nobody asked", &[&[ask(1, true, C, 0), Entry::Unsubscribed { room: C }]]);
    wrong("two snapshots", &[&[ask(1, true, C, 0), snapshot(Shown::Stored), snapshot(Shown::Stored)]]);
}

#[test]
fn notifications_come_each_once_and_in_order_and_the_own_ones_without_a_gap() {
    let notice = |number| Entry::Notice { owner: 0, number };
    let first = |numbers: &[u32]| Entry::FirstNotices { owner: 0, numbers: numbers.to_vec() };
    let own = [vec![first(&[1, 0])], follow(0), vec![notice(2), notice(3)], leave(U, 0)].concat();
    sound(&[&own, &follow(0), &[notice(4)]]);
    wrong("is next", &[&own, &follow(0), &[notice(5)]]);
    wrong("is next", &[&own, &follow(0), &[notice(3)]]);
    wrong("not in", &[&own, &[notice(4)]]);
    wrong("not in", &[&[first(&[]), notice(0)]]);
    wrong("ten newest", &[&[first(&[3, 1])]]);
    let foreign = [follow(0), vec![notice(7), notice(8)], leave(U, 0), follow(0)].concat();
    sound(&[&foreign, &[notice(11), notice(12)]]);
    wrong("is next", &[&foreign, &[notice(8)]]);
    wrong("is next", &[&foreign, &[notice(11), notice(13)]]);
}
