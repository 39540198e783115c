//! What operators see of rooms.

use super::house::*;
use crate::rooms::RoomName;

fn in_at_once() -> How {
    How { unread: true, ..How::default() }
}

#[test]
fn a_room_is_found_with_its_number_of_members_and_their_workers() {
    let mut house = House::<()>::new(3, NO_LIMITS);
    let (one, two) = (house.connect(0, 0), house.connect(2, 0));
    house.join(one, "r:a", 0, in_at_once());
    house.join(two, "r:a", 0, in_at_once());
    let found = house.ledger.room("r:a").unwrap();
    assert_eq!((found.count, &found.workers[..]), (2, &[0, 2][..]));
    house.leave(one, "r:a", 0);
    assert_eq!(house.ledger.room("r:a").map(|found| found.workers.to_vec()), Some(vec![2]));
    house.leave(two, "r:a", 0);
    assert_eq!(house.ledger.room("r:a"), None);
}

#[test]
fn rooms_that_stay_are_listed_once_while_others_come_and_go_between_the_pages() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (stays, goes) = (house.connect(0, 0), house.connect(0, 1));
    for n in 0..9 {
        let socket = if n % 3 == 1 { goes } else { stays };
        house.join(socket, &format!("r:{n}"), 0, in_at_once());
    }
    let mut seen: Vec<RoomName> = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let (rooms, then) = house.ledger.some_rooms(from, 2);
        assert!(rooms.len() <= 2);
        seen.extend(rooms.into_iter().map(|(_, name, _)| name));
        next = then;
        house.ledger.gone(goes.uid); // between the first page and the second
        house.join(stays, &format!("r:new {}", seen.len()), 0, in_at_once());
    }
    for n in [0, 2, 3, 5, 6, 8] {
        let name = format!("r:{n}");
        assert_eq!(seen.iter().filter(|seen| ***seen == *name).count(), 1, "{name} in {seen:?}");
    }
}

#[test]
fn one_look_takes_a_bounded_number_of_steps_and_says_where_to_go_on() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (many, last) = (house.connect(0, 0), house.connect(0, 1));
    (0..40_000).for_each(|n| house.join(many, &format!("r:{n}"), 0, in_at_once()));
    house.join(last, "r:last", 0, in_at_once());
    house.ledger.gone(many.uid);
    let mut looks = 0;
    let mut next = Some(0);
    let mut seen = Vec::new();
    while let Some(from) = next {
        let (rooms, then) = house.ledger.some_rooms(from, 10);
        seen.extend(rooms.into_iter().map(|(_, name, count)| (name.to_string(), count)));
        (next, looks) = (then, looks + 1);
    }
    assert_eq!((seen, looks), (vec![("r:last".to_owned(), 1)], 3));
}
