//! The second connection: it publishes, and carries the heartbeat.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bus::BusError;
use super::gate::lock;
use super::outgoing::{Outgoing, ToSend};
use super::target::{ATTEMPT, LinkError, Target, pause_before};
use crate::clock;

/// Between two heartbeats.
const BEAT: Duration = Duration::from_secs(1);
/// The most that travels in one go; the next go waits for its answers.
const BATCH_ITEMS: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

/// The publisher, for as long as its bridge lives.
pub(super) struct Publisher {
    pub(super) target: Target,
    pub(super) outgoing: Arc<Mutex<Outgoing>>,
    /// Wakes it when something was put into `outgoing`.
    pub(super) work: Arc<Notify>,
    pub(super) heartbeat: Arc<str>,
    /// So that it is said once; the link then pings instead.
    pub(super) heartbeat_refused: AtomicBool,
}

impl Publisher {
    /// Publishes for ever. What cannot be sent waits, and is answered by whoever minds the time.
    pub(super) async fn run(self) -> Infallible {
        let mut attempt = 0;
        loop {
            let error = match timeout(ATTEMPT, self.connect()).await {
                Ok(Ok((connection, driver))) => {
                    attempt = 0;
                    match select(pin!(driver), pin!(self.send_all(connection))).await {
                        Either::Left(_) => LinkError::Closed,
                        Either::Right((error, _)) => error,
                    }
                }
                Ok(Err(error)) => error,
                Err(_) => LinkError::Timeout,
            };
            // the link, which meets the same trouble, says it aloud
            log::debug!("publishing to Redis at {}: {error}", self.target);
            attempt += 1;
            sleep(pause_before(attempt)).await;
        }
    }

    async fn connect(
        &self,
    ) -> Result<(MultiplexedConnection, impl Future<Output = ()> + 'static), LinkError> {
        let stream = self.target.open().await?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ATTEMPT));
        Ok(MultiplexedConnection::new_with_config(self.target.info(), stream, config).await?)
    }

    async fn send_all(&self, mut connection: MultiplexedConnection) -> LinkError {
        let mut next_beat = Instant::now();
        loop {
            let _ = select(pin!(self.wait_for_work()), pin!(sleep_until(next_beat))).await;
            let beats = Instant::now() >= next_beat;
            let batch = lock(&self.outgoing).take(BATCH_ITEMS, BATCH_BYTES);
            if let Err(error) = self.send(&mut connection, &batch, beats).await {
                return error.into();
            }
            if beats {
                next_beat = Instant::now() + BEAT;
            }
        }
    }

    async fn wait_for_work(&self) {
        while !lock(&self.outgoing).has_queued() {
            self.work.notified().await;
        }
    }

    async fn send(
        &self,
        connection: &mut MultiplexedConnection,
        batch: &[ToSend],
        beats: bool,
    ) -> Result<(), redis::RedisError> {
        let mut pipeline = Pipeline::with_capacity(batch.len() + 1);
        for message in batch {
            pipeline.cmd("PUBLISH").arg(&message.channel).arg(&message.payload[..]);
        }
        if beats {
            pipeline.cmd("PUBLISH").arg(&*self.heartbeat).arg(clock::uptime_ms());
        }
        if pipeline.is_empty() {
            return Ok(());
        }
        let replies = connection.send_packed_commands(&pipeline, 0, pipeline.len()).await?;
        self.take_replies(batch, replies);
        Ok(())
    }

    /// A publication that was taken is answered when it is read back; one that was refused, now.
    fn take_replies(&self, batch: &[ToSend], replies: Vec<Value>) {
        for (i, reply) in replies.into_iter().enumerate() {
            let refusal = reply.extract_error().err();
            match (batch.get(i), refusal) {
                (Some(message), Some(error)) => {
                    let answer = lock(&self.outgoing).remove(message.ticket);
                    answer.into_iter().for_each(|a| a.give(Err(BusError::Refused(error.to_string()))));
                }
                (Some(_), None) => {}
                (None, refusal) => self.beat_taken(refusal),
            }
        }
    }

    fn beat_taken(&self, refusal: Option<redis::RedisError>) {
        let was_refused = self.heartbeat_refused.swap(refusal.is_some(), Ordering::Relaxed);
        if let (Some(error), false) = (refusal, was_refused) {
            log::warn!("{}", LinkError::from(error).advice(&self.target));
        }
    }
}
