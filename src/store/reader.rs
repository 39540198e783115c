//! Reads: a pool of sync actors, one connection each, and a bound on what may wait for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use diesel::r2d2::{NopErrorHandler, Pool};
use diesel::result::{Error, QueryResult};

use super::StoreError;
use super::connection::{AnyConnection, Manager};
use super::error::lost;

/// Reads that may wait or run at once.
pub(super) const MOST: usize = 4_096;

/// One thread that reads.
pub(super) struct Reader {
    pool: Pool<Manager>,
}

impl Actor for Reader {
    type Context = SyncContext<Reader>;
}

/// A read with its answer.
pub(super) struct Job(Box<dyn FnOnce(&Reader) + Send>);

impl Message for Job {
    type Result = ();
}

impl Handler<Job> for Reader {
    type Result = ();

    fn handle(&mut self, job: Job, _: &mut SyncContext<Reader>) {
        // a failed read must not take one of the few readers with it
        if catch_unwind(AssertUnwindSafe(|| (job.0)(self))).is_err() {
            log::error!("a read of the store, or its answer, failed");
        }
    }
}

/// Asks for reads.
pub(super) struct Readers {
    addr: Addr<Reader>,
    outstanding: Arc<AtomicUsize>,
    refused: AtomicU64,
    timeout: Duration,
}

/// A question for the database, and who waits for its answer.
pub(super) trait Question: Send + 'static {
    /// What is answered.
    type Answer;
    /// Asks; again on another connection where one turns out to be dead.
    fn query(&mut self, conn: &mut AnyConnection) -> QueryResult<Self::Answer>;
    /// Hears the answer, once.
    fn reply(self, answer: Result<Self::Answer, StoreError>);
}

struct Closures<Q, R> {
    query: Q,
    reply: R,
}

impl<T, Q, R> Question for Closures<Q, R>
where
    Q: FnMut(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    R: FnOnce(Result<T, StoreError>) + Send + 'static,
{
    type Answer = T;

    fn query(&mut self, conn: &mut AnyConnection) -> QueryResult<T> {
        (self.query)(conn)
    }

    fn reply(self, answer: Result<T, StoreError>) {
        (self.reply)(answer);
    }
}

/// One of the reads that may wait.
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Readers {
    /// Starts `threads` readers; inside an actix `System`. No connection is waited for.
    pub(super) fn start(manager: Manager, threads: u32, timeout: Duration) -> Readers {
        let threads = threads.max(1);
        let pool = Pool::builder()
            .max_size(threads)
            .connection_timeout(timeout)
            .error_handler(Box::new(NopErrorHandler)) // the writer says when the database is away
            .build_unchecked(manager);
        let addr = SyncArbiter::start(threads as usize, move || Reader { pool: pool.clone() });
        Readers { addr, outstanding: Arc::default(), refused: AtomicU64::new(0), timeout }
    }

    /// Runs `query` on a reader and hands its result to `reply`, there; or at once where too much waits.
    /// It may run again on another connection where one turns out to be dead.
    pub(super) fn read<T>(
        &self,
        query: impl FnMut(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.ask(Closures { query, reply });
    }

    /// The same for a question that is more than two closures.
    pub(super) fn ask(&self, mut question: impl Question) {
        let Some(place) = self.place() else { return question.reply(Err(StoreError::Busy)) };
        let deadline = Instant::now() + self.timeout;
        self.addr.do_send(Job(Box::new(move |reader| {
            let answer = reader.answer(deadline, |conn| question.query(conn));
            drop(place);
            question.reply(answer);
        })));
    }

    /// One of the places of reads that may wait, if any is free.
    pub(super) fn place(&self) -> Option<Place> {
        let place = Place(self.outstanding.clone());
        let fits = self.outstanding.fetch_add(1, Ordering::AcqRel) < MOST;
        self.refused.fetch_add(u64::from(!fits), Ordering::Relaxed);
        fits.then_some(place)
    }

    /// Reads that were refused because too many waited, since the start.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Reads that wait or run.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }
}

impl Reader {
    /// What is too late already is not asked: whoever wanted it has given up.
    fn answer<T>(
        &self,
        deadline: Instant,
        mut query: impl FnMut(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        let mut last = None;
        for _ in 0..=self.pool.max_size() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut pooled = self.pool.get_timeout(left).map_err(|e| StoreError::Timeout(e.to_string()))?;
            match query(&mut pooled.conn) {
                Err(error) if lost(&error) => {
                    pooled.dead = true;
                    last = Some(error);
                }
                result => {
                    pooled.answered = Instant::now();
                    return Ok(result?);
                }
            }
        }
        Err(StoreError::Timeout(last.as_ref().map_or_else(|| "too much waits".to_owned(), Error::to_string)))
    }
}
