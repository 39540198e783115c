//! From messages to the registry: what a read brought is looked at once, refused or turned into
//! publications, and sent on as one message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix::Recipient;

use super::Message;
use crate::clock::{self, Millis};
use crate::events::{Catalogue, Reason, Refusal, Rejected, Routed, Seen};
use crate::metrics::Metrics;
use crate::rooms::registry::Publish;
use crate::rooms::{Permit, Publication, Publications};
use crate::store::Record;

/// Refused messages that are logged in a second; more are counted.
const LOGGED_PER_SECOND: u64 = 10;

/// Takes messages in, whatever source they come from.
pub struct Intake<C> {
    catalogue: C,
    registry: Recipient<Publish<Record>>,
    metrics: Arc<Metrics>,
    memory: Mutex<Memory>,
    /// Events taken since start.
    events: AtomicU64,
}

/// What is remembered of messages.
#[derive(Default)]
struct Memory {
    seen: Seen,
    rejected: Rejected,
    /// The second in which lines were last logged, and how many.
    logged: (Millis, u64),
}

impl<C: Catalogue> Intake<C> {
    /// How many ids of messages are remembered.
    pub fn ids_seen(&self) -> usize {
        self.memory().seen.len()
    }

    /// What messages mean.
    pub fn catalogue(&self) -> &C {
        &self.catalogue
    }

    /// An intake that hands publications to the registry.
    pub fn new(catalogue: C, registry: Recipient<Publish<Record>>, metrics: Arc<Metrics>) -> Intake<C> {
        let memory = Mutex::new(Memory::default());
        Intake { catalogue, registry, metrics, memory, events: AtomicU64::new(0) }
    }

    /// Takes what one read from `source` brought.
    pub fn take(&self, source: &'static str, messages: Vec<Message>, permit: Permit) {
        let now = clock::now_ms();
        let mut list = Vec::with_capacity(messages.len());
        let delay = self.metrics.publish_delay.with_label_values(&[source]);
        for message in &messages {
            match self.judge(message, now) {
                Ok(routed) => {
                    delay.observe((now - routed.timestamp).max(0) as f64 / 1_000.0);
                    list.extend(routed.publications);
                }
                Err(refusal) => self.reject(source, message, refusal, now),
            }
        }
        if list.is_empty() {
            return;
        }
        for event in list.iter().filter_map(|publication| publication.event.as_ref()) {
            let size = self.metrics.message_size.with_label_values(&[event.name()]);
            size.observe(event.data().len() as f64);
        }
        self.events.fetch_add(list.len() as u64, Ordering::Relaxed);
        self.registry.do_send(Publish(Publications { list, permit }));
    }

    fn judge(&self, message: &Message, now: Millis) -> Result<Routed, Refusal> {
        let mut routed = self.catalogue.route(&message.channel, &message.payload, now)?;
        let mut memory = self.memory();
        // how long ago something was seen is a span: a wall clock that is put forward would forget it
        let at = clock::uptime_ms() as Millis;
        if let Some(id) = &routed.event_id
            && !memory.seen.is_new(&message.channel, id, at)
        {
            return Err(repeat());
        }
        let all = routed.publications.len();
        routed.publications.retain(|publication| memory.is_new_item(publication, at));
        match routed.publications.len() {
            0 => Err(repeat()),
            left => {
                (left..all).for_each(|_| self.count_repeat(&mut memory));
                Ok(routed)
            }
        }
    }

    /// Judges a message as a source would, without taking it.
    ///
    /// # Errors
    /// What would be refused.
    pub fn check(&self, channel: &str, payload: &[u8]) -> Result<(), Refusal> {
        self.catalogue.route(channel, payload, clock::now_ms()).map(drop)
    }

    /// Counts, keeps and logs a refused message.
    pub fn reject(&self, source: &'static str, message: &Message, refusal: Refusal, now: Millis) {
        let mut memory = self.memory();
        if refusal.reason == Reason::Duplicate {
            return self.count_repeat(&mut memory);
        }
        self.metrics.refused.with_label_values(&[refusal.reason.as_str()]).inc();
        if memory.may_log(now) {
            let (reason, expected) = (refusal.reason.as_str(), &refusal.message);
            log::warn!("refused a message from {source} on {:?}: {reason}: {expected}", message.channel);
        }
        memory.rejected.push(now, source, &message.channel, &message.payload, refusal);
    }

    /// A repeat is counted wherever it is told, and not kept: it is nobody's fault.
    fn count_repeat(&self, memory: &mut Memory) {
        self.metrics.refused.with_label_values(&[Reason::Duplicate.as_str()]).inc();
        memory.rejected.count(Reason::Duplicate);
    }

    /// Looks at the refused messages.
    pub fn with_rejected<T>(&self, look: impl FnOnce(&Rejected) -> T) -> T {
        look(&self.memory().rejected)
    }

    /// Events taken since start.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn repeat() -> Refusal {
    Refusal::new(Reason::Duplicate, "a repeat of an eventId, or of a notification's id")
}

impl Memory {
    /// A notification is told from its repeat by its id, as an event is by its `eventId`.
    fn is_new_item(&mut self, publication: &Publication<Record>, at: Millis) -> bool {
        match (&publication.item, publication.rooms.first()) {
            // a room's name is no channel of its own, so the two kinds of ids do not meet
            (Some(item), Some(room)) => self.seen.is_new(&format!("item {room}"), &item.id, at),
            _ => true,
        }
    }

    fn may_log(&mut self, now: Millis) -> bool {
        let second = now / 1_000;
        if self.logged.0 != second {
            self.logged = (second, 0);
        }
        self.logged.1 += 1;
        self.logged.1 <= LOGGED_PER_SECOND
    }
}
