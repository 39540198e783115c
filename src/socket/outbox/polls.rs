//! Outboxes of sessions that are polled: what waits is kept as records, and leaves with the next answer.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{Backlog, Carrier, Outboxes, Polls, Presence, Slot};
use crate::close::CloseReason;
use crate::metrics::Metrics;
use crate::protocol::engineio::carriage::records_to_messages;
use crate::protocol::engineio::payload::{self, Payload};
use crate::protocol::frame::Dialect;
use crate::socket::poll::{Answer, Poll, UnderWay};
use crate::socket::tree::NodeId;
use crate::socket::wire::Wire;

impl Outboxes {
    fn polls(&mut self, slot: Slot) -> Option<&mut Polls> {
        match &mut self.boxes.get_mut(slot as usize)?.owner.as_mut()?.carrier {
            Carrier::Polls(polls) => Some(polls),
            Carrier::Wire(_) => None,
        }
    }

    /// The ticket of the poll that is open, if one is.
    pub fn open_poll(&mut self, slot: Slot) -> Option<u64> {
        Some(self.polls(slot)?.open.as_ref()?.ticket)
    }

    /// Takes the open poll back.
    pub fn take_poll(&mut self, slot: Slot) -> Option<Poll> {
        self.polls(slot)?.open.take()
    }

    /// A poll has come: it is answered at once where something waits, else by what comes next.
    pub fn poll(&mut self, slot: Slot, poll: Poll) {
        if let Some(polls) = self.polls(slot) {
            polls.open = Some(poll);
        }
        self.settle(slot);
        self.answer(slot);
    }

    /// Answers the open poll, if there is one, with all that waits, if anything does.
    pub(super) fn answer(&mut self, slot: Slot) {
        let outbox = &mut self.boxes[slot as usize];
        let Some(owner) = &mut outbox.owner else { return };
        let Carrier::Polls(polls) = &mut owner.carrier else { return };
        let Some(poll) = polls.open.take_if(|_| outbox.backlog.is_some()) else { return };
        let records = take_backlog(&mut outbox.backlog, &owner.presence, &self.metrics);
        polls.cut = Some(Arc::clone(&poll.cut));
        let answer = answer(payload::write(records, owner.dialog), polls, &owner.presence, &self.metrics);
        if poll.answer.send(Ok(answer)).is_err() {
            self.lose(slot, CloseReason::TransportError);
        }
    }

    /// Answers a poll of a session whose outbox is gone.
    pub fn answer_late(&self, poll: Poll, payload: Payload, presence: &Arc<Presence>) {
        let _ = poll.answer.send(Ok(answer(payload, &Polls::default(), presence, &self.metrics)));
    }

    /// Counts sessions that are over and have still to be told why.
    pub fn count_last_words(&self, more: i64) {
        self.metrics.last_words.add(more);
    }

    /// Ends the connection of an answer that its peer does not read: nothing else would.
    pub fn cut_answer_off(&mut self, slot: Slot) {
        let Some(polls) = self.polls(slot) else { return };
        if polls.under_way.load(Ordering::Relaxed) > 0
            && let Some(cut) = &polls.cut
        {
            cut.cut();
        }
    }

    /// What waits for a poll, as the records that it is kept in; nothing waits any more then.
    pub fn take_records(&mut self, slot: Slot) -> Bytes {
        self.settle(slot);
        let outbox = &mut self.boxes[slot as usize];
        let Some(owner) = &outbox.owner else { return Bytes::new() };
        take_backlog(&mut outbox.backlog, &owner.presence, &self.metrics)
    }

    /// The session goes on over a websocket: what waited for a poll leaves by it, in order.
    pub fn change_to(&mut self, slot: Slot, wire: Rc<Wire>) {
        let records = self.take_records(slot);
        let outbox = &mut self.boxes[slot as usize];
        let Some(owner) = &mut outbox.owner else { return };
        owner.carrier = Carrier::Wire(wire);
        outbox.dialect = Dialect::SocketIo;
        owner.presence.changed_to(outbox.dialect);
        outbox.pending = NodeId::root(outbox.dialect);
        let messages = records_to_messages(&records, owner.dialog);
        if !messages.is_empty() {
            self.write(slot, messages);
        }
    }
}

fn answer(payload: Payload, polls: &Polls, presence: &Arc<Presence>, metrics: &Arc<Metrics>) -> Answer {
    let way = UnderWay::new(payload.body.len(), &polls.under_way, presence, metrics);
    Answer { payload, way }
}

fn take_backlog(backlog: &mut Option<Box<Backlog>>, presence: &Presence, metrics: &Metrics) -> Bytes {
    let Some(backlog) = backlog.take() else { return Bytes::new() };
    presence.waits_no_more(backlog.bytes(), metrics);
    backlog.join()
}
