//! One socket's history against the published order: pure, so that it can be tested itself.
//!
//! Nobody outside the hub sees the place of a snapshot, so the checker keeps, for each campaign, the range of
//! places at which the socket may be. A request narrows it from below (what anybody had seen when it was
//! sent, the hub had ordered before), an answer from above (what had not been published when it came cannot
//! be before it), the snapshot by the status that it shows, and the next event fixes it.

use std::collections::{HashMap, VecDeque};

pub use super::published::{Fact, Published, Shown, Topic};

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
mod tests;
