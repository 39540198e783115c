//! What waits to be published, and what waits to be read back. Pure: time and messages are handed in.
//!
//! A message carries no mark of its publisher, so it is known by its bytes: a read-back of channel and
//! payload answers the oldest publication of the same. Where two hubs publish the same bytes at once,
//! each may take the other's copy for its own; both copies are on the way then.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Message;
use super::bus::{Answer, Publish};

/// The hash of channel and payload, keyed at random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Content(u64);

/// A publication that is about to be sent.
#[derive(Debug)]
pub(super) struct ToSend {
    pub(super) ticket: u64,
    pub(super) channel: String,
    pub(super) payload: Bytes,
}

#[derive(Debug)]
struct Sent {
    content: Content,
    deadline: Instant,
    answer: Answer,
}

/// Publications from their acceptance to their answer.
#[derive(Debug)]
pub(super) struct Outgoing {
    patience: Duration,
    hasher: RandomState,
    queue: VecDeque<(Instant, Publish)>,
    next_ticket: u64,
    /// By ticket, and so by deadline too: each waits equally long, from its acceptance on.
    sent: BTreeMap<u64, Sent>,
    by_content: HashMap<Content, VecDeque<u64>>,
}

impl Outgoing {
    /// Each publication is answered within `patience`.
    pub(super) fn new(patience: Duration) -> Outgoing {
        Outgoing {
            patience,
            hasher: RandomState::new(),
            queue: VecDeque::new(),
            next_ticket: 0,
            sent: BTreeMap::new(),
            by_content: HashMap::new(),
        }
    }

    pub(super) fn push(&mut self, publish: Publish, now: Instant) {
        self.queue.push_back((now + self.patience, publish));
    }

    /// Whether anything is there to be sent.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next publications, at least one and no more than `max_bytes` otherwise. From now on their
    /// read-back counts: not before, lest somebody else's message answers what was never sent.
    pub(super) fn take(&mut self, max_items: usize, max_bytes: usize) -> Vec<ToSend> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < max_items
            && let Some((_, next)) = self.queue.front()
            && (batch.is_empty() || bytes + next.payload.len() <= max_bytes)
            && let Some((deadline, publish)) = self.queue.pop_front()
        {
            bytes += publish.payload.len();
            batch.push(self.register(deadline, publish));
        }
        batch
    }

    fn register(&mut self, deadline: Instant, publish: Publish) -> ToSend {
        let Publish { channel, payload, answer } = publish;
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let content = self.content(&channel, &payload);
        self.by_content.entry(content).or_default().push_back(ticket);
        self.sent.insert(ticket, Sent { content, deadline, answer });
        ToSend { ticket, channel, payload }
    }

    fn content(&self, channel: &str, payload: &[u8]) -> Content {
        Content(self.hasher.hash_one((channel, payload)))
    }

    /// What has to be compared of messages that were read; nothing is hashed where nothing waits.
    pub(super) fn contents(&self, messages: &[Message]) -> Vec<Content> {
        if self.sent.is_empty() {
            return Vec::new();
        }
        messages.iter().map(|message| self.content(&message.channel, &message.payload)).collect()
    }

    /// The answers that are due now that these were read.
    pub(super) fn read_back(&mut self, contents: Vec<Content>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for content in contents {
            let oldest = self.by_content.get(&content).and_then(VecDeque::front).copied();
            answers.extend(oldest.and_then(|ticket| self.remove(ticket)));
        }
        answers
    }

    /// Takes out one that was refused.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Answer> {
        let sent = self.sent.remove(&ticket)?;
        if let Some(tickets) = self.by_content.get_mut(&sent.content) {
            tickets.retain(|other| *other != ticket);
            if tickets.is_empty() {
                self.by_content.remove(&sent.content);
            }
        }
        Some(sent.answer)
    }

    /// Those whose time is up, sent or not.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some((&ticket, sent)) = self.sent.first_key_value()
            && sent.deadline <= now
        {
            answers.extend(self.remove(ticket));
        }
        while self.queue.front().is_some_and(|(deadline, _)| *deadline <= now) {
            answers.extend(self.queue.pop_front().map(|(_, publish)| publish.answer));
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::BusError;
    use crate::bridge::bus::publish;
    use std::sync::{Arc, Mutex};

    type Log = Arc<Mutex<Vec<(u32, Result<(), BusError>)>>>;

    /// A publication that notes its answer under `name`.
    fn noted(log: &Log, name: u32, channel: &str, payload: &'static str) -> Publish {
        let log = log.clone();
        publish(channel, payload, move |result| log.lock().unwrap().push((name, result)))
    }

    fn message(channel: &str, payload: &'static str) -> Message {
        Message { channel: channel.to_owned(), payload: Bytes::from_static(payload.as_bytes()) }
    }

    fn read(outgoing: &mut Outgoing, messages: &[Message]) {
        let contents = outgoing.contents(messages);
        outgoing.read_back(contents).into_iter().for_each(|answer| answer.give(Ok(())));
    }

    #[test]
    fn a_read_back_answers_the_oldest_publication_of_the_same_bytes() {
        let (log, now) = (Log::default(), Instant::now());
        let mut outgoing = Outgoing::new(Duration::from_secs(2));
        for (name, payload) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
            outgoing.push(noted(&log, name, "user:u", payload), now);
        }
        read(&mut outgoing, &[message("user:u", "a")]);
        assert!(log.lock().unwrap().is_empty(), "not sent yet: it is somebody else's");
        assert_eq!(outgoing.take(3, 100).len(), 3);
        read(&mut outgoing, &[message("user:v", "a"), message("user:u", "c")]);
        assert!(log.lock().unwrap().is_empty());
        read(&mut outgoing, &[message("user:u", "a"), message("user:u", "a"), message("user:u", "a")]);
        assert_eq!(*log.lock().unwrap(), [(1, Ok(())), (2, Ok(()))]);
        outgoing.take(3, 100);
        read(&mut outgoing, &[message("user:u", "a"), message("user:u", "b")]);
        assert_eq!(log.lock().unwrap()[2..], [(4, Ok(())), (3, Ok(()))]);
        assert!(outgoing.sent.is_empty() && outgoing.by_content.is_empty());
    }

    #[test]
    fn what_is_not_read_back_in_time_is_answered_whether_sent_or_not() {
        let (log, start) = (Log::default(), Instant::now());
        let mut outgoing = Outgoing::new(Duration::from_secs(2));
        outgoing.push(noted(&log, 1, "user:u", "a"), start);
        outgoing.take(1, 100);
        outgoing.push(noted(&log, 2, "user:u", "b"), start);
        outgoing.push(noted(&log, 3, "user:u", "c"), start + Duration::from_secs(1));
        drop(outgoing.expire(start + Duration::from_millis(1_999)));
        assert!(log.lock().unwrap().is_empty());
        drop(outgoing.expire(start + Duration::from_secs(2)));
        let unavailable = Err(BusError::Unavailable);
        assert_eq!(*log.lock().unwrap(), [(1, unavailable.clone()), (2, unavailable)]);
        assert_eq!(outgoing.take(9, 100).len(), 1, "what was given up is not sent");
    }

    #[test]
    fn a_batch_is_bounded_in_items_and_bytes_and_never_empty() {
        let (log, now) = (Log::default(), Instant::now());
        let mut outgoing = Outgoing::new(Duration::from_secs(2));
        for payload in ["aaaa", "bb", "cc", "d", "e"] {
            outgoing.push(noted(&log, 0, "user:u", payload), now);
        }
        let mut sizes = || outgoing.take(2, 3).iter().map(|next| next.payload.len()).collect::<Vec<_>>();
        assert_eq!(
            (sizes(), sizes(), sizes(), sizes(), sizes()),
            (vec![4], vec![2], vec![2, 1], vec![1], vec![])
        );
        assert!(!outgoing.has_queued());
    }
}
