//! The `RedisBridge` actor: it lives on the registry's thread, and its link and publisher in its context.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WrapFuture};
use tokio::sync::Notify;

use super::bus::Publish;
use super::gate::{Inbox, lock};
use super::link::Link;
use super::outgoing::Outgoing;
use super::publisher::Publisher;
use super::target::Target;
use super::{OnLink, Sink};
use crate::ids::Sid;
use crate::rooms::Permits;
use crate::vital::Vital;

/// A publication is answered within two seconds: by its read-back, or by the sweep after this long.
const PATIENCE: Duration = Duration::from_millis(1_900);
/// Between two looks for publications whose time is up.
const SWEEP: Duration = Duration::from_millis(100);

/// Listens to Redis and publishes to it. See the [module](super) for its parts.
pub struct RedisBridge {
    outgoing: Arc<Mutex<Outgoing>>,
    work: Arc<Notify>,
    /// Until the actor starts.
    parts: Option<(Link, Publisher)>,
    _vital: Vital,
}

impl RedisBridge {
    /// A bridge to `target`. It takes `permits` for what it hands to `sink`, and reads nothing while
    /// there are none.
    pub fn new(target: Target, permits: Permits, sink: Sink, on_link: OnLink) -> RedisBridge {
        let outgoing = Arc::new(Mutex::new(Outgoing::new(PATIENCE)));
        let work = Arc::new(Notify::new());
        let heartbeat: Arc<str> = format!("roomcast:heartbeat:{}", Sid::new(0, 0)).into();
        let inbox = Arc::new(Inbox::new(sink, permits, outgoing.clone()));
        let publisher = Publisher {
            target: target.clone(),
            outgoing: outgoing.clone(),
            work: work.clone(),
            heartbeat: heartbeat.clone(),
            heartbeat_refused: AtomicBool::new(false),
        };
        let link = Link { target, inbox, on_link, heartbeat };
        RedisBridge { outgoing, work, parts: Some((link, publisher)), _vital: Vital("the bridge") }
    }

    fn sweep(&mut self, _: &mut Context<Self>) {
        // dropping an answer gives it
        let _expired = lock(&self.outgoing).expire(Instant::now());
    }
}

impl Actor for RedisBridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some((link, publisher)) = self.parts.take() {
            ctx.spawn(async move { match link.run().await {} }.into_actor(self));
            ctx.spawn(async move { match publisher.run().await {} }.into_actor(self));
        }
        ctx.run_interval(SWEEP, Self::sweep);
    }
}

impl Handler<Publish> for RedisBridge {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Context<Self>) {
        lock(&self.outgoing).push(publish, Instant::now());
        self.work.notify_one();
    }
}

/// Stops a bridge: it reads and sends nothing more; what waits is answered `Unavailable`.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

impl Handler<Stop> for RedisBridge {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::testing::{Ears, Redis, ears, publish, soon, until};
    use crate::bridge::{Bus, BusError, BusHandle, LinkEvent};
    use crate::clock::now_ms;
    use actix::Addr;
    use bytes::Bytes;

    fn start(url: &str, permits: &Permits) -> (Addr<RedisBridge>, BusHandle, Ears) {
        let (sink, on_link, ears) = ears();
        let target = Target::parse(url).unwrap();
        let bridge = RedisBridge::new(target, permits.clone(), sink, on_link).start();
        (bridge.clone(), BusHandle::new(bridge.recipient()), ears)
    }

    fn plenty() -> Permits {
        Permits::new(4_096, 32 << 20)
    }

    async fn up(redis: &Redis) -> (Addr<RedisBridge>, BusHandle, Ears) {
        redis.ready().await;
        let (bridge, bus, mut ears) = start(&redis.url(), &plenty());
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: true });
        (bridge, bus, ears)
    }

    /// Publishes the numbers of a range to `campaign:c` in one go.
    fn publish_numbers(redis: &Redis, range: std::ops::Range<usize>) {
        let mut pipeline = redis::pipe();
        range.for_each(|n| {
            pipeline.cmd("PUBLISH").arg("campaign:c").arg(n).ignore();
        });
        pipeline.exec(&mut redis.connection()).unwrap();
    }

    #[actix::test]
    async fn messages_arrive_in_order_and_one_batch_a_read() {
        let redis = Redis::start();
        let (_bridge, _bus, mut ears) = up(&redis).await;
        publish_numbers(&redis, 0..5_000);
        let (mut seen, mut batches) = (0, 0);
        while seen < 5_000 {
            let (list, _permit) = ears.next_batch().await;
            for message in list {
                assert_eq!(
                    (&*message.channel, &*message.payload),
                    ("campaign:c", seen.to_string().as_bytes())
                );
                seen += 1;
            }
            batches += 1;
        }
        assert!(batches < 500, "{batches} batches");
    }

    #[actix::test]
    async fn all_four_kinds_arrive_and_nothing_else_whatever_is_in_it() {
        let redis = Redis::start();
        let (_bridge, _bus, mut ears) = up(&redis).await;
        let big = "x".repeat(2_000_000);
        for (channel, payload) in [
            ("room:r", "no"),
            ("user:ü|1", "1"),
            ("timer:t", ""),
            ("system:a", "not json"),
            ("campaign:c", &big),
        ] {
            redis.command(&["PUBLISH", channel, payload]);
        }
        let payloads = ears.payloads(4).await;
        assert_eq!((&*payloads[0], &*payloads[1], &*payloads[2]), ("1", "", "not json"));
        assert_eq!(payloads[3].len(), 2_000_000);
    }

    #[actix::test]
    async fn a_restart_is_survived_and_the_gap_is_told() {
        let mut redis = Redis::start();
        let (_bridge, bus, mut ears) = up(&redis).await;
        let before = now_ms();
        redis.kill();
        assert!(matches!(ears.next_link_event().await, LinkEvent::Down { .. }));
        let refused = Instant::now();
        assert_eq!(publish(&bus, "user:u", "lost").await, Err(BusError::Unavailable));
        assert!(refused.elapsed() < Duration::from_millis(2_500));
        redis.restart();
        redis.ready().await;
        let back = Instant::now();
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: false });
        let LinkEvent::Gap { since, until } = ears.next_link_event().await else { panic!("a gap is told") };
        assert!(since >= before - 2_000 && since < until && until <= now_ms(), "{since} {until}");
        publish_numbers(&redis, 0..3);
        assert_eq!(ears.payloads(3).await, ["0", "1", "2"]);
        assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
        assert_eq!(publish(&bus, "user:u", "again").await, Ok(()));
    }

    #[actix::test]
    async fn a_server_that_hangs_is_noticed_and_found_again() {
        let redis = Redis::start();
        let (_bridge, _bus, mut ears) = up(&redis).await;
        let frozen = now_ms();
        redis.signal("STOP");
        let told = ears.next_link_event().await;
        assert!(
            matches!(&told, LinkEvent::Down { reason, .. } if reason.contains("no sign of life")),
            "{told:?}"
        );
        redis.signal("CONT");
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: false });
        let LinkEvent::Gap { since, until } = ears.next_link_event().await else { panic!("a gap is told") };
        assert!(since <= frozen + 200 && until - since >= 5_000, "{}", until - since);
        publish_numbers(&redis, 0..1);
        assert_eq!(ears.payloads(1).await, ["0"]);
    }

    #[actix::test]
    async fn a_link_that_is_silent_but_sound_is_kept() {
        let redis = Redis::start();
        redis.ready().await;
        let rights = ["+@all", "resetchannels", "&campaign:*", "&timer:*", "&system:*", "&user:*"];
        let heartbeat = ["&roomcast:heartbeat:*", "-publish"];
        redis.command(&[&["ACL", "SETUSER", "hub", "on", ">pw"][..], &rights[..], &heartbeat[..]].concat());
        let (_bridge, bus, mut ears) = start(&redis.url().replace("//", "//hub:pw@"), &plenty());
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: true });
        let refusal = publish(&bus, "user:u", "x").await.unwrap_err();
        assert!(matches!(&refusal, BusError::Refused(why) if why.contains("publish")), "{refusal:?}");
        let quiet = tokio::time::timeout(Duration::from_secs(7), ears.link.recv()).await;
        assert!(quiet.is_err(), "without a heartbeat the pings show that it lives: {quiet:?}");
    }

    /// 240 numbered messages of 100 kB, more than buffers hold.
    fn publish_much(redis: &Redis) {
        let mut pipeline = redis::pipe();
        let filler = "x".repeat(100_000);
        (0..240).for_each(|n| {
            pipeline.cmd("PUBLISH").arg("campaign:c").arg(format!("{n} {filler}")).ignore();
        });
        pipeline.exec(&mut redis.connection()).unwrap();
    }

    #[actix::test]
    async fn without_permits_redis_is_held_back_and_nothing_is_lost() {
        let redis = Redis::start();
        redis.ready().await;
        let permits = Permits::new(8, 1 << 20);
        let (_bridge, _bus, mut ears) = start(&redis.url(), &permits);
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: true });
        publish_much(&redis);
        let waits_in_redis = || {
            let redis::Value::BulkString(list) = redis.command(&["CLIENT", "LIST", "TYPE", "PUBSUB"]) else {
                panic!("a list of clients")
            };
            !String::from_utf8(list).unwrap().contains(" omem=0 ")
        };
        until(|| permits.in_flight().0 >= 8 && waits_in_redis()).await;
        // and so it stays: a heartbeat later still nothing more was read
        let read = permits.in_flight();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(permits.in_flight(), read);
        assert!(read.0 < 20 && read.1 < 2 << 20, "{read:?} were read");
        let mut seen = 0;
        while seen < 240 {
            let (list, _permit) = ears.next_batch().await;
            for message in list {
                assert!(message.payload.starts_with(format!("{seen} ").as_bytes()), "{seen}");
                seen += 1;
            }
        }
        assert!(ears.link.try_recv().is_err(), "the link was never in doubt");
    }

    #[actix::test]
    async fn a_link_that_redis_gives_up_while_it_is_held_back_has_a_gap_from_the_first_message_that_is_missing()
     {
        let redis = Redis::start();
        redis.ready().await;
        redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"]);
        let permits = Permits::new(8, 1 << 20);
        let (_bridge, _bus, mut ears) = start(&redis.url(), &permits);
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: true });
        publish_much(&redis);
        let published = now_ms();
        let no_patterns = || redis.command(&["PUBSUB", "NUMPAT"]) == redis::Value::Int(0);
        until(no_patterns).await;
        // what is in the buffers is read late, and must not count as a sign of life of that moment
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut seen = 0;
        let gap = loop {
            while let Ok((list, _permit)) = ears.batches.try_recv() {
                seen += list.len();
            }
            match ears.link.try_recv() {
                Ok(LinkEvent::Gap { since, .. }) => break since,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        assert!(seen < 240, "nothing was lost");
        assert!(gap <= published, "the gap begins {} ms after the last message", gap - published);
    }

    #[actix::test]
    async fn a_refused_right_or_password_is_waited_for() {
        let redis = Redis::start();
        redis.ready().await;
        let (_bridge, _bus, mut ears) = start(&redis.url().replace("//", "//hub:pw@"), &plenty());
        let told = ears.next_link_event().await;
        assert!(matches!(&told, LinkEvent::Down { reason, .. } if reason.contains("WRONGPASS")), "{told:?}");
        redis.command(&["ACL", "SETUSER", "hub", "on", ">pw", "+@all", "resetchannels", "&roomcast:*"]);
        let refusals = || match redis.command(&["ACL", "LOG"]) {
            redis::Value::Array(entries) => format!("{entries:?}").contains("campaign:*"),
            _ => false,
        };
        until(refusals).await;
        assert!(ears.link.try_recv().is_err(), "one outage is told once");
        redis.command(&["ACL", "SETUSER", "hub", "allchannels"]);
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: true });
        publish_numbers(&redis, 0..1);
        assert_eq!(ears.payloads(1).await, ["0"]);
        // a right that is taken away later closes the link
        redis.command(&["ACL", "SETUSER", "hub", "resetchannels"]);
        assert!(matches!(ears.next_link_event().await, LinkEvent::Down { .. }));
    }

    #[actix::test]
    async fn a_publication_is_answered_when_it_was_handed_on() {
        let redis = Redis::start();
        let (bridge, bus, mut ears) = up(&redis).await;
        assert_eq!(publish(&bus, "user:u", "a").await, Ok(()));
        let (batch, _permit) = ears.batches.try_recv().expect("handed on before the answer");
        assert_eq!((&*batch[0].channel, &*batch[0].payload), ("user:u", &b"a"[..]));
        let (all, mut answers) = tokio::sync::mpsc::unbounded_channel();
        for n in 0..1_000 {
            let all = all.clone();
            let payload = Bytes::from((n % 500).to_string());
            bus.publish("user:u".into(), payload, Box::new(move |result| drop(all.send(result))));
        }
        let expected: Vec<_> = (0..1_000).map(|n| (n % 500).to_string()).collect();
        assert_eq!(ears.payloads(1_000).await, expected);
        for _ in 0..1_000 {
            assert_eq!(soon(answers.recv()).await, Some(Ok(())));
        }
        assert_eq!(bus.waiting(), (0, 0));
        bridge.do_send(Stop);
        assert_eq!(publish(&bus, "user:u", "a").await, Err(BusError::Unavailable));
    }

    #[actix::test]
    async fn a_server_that_is_not_there_at_the_start_is_waited_for() {
        let mut redis = Redis::start();
        redis.kill();
        let (_bridge, bus, mut ears) = start(&redis.url(), &plenty());
        assert!(matches!(ears.next_link_event().await, LinkEvent::Down { .. }));
        redis.restart();
        assert_eq!(ears.next_link_event().await, LinkEvent::Up { first: true });
        assert!(ears.link.try_recv().is_err(), "there was nothing to miss");
        assert_eq!(publish(&bus, "user:u", "a").await, Ok(()));
    }
}
