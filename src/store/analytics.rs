//! Who came and went, on its way into `connection_events`: a bounded queue, and the actor that owns it. It hands
//! the writer one batch at a time, so that a crowd that comes costs few commits and nothing that matters more
//! waits for it; and it tells the other hubs on the database that this one is there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use prometheus::IntCounter;

use super::connections::ConnectionEvent;
use super::nodes::BEAT_MS;
use super::{Store, StoreError};
use crate::vital::Vital;

/// Events that may wait.
const MOST: usize = 50_000;
/// Their texts, in bytes.
const MOST_BYTES: usize = 32 << 20;
/// Events of one batch.
const BATCH: usize = 1_000;
/// Between two batches, where one is enough.
const EVERY: Duration = Duration::from_millis(250);

/// Takes what happened; never blocks. All clones are one.
#[derive(Clone)]
pub struct ConnectionLog(Arc<Inner>);

struct Inner {
    waiting: Mutex<Waiting>,
    /// Counts what found no room.
    overflow: IntCounter,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<ConnectionEvent>,
    bytes: usize,
}

impl ConnectionLog {
    /// An empty one.
    pub fn new(overflow: IntCounter) -> ConnectionLog {
        ConnectionLog(Arc::new(Inner { waiting: Mutex::default(), overflow }))
    }

    /// Notes that a socket came or went. Full, it is counted and left out.
    pub fn note(&self, event: ConnectionEvent) {
        let mut waiting = self.lock();
        let bytes = weight(&event);
        if waiting.events.len() >= MOST || waiting.bytes + bytes > MOST_BYTES {
            return self.0.overflow.inc();
        }
        waiting.bytes += bytes;
        waiting.events.push_back(event);
    }

    /// Events that wait to be handed over.
    pub fn depth(&self) -> usize {
        self.lock().events.len()
    }

    /// Hands everything over to the writer, at the end: [`Store::flush`] writes it.
    pub fn hand_over(&self, store: &Store) {
        while let Some(batch) = self.take() {
            let (overflow, lost) = (self.0.overflow.clone(), batch.len() as u64);
            store.connection_events(batch, move |end| {
                if end == Err(StoreError::Busy) {
                    overflow.inc_by(lost);
                }
            });
        }
    }

    fn take(&self) -> Option<Arc<[ConnectionEvent]>> {
        let mut waiting = self.lock();
        let take = waiting.events.len().min(BATCH);
        let batch: Arc<[ConnectionEvent]> = waiting.events.drain(..take).collect();
        waiting.bytes -= batch.iter().map(weight).sum::<usize>();
        (take > 0).then_some(batch)
    }

    /// Puts a batch that the writer had no room for back to where it was, as far as there is room now.
    fn put_back(&self, batch: &[ConnectionEvent]) {
        let mut waiting = self.lock();
        let room = MOST.saturating_sub(waiting.events.len()).min(batch.len());
        self.0.overflow.inc_by((batch.len() - room) as u64);
        for event in batch[batch.len() - room..].iter().rev() {
            waiting.bytes += weight(event);
            waiting.events.push_front(event.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(event: &ConnectionEvent) -> usize {
    event.socket_id.len() + event.user_id.len() + event.metadata.as_ref().map_or(0, String::len)
}

/// The log's owner.
pub struct Analytics {
    log: ConnectionLog,
    store: Store,
    /// This hub's name among those on the database.
    node: Arc<str>,
    /// Whether the writer has a batch of ours.
    busy: bool,
    _vital: Vital,
}

impl Analytics {
    /// Owns `log` from its start on. What a hub of this name left open is closed before anything that comes is
    /// written.
    pub fn new(log: ConnectionLog, store: Store, node: Arc<str>) -> Analytics {
        Analytics { log, store, node, busy: false, _vital: Vital("the connection analytics") }
    }

    fn hand_on(&mut self, ctx: &mut Context<Self>) {
        if self.busy {
            return;
        }
        let Some(batch) = self.log.take() else { return };
        self.busy = true;
        let (owner, again) = (ctx.address(), Arc::clone(&batch));
        self.store.connection_events(batch, move |end| owner.do_send(Written(again, end)));
    }
}

/// What became of a batch.
#[derive(Message)]
#[rtype(result = "()")]
struct Written(Arc<[ConnectionEvent]>, Result<(), StoreError>);

impl Actor for Analytics {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.store.node_begins(&self.node, |end| note("this hub, before it was started", end));
        ctx.run_interval(EVERY, Analytics::hand_on);
        ctx.run_interval(Duration::from_millis(BEAT_MS.unsigned_abs()), |act, _| {
            act.store.node_beats(&act.node, |end| note("hubs that are gone", end));
        });
    }
}

impl Handler<Written> for Analytics {
    type Result = ();

    fn handle(&mut self, Written(batch, end): Written, ctx: &mut Context<Self>) {
        self.busy = false;
        match end {
            Ok(()) if self.log.depth() >= BATCH => self.hand_on(ctx),
            Ok(()) => {}
            Err(StoreError::Busy) => self.log.put_back(&batch),
            // one that can never be written is found by trying them alone
            Err(StoreError::Failed(_)) if batch.len() > 1 => {
                batch.iter().for_each(|one| self.store.connection_events([one.clone()].into(), drop));
            }
            Err(error) => log::warn!("{} connection events are not written: {error}", batch.len()),
        }
    }
}

fn note(whose: &str, closed: Result<usize, StoreError>) {
    match closed {
        Ok(0) => {}
        Ok(count) => log::info!("{count} connections of {whose} had no end: closed as unknown"),
        Err(error) => log::warn!("open connections of {whose} could not be looked for: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ConnectionEventKind;

    fn event(n: usize, metadata: usize) -> ConnectionEvent {
        ConnectionEvent {
            node: "n".into(),
            socket_id: n.to_string(),
            user_id: "u".into(),
            kind: ConnectionEventKind::Connected,
            timestamp: 0,
            metadata: Some("x".repeat(metadata)),
            duration_ms: None,
        }
    }

    fn log() -> ConnectionLog {
        ConnectionLog::new(IntCounter::new("overflow", "o").unwrap())
    }

    fn numbers(batch: &[ConnectionEvent]) -> Vec<usize> {
        batch.iter().map(|event| event.socket_id.parse().unwrap()).collect()
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_rest_goes_in_batches_in_order() {
        let log = log();
        for n in 0..MOST + 7 {
            log.note(event(n, 0));
        }
        assert_eq!((log.depth(), log.0.overflow.get()), (MOST, 7));
        assert_eq!(numbers(&log.take().unwrap()), (0..BATCH).collect::<Vec<_>>());
        assert_eq!(log.depth(), MOST - BATCH);
    }

    #[test]
    fn long_texts_are_bounded_in_bytes() {
        let log = log();
        for n in 0..100 {
            log.note(event(n, 1 << 20));
        }
        assert_eq!((log.depth(), log.0.overflow.get()), (31, 69));
        assert_eq!(log.take().unwrap().len(), 31);
        assert_eq!(log.lock().bytes, 0);
        assert!(log.take().is_none());
    }

    #[test]
    fn a_batch_that_the_writer_had_no_room_for_goes_back_to_its_place() {
        let log = log();
        (0..3).for_each(|n| log.note(event(n, 0)));
        let batch = log.take().unwrap();
        log.note(event(3, 0));
        log.put_back(&batch);
        assert_eq!(numbers(&log.take().unwrap()), [0, 1, 2, 3]);
        // of what has no room any more the oldest go
        (0..MOST - 1).for_each(|n| log.note(event(n, 0)));
        log.put_back(&batch);
        assert_eq!((log.depth(), log.0.overflow.get()), (MOST, 2));
        assert_eq!(numbers(&log.take().unwrap())[..2], [2, 0]);
    }
}
