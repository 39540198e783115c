//! The relay: rows of the outbox table go through the bus like any other publication, and are marked behind
//! all that they led to.
//!
//! ```text
//!  table ──rows──► Relay ──publish──► Bus ──► Intake ──► registry ──records──► writer
//!                    ▲                 │                    ▲                    ▲
//!                    │   read back ────┘                    │                    │ marks, behind the records
//!                    └── then asks the registry, in line ───┘────────────────────┘
//! ```
//!
//! A thread of its own, since a database may keep it waiting for as long as it likes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::Recipient;
use bytes::Bytes;

use super::Message;
use super::bus::Bus;
use super::gate::lock;
use super::intake::Intake;
use crate::clock;
use crate::events::event_id::with_event_id;
use crate::events::{Campaigns, Reason, Refusal};
use crate::rooms::registry::Look;
use crate::store::outbox::Turn;
use crate::store::{Outbox, OutboxMark, OutboxRow, Record, Store, StoreError};
use crate::vital::Vital;

/// Rows of one turn; the next turn comes when they are marked.
const MOST: usize = 500;
/// Rows of a turn after one that failed: enough to see whether it goes again.
const PROBE: usize = 1;
/// Between two looks whether somebody has woken us.
const NAP: Duration = Duration::from_millis(10);
/// Between two tries while something is wrong: doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The same trouble is logged again after this long.
const LOG_AGAIN: Duration = Duration::from_secs(60);
/// How far the rows that wait are counted, and how often.
const COUNTED: usize = 10_000;
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Without a good turn for this long the outbox counts as away, in milliseconds.
const SILENCE_MS: u64 = 5_000;

/// What a relay needs.
pub struct Wires {
    /// The table.
    pub outbox: Outbox,
    /// Marks rows.
    pub store: Store,
    /// Sends them.
    pub bus: Arc<dyn Bus>,
    /// Judges them.
    pub intake: Arc<Intake<Campaigns>>,
    /// Whoever hands records to the store, in the order of what it is told.
    pub registry: Recipient<Look<Record>>,
    /// How often the table is looked at where nothing wakes the relay.
    pub poll: Duration,
}

/// How the relay fares, as everyone may ask at any time.
#[derive(Debug, Default)]
struct State {
    waiting: AtomicUsize,
    /// Milliseconds of the uptime.
    last_good: AtomicU64,
    poll_ms: u64,
}

/// The relay, for as long as this is there.
#[derive(Debug)]
pub struct Relay {
    state: Arc<State>,
    ends: Sender<()>,
    ended: Mutex<Receiver<()>>,
}

impl Relay {
    /// Starts it: the schema has to be there and the bus up.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(wires: Wires) -> std::io::Result<Relay> {
        let poll_ms = u64::try_from(wires.poll.as_millis()).unwrap_or(u64::MAX);
        let last_good = AtomicU64::new(clock::uptime_ms());
        let state = Arc::new(State { last_good, poll_ms, ..State::default() });
        let (ends, over) = channel();
        let (over_now, ended) = channel();
        let work = Work {
            wires,
            state: Arc::clone(&state),
            over,
            owed: BTreeMap::new(),
            most: MOST,
            pause: FIRST_PAUSE,
            logged: None,
            more: false,
            counted: None,
            _ended: over_now,
        };
        std::thread::Builder::new().name("outbox-relay".into()).spawn(move || work.run())?;
        Ok(Relay { state, ends, ended: Mutex::new(ended) })
    }

    /// Rows that wait, as far as this relay knows; another hub's relay knows of its own.
    pub fn waiting(&self) -> usize {
        self.state.waiting.load(Ordering::Relaxed)
    }

    /// Whether rows are being sent, here or by another hub.
    pub fn is_up(&self) -> bool {
        let silent = clock::uptime_ms().saturating_sub(self.state.last_good.load(Ordering::Relaxed));
        silent <= SILENCE_MS.saturating_add(self.state.poll_ms)
    }

    /// Ends it after the turn under way, and waits for that at most `limit`. Blocks.
    pub fn stop(&self, limit: Duration) {
        let _ = self.ends.send(()); // it may have ended by itself
        let _ = lock(&self.ended).recv_timeout(limit);
    }
}

/// What comes after a turn.
enum Next {
    /// More rows may wait.
    Go,
    /// All that could be read is marked.
    Wait,
    /// Something is wrong; for people.
    Pause(String),
}

struct Work {
    wires: Wires,
    state: Arc<State>,
    /// Told, or dropped, at the end.
    over: Receiver<()>,
    /// Rows that were sent or refused and could not be marked: never sent again by this process.
    owed: BTreeMap<i64, OutboxMark>,
    most: usize,
    pause: Duration,
    logged: Option<Instant>,
    /// Rows were left over by the last turn.
    more: bool,
    counted: Option<Instant>,
    /// Dropped when the thread ends: that is heard.
    _ended: Sender<()>,
}

impl Work {
    fn run(mut self) {
        let _vital = Vital("the outbox relay");
        loop {
            let next = self.turn();
            let goes_on = match next {
                Next::Go => self.is_good() && self.nap(Duration::ZERO),
                Next::Wait => self.is_good() && self.wait(),
                Next::Pause(why) => self.complain(&why),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn turn(&mut self) -> Next {
        if !self.wires.store.is_up() {
            return Next::Pause("the database takes no writes".into());
        }
        if !self.owed.is_empty() && !self.settle() {
            return Next::Pause("rows that were sent could not be marked".into());
        }
        match self.relay() {
            Ok(Turn::Elsewhere) => {
                self.state.waiting.store(0, Ordering::Relaxed);
                Next::Wait
            }
            Ok(Turn::Done { sent: Some(trouble), .. }) => Next::Pause(trouble),
            Ok(Turn::Done { sent: None, more }) => {
                (self.more, self.most) = (more, MOST);
                if more { Next::Go } else { Next::Wait }
            }
            Err(error) => Next::Pause(error.to_string()),
        }
    }

    /// Reads, sends and marks, while no other relay does; gives what went wrong.
    fn relay(&mut self) -> Result<Turn<Option<String>>, StoreError> {
        self.count();
        let Work { wires, owed, state, most, .. } = self;
        let Wires { outbox, store, bus, intake, registry, .. } = wires;
        outbox.turn(*most, |rows| {
            state.waiting.fetch_max(rows.len(), Ordering::Relaxed);
            let (marks, mut trouble) = send(&**bus, intake, rows);
            owed.extend(marks.into_iter().map(|mark| (mark.id, mark)));
            let marked = owed.len();
            if marked > 0 && !settle(store, registry, owed) {
                trouble = Some("rows that were sent could not be marked".into());
            }
            let waiting = state.waiting.load(Ordering::Relaxed);
            if waiting < COUNTED {
                state.waiting.store(waiting.saturating_sub(marked), Ordering::Relaxed);
            }
            trouble
        })
    }

    fn settle(&mut self) -> bool {
        settle(&self.wires.store, &self.wires.registry, &mut self.owed)
    }

    /// Now and then, while it is of interest: how many rows wait.
    fn count(&mut self) {
        let interesting = self.more || self.state.waiting.load(Ordering::Relaxed) > 0;
        if interesting
            && self.counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY)
            && let Ok(waiting) = self.wires.outbox.waiting(COUNTED)
        {
            self.counted = Some(Instant::now());
            self.state.waiting.store(waiting, Ordering::Relaxed);
        }
    }

    fn is_good(&mut self) -> bool {
        self.state.last_good.store(clock::uptime_ms(), Ordering::Relaxed);
        self.pause = FIRST_PAUSE;
        if self.logged.take().is_some() {
            log::info!("the outbox is relayed again");
        }
        true
    }

    fn complain(&mut self, why: &str) -> bool {
        if self.logged.is_none_or(|at| at.elapsed() > LOG_AGAIN) {
            log::warn!("the outbox is not relayed: {why}");
            self.logged = Some(Instant::now());
        }
        self.most = PROBE;
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.nap(pause)
    }

    /// Until somebody wakes us, or the time is up; false at the end.
    fn wait(&mut self) -> bool {
        let until = Instant::now() + self.wires.poll;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wires.outbox.was_woken() {
                return true;
            }
            if !self.nap(left.min(NAP)) {
                return false;
            }
        }
    }

    /// False at the end.
    fn nap(&self, time: Duration) -> bool {
        matches!(self.over.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}

/// Publishes rows in order and waits until each is answered: what is to be marked, and what went wrong.
fn send(
    bus: &dyn Bus,
    intake: &Intake<Campaigns>,
    rows: Vec<OutboxRow>,
) -> (Vec<OutboxMark>, Option<String>) {
    let (tell, answers) = channel();
    let mut marks = Vec::new();
    for row in rows {
        let id = row.id;
        match judge(intake, row) {
            Ok(Message { channel, payload }) => {
                let tell = tell.clone();
                bus.publish(channel, payload, Box::new(move |result| drop(tell.send((id, result)))));
            }
            Err(refusal) => marks.push(OutboxMark { id, refused: Some(refusal.to_string()) }),
        }
    }
    drop(tell);
    let mut trouble = None;
    for (id, result) in answers {
        match result {
            Ok(()) => marks.push(OutboxMark { id, refused: None }),
            Err(error) => trouble = Some(error.to_string()),
        }
    }
    (marks, trouble)
}

/// What is published for a row, which is what is judged; a refused one is counted and kept like any other.
fn judge(intake: &Intake<Campaigns>, row: OutboxRow) -> Result<Message, Refusal> {
    let OutboxRow { id, channel, payload, too_large } = row;
    let payload = Bytes::from(with_event_id(&payload, &format!("outbox:{id}")).into_owned());
    let message = Message { channel, payload };
    let judged = match too_large {
        true => Err(Refusal::new(Reason::TooLarge, "longer than any message may be")),
        false => intake.check(&message.channel, &message.payload),
    };
    match judged {
        Ok(()) => Ok(message),
        Err(refusal) => {
            intake.reject("outbox", &message, refusal.clone(), clock::now_ms());
            Err(refusal)
        }
    }
}

/// Marks what is owed. What was read back is on its way to the registry; asked behind it, the registry has
/// given all records to the store, and the marks go behind those.
fn settle(store: &Store, registry: &Recipient<Look<Record>>, owed: &mut BTreeMap<i64, OutboxMark>) -> bool {
    let (tell, told) = channel();
    let (store, marks) = (store.clone(), owed.values().cloned().collect());
    registry.do_send(Look(Box::new(move |_| {
        store.mark_outbox(marks, clock::now_ms(), move |result| drop(tell.send(result)));
    })));
    let marked = matches!(told.recv(), Ok(Ok(())));
    if marked {
        owed.clear();
    }
    marked
}
