//! What was published and what each client got: all that the verdict is made from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Two streams of numbered events run side by side, and each promises something else.
pub const STREAMS: usize = 2;
/// Published to Redis: at most once, and a gap is told.
pub const REDIS: usize = 0;
/// Published over HTTP: what was answered with 202 has to arrive, gap or not.
pub const HTTP: usize = 1;

/// Microseconds since the run began.
pub type Micros = u64;

/// One clock for publisher and clients, and what the wall clock was when it began.
#[derive(Clone, Copy)]
pub struct Clock {
    begun: Instant,
    wall_ms: i64,
}

impl Clock {
    pub fn start() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { begun: Instant::now(), wall_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
    }

    pub fn now(&self) -> Micros {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// What a time of the wall clock, in milliseconds since 1970, is on this one.
    pub fn of_wall(&self, ms: i64) -> Micros {
        u64::try_from(ms.saturating_sub(self.wall_ms)).unwrap_or(0).saturating_mul(1_000)
    }
}

/// What became of a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It was accepted.
    Yes,
    /// No answer, or one that leaves it open: it may arrive or not.
    Unknown,
}

/// One publication; its place in its stream is its number.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Before it was sent …
    pub begin: Micros,
    /// … and when its answer was there.
    pub end: Micros,
    pub taken: Taken,
    /// It sets the campaign's status.
    pub status: bool,
}

/// An event that a client got.
#[derive(Clone, Copy, Debug)]
pub struct Got {
    pub stream: usize,
    pub seq: usize,
    pub at: Micros,
}

/// A client's stay in the room, from `subscribed` to the end of its connection.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub up: Micros,
    /// None: it was there to the end.
    pub ended: Option<Micros>,
    /// The code it was told before the end.
    pub told: Option<String>,
    pub got: Vec<Got>,
    /// Gaps it was told of.
    pub gaps: Vec<(Micros, Micros)>,
}

/// All that one client has seen.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub sessions: Vec<Session>,
    /// The newest status it was shown, with its timestamp.
    pub status: (String, String),
    /// Attempts to come in that failed.
    pub refused: usize,
    /// It changed from polling to a websocket.
    pub upgraded: bool,
    /// Why the last connection ended, or the last attempt failed.
    pub last_end: String,
}

/// A client's log, written by the client and looked at by whoever drives the run.
#[derive(Clone, Default)]
pub struct SharedLog(Arc<Mutex<Log>>);

impl SharedLog {
    pub fn with<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        let mut log: MutexGuard<'_, Log> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut log)
    }

    /// Does something with the stay that has not ended.
    pub fn in_session(&self, note: impl FnOnce(&mut Session)) {
        self.with(|log| log.sessions.last_mut().filter(|session| session.ended.is_none()).map(note));
    }
}

impl Log {
    pub fn is_in(&self) -> bool {
        self.sessions.last().is_some_and(|session| session.ended.is_none())
    }

    /// The last event of a stream, while the client is in.
    pub fn last_of(&self, stream: usize) -> Option<Got> {
        let session = self.sessions.last().filter(|session| session.ended.is_none())?;
        session.got.iter().rfind(|got| got.stream == stream).copied()
    }

    /// Shows a status unless it is older than what is shown.
    pub fn show(&mut self, status: &str, timestamp: &str) {
        // all timestamps have the same form, so their order is that of the texts
        if timestamp >= self.status.1.as_str() {
            self.status = (status.to_owned(), timestamp.to_owned());
        }
    }
}
