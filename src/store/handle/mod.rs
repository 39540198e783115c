//! The store as the rest of the hub sees it. What is read on the pool stands in [`reads`], what goes through the
//! writer's line in [`line`].

mod line;
mod reads;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;

pub use reads::{Initial, InitialAsk};

#[cfg(test)]
use super::connection::AnyConnection;
use super::connection::Manager;
use super::health::Health;
use super::joined::Joined;
use super::queue::{Bounds, Queue};
use super::reader::Readers;
use super::writer::Writer;
use super::{StoreError, migrate};
use crate::clock::Millis;

/// How to reach the database, and how hard.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `sqlite://path`, `sqlite:path`, `postgres://…` or `postgresql://…`.
    pub url: String,
    /// Connections that read; one more writes.
    pub pool_size: u32,
    /// What a statement, a lock or a wait for a connection may take.
    pub timeout: Duration,
    /// Statuses of campaigns that are no longer active.
    pub ended_statuses: Vec<String>,
    /// Counts the statements of readers and writer.
    pub statements: Option<IntCounter>,
}

impl StoreOptions {
    pub(super) fn manager(&self) -> Manager {
        Manager::new(&self.url, self.timeout).counting(self.statements.clone())
    }
}

/// What the writer has committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// The campaign's row holds this status or a newer one.
    Status {
        /// The campaign.
        campaign_id: Arc<str>,
        /// The time of the status.
        time: Millis,
        /// The newest ticket that this commit covers.
        ticket: u64,
    },
    /// The notification is there.
    Notification {
        /// The ticket it was given.
        ticket: u64,
        /// Whose it is.
        user: Arc<str>,
        /// Its id.
        id: Arc<str>,
        /// Its place in the order of writing.
        seq: i64,
        /// False where it was there before.
        new: bool,
    },
    /// A notification for the owner of a campaign that names none: nothing was written.
    NotificationWithoutRecipient {
        /// The ticket it was given.
        ticket: u64,
    },
    /// The database refused this row, and always would; it was logged and counted.
    Dropped {
        /// The ticket it was given; of a status all that it covered.
        ticket: u64,
    },
}

/// A handle to the store: reads on a pool of sync actors, writes through one writer.
///
/// Replies run on a thread of the store (where there is no room, at once on the caller's): they should
/// only send a message. The last handle that goes ends the writer, after it has written what waits.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    queue: Arc<Queue>,
    health: Arc<Health>,
    readers: Readers,
    initials: Joined<InitialAsk, Initial>,
    ended: Vec<String>,
    /// Tells what this process has changed from what others have.
    origin: i64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Start, end, and how it is doing.
impl Store {
    /// Brings the schema up to date and names the migrations that ran. Safe where several processes do so
    /// at once. Blocks.
    ///
    /// # Errors
    /// [`StoreError::is_worth_waiting`] tells what may pass (unreachable, refused) from what ends a start
    /// (a wrong URL, a schema newer than this binary).
    pub fn migrate(options: &StoreOptions) -> Result<Vec<String>, StoreError> {
        migrate::run(&options.manager())
    }

    /// Starts readers and writer; `confirm` hears, on the writer's thread, what was committed, in order.
    ///
    /// # Panics
    /// Outside an actix `System`, and where the operating system gives no thread.
    pub fn start(options: StoreOptions, confirm: impl Fn(Vec<Confirmed>) + Send + Sync + 'static) -> Store {
        Store::start_bounded(options, confirm, Bounds::default())
    }

    pub(super) fn start_bounded(
        options: StoreOptions,
        confirm: impl Fn(Vec<Confirmed>) + Send + Sync + 'static,
        bounds: Bounds,
    ) -> Store {
        let manager = options.manager();
        let queue = Arc::new(Queue::new(bounds));
        let health = Arc::new(Health::new(options.timeout));
        let writer = Writer::new(queue.clone(), health.clone(), manager.clone(), Box::new(confirm));
        #[allow(clippy::expect_used, reason = "a hub without its writer must not run")]
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run())
            .expect("the operating system gives a thread");
        let readers = Readers::start(manager, options.pool_size, options.timeout);
        Store(Arc::new(Inner {
            queue,
            health,
            readers,
            initials: Joined::default(),
            ended: options.ended_statuses,
            origin: origin(),
        }))
    }

    /// Writes that wait or are in work.
    pub fn depth(&self) -> usize {
        self.0.queue.depth()
    }

    /// Reads that wait or run; at most 4 096.
    pub fn reading(&self) -> usize {
        self.0.readers.outstanding()
    }

    /// Keeps one reader busy until the answer is dropped.
    #[cfg(test)]
    pub(super) async fn occupy_a_reader(&self) -> std::sync::mpsc::Sender<()> {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let mut begin = Some(begin);
        let wait = move |_: &mut AnyConnection| {
            let _ = (begin.take().map(|begin| begin.send(())), held.recv());
            Ok(())
        };
        self.0.readers.read(wait, drop);
        begun.await.unwrap_or_default();
        hold
    }

    /// Reads that were refused because too many waited, since the start.
    pub fn reads_refused(&self) -> u64 {
        self.0.readers.refused()
    }

    /// Writes that were refused because too much waited, since the start.
    pub fn overflowed(&self) -> u64 {
        self.0.queue.overflowed()
    }

    /// Rows that the database refused for what they hold, since the start.
    pub fn dropped(&self) -> u64 {
        self.0.health.dropped()
    }

    /// Whether the database takes writes, as far as is known: it is asked once a second.
    pub fn is_up(&self) -> bool {
        self.0.health.is_up()
    }

    /// For how long the database has not answered, in milliseconds; 0 where it does.
    pub fn missing_ms(&self) -> u64 {
        self.0.health.missing_ms()
    }

    /// Waits until everything that waits is written, at most `limit`; false where it is not. Blocks.
    pub fn flush(&self, limit: Duration) -> bool {
        self.0.queue.flush(limit)
    }
}

/// A number for this process' store. Two that draw the same would not hear of each other: one chance in 2^64.
#[allow(clippy::expect_used, reason = "a hub without randomness must not run")]
fn origin() -> i64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    i64::from_le_bytes(bytes)
}
