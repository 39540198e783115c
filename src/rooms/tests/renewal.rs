//! Another identity: judged in its place in the order, by one read, and what is asked behind it by it alone.

use std::collections::HashMap;

use super::house::*;
use crate::ids::Place;
use crate::protocol::frame::Event;
use crate::rooms::RoomName;
use crate::rooms::identity::{Identity, Standing};
use crate::rooms::request::{Read, ReadAnswer, Right};

const ROOM: &str = "topic:c";
const OWN: &str = "user:u";

/// Who a socket is, room by room; where nothing is said it may not be.
#[derive(Default)]
struct Is {
    standing: HashMap<&'static str, Standing>,
    claims: Option<Vec<RoomName>>,
}

impl Is {
    fn with(mut self, room: &'static str, standing: Standing) -> Is {
        self.standing.insert(room, standing);
        self
    }

    fn claiming(names: &[&str]) -> Is {
        Is { claims: Some(rooms(names).to_vec()), ..Is::default() }.with(OWN, Standing::Stays)
    }
}

fn unsure(claimed: bool) -> Standing {
    Standing::Unsure(Right { user: "u".into(), claimed })
}

impl Identity for Is {
    fn standing(&self, room: &str) -> Standing {
        self.standing.get(room).cloned().unwrap_or(Standing::Lost)
    }

    fn claims(&self, room: &str) -> Option<Vec<RoomName>> {
        self.claims.clone().filter(|_| room == OWN)
    }

    fn read(&self, room: &str) -> Option<Box<dyn Read>> {
        room.starts_with("topic:").then(|| Box::new(ByHand { optional: false }) as Box<dyn Read>)
    }

    fn lost(&self, room: &str) -> Event {
        Event::new("lost", &room)
    }
}

fn how() -> How {
    How { right: Some(Right { user: "u".into(), claimed: false }), ..How::default() }
}

fn member(house: &mut House<()>, slot: u32, room: &str) -> Place {
    let place = house.connect(0, slot);
    join(house, place, room);
    place
}

fn join(house: &mut House<()>, place: Place, room: &str) {
    house.join(place, room, 1, how());
    house.settle();
    house.answer(found(None));
    house.said(place);
}

fn unread(house: &mut House<()>, place: Place, room: &str) {
    house.join(place, room, 1, How { unread: true, ..How::default() });
    house.settle();
    house.said(place);
}

#[test]
fn what_the_identity_alone_forbids_is_left_at_once_in_the_order_of_the_events() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let (socket, other) = (house.connect(0, 0), house.connect(0, 1));
    for room in ["system", OWN] {
        unread(&mut house, socket, room);
    }
    unread(&mut house, other, "system");
    house.publish(vec![event("before", &["system"])]);
    house.renew(socket, Is::default().with(OWN, Standing::Stays));
    house.publish(vec![event("after", &["system"]), event("own", &[OWN])]);
    house.settle();
    assert_eq!(house.said(socket), ["event before", "lost system", "event own"]);
    assert_eq!(house.said(other), ["event before", "event after"]);
    assert!(house.rights_reads.is_empty(), "nobody was asked");
    assert_eq!(house.counts(), [("system".to_owned(), 1), (OWN.to_owned(), 1)]);
}

#[test]
fn what_the_store_decides_is_read_once_for_all_rooms_and_events_go_on_meanwhile() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, ROOM);
    for room in ["topic:d", "topic:e"] {
        join(&mut house, socket, room);
    }
    house.renew(
        socket,
        Is::default().with(ROOM, unsure(false)).with("topic:d", unsure(true)).with("topic:e", unsure(false)),
    );
    house.publish(vec![event("meanwhile", &[ROOM])]);
    house.settle();
    assert_eq!((house.rights_reads.len(), house.rights_reads[0].rights.len()), (1, 3));
    house.answer_rights(Some(&[ROOM, "topic:e"]));
    house.publish(vec![event("after", &[ROOM, "topic:e"]), event("stays", &["topic:d"])]);
    house.settle();
    assert_eq!(house.said(socket), ["event meanwhile", "lost topic:c", "lost topic:e", "event stays"]);
}

#[test]
fn a_subscribe_that_is_under_way_is_read_for_anew_and_the_older_answer_counts_no_more() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, how());
    house.settle(); // its read is under way, for the old identity
    house.renew(socket, Is::default().with(ROOM, unsure(true)));
    house.join(socket, ROOM, 2, how());
    house.publish(vec![event("passes", &[ROOM])]);
    house.settle();
    assert_eq!(house.reads.len(), 2);
    house.answer(ReadAnswer::Denied); // the old one would not have been let in
    assert!(house.said(socket).is_empty());
    house.answer(found(None));
    assert_eq!(
        house.said(socket),
        [
            "snapshot nothing",
            "subscribed topic:c",
            "ack 1 topic:c",
            "event passes",
            "snapshot nothing",
            "subscribed topic:c",
            "ack 2 topic:c"
        ]
    );
    house.answer_rights(Some(&[]));
    assert!(house.is_live(socket, ROOM));
}

#[test]
fn a_subscribe_that_the_old_identity_gave_is_denied_to_the_new_one() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, ROOM, 1, how());
    house.settle();
    house.renew(socket, Is::default().with(ROOM, unsure(false)));
    house.settle();
    house.answer(found(None)); // what was read for the old one
    house.answer_rights(Some(&[ROOM]));
    assert_eq!(house.said(socket), ["error topic:c denied", "nack 1 denied"]);
    house.answer(found(None));
    house.publish(vec![event("after", &[ROOM])]);
    house.settle();
    assert!(house.said(socket).is_empty() && house.counts().is_empty());
}

#[test]
fn a_subscribe_sent_behind_it_does_not_fall_to_the_read_that_began_before() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, ROOM);
    house.renew(socket, Is::default().with(ROOM, unsure(false)));
    house.settle();
    house.join(socket, ROOM, 2, how()); // added by the store since the read began
    house.settle();
    house.answer_rights(Some(&[ROOM]));
    assert!(house.said(socket).is_empty());
    assert_eq!(house.rights_reads.len(), 1, "it is asked about anew");
    house.answer(found(None));
    assert_eq!(house.said(socket), ["snapshot nothing", "subscribed topic:c", "ack 2 topic:c"]);
    house.answer_rights(Some(&[]));
    assert!(house.is_live(socket, ROOM));
}

#[test]
fn a_member_who_asks_again_and_is_denied_is_told_that_the_room_is_left() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, ROOM);
    house.renew(socket, Is::default().with(ROOM, unsure(false)));
    house.join(socket, ROOM, 2, how());
    house.settle();
    house.answer(ReadAnswer::Denied);
    assert_eq!(house.said(socket), ["lost topic:c", "error topic:c denied", "nack 2 denied"]);
    house.answer_rights(Some(&[ROOM]));
    house.publish(vec![event("after", &[ROOM])]);
    house.settle();
    assert!(house.said(socket).is_empty() && house.counts().is_empty());
}

#[test]
fn where_the_store_cannot_say_the_socket_stays_and_the_store_is_asked_again() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, ROOM);
    house.renew(socket, Is::default().with(ROOM, unsure(false)));
    house.settle();
    for _ in 0..2 {
        house.answer_rights(None);
        house.publish(vec![event("on", &[ROOM])]);
        house.settle();
        assert_eq!(house.said(socket), ["event on"]);
        house.wait(500);
        assert!(house.rights_reads.is_empty(), "not at once");
        house.wait(600);
        assert_eq!(house.rights_reads.len(), 1);
    }
    house.answer_rights(Some(&[ROOM]));
    assert_eq!(house.said(socket), ["lost topic:c"]);
    house.wait(5_000);
    assert!(house.rights_reads.is_empty());
}

#[test]
fn the_answer_for_an_older_identity_or_a_socket_that_is_gone_counts_no_more() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = member(&mut house, 0, ROOM);
    house.renew(socket, Is::default().with(ROOM, unsure(false)));
    house.renew(socket, Is::default().with(ROOM, Standing::Stays));
    house.settle();
    house.answer_rights(Some(&[ROOM]));
    assert!(house.said(socket).is_empty() && house.is_live(socket, ROOM));
    house.renew(socket, Is::default().with(ROOM, unsure(false)));
    house.die(socket);
    house.ledger.gone(socket.uid);
    house.settle();
    house.answer_rights(None);
    house.wait(2_000);
    assert!(house.rights_reads.is_empty() && house.counts().is_empty());
}

#[test]
fn what_may_be_taken_away_from_then_on_is_the_new_right() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let firm = house.connect(0, 0);
    house.join(firm, ROOM, 1, How::default()); // an operator
    house.settle();
    house.answer(found(None));
    house.said(firm);
    house.renew(firm, Is::default().with(ROOM, unsure(true)));
    house.withdraw(ROOM, Some("u"), true);
    house.settle();
    assert!(house.is_live(firm, ROOM), "claimed");
    house.withdraw(ROOM, Some("u"), false);
    house.settle();
    assert_eq!(house.said(firm), ["lost topic:c"]);
}

// ── other names of the own room ─────────────────────────────────────────────────────────────────────────────

fn in_own_room(house: &mut House<()>, slot: u32, claims: &[&str]) -> Place {
    let place = house.connect(0, slot);
    house.join(place, OWN, 1, How { unread: true, aliases: Some(rooms(claims).to_vec()), ..How::default() });
    loaded(house, claims);
    house.said(place);
    place
}

/// Answers the newest load.
fn loaded(house: &mut House<()>, names: &[&str]) {
    let names = rooms(names).to_vec();
    if let Some(load) = house.loads.pop() {
        house.step(|ledger, now, out| ledger.loaded(&load.room, load.generation, Some(names), now, out));
    }
    house.settle();
}

fn gets_copy(house: &mut House<()>, socket: Place, of: &str) -> bool {
    house.said(socket);
    house.publish(vec![event("copy", &["topic:x", of])]);
    house.settle();
    house.said(socket) == ["event copy"]
}

#[test]
fn the_owners_copies_follow_the_new_claims() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = in_own_room(&mut house, 0, &["owner:a", "owner:b"]);
    house.renew(socket, Is::claiming(&["owner:b", "owner:c"]));
    assert_eq!(house.loads[0].claims, rooms(&["owner:b", "owner:c"]).to_vec());
    assert!(gets_copy(&mut house, socket, "owner:a"), "what stands does so until the store has said");
    loaded(&mut house, &["owner:b", "owner:c"]);
    assert!(!gets_copy(&mut house, socket, "owner:a"));
    assert!(gets_copy(&mut house, socket, "owner:b") && gets_copy(&mut house, socket, "owner:c"));
    house.renew(socket, Is::claiming(&["owner:c", "owner:b"]));
    assert!(house.loads.is_empty(), "nothing has changed");
}

#[test]
fn what_another_socket_of_the_user_claims_still_stands() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = in_own_room(&mut house, 0, &["owner:a"]);
    let other = in_own_room(&mut house, 1, &["owner:a"]);
    house.renew(socket, Is::claiming(&[]));
    assert!(house.loads.is_empty() && gets_copy(&mut house, other, "owner:a"));
    house.renew(other, Is::claiming(&[]));
    assert_eq!(house.loads[0].claims, [""; 0].map(RoomName::from));
    loaded(&mut house, &[]);
    assert!(!gets_copy(&mut house, other, "owner:a"));
}

#[test]
fn a_join_that_waits_for_the_rooms_names_gets_those_of_the_new_claims() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(
        socket,
        OWN,
        1,
        How { unread: true, aliases: Some(rooms(&["owner:a"]).to_vec()), ..How::default() },
    );
    house.renew(socket, Is::claiming(&["owner:b"]));
    let first = house.loads.remove(0);
    house.step(|ledger, now, out| {
        ledger.loaded(&first.room, first.generation, Some(rooms(&["owner:a"]).to_vec()), now, out);
    });
    house.settle();
    assert!(house.said(socket).is_empty(), "an older answer");
    loaded(&mut house, &["owner:b"]);
    assert_eq!(house.said(socket), ["subscribed user:u", "ack 1 user:u"]);
    assert!(gets_copy(&mut house, socket, "owner:b") && !gets_copy(&mut house, socket, "owner:a"));
}

#[test]
fn a_join_to_a_room_of_others_that_waits_is_denied() {
    let mut house = House::<()>::new(1, NO_LIMITS);
    let socket = house.connect(0, 0);
    house.join(socket, OWN, 1, How { unread: true, aliases: Some(Vec::new()), ..How::default() });
    house.renew(socket, Is::default());
    house.settle();
    assert_eq!(house.said(socket), ["error user:u denied", "nack 1 denied"]);
    assert!(house.counts().is_empty());
}
