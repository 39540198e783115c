//! What must hold of what a socket was told. The rules are CONTRACT's: "Snapshot, then stream", "Order".

use std::collections::HashSet;

use super::facts::{Act, Life, Ordered, Request, Verdict, Withdrawal, ensure, initial_states};
use super::journal::{Entry, Stay, Word, parse, stays};
use super::notes::check_notes;
use super::steps::{Room, TOPICS, What};
use super::world::World;
use crate::rooms::State;

/// One socket and its journal.
pub struct Told<'a> {
    pub world: &'a World,
    pub life: &'a Life,
    pub journal: Vec<Entry>,
    pub stays: Vec<Stay>,
}

pub fn check(world: &World) -> Verdict {
    let said = world.said();
    for life in &world.lives {
        let journal = said.get(&life.place.uid).map_or(Vec::new(), |said| parse(said));
        let stays = stays(&journal, life.died.unwrap_or(world.events.len()));
        let told = Told { world, life, journal, stays };
        told.check()?;
    }
    check_counts(world)?;
    check_store(world)
}

/// The number of members is the same by the ledger and by the lanes.
fn check_counts(world: &World) -> Verdict {
    for (name, count) in world.house.counts() {
        let live = world.lives.iter().filter(|life| life.died.is_none());
        let by_lanes = live.filter(|life| world.house.is_live(life.place, &name)).count();
        ensure(by_lanes == count as usize, || {
            format!("{name}: {count} in the ledger, {by_lanes} in the lanes")
        })?;
    }
    Ok(())
}

/// The store ends in the true state, and nothing is kept for it any more.
fn check_store(world: &World) -> Verdict {
    ensure(world.house.ledger.unconfirmed() == 0, || "something is kept for ever".to_owned())?;
    for topic in 0..TOPICS {
        let (stored, truth) = (&world.store.states[topic], truth(world, topic, world.events.len()));
        ensure(*stored == truth, || format!("the store has {stored:?}, not {truth:?}"))?;
    }
    Ok(())
}

/// The newest state of a topic before the event of this number.
fn truth(world: &World, of: usize, before: usize) -> Option<State> {
    let mut newest = initial_states()[of].clone();
    for (number, event) in world.events[..before].iter().enumerate() {
        if let Some(state) = state_of(event, number, of)
            && newest.as_ref().is_none_or(|newest| state.time >= newest.time)
        {
            newest = Some(state);
        }
    }
    newest
}

fn state_of(event: &Ordered, number: usize, of: usize) -> Option<State> {
    match event.what {
        What::Status { topic, time } | What::Silent { topic, time } if topic == of => {
            Some(State { time, value: number.to_string().into() })
        }
        _ => None,
    }
}

fn as_shown(state: Option<&State>) -> String {
    state.map_or("nothing".to_owned(), |state| format!("{}@{}", state.value, state.time))
}

impl Ordered {
    /// The rooms that it goes to. Stored events are checked apart.
    fn rooms(&self) -> Vec<Room> {
        let own = match self.what {
            What::Status { topic, .. } | What::Other { topic } => Some(Room::Topic(topic)),
            What::Personal { user } => Some(Room::User(user)),
            What::Silent { .. } | What::NoteTo { .. } | What::NoteToOwner { .. } => return Vec::new(),
        };
        own.into_iter().chain(self.copy_to.map(Room::User)).collect()
    }

    /// Whether two events came on one channel.
    fn is_of_channel_of(&self, other: &Ordered) -> bool {
        let is_personal = |event: &Ordered| matches!(event.what, What::Personal { .. });
        is_personal(self) == is_personal(other)
    }
}

impl Told<'_> {
    fn check(&self) -> Verdict {
        self.each_request_is_answered_once()?;
        self.nothing_comes_outside_a_stay()?;
        self.nothing_comes_twice_or_out_of_order()?;
        for stay in &self.stays {
            match stay.room {
                Room::Topic(topic) => self.snapshots_have_a_place(stay, topic)?,
                Room::User(user) => self.a_members_copies_all_come(stay, user)?,
            }
        }
        (0..TOPICS).try_for_each(|topic| self.the_client_ends_in_the_true_state(topic))?;
        self.membership_is_what_it_was_told()?;
        self.who_lost_his_right_is_out()?;
        self.each_subscribe_is_judged_by_its_identity_or_a_later_one()?;
        check_notes(self)
    }

    pub fn fail(&self, holds: bool, why: &str) -> Verdict {
        ensure(holds, || {
            let events: Vec<String> =
                self.world.events.iter().enumerate().map(|(n, e)| format!("{n}: {e:?}")).collect();
            let journal: Vec<String> =
                self.journal.iter().map(|e| format!("{:?} (at {})", e.word, e.at)).collect();
            let requests = &self.life.requests;
            format!(
                "{why}\nevents:\n  {}\n{:?} of user {} asked {requests:?}\nand was told\n  {}",
                events.join("\n  "),
                self.life.place,
                self.life.user,
                journal.join("\n  ")
            )
        })
    }

    // ── answers ─────────────────────────────────────────────────────────────────────────────────────────

    fn each_request_is_answered_once(&self) -> Verdict {
        let answers = |number: usize| {
            let of_it = move |word: &Word| matches!(*word, Word::Done { request, .. } | Word::NotDone { request } if request == number);
            self.journal.iter().filter(move |entry| of_it(&entry.word)).count()
        };
        for number in 1..=self.life.requests.len() {
            let answers = answers(number);
            self.fail(answers <= 1, "a request is answered twice")?;
            let wants_none = matches!(self.life.requests[number - 1].act, Act::Renew(_));
            self.fail(answers == 1 || wants_none || self.life.died.is_some(), "a request is never answered")?;
        }
        for (index, entry) in self.journal.iter().enumerate() {
            self.answer_is_right(index, &entry.word)?;
        }
        Ok(())
    }

    fn answer_is_right(&self, index: usize, word: &Word) -> Verdict {
        let before = index.checked_sub(1).map(|before| &self.journal[before].word);
        match *word {
            Word::Done { request, subscribed: true } => {
                let Act::Join(room) = self.life.requests[request - 1].act else {
                    return self.fail(false, "`subscribed` answers a leave");
                };
                self.fail(before == Some(&Word::Subscribed(room)), "an ack without its `subscribed`")?;
                self.fail(!self.was_left_since(request, room, index), "`subscribed` after `unsubscribed`")
            }
            Word::Done { request, subscribed: false } => {
                let (Act::Join(room) | Act::Leave(room)) = self.life.requests[request - 1].act else {
                    return self.fail(false, "`unsubscribed` answers nothing of the kind");
                };
                let open =
                    self.journal[..index].iter().rev().find(|entry| !matches!(entry.word, Word::Done { .. }));
                let after_leaving = open.is_some_and(|entry| entry.word == Word::Unsubscribed(room));
                self.fail(after_leaving, "an ack without its `unsubscribed`")
            }
            Word::Subscribed(room @ Room::Topic(_)) => {
                let after_snapshot = matches!(before, Some(Word::Snapshot(_)));
                self.fail(after_snapshot, &format!("`subscribed` to {room:?} without a snapshot"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a later request to leave was answered before.
    fn was_left_since(&self, request: usize, room: Room, before: usize) -> bool {
        self.journal[..before].iter().any(|entry| match entry.word {
            Word::Done { request: later, subscribed: false } => {
                later > request && self.life.requests[later - 1].act == Act::Leave(room)
            }
            _ => false,
        })
    }

    // ── events ──────────────────────────────────────────────────────────────────────────────────────────

    pub fn is_in(&self, room: Room, index: usize) -> bool {
        self.stays.iter().any(|stay| stay.room == room && stay.from < index && index < stay.to)
    }

    fn nothing_comes_outside_a_stay(&self) -> Verdict {
        for (index, entry) in self.journal.iter().enumerate() {
            if let Word::Event(number) = entry.word {
                let rooms = self.world.events[number].rooms();
                let is_in = rooms.iter().any(|room| self.is_in(*room, index));
                self.fail(is_in, "an event before `subscribed` or after `unsubscribed`")?;
            }
        }
        Ok(())
    }

    /// The numbers of the events in a stretch of the journal.
    fn events(&self, from: usize, to: usize) -> impl Iterator<Item = usize> + '_ {
        self.journal[from..to].iter().filter_map(|entry| match entry.word {
            Word::Event(number) => Some(number),
            _ => None,
        })
    }

    fn nothing_comes_twice_or_out_of_order(&self) -> Verdict {
        let event = |(index, entry): (usize, &Entry)| match entry.word {
            Word::Event(number) => Some((index, number)),
            _ => None,
        };
        let all: Vec<(usize, usize)> = self.journal.iter().enumerate().filter_map(event).collect();
        for (count, &later) in all.iter().enumerate() {
            for &earlier in &all[..count] {
                self.fail(earlier.1 != later.1, "an event twice")?;
                let in_order = earlier.1 < later.1 || !self.must_be_in_order(earlier, later);
                self.fail(in_order, "two events of one room and one channel out of order")?;
            }
        }
        Ok(())
    }

    /// Whether the socket got two events as a member of one room, on one channel.
    fn must_be_in_order(&self, a: (usize, usize), b: (usize, usize)) -> bool {
        let (one, other) = (&self.world.events[a.1], &self.world.events[b.1]);
        let got_in = |stay: &Stay| self.got_in(stay, a) && self.got_in(stay, b);
        one.is_of_channel_of(other) && self.stays.iter().any(got_in)
    }

    /// Whether an event came as one of a room. What passed while the subscribe was under way comes in its
    /// own room only: copies for others begin with `subscribed`.
    fn got_in(&self, stay: &Stay, (index, number): (usize, usize)) -> bool {
        let rooms = self.world.events[number].rooms();
        let began = number >= stay.first || rooms.first() == Some(&stay.room);
        began && rooms.contains(&stay.room) && (stay.from..stay.to).contains(&index)
    }

    /// Everything from `subscribed` on, and nothing from before the subscribe was taken.
    fn a_members_copies_all_come(&self, stay: &Stay, user: usize) -> Verdict {
        let came: HashSet<usize> = self.events(stay.from, stay.to).collect();
        for (number, event) in self.world.events.iter().enumerate() {
            if event.rooms().contains(&Room::User(user)) && (stay.first..stay.last).contains(&number) {
                self.fail(came.contains(&number), "a member did not get an event of its room")?;
            }
        }
        let taken = self.first_taken(stay.from);
        let mut came = came.iter().map(|&number| (number, &self.world.events[number]));
        let early = came.any(|(number, event)| number < taken && event.rooms() == [Room::User(user)]);
        self.fail(!early, "an event from before the subscribe")
    }

    /// When the registry took the first of the requests that are answered from here on in one go.
    fn first_taken(&self, subscribed: usize) -> usize {
        let answered = self.journal[subscribed..].iter().find_map(|entry| match entry.word {
            Word::Done { request, .. } => Some(request),
            _ => None,
        });
        answered.map_or(0, |request| self.life.requests[request - 1].taken)
    }

    // ── rights ──────────────────────────────────────────────────────────────────────────────────────────

    /// No event that was ordered after the registry heard of it, unless the socket asked again since; and in
    /// the end nobody is in without a right. Nobody is put out who has another one.
    fn who_lost_his_right_is_out(&self) -> Verdict {
        for (number, lost) in self.world.withdrawals.iter().enumerate() {
            if self.loses_by(lost) {
                let stays = self.stays.iter().filter(|stay| stay.room == Room::Topic(lost.topic));
                let before = |stay: &&Stay| self.began_before_change(stay, number);
                for stay in stays.filter(before) {
                    self.fail(stay.last <= lost.taken, "an event after the right was gone")?;
                }
            }
        }
        for (index, entry) in self.journal.iter().enumerate() {
            let Word::Lost(Room::Topic(topic)) = entry.word else { continue };
            let was_in = self.stays.iter().any(|stay| stay.room == Room::Topic(topic) && stay.to == index);
            self.fail(was_in, "put out of a room that it was not in")?;
            // it asked again, and what was read for that denied it
            let denied = Word::Refused(Room::Topic(topic), "denied".to_owned());
            let asked_again = self.journal.get(index + 1).is_some_and(|next| next.word == denied);
            let mut lost = self.world.withdrawals.iter().filter(|lost| lost.topic == topic);
            let withdrawn = lost.any(|lost| self.loses_by(lost));
            let renewed = self.world.rights_lost.contains(&(self.life.place.uid, topic));
            self.fail(withdrawn || asked_again || renewed, "put out though its right stands")?;
        }
        let mut rooms = self.stays.iter().filter(|stay| stay.open).map(|stay| stay.room);
        let without = rooms
            .find(|room| matches!(room, Room::Topic(topic) if !self.world.store.lets(self.life, *topic)));
        self.fail(without.is_none() || self.life.died.is_some(), "in a room without a right to it")
    }

    /// Who is let into a topic, or denied it, is so by a read that was made for the identity under which it was
    /// asked, or for a later one.
    fn each_subscribe_is_judged_by_its_identity_or_a_later_one(&self) -> Verdict {
        let uid = self.life.place.uid;
        for (index, entry) in self.journal.iter().enumerate() {
            let (request, allowed) = match entry.word {
                Word::Done { request, subscribed: true } => (request, true),
                Word::NotDone { request } => (request, false),
                _ => continue,
            };
            let Request { act: Act::Join(Room::Topic(topic)), identity, .. } =
                self.life.requests[request - 1]
            else {
                continue;
            };
            let denied = Word::Refused(Room::Topic(topic), "denied".to_owned());
            if !allowed && self.journal[index - 1].word != denied {
                continue; // the store could not say, or there was no room
            }
            let mut reads = self.world.seen.iter().filter(|seen| (seen.uid, seen.topic) == (uid, topic));
            let read = reads.any(|seen| seen.identity >= identity && seen.allowed == allowed);
            let mut lost = self.world.withdrawals.iter().filter(|lost| lost.topic == topic);
            let taken_away =
                self.world.rights_lost.contains(&(uid, topic)) || lost.any(|lost| self.loses_by(lost));
            self.fail(read || (!allowed && taken_away), "judged by an identity that it had before")?;
        }
        Ok(())
    }

    fn loses_by(&self, lost: &Withdrawal) -> bool {
        lost.from.is_none_or(|user| user == self.life.user)
            && !(lost.claims_stand && lost.claimants.contains(&self.life.place.uid))
    }

    /// Whether the first of the requests that a stay answers was handled before this change of rights.
    fn began_before_change(&self, stay: &Stay, number: usize) -> bool {
        let answered = self.journal[stay.from..].iter().find_map(|entry| match entry.word {
            Word::Done { request, .. } => Some(request),
            _ => None,
        });
        answered.is_some_and(|request| self.life.requests[request - 1].told <= number)
    }

    // ── snapshots ───────────────────────────────────────────────────────────────────────────────────────

    /// For each snapshot there is a place in the order, between taking the subscribe and `subscribed`, such
    /// that it shows the newest state before the place, and exactly the events after it follow.
    fn snapshots_have_a_place(&self, stay: &Stay, topic: usize) -> Verdict {
        let mut oldest = self.first_taken(stay.from);
        for index in stay.from..stay.to {
            if self.journal[index].word != Word::Subscribed(stay.room) {
                continue;
            }
            let is_same_answer = index >= 3 && self.journal[index - 3].word == Word::Subscribed(stay.room);
            if !is_same_answer {
                oldest = self.first_taken(index);
            }
            let newest = self.journal[index].at;
            let Word::Snapshot(shown) = &self.journal[index - 1].word else { continue };
            self.nothing_is_dropped_needlessly(stay, shown, oldest)?;
            let fits = (oldest..=newest).any(|place| self.is_place(place, shown, index, stay, topic));
            self.fail(fits, &format!("no place for the snapshot {shown} of {topic} in {oldest}..={newest}"))?;
        }
        Ok(())
    }

    fn is_place(&self, place: usize, shown: &str, index: usize, stay: &Stay, topic: usize) -> bool {
        if as_shown(truth(self.world, topic, place).as_ref()) != shown {
            return false;
        }
        let follow: HashSet<usize> = self.events(index, stay.to).collect();
        self.world.events.iter().enumerate().all(|(number, event)| {
            let is_of_room = event.rooms().contains(&stay.room);
            !is_of_room || follow.contains(&number) == (place..stay.last).contains(&number)
        })
    }

    /// What passes after the state that a snapshot shows comes, also where a later place would explain that
    /// it does not. Only a copy by a user's room takes what was listed away.
    fn nothing_is_dropped_needlessly(&self, stay: &Stay, shown: &str, oldest: usize) -> Verdict {
        let asks_for_user =
            |request: &Request| matches!(request.act, Act::Join(Room::User(_)) | Act::Leave(Room::User(_)));
        if self.life.requests.iter().any(asks_for_user) {
            return Ok(());
        }
        let after = shown.split_once('@').and_then(|(number, _)| number.parse::<usize>().ok());
        let all: HashSet<usize> = self.events(0, self.journal.len()).collect();
        let from = after.map_or(0, |number| number + 1).max(oldest);
        let mut expected =
            (from..stay.last).filter(|number| self.world.events[*number].rooms().contains(&stay.room));
        self.fail(expected.all(|number| all.contains(&number)), "an event was dropped needlessly")
    }

    /// A client that applies what it is shown unless its time is older ends in the true state.
    fn the_client_ends_in_the_true_state(&self, topic: usize) -> Verdict {
        let silent = |event: &Ordered| matches!(event.what, What::Silent { topic: of, .. } if of == topic);
        let is_in = self.stays.iter().any(|stay| stay.open && stay.room == Room::Topic(topic));
        if !is_in || self.life.died.is_some() || self.world.events.iter().any(silent) {
            return Ok(());
        }
        let mut shows: Option<(i64, String)> = None;
        for (index, entry) in self.journal.iter().enumerate() {
            let next = self.journal.get(index + 1).map(|entry| &entry.word);
            let news = match &entry.word {
                Word::Snapshot(shown) if next == Some(&Word::Subscribed(Room::Topic(topic))) => {
                    Some((time_of(shown), shown.clone()))
                }
                Word::Event(number) if shows.is_some() => {
                    let state = state_of(&self.world.events[*number], *number, topic);
                    state.map(|state| (state.time, as_shown(Some(&state))))
                }
                _ => None,
            };
            if news.as_ref().is_some_and(|(time, _)| shows.as_ref().is_none_or(|(shown, _)| time >= shown)) {
                shows = news;
            }
        }
        let truth = as_shown(truth(self.world, topic, self.world.events.len()).as_ref());
        let shown = shows.map(|(_, shown)| shown);
        self.fail(
            shown.as_ref() == Some(&truth),
            &format!("the client shows {shown:?}, the truth is {truth}"),
        )
    }

    fn membership_is_what_it_was_told(&self) -> Verdict {
        let is_told = |room: Room| self.stays.iter().any(|stay| stay.open && stay.room == room);
        let (house, place) = (&self.world.house, self.life.place);
        let ledger: Vec<String> = house.ledger.rooms_of(place.uid).iter().map(ToString::to_string).collect();
        for number in 0..2 {
            for room in [Room::Topic(number), Room::User(number)] {
                let told = is_told(room) && self.life.died.is_none();
                let known = (ledger.contains(&room.name()), house.is_live(place, &room.name()));
                let dead = self.life.died.is_some(); // its slot may be another's
                let agrees = known.0 == told && (dead || known.1 == told);
                self.fail(agrees, &format!("{room:?}: told {told}, ledger and lane say {known:?}"))?;
            }
        }
        Ok(())
    }
}

fn time_of(shown: &str) -> i64 {
    shown.split_once('@').and_then(|(_, time)| time.parse().ok()).unwrap_or(i64::MIN)
}
