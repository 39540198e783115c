//! One socket's history against the published order: pure, so that it can be tested itself.
//!
//! Nobody outside the hub sees the place of a snapshot, so the checker keeps, for each campaign, the range of
//! places at which the socket may be. A request narrows it from below (what anybody had seen when it was
//! sent, the hub had ordered before), an answer from above (what had not been published when it came cannot
//! be before it), the snapshot by the status that it shows, and the next event fixes it.

use std::collections::{HashMap, VecDeque};

/// A campaign by its number.
pub type Topic = usize;

/// A published event; its number is its position among its campaign's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fact {
    /// The publisher's time in milliseconds.
    pub time: i64,
    /// A change of status, or else an update.
    pub is_status: bool,
}

/// A status that a client can see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// None: nobody has set one.
    Nothing,
    /// The one that was in the store before the first event.
    Stored,
    /// That of the event of this number.
    Status(u32),
}

/// A room by what it is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Room {
    /// A campaign's.
    Campaign(Topic),
    /// That of the owner of this number.
    User(usize),
}

/// What happened at a socket, in order.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It asked to join or leave; `seen` says how many events of each campaign anybody had got by then.
    Ask { id: u64, join: bool, room: Room, seen: Box<[u32]> },
    /// `campaign:status` came.
    Snapshot { topic: Topic, shown: Shown, time: Option<i64> },
    /// `subscribed` came; `published` says how many events of each campaign there were by then.
    Subscribed { room: Room, published: Box<[u32]> },
    /// `unsubscribed` came.
    Unsubscribed { room: Room },
    /// The answer to a request came, with the data of this room.
    Answer { id: u64, room: Room },
    /// An event came.
    Event { topic: Topic, number: u32, fact: Fact },
    /// The owner's notifications that came with `initial:notifications`, newest first.
    FirstNotices { owner: usize, numbers: Vec<u32> },
    /// A notification came.
    Notice { owner: usize, number: u32 },
    /// Everything asked for has been answered, it says.
    Done,
    /// Something came that should not.
    Strange(String),
}

/// Everything that was published.
pub struct Published {
    /// By campaign, the time of the status in the store before the first event.
    stored: Vec<Option<i64>>,
    facts: Vec<Vec<Fact>>,
    /// By campaign and place: the newest status before it.
    newest: Vec<Vec<Shown>>,
    /// By owner: the campaigns.
    owned: Vec<Vec<Topic>>,
}

impl Published {
    /// `stored`: what was in the store before, `facts`: what was published, `owned`: by owner.
    pub fn new(stored: Vec<Option<i64>>, facts: Vec<Vec<Fact>>, owned: Vec<Vec<Topic>>) -> Published {
        let mut published = Published { stored, facts, newest: Vec::new(), owned };
        published.newest = (0..published.facts.len()).map(|topic| published.newest_by_place(topic)).collect();
        published
    }

    fn newest_by_place(&self, topic: Topic) -> Vec<Shown> {
        let mut newest = if self.stored[topic].is_some() { Shown::Stored } else { Shown::Nothing };
        let mut all = vec![newest];
        for (number, fact) in self.facts[topic].iter().enumerate() {
            if fact.is_status && Some(fact.time) >= self.time(topic, newest) {
                newest = Shown::Status(number as u32);
            }
            all.push(newest);
        }
        all
    }

    /// The time of a status.
    fn time(&self, topic: Topic, shown: Shown) -> Option<i64> {
        match shown {
            Shown::Nothing => None,
            Shown::Stored => self.stored[topic],
            Shown::Status(number) => self.facts[topic].get(number as usize).map(|fact| fact.time),
        }
    }

    /// How many events a campaign had.
    pub fn count(&self, topic: Topic) -> u32 {
        self.facts[topic].len() as u32
    }

    /// The newest status of all.
    pub fn last(&self, topic: Topic) -> Shown {
        self.newest[topic][self.facts[topic].len()]
    }

    /// The number of the first change of status from `place` on.
    fn next_status(&self, topic: Topic, place: u32) -> u32 {
        let rest = self.facts[topic].iter().skip(place as usize);
        place.saturating_add(rest.take_while(|fact| !fact.is_status).count() as u32)
    }
}

/// What a sound history consisted of.
#[derive(Default, Clone, Copy, Debug)]
pub struct Counts {
    /// Events that came.
    pub events: usize,
    /// Those of them that came as an owner's copy.
    pub copies: usize,
    /// Subscribes that were asked for.
    pub subscribes: usize,
    /// Snapshots that came.
    pub snapshots: usize,
    /// Snapshots whose place the next event fixed.
    pub fixed: usize,
    /// Subscribes that an unsubscribe overtook.
    pub overtaken: usize,
    /// Notifications that came.
    pub notices: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.events += other.events;
        self.copies += other.copies;
        self.subscribes += other.subscribes;
        self.snapshots += other.snapshots;
        self.fixed += other.fixed;
        self.overtaken += other.overtaken;
        self.notices += other.notices;
    }
}

/// Checks one history to its end.
///
/// # Errors
/// Says which entry is wrong, and why.
pub fn check(published: &Published, history: &[Entry]) -> Result<Counts, String> {
    let topics = published.facts.iter().map(|_| Place::default()).collect();
    let notices = published.owned.iter().map(|_| Notices::default()).collect();
    let (asked, due, counts) = (HashMap::new(), HashMap::new(), Counts::default());
    let mut socket = Socket { published, topics, asked, due, answering: None, notices, counts };
    for (at, entry) in history.iter().enumerate() {
        socket.take(entry).map_err(|why| format!("entry {at}, {entry:?}: {why}"))?;
    }
    Ok(socket.counts)
}

type Outcome = Result<(), String>;

/// Where a socket is in a campaign's events.
#[derive(Debug)]
struct Place {
    /// In the campaign's room.
    member: bool,
    /// In its owner's room.
    copies: bool,
    /// One more than the number of the last event that came.
    received: u32,
    /// All before one of these places has come or was before the socket's time.
    low: u32,
    high: u32,
    /// The newest status before that place, where a snapshot said so and no event has come since.
    snapshot: Option<Shown>,
    /// A snapshot whose `subscribed` has not come yet.
    coming: Option<Shown>,
    /// What the client shows: anything that came, unless it was older.
    shown: Shown,
}

impl Default for Place {
    fn default() -> Place {
        let shown = Shown::Nothing;
        Place {
            member: false,
            copies: false,
            received: 0,
            low: 0,
            high: u32::MAX,
            snapshot: None,
            coming: None,
            shown,
        }
    }
}

struct Asked {
    id: u64,
    join: bool,
    seen: Box<[u32]>,
}

/// Where a socket is in an owner's notifications.
#[derive(Default)]
struct Notices {
    /// In the owner's room.
    member: bool,
    /// Its own: what it misses while it is not there comes when it is again.
    own: bool,
    /// The next number; before the first in a foreign room nobody knows.
    next: Option<u32>,
    /// None below it may come.
    low: u32,
}

struct Socket<'a> {
    published: &'a Published,
    topics: Vec<Place>,
    asked: HashMap<Room, VecDeque<Asked>>,
    /// Answers that may come now.
    due: HashMap<u64, Room>,
    /// The room of the answer that has just come: what asked for it again is answered in one go with it.
    answering: Option<Room>,
    /// By owner.
    notices: Vec<Notices>,
    counts: Counts,
}

impl Socket<'_> {
    fn take(&mut self, entry: &Entry) -> Outcome {
        self.answering = match (entry, self.answering) {
            (Entry::Answer { room, .. }, _) => Some(*room),
            (Entry::Ask { .. }, before) => before,
            (Entry::Snapshot { topic, .. }, before) => before.filter(|room| *room == Room::Campaign(*topic)),
            (Entry::Subscribed { room, .. }, before) => before.filter(|answered| answered == room),
            _ => None,
        };
        match entry {
            Entry::Ask { id, join, room, seen } => {
                self.counts.subscribes += usize::from(*join);
                let asked = Asked { id: *id, join: *join, seen: seen.clone() };
                self.asked.entry(*room).or_default().push_back(asked);
                Ok(())
            }
            Entry::Snapshot { topic, shown, time } => self.snapshot(*topic, *shown, *time),
            Entry::Subscribed { room, published } => self.subscribed(*room, published),
            Entry::Unsubscribed { room } => self.unsubscribed(*room),
            Entry::Answer { id, room } => match self.due.remove(id) {
                Some(of) if of == *room => Ok(()),
                other => Err(format!("an answer that is not due: {other:?}")),
            },
            Entry::Event { topic, number, fact } => self.event(*topic, *number, *fact),
            Entry::FirstNotices { owner, numbers } => self.first_notices(*owner, numbers),
            Entry::Notice { owner, number } => self.notice(*owner, *number),
            Entry::Done => self.done(),
            Entry::Strange(what) => Err(what.clone()),
        }
    }

    fn snapshot(&mut self, topic: Topic, shown: Shown, time: Option<i64>) -> Outcome {
        if self.published.time(topic, shown) != time {
            return Err(format!("its time is {:?}", self.published.time(topic, shown)));
        }
        self.counts.snapshots += 1;
        match self.topics[topic].coming.replace(shown) {
            Some(before) => Err(format!("two snapshots for one request, {before:?} before")),
            None => Ok(()),
        }
    }

    fn subscribed(&mut self, room: Room, published: &[u32]) -> Outcome {
        let asked = self.asked.get_mut(&room).and_then(VecDeque::pop_front);
        let Some(asked) = asked.filter(|asked| asked.join) else {
            return Err("nobody asked for it, or an unsubscribe stands before it".to_owned());
        };
        self.due.insert(asked.id, room);
        match room {
            Room::Campaign(topic) => self.joined(topic, asked.seen[topic], published[topic]),
            Room::User(owner) => {
                self.notices[owner].member = true;
                self.follow_owner(owner, &asked, published)
            }
        }
    }

    fn follow_owner(&mut self, owner: usize, asked: &Asked, published: &[u32]) -> Outcome {
        self.of_owner(owner).into_iter().try_for_each(|topic| {
            let place = &mut self.topics[topic];
            if !place.member && !place.copies {
                (place.low, place.high) = (place.received, published[topic]);
            }
            self.followed(topic, asked.seen[topic])?;
            let place = &mut self.topics[topic];
            place.copies = true;
            self.narrow(topic, None)
        })
    }

    fn of_owner(&self, owner: usize) -> Vec<Topic> {
        self.published.owned[owner].clone()
    }

    /// In the campaign's room, with its snapshot.
    fn joined(&mut self, topic: Topic, seen: u32, published: u32) -> Outcome {
        let facts = self.published;
        let in_one_go = self.answering.is_some();
        let place = &mut self.topics[topic];
        let shown = place.coming.take().ok_or("no snapshot before it")?;
        match (place.member, place.copies) {
            (true, _) => {}
            // a change of status would have come
            (false, true) => place.high = facts.next_status(topic, place.high).min(published),
            (false, false) => place.high = published,
        }
        if !place.member {
            // the place may be one before that of a room that was joined meanwhile
            (place.member, place.snapshot, place.low) = (true, None, place.received);
        }
        if place.snapshot.is_some_and(|before| before != shown) {
            return Err(format!("nothing came since the snapshot before, which showed {:?}", place.snapshot));
        }
        // requests that wait for one read share the place of the first
        if !in_one_go {
            place.low = place.low.max(seen);
        }
        self.narrow(topic, Some(shown))?;
        self.show(topic, shown)
    }

    /// Keeps the places before which this is the newest status.
    fn narrow(&mut self, topic: Topic, shown: Option<Shown>) -> Outcome {
        let facts = self.published;
        let place = &mut self.topics[topic];
        place.snapshot = shown.or(place.snapshot);
        let newest = &facts.newest[topic];
        let high = place.high.min(facts.count(topic));
        let fits = |at: &u32| place.snapshot.is_none_or(|shown| newest[*at as usize] == shown);
        let (low, first) = (place.low, (place.low..=high).find(fits));
        let Some(first) = first else {
            let between = newest.get(low as usize..=high as usize).unwrap_or_default();
            let from_to = (between.first(), between.last());
            return Err(format!(
                "no place from {low} to {high} fits {:?}: newest there {from_to:?}",
                place.snapshot
            ));
        };
        place.low = first;
        place.high =
            if place.high == u32::MAX { u32::MAX } else { (first..=high).rev().find(fits).unwrap_or(first) };
        Ok(())
    }

    /// Whatever the hub had ordered when it was asked has come by its answer.
    fn followed(&mut self, topic: Topic, seen: u32) -> Outcome {
        let facts = self.published;
        let place = &mut self.topics[topic];
        if !place.member && place.copies && place.high < seen {
            if facts.next_status(topic, place.high) < seen {
                return Err(format!("an owner's copy after {} is missing", place.high));
            }
            place.high = seen;
        }
        place.low = place.low.max(seen);
        if place.member && place.high < place.low {
            return Err(format!("{} of campaign {topic} has not come", place.high));
        }
        Ok(())
    }

    fn unsubscribed(&mut self, room: Room) -> Outcome {
        let asked = self.asked.entry(room).or_default();
        let Some(at) = asked.iter().position(|asked| !asked.join) else {
            return Err("nobody asked for it".to_owned());
        };
        self.counts.overtaken += at;
        let answered: Vec<Asked> = asked.drain(..=at).collect();
        self.due.extend(answered.iter().map(|asked| (asked.id, room)));
        let seen = &answered[at].seen;
        match room {
            Room::Campaign(topic) => self.left(topic, seen[topic], |place| place.member = false),
            Room::User(owner) => {
                let notices = &mut self.notices[owner];
                notices.member = false;
                notices.next = notices.next.filter(|_| notices.own);
                self.of_owner(owner)
                    .into_iter()
                    .try_for_each(|topic| self.left(topic, seen[topic], |place| place.copies = false))
            }
        }
    }

    fn left(&mut self, topic: Topic, seen: u32, leave: impl Fn(&mut Place)) -> Outcome {
        if self.topics[topic].coming.is_some() {
            return Err("a snapshot without its subscribed".to_owned());
        }
        self.followed(topic, seen)?;
        if self.topics[topic].member {
            self.narrow(topic, None)?;
            self.assert_true_state(topic)?;
        }
        let place = &mut self.topics[topic];
        leave(place);
        if !place.member {
            place.snapshot = None;
        }
        if !place.member && !place.copies {
            place.high = u32::MAX;
        }
        Ok(())
    }

    fn event(&mut self, topic: Topic, number: u32, fact: Fact) -> Outcome {
        let facts = self.published;
        if facts.facts[topic].get(number as usize) != Some(&fact) {
            return Err("nothing like it was published".to_owned());
        }
        let place = &self.topics[topic];
        if place.coming.is_some() {
            return Err("between snapshot and subscribed".to_owned());
        }
        if number < place.low {
            return Err(format!("doubled, out of order or from before: {} is next", place.low));
        }
        if place.member {
            if number > place.high {
                return Err(format!("{} to {} are missing", place.high, number - 1));
            }
            let newest = facts.newest[topic][number as usize];
            if place.snapshot.is_some_and(|shown| shown != newest) {
                return Err(format!(
                    "the snapshot showed {:?}, the newest before is {newest:?}",
                    place.snapshot
                ));
            }
        } else if place.copies && fact.is_status {
            let missing = facts.next_status(topic, place.high.min(number));
            if missing < number {
                return Err(format!("the owner's copy of {missing} is missing"));
            }
            self.counts.copies += 1;
        } else {
            return Err("the socket is in no room that it goes to".to_owned());
        }
        self.counts.events += 1;
        self.pass(topic, number, fact)
    }

    fn pass(&mut self, topic: Topic, number: u32, fact: Fact) -> Outcome {
        let place = &mut self.topics[topic];
        self.counts.fixed += usize::from(place.snapshot.is_some());
        (place.low, place.high, place.snapshot) = (number + 1, number + 1, None);
        place.received = number + 1;
        if fact.is_status {
            self.show(topic, Shown::Status(number))?;
        }
        if self.topics[topic].member { self.assert_true_state(topic) } else { Ok(()) }
    }

    /// The client's rule: unless it is older.
    fn show(&mut self, topic: Topic, shown: Shown) -> Outcome {
        let place = &mut self.topics[topic];
        if self.published.time(topic, shown) >= self.published.time(topic, place.shown) {
            place.shown = shown;
        }
        Ok(())
    }

    fn assert_true_state(&self, topic: Topic) -> Outcome {
        let place = &self.topics[topic];
        let newest = self.published.newest[topic][place.low as usize];
        if place.shown == newest {
            return Ok(());
        }
        Err(format!("the client shows {:?}, the newest before {} is {newest:?}", place.shown, place.low))
    }

    fn first_notices(&mut self, owner: usize, numbers: &[u32]) -> Outcome {
        let next = numbers.first().map_or(0, |newest| newest + 1);
        let expected: Vec<u32> = (next.saturating_sub(10)..next).rev().collect();
        if numbers != expected {
            return Err(format!("the ten newest are {expected:?}"));
        }
        self.notices[owner] = Notices { member: false, own: true, next: Some(next), low: next };
        Ok(())
    }

    /// Each once and in order; in the own room none is left out over the whole life of the socket.
    fn notice(&mut self, owner: usize, number: u32) -> Outcome {
        let notices = &mut self.notices[owner];
        if !notices.member {
            return Err("the socket is not in the owner's room".to_owned());
        }
        if number < notices.low || notices.next.is_some_and(|next| next != number) {
            return Err(format!("notification {:?} (at least {}) is next", notices.next, notices.low));
        }
        (notices.next, notices.low) = (Some(number + 1), number + 1);
        self.counts.notices += 1;
        Ok(())
    }

    fn done(&self) -> Outcome {
        let open = self.asked.iter().find(|(_, asked)| !asked.is_empty());
        if let Some((room, _)) = open {
            return Err(format!("a request for {room:?} was never answered"));
        }
        match self.due.iter().next() {
            Some((id, room)) => Err(format!("request {id} for {room:?} has had no ack")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
