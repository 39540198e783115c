//! The subscribed connection: it comes back by itself, and says what was missed meanwhile.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::time::{sleep, timeout};

use super::gate::{Gate, Inbox};
use super::target::{ATTEMPT, LinkError, Target, pause_before};
use super::{LinkEvent, OnLink, PATTERNS};
use crate::clock::{Millis, now_ms, uptime_ms};

/// A link that is silent this long is given up; the heartbeat comes each second.
const SILENCE: Duration = Duration::from_secs(5);
/// After this long without a heartbeat the link is pinged: it may be missing for want of a right, or of a
/// second connection, while the link is sound.
const DOUBT: Duration = Duration::from_secs(2);
/// How often silence is looked for.
const WATCH: Duration = Duration::from_millis(500);
/// The same trouble is logged again after this long.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// The link, for as long as its bridge lives.
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) inbox: Arc<Inbox>,
    pub(super) on_link: OnLink,
    /// The hub's own channel, which the publisher publishes to.
    pub(super) heartbeat: Arc<str>,
}

/// How the link has fared so far.
#[derive(Default)]
struct History {
    ever_up: bool,
    up_since: Option<Instant>,
    /// What was published after this may be missing, in the outage under way.
    outage: Option<Millis>,
    down_told: bool,
    attempt: u32,
    logged: Option<Instant>,
}

impl Link {
    /// Keeps the link up.
    pub(super) async fn run(self) -> Infallible {
        let mut history = History::default();
        loop {
            let error = self.once(&mut history).await;
            self.lost(&mut history, &error);
            sleep(pause_before(history.attempt)).await;
        }
    }

    /// One connection, from its first byte to its last.
    async fn once(&self, history: &mut History) -> LinkError {
        self.inbox.reset();
        let connecting = async {
            let gate = Gate::new(self.target.open().await?, self.inbox.clone());
            Ok(MultiplexedConnection::new_with_config(self.target.info(), gate, self.config()).await?)
        };
        let (connection, driver) = match timeout(ATTEMPT, connecting).await {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => return error,
            Err(_) => return LinkError::Timeout,
        };
        let error = match select(pin!(driver), pin!(self.session(connection, history))).await {
            Either::Left(_) => LinkError::Closed,
            Either::Right((error, _)) => error,
        };
        self.inbox.hand_on(); // what came with the last read
        error
    }

    fn config(&self) -> AsyncConnectionConfig {
        let inbox = self.inbox.clone();
        AsyncConnectionConfig::new().set_response_timeout(Some(ATTEMPT)).set_push_sender(move |info| {
            inbox.push(info);
            Ok::<(), Infallible>(())
        })
    }

    /// Subscribes and watches; the connection's driver runs beside it.
    async fn session(&self, mut connection: MultiplexedConnection, history: &mut History) -> LinkError {
        if let Err(error) = self.subscribe(&mut connection).await {
            return error.into();
        }
        self.is_up(history);
        loop {
            sleep(WATCH).await;
            if self.inbox.uncertain() > DOUBT && !self.inbox.is_paused() {
                // the answer is a sign of life; that it is missing shows in the silence
                let sent = uptime_ms();
                if redis::cmd("PING").exec_async(&mut connection).await.is_ok() {
                    self.inbox.is_complete_until(sent);
                }
            }
            if self.inbox.silence() > SILENCE {
                return LinkError::Silent(SILENCE);
            }
        }
    }

    /// The patterns come last, in one command: no message comes before the answer to it.
    async fn subscribe(&self, connection: &mut MultiplexedConnection) -> Result<(), redis::RedisError> {
        connection.subscribe(&*self.heartbeat).await?;
        connection.psubscribe(&PATTERNS).await
    }

    fn is_up(&self, history: &mut History) {
        log::info!("listening to Redis at {}", self.target);
        let first = !std::mem::replace(&mut history.ever_up, true);
        (history.up_since, history.down_told, history.logged) = (Some(Instant::now()), false, None);
        (self.on_link)(LinkEvent::Up { first });
        if let Some(since) = history.outage.take() {
            (self.on_link)(LinkEvent::Gap { since, until: now_ms() });
        }
        self.inbox.open();
    }

    fn lost(&self, history: &mut History, error: &LinkError) {
        let up_since = history.up_since.take();
        // one that is lost as soon as it stands must not be tried without a pause
        let was_stable = up_since.is_some_and(|since| since.elapsed() > Duration::from_secs(1));
        history.attempt = if was_stable { 0 } else { history.attempt.saturating_add(1) };
        let mut silent = Duration::ZERO;
        if up_since.is_some() {
            silent = self.inbox.uncertain();
            let uncertain = Millis::try_from(silent.as_millis()).unwrap_or(Millis::MAX);
            history.outage = Some(now_ms().saturating_sub(uncertain));
            log::warn!("the link to Redis at {} was lost ({error}); events may be missed", self.target);
        } else if history.logged.is_none_or(|at| at.elapsed() > LOG_AGAIN) {
            log::warn!("{}", error.advice(&self.target));
            history.logged = Some(Instant::now());
        }
        if !std::mem::replace(&mut history.down_told, true) {
            (self.on_link)(LinkEvent::Down { reason: error.to_string(), silent });
        }
    }
}
