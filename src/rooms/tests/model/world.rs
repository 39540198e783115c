//! The hub under test with all that is around it: sockets, the store, its writer and its readers.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::super::house::*;
use super::facts::*;
use super::steps::{Grant, LANES, Mood, Room, SEATS, Step, TOPICS, USERS, What};
use crate::ids::Uid;
use crate::rooms::ledger::{Confirmed, Limits};
use crate::rooms::request::{CaughtUp, Found, ReadAnswer, Right};
use crate::rooms::{Publication, RoomName, State};

pub struct World {
    pub house: House<Record>,
    pub events: Vec<Ordered>,
    pub lives: Vec<Life>,
    pub store: Store,
    limits: Limits,
    seats: [Option<usize>; SEATS],
    /// Owners as the registry has been told.
    told: [Option<usize>; TOPICS],
    pub owners_changed: bool,
    pub withdrawals: Vec<Withdrawal>,
    pub seen: Vec<Seen>,
    rights_answers: Vec<(Uid, u64, Option<Vec<usize>>)>,
    /// What readers have denied to one with another token.
    pub rights_lost: HashSet<(Uid, usize)>,
    states: [Option<(State, u64)>; TOPICS],
    notes: VecDeque<(u64, usize, To)>,
    reports: VecDeque<Report>,
    answers: Vec<(OpenRead, ReadAnswer)>,
    /// Sockets that may have been let into their own room without a read.
    pub unread: HashSet<Uid>,
}

impl World {
    pub fn new(limits: Limits) -> World {
        let owners = [Some(0), None];
        World {
            house: House::new(LANES, limits),
            events: Vec::new(),
            lives: Vec::new(),
            store: Store {
                states: initial_states(),
                rows: Vec::new(),
                owners,
                grants: [[Grant::Given; USERS]; TOPICS],
            },
            limits,
            seats: [None; SEATS],
            told: owners,
            owners_changed: false,
            withdrawals: Vec::new(),
            seen: Vec::new(),
            rights_answers: Vec::new(),
            rights_lost: HashSet::new(),
            states: [None, None],
            notes: VecDeque::new(),
            reports: VecDeque::new(),
            answers: Vec::new(),
            unread: HashSet::new(),
        }
    }

    pub fn take(&mut self, step: Step) -> Verdict {
        match step {
            Step::Publish(list) => self.publish(&list),
            Step::Subscribe(seat, room) => self.ask(seat, Act::Join(room)),
            Step::Unsubscribe(seat, room) => self.ask(seat, Act::Leave(room)),
            Step::Renew(seat, claims) => self.ask(seat, Act::Renew(claims)),
            Step::Die(seat) => self.die(seat),
            Step::Registry(which) => return self.registry(which),
            Step::Dropped => drop(self.house.hear_dropped()),
            Step::Lane(lane) => drop(self.house.handle(lane)),
            Step::See(which, mood) => self.see(which, mood),
            Step::Post(which) => self.post(which),
            Step::SeeRights(which, mood) => self.see_rights(which, mood),
            Step::PostRights(which) => self.post_rights(which),
            Step::CommitState(topic) => self.commit_state(topic),
            Step::CommitNotes(count) => (0..count).for_each(|_| self.commit_note()),
            Step::Owner(topic, to) => self.change_owner(topic, to),
            Step::Right(topic, whom, grant) => self.change_rights(topic, whom, grant),
            Step::Load(which) => self.load(which),
            Step::Told => self.hear_report(),
            Step::Wait(ms) => self.house.now += ms,
            Step::Tick => self.house.step(|ledger, now, out| ledger.tick(now, out)),
            Step::Expire(lane) => self.expire(lane),
        }
        Ok(())
    }

    // ── sockets ─────────────────────────────────────────────────────────────────────────────────────────

    fn ask(&mut self, seat: usize, act: Act) {
        let life = self.seats[seat].unwrap_or_else(|| self.be_born(seat));
        self.lives[life].requests.push(Request { act, taken: 0, told: 0, identity: 0 });
    }

    fn be_born(&mut self, seat: usize) -> usize {
        let place = self.house.connect((seat % LANES) as u16, (seat / LANES) as u32);
        let user = seat / LANES;
        let own = self.store.rows.iter().filter(|(_, to)| *to == user);
        let initial = own.map(|(number, _)| *number).collect();
        let mark = self.store.rows.len() as i64;
        let identities = vec![place.worker == 0];
        let requests = Vec::new();
        self.lives.push(Life {
            place,
            user,
            requests,
            handled: 0,
            died: None,
            buried: false,
            initial,
            mark,
            identities,
        });
        self.seats[seat] = Some(self.lives.len() - 1);
        self.lives.len() - 1
    }

    fn die(&mut self, seat: usize) {
        let Some(life) = self.seats[seat].take() else { return };
        let life = &mut self.lives[life];
        life.died = Some(self.house.lanes[life.place.worker as usize].members.outlet.at);
        self.house.die(life.place);
    }

    /// The registry handles the oldest request of one socket, or hears that it is gone.
    fn registry(&mut self, which: usize) -> Verdict {
        let waiting: Vec<usize> =
            (0..self.lives.len()).rev().filter(|life| self.lives[*life].is_waiting()).collect();
        let Some(&number) = waiting.get(which % waiting.len().max(1)) else { return Ok(()) };
        let life = &mut self.lives[number];
        let Some(request) = life.requests.get_mut(life.handled) else {
            life.buried = true;
            self.house.ledger.gone(life.place.uid);
            return Ok(());
        };
        (request.taken, request.told) = (self.events.len(), self.withdrawals.len());
        request.identity = self.house.identity(life.place.uid);
        life.handled += 1;
        let (place, act, ack) = (life.place, request.act, life.handled as u32);
        match act {
            Act::Join(room) => {
                let how = self.how(number, room);
                self.house.join(place, &room.name(), ack, how);
            }
            Act::Leave(room) => self.house.leave(place, &room.name(), ack),
            Act::Renew(claims) => {
                life.identities.push(claims);
                let user = user(life.user).into();
                self.house.renew(place, Token { user, claims });
            }
        }
        self.keeps_limits(place.uid)
    }

    fn how(&self, life: usize, room: Room) -> How {
        let life = &self.lives[life];
        let Room::User(user) = room else {
            let right = Right { user: user(life.user).into(), claimed: life.claims() };
            return How { right: Some(right), ..How::default() };
        };
        let ids = life.initial.iter().map(|number| number.to_string().into()).collect();
        let caught_up = (life.user == user).then_some(CaughtUp { mark: life.mark, ids });
        How { optional: true, aliases: Some(Vec::new()), caught_up, ..How::default() }
    }

    fn keeps_limits(&self, uid: Uid) -> Verdict {
        let within = |count: usize, limit: u32| limit == 0 || count <= limit as usize;
        let full = self
            .house
            .counts()
            .into_iter()
            .find(|(_, count)| !within(*count as usize, self.limits.room_size));
        ensure(full.is_none(), || format!("more in a room than may be: {full:?}"))?;
        let rooms = self.house.ledger.rooms_of(uid);
        ensure(within(rooms.len(), self.limits.rooms_per_socket), || {
            format!("a socket in too many: {rooms:?}")
        })
    }

    // ── events ──────────────────────────────────────────────────────────────────────────────────────────

    fn publish(&mut self, list: &[What]) {
        let publications = list.iter().map(|what| self.publication(*what)).collect();
        self.house.publish(publications);
        for (place, record) in std::mem::take(&mut self.house.records) {
            self.hand_to_writer(place, record);
        }
    }

    fn publication(&mut self, what: What) -> Publication<Record> {
        let number = self.events.len();
        let text = number.to_string();
        let copy_to = match what {
            What::Status { topic, .. } | What::Silent { topic, .. } => self.told[topic],
            _ => None,
        };
        self.events.push(Ordered { what, copy_to });
        let note_to =
            |name: &str, to| Publication { record: Some(Record::Note { number, to }), ..note(&text, name) };
        match what {
            What::Status { topic, time } => status_of(topic, time, &text),
            What::Silent { topic, time } => Publication { event: None, ..status_of(topic, time, &text) },
            What::Other { topic: of } => event(&text, &[&topic(of)]),
            What::Personal { user: to } => event(&text, &[&user(to)]),
            What::NoteTo { user: to } => note_to(&user(to), To::User(to)),
            What::NoteToOwner { topic } => note_to(&owner(topic), To::OwnerOf(topic)),
        }
    }

    // ── the store ───────────────────────────────────────────────────────────────────────────────────────

    /// States are coalesced to the newest; the rest is written in its order.
    fn hand_to_writer(&mut self, place: u64, record: Record) {
        match record {
            Record::Note { number, to } => self.notes.push_back((place, number, to)),
            Record::State { topic, state } => {
                let waiting = &mut self.states[topic];
                if waiting.as_ref().is_none_or(|(newest, _)| state.time >= newest.time) {
                    *waiting = Some((state, place));
                }
            }
        }
    }

    fn commit_state(&mut self, of: usize) {
        let Some((state, place)) = self.states[of].take() else { return };
        let time = state.time;
        let stored = &mut self.store.states[of];
        if stored.as_ref().is_none_or(|stored| state.time >= stored.time) {
            *stored = Some(state);
        }
        let confirmed = Confirmed::State { room: topic(of).into(), time, place };
        self.reports.push_back(Report::Confirmed(confirmed));
    }

    fn commit_note(&mut self) {
        let Some((place, number, to)) = self.notes.pop_front() else { return };
        let owner = match to {
            To::User(user) => Some(user),
            To::OwnerOf(topic) => self.store.owners[topic],
        };
        self.store.rows.extend(owner.map(|owner| (number, owner)));
        let mark = owner.map(|_| self.store.rows.len() as i64);
        let room = owner.map(|owner| user(owner).into());
        self.reports.push_back(Report::Confirmed(Confirmed::Item { place, room, mark }));
    }

    fn change_owner(&mut self, topic: usize, to: Option<usize>) {
        if self.store.owners[topic] != to {
            self.store.owners[topic] = to;
            self.owners_changed = true;
            self.reports.push_back(Report::Moved { topic, to });
        }
    }

    fn change_rights(&mut self, topic: usize, whom: Option<usize>, grant: Grant) {
        let users = (0..USERS).filter(|user| whom.is_none_or(|whom| whom == *user));
        users.for_each(|user| self.store.grants[topic][user] = grant);
        if grant != Grant::Given {
            let claims_stand = grant == Grant::Open;
            self.reports.push_back(Report::Withdrawn { topic, from: whom, claims_stand });
        }
    }

    fn withdraw(&mut self, of: usize, from: Option<usize>, claims_stand: bool) {
        let taken = self.events.len();
        let claimants = self.lives.iter().filter(|life| life.claims()).map(|life| life.place.uid).collect();
        self.withdrawals.push(Withdrawal { topic: of, from, claims_stand, taken, claimants });
        let from = from.map(user);
        self.house.withdraw(&topic(of), from.as_deref(), claims_stand);
    }

    fn load(&mut self, which: usize) {
        if self.house.loads.is_empty() {
            return;
        }
        let load = self.house.loads.remove(which % self.house.loads.len());
        let owned = (0..TOPICS)
            .filter(|topic| self.store.owners[*topic].is_some_and(|owner| *user(owner) == *load.room));
        let names = owned.map(|topic| owner(topic).into()).collect();
        self.reports.push_back(Report::Aliases { room: load.room, generation: load.generation, names });
    }

    fn hear_report(&mut self) {
        match self.reports.pop_front() {
            None => {}
            Some(Report::Confirmed(what)) => self.house.step(|ledger, _, out| ledger.confirmed(what, out)),
            Some(Report::Aliases { room, generation, names }) => {
                self.house.step(|ledger, now, out| ledger.loaded(&room, generation, Some(names), now, out));
            }
            Some(Report::Withdrawn { topic, from, claims_stand }) => {
                self.withdraw(topic, from, claims_stand);
            }
            Some(Report::Moved { topic, to }) => {
                self.told[topic] = to;
                let to: Option<RoomName> = to.map(|to| user(to).into());
                self.house.step(|ledger, now, out| {
                    ledger.move_alias(&owner(topic).into(), to.as_ref(), now, out);
                });
            }
        }
    }

    // ── reads ───────────────────────────────────────────────────────────────────────────────────────────

    fn see(&mut self, which: usize, mood: Mood) {
        if self.house.reads.is_empty() {
            return;
        }
        let read = self.house.reads.remove(which % self.house.reads.len());
        let answer = match mood {
            Mood::Unavailable => {
                self.unread.insert(read.uid);
                ReadAnswer::Unavailable
            }
            Mood::Denied => ReadAnswer::Denied,
            Mood::Fine => self.look_up(&read),
        };
        if let Some(topic) = (0..TOPICS).find(|number| *topic(*number) == *read.room) {
            let allowed = matches!(answer, ReadAnswer::Found(_));
            self.seen.push(Seen { uid: read.uid, topic, identity: read.identity, allowed });
        }
        self.answers.push((read, answer));
    }

    fn look_up(&self, read: &OpenRead) -> ReadAnswer {
        if let Some(topic) = (0..TOPICS).find(|number| *topic(*number) == *read.room) {
            let asker = self.lives.iter().find(|life| life.place.uid == read.uid);
            let claims = |life: &Life| life.identities.get(read.identity) == Some(&true);
            let may = asker.is_some_and(|life| self.store.gives(topic, life.user, claims(life)));
            return if may { found(self.store.states[topic].clone()) } else { ReadAnswer::Denied };
        }
        let own = self.lives.iter().find(|life| life.place.uid == read.uid).map(|life| life.user);
        let Some(own) = own.filter(|own| *user(*own) == *read.room) else {
            return ReadAnswer::Found(Found::default());
        };
        let rows = self.store.rows.iter().enumerate().skip(read.since as usize);
        let ids: Vec<String> =
            rows.filter(|(_, (_, to))| *to == own).map(|(_, (number, _))| number.to_string()).collect();
        found_notes(&ids.iter().map(String::as_str).collect::<Vec<_>>(), self.store.rows.len() as i64)
    }

    fn post(&mut self, which: usize) {
        if self.answers.is_empty() {
            return;
        }
        let (read, answer) = self.answers.remove(which % self.answers.len());
        self.house.lanes[read.worker as usize].mailbox.push_back(Mail::Answer(read.watch, answer));
    }

    fn see_rights(&mut self, which: usize, mood: Mood) {
        if self.house.rights_reads.is_empty() {
            return;
        }
        let read = self.house.rights_reads.remove(which % self.house.rights_reads.len());
        let lost = |(room, right): &(RoomName, Right)| {
            let topic = (0..TOPICS).find(|number| *topic(*number) == **room)?;
            let user = (0..USERS).find(|number| *user(*number) == *right.user)?;
            (!self.store.gives(topic, user, right.claimed)).then_some(topic)
        };
        let known = !matches!(mood, Mood::Unavailable);
        let lost = known.then(|| read.rights.iter().filter_map(lost).collect());
        self.rights_answers.push((read.uid, read.number, lost));
    }

    fn post_rights(&mut self, which: usize) {
        if self.rights_answers.is_empty() {
            return;
        }
        let (uid, number, lost) = self.rights_answers.remove(which % self.rights_answers.len());
        self.rights_lost.extend(lost.iter().flatten().map(|topic| (uid, *topic)));
        let lost = lost.map(|topics| topics.into_iter().map(|number| topic(number).into()).collect());
        self.house.step(|ledger, now, out| ledger.rights_read(uid, number, lost, now, out));
    }

    fn expire(&mut self, lane: usize) {
        // an answer that is in the mailbox by now may be late too
        let posted = self.lives.iter().filter(|_| self.house.lanes[lane].mailbox.iter().any(Mail::is_answer));
        self.unread.extend(posted.map(|life| life.place.uid));
        let now = self.house.now;
        let reads = self.house.reads.iter().chain(self.answers.iter().map(|(read, _)| read));
        let late = reads.filter(|read| read.opened + PATIENCE <= now);
        self.unread.extend(late.map(|read| read.uid));
        self.house.expire(lane);
    }

    // ── the end ─────────────────────────────────────────────────────────────────────────────────────────

    /// Lets everything happen that is under way; the store is well.
    pub fn drain(&mut self) -> Verdict {
        loop {
            self.drain_for_now()?;
            // what the store could not say is asked again
            self.house.now += 2_000;
            self.house.step(|ledger, now, out| ledger.tick(now, out));
            if !self.is_busy() {
                return Ok(());
            }
        }
    }

    fn drain_for_now(&mut self) -> Verdict {
        while self.is_busy() {
            self.registry(0)?;
            self.house.settle();
            self.see(0, Mood::Fine);
            self.post(0);
            self.see_rights(0, Mood::Fine);
            self.post_rights(0);
            (0..TOPICS).for_each(|topic| self.commit_state(topic));
            self.commit_note();
            self.load(0);
            self.hear_report();
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.lives.iter().any(Life::is_waiting)
            || self.house.lanes.iter().any(|lane| !lane.mailbox.is_empty())
            || !(self.house.dropped.is_empty() && self.house.reads.is_empty() && self.answers.is_empty())
            || !(self.house.rights_reads.is_empty() && self.rights_answers.is_empty())
            || self.states.iter().any(Option::is_some)
            || !(self.notes.is_empty() && self.house.loads.is_empty() && self.reports.is_empty())
    }

    /// Everybody goes, and nothing is left.
    pub fn empty(&mut self) -> Verdict {
        (0..SEATS).for_each(|seat| self.die(seat));
        self.drain()?;
        let left = (self.house.counts(), self.house.ledger.sockets(), self.house.ledger.unconfirmed());
        ensure(left == (Vec::new(), 0, 0), || format!("left behind: {left:?}"))?;
        let in_flight = self.house.permits.in_flight();
        ensure(in_flight == (0, 0), || format!("in flight for ever: {in_flight:?}"))
    }

    /// What was said to each socket, oldest first.
    pub fn said(&self) -> BTreeMap<Uid, Vec<&Said>> {
        let mut said: BTreeMap<Uid, Vec<&Said>> = BTreeMap::new();
        let all = self.house.lanes.iter().flat_map(|lane| &lane.members.outlet.said);
        all.for_each(|one| said.entry(one.uid).or_default().push(one));
        said
    }
}
