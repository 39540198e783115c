//! The in-process bus: one node, no Redis. What is published comes straight back, in order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task;

use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Context, Handler};

use super::actor::Stop;
use super::bus::{Answer, Publish};
use super::{LinkEvent, Message, OnLink, Sink};
use crate::rooms::Permits;
use crate::vital::Vital;

/// The most that is handed on as one batch.
const BATCH: usize = 256;

/// Hands what is published to the sink, while there are permits; what waits is bounded by the
/// [handle](super::BusHandle), which refuses more.
pub struct MemoryBridge {
    queue: VecDeque<Publish>,
    permits: Permits,
    sink: Sink,
    on_link: OnLink,
    _vital: Vital,
}

impl MemoryBridge {
    /// A bus that takes `permits` for what it hands to `sink`. It is up as soon as it is started.
    pub fn new(permits: Permits, sink: Sink, on_link: OnLink) -> MemoryBridge {
        MemoryBridge { queue: VecDeque::new(), permits, sink, on_link, _vital: Vital("the in-process bus") }
    }

    fn deliver_batch(&mut self) {
        let batch = self.queue.drain(..self.queue.len().min(BATCH));
        let (list, answers): (Vec<Message>, Vec<Answer>) =
            batch.map(|Publish { channel, payload, answer }| (Message { channel, payload }, answer)).unzip();
        let bytes = list.iter().map(|message| message.channel.len() + message.payload.len()).sum();
        let permit = self.permits.take(list.len(), bytes);
        (self.sink)(list, permit);
        answers.into_iter().for_each(|answer| answer.give(Ok(())));
    }
}

impl Actor for MemoryBridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        (self.on_link)(LinkEvent::Up { first: true });
        ctx.spawn(Deliver);
    }
}

impl Handler<Publish> for MemoryBridge {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Context<Self>) {
        self.queue.push_back(publish);
    }
}

impl Handler<Stop> for MemoryBridge {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Polled by the context after each run through the mailbox: so what came together leaves together.
struct Deliver;

impl ActorFuture<MemoryBridge> for Deliver {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        bridge: &mut MemoryBridge,
        _: &mut Context<MemoryBridge>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<()> {
        while !bridge.queue.is_empty() && bridge.permits.poll_room(cx).is_ready() {
            bridge.deliver_batch();
        }
        task::Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::testing::{ears, publish, soon, until};
    use crate::bridge::{Bus, BusError, BusHandle, bus};
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[actix::test]
    async fn what_is_published_together_arrives_together_and_in_order() {
        let (sink, on_link, mut ears) = ears();
        let bridge = MemoryBridge::new(Permits::new(100, 1 << 20), sink, on_link).start();
        let bus = BusHandle::new(bridge.recipient());
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: true });
        for n in 0..10 {
            bus.publish("user:u".into(), Bytes::from(n.to_string()), Box::new(|_| {}));
        }
        let (batch, permit) = ears.next_batch().await;
        assert_eq!(batch.len(), 10);
        assert!(batch.iter().enumerate().all(|(n, message)| message.payload == n.to_string()));
        drop(permit);
        assert_eq!(publish(&bus, "user:u", "x").await, Ok(()));
        assert_eq!(publish(&bus, "room:u", "x").await, Err(BusError::UnknownChannel));
    }

    #[actix::test]
    async fn without_permits_it_waits_and_what_waits_is_bounded() {
        let (sink, on_link, mut ears) = ears();
        let permits = Permits::new(1, 1 << 20);
        let bridge = MemoryBridge::new(permits.clone(), sink, on_link).start();
        let bus = BusHandle::new(bridge.clone().recipient());
        let held = permits.take(1, 1);
        let (busy, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..bus::MAX_WAITING + 3 {
            let (busy, done) = (busy.clone(), done.clone());
            let answer = Box::new(move |result: Result<(), BusError>| {
                let counter = if result == Err(BusError::Busy) { busy } else { done };
                counter.fetch_add(1, Ordering::Relaxed);
            });
            bus.publish("user:u".into(), Bytes::from_static(b"x"), answer);
        }
        assert_eq!((busy.load(Ordering::Relaxed), bus.waiting().0), (3, bus::MAX_WAITING));
        assert_eq!(bus.load(), (bus::MAX_WAITING, 3));
        soon(bridge.send(Nothing)).await.unwrap();
        assert!(ears.batches.try_recv().is_err(), "nothing is handed on without a permit");
        drop(held);
        until(|| {
            while ears.batches.try_recv().is_ok() {}
            done.load(Ordering::Relaxed) == bus::MAX_WAITING
        })
        .await;
        assert_eq!(bus.waiting(), (0, 0));
        bridge.do_send(Stop);
        assert_eq!(publish(&bus, "user:u", "x").await, Err(BusError::Unavailable));
    }

    #[derive(actix::Message)]
    #[rtype(result = "()")]
    struct Nothing;

    impl Handler<Nothing> for MemoryBridge {
        type Result = ();

        fn handle(&mut self, _: Nothing, _: &mut Context<Self>) {}
    }
}
