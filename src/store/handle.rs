//! The store as the rest of the hub sees it.

use std::sync::Arc;
use std::time::Duration;

use diesel::Connection as _;
use diesel::result::QueryResult;
use prometheus::IntCounter;

use super::access::{self, AccessChange, AccessChanges, AccessNow};
use super::campaigns::{self, CampaignPart, CampaignRead, CampaignRow};
use super::connection::{AnyConnection, Manager};
use super::connections::{self, ConnectionEvent};
use super::health::Health;
use super::joined::Joined;
use super::notifications::{self, NotificationWrite, Of, StoredNotification, Unread};
use super::outbox::{self, OutboxMark};
use super::queue::{Bounds, Item, Queue, Task};
use super::read_model::{self, Campaign, CampaignChange, CampaignWrite, ParticipantChange};
use super::reader::Readers;
use super::record::{CampaignPut, Record};
use super::statistics::{self, ConnectionStatistics};
use super::statuses::StatusWrite;
use super::writer::Writer;
use super::{StoreError, migrate, nodes};
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

/// Who asks for his first data.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InitialAsk {
    /// The user.
    pub user: Arc<str>,
    /// The token's `ownedCampaigns`.
    pub claimed_owned: Vec<String>,
    /// The token's `participatingCampaigns`.
    pub claimed_participating: Vec<String>,
}

/// What a connect is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initial {
    /// The active campaigns of the user, newest first, at most 500.
    pub campaigns: Vec<CampaignRow>,
    /// Unread notifications, newest first, at most 10.
    pub notifications: Vec<StoredNotification>,
    /// The greatest `seq` of the user's notifications at that moment.
    pub mark: i64,
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

    /// Reads what a connect is told. One that waits is shared by who asks the same.
    pub fn initial(&self, ask: InitialAsk, reply: impl FnOnce(Result<Initial, StoreError>) + Send + 'static) {
        let ended = self.0.ended.clone();
        let query = move |conn: &mut AnyConnection, ask: &InitialAsk| {
            let unread = notifications::initial(conn, &ask.user)?;
            let campaigns =
                campaigns::initial(conn, &ask.user, &ask.claimed_owned, &ask.claimed_participating, &ended)?;
            Ok(Initial { campaigns, notifications: unread.items, mark: unread.mark })
        };
        self.0.initials.read(&self.0.readers, ask, query, reply);
    }

    /// Reads a campaign's state and what `user` is to it, of one moment after this call.
    pub fn campaign(
        &self,
        campaign: &str,
        user: &str,
        reply: impl FnOnce(Result<CampaignRead, StoreError>) + Send + 'static,
    ) {
        let (campaign, user) = (campaign.to_owned(), user.to_owned());
        self.0.readers.read(move |conn| campaigns::read(conn, &campaign, &user), reply);
    }

    /// Reads what `user` is to each of these campaigns, of one moment after this call on SQLite.
    pub fn campaign_parts(
        &self,
        user: &str,
        campaigns: Vec<String>,
        reply: impl FnOnce(Result<Vec<CampaignPart>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        let query = move |conn: &mut AnyConnection| {
            conn.transaction(|conn| campaigns::parts(conn, &user, &campaigns))
        };
        self.0.readers.read(query, reply);
    }

    /// Refuses tokens of `user` that were issued until `before`, for good; every node will hear of it.
    pub fn revoke(
        &self,
        user: &str,
        before: Millis,
        reply: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let (user, origin) = (user.to_owned(), self.0.origin);
        self.change(None, move |conn| access::revoke(conn, origin, &user, before), reply);
    }

    /// Reads all revocations, and from where on the line of changes has to be read.
    pub fn revocations(&self, reply: impl FnOnce(Result<AccessChanges, StoreError>) + Send + 'static) {
        self.0.readers.read(access::revocations, reply);
    }

    /// Reads the line of changes behind what was seen of it.
    pub fn access_changes(
        &self,
        seen: i64,
        reply: impl FnOnce(Result<AccessChanges, StoreError>) + Send + 'static,
    ) {
        let origin = self.0.origin;
        self.0.readers.read(move |conn| access::changes(conn, origin, seen), reply);
    }

    /// Reads, in the writer's line, what the store says now of the campaigns that these changes were about:
    /// what this process changes afterwards is told afterwards.
    pub fn access_now(
        &self,
        changes: Vec<AccessChange>,
        reply: impl FnOnce(Result<Vec<Option<AccessNow>>, StoreError>) + Send + 'static,
    ) {
        let query = move |conn: &mut AnyConnection| access::now(conn, &changes);
        self.line_up(None, Asked { query, answer: None, reply, writes: false });
    }

    /// Reads the unread notifications after `mark`, oldest first; of very many the newest thousand.
    pub fn unread_since(
        &self,
        user: &str,
        mark: i64,
        reply: impl FnOnce(Result<Unread, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        self.0.readers.read(move |conn| notifications::unread_since(conn, &user, mark), reply);
    }

    /// Reads a user's notifications, newest first: those numbered below `before`, or the newest.
    pub fn notifications(
        &self,
        user: &str,
        of: Of,
        before: Option<i64>,
        limit: i64,
        reply: impl FnOnce(Result<Vec<StoredNotification>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        self.0.readers.read(move |conn| notifications::page(conn, &user, of, before, limit), reply);
    }

    /// Marks notifications as read; answers with those of `ids` that were the user's and unread, in the
    /// order asked.
    pub fn mark_read(
        &self,
        user: &str,
        ids: Vec<String>,
        reply: impl FnOnce(Result<Vec<String>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        self.change(None, move |conn| notifications::mark_read(conn, &user, &ids), reply);
    }

    /// Reads, in the writer's line, which campaigns' owner copies a user gets: those that name him as
    /// owner, and those of `claimed` whose row names nobody (or that have none) and from which he was not
    /// removed. Changes of owner that were asked for before are in it, and answered before it.
    pub fn owned(
        &self,
        user: &str,
        claimed: Vec<String>,
        reply: impl FnOnce(Result<Vec<String>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        let query = move |conn: &mut AnyConnection| campaigns::owned(conn, &user, &claimed);
        self.line_up(None, Asked { query, answer: None, reply, writes: false });
    }

    /// Hands a record to the writer. Never blocks. False where the queue was full: the record is refused
    /// and counted, those before it stay, and no confirmation will come.
    pub fn write(&self, ticket: u64, record: Record) -> bool {
        match record {
            Record::Status { campaign_id, status, time } => {
                self.0.queue.status(StatusWrite { campaign: campaign_id, status, time, ticket })
            }
            Record::Notification(row) => self
                .0
                .queue
                .push(Item::Notification(NotificationWrite { ticket, row, written: None }))
                .is_ok(),
            Record::Campaign(put) => {
                let id = put.write.id.clone();
                self.try_line_up(Some(&id), Put { ticket, put: *put, origin: self.0.origin, answer: None })
            }
        }
    }

    /// Replaces all of a campaign but its participants; an older status stays out.
    pub fn put_campaign(
        &self,
        campaign: CampaignWrite,
        reply: impl FnOnce(Result<CampaignChange, StoreError>) + Send + 'static,
    ) {
        let (id, origin) = (campaign.id.clone(), self.0.origin);
        self.change(Some(&id), move |conn| put(conn, origin, &campaign), reply);
    }

    /// Reads a campaign as a whole, with who takes part; none where the store does not know it.
    pub fn whole_campaign(
        &self,
        campaign: &str,
        reply: impl FnOnce(Result<Option<Campaign>, StoreError>) + Send + 'static,
    ) {
        let id = campaign.to_owned();
        let query = move |conn: &mut AnyConnection| conn.transaction(|conn| read_model::get(conn, &id));
        self.0.readers.read(query, reply);
    }

    /// Deletes a campaign and who takes part; who was removed from it stays removed.
    pub fn delete_campaign(
        &self,
        campaign: &str,
        reply: impl FnOnce(Result<CampaignChange, StoreError>) + Send + 'static,
    ) {
        let (id, origin) = (campaign.to_owned(), self.0.origin);
        let query = move |conn: &mut AnyConnection| {
            let change = read_model::delete(conn, &id)?;
            access::note_deleted(conn, origin, &id, &change)?;
            Ok(change)
        };
        self.change(Some(campaign), query, reply);
    }

    /// Adds a participant (again), or removes him for good.
    pub fn set_participant(
        &self,
        campaign: &str,
        user: &str,
        present: bool,
        reply: impl FnOnce(Result<ParticipantChange, StoreError>) + Send + 'static,
    ) {
        let (campaign, user, origin) = (campaign.to_owned(), user.to_owned(), self.0.origin);
        let query = move |conn: &mut AnyConnection| {
            access::note_participant(conn, origin, &campaign, &user)?;
            read_model::set_participant(conn, &campaign, &user, present)
        };
        self.change(None, query, reply);
    }

    /// Writes that sockets came and went, in this order, in one transaction.
    pub fn connection_events(
        &self,
        events: Arc<[ConnectionEvent]>,
        reply: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        self.change(None, move |conn| connections::write(conn, &events), reply);
    }

    /// Notes that the hub of this name begins, and closes as `unknown` the connections that one of this name
    /// left open: what it writes later is not among them. Answers how many there were.
    pub fn node_begins(&self, name: &str, reply: impl FnOnce(Result<usize, StoreError>) + Send + 'static) {
        let name = name.to_owned();
        self.change(None, move |conn| nodes::begin(conn, &name), reply);
    }

    /// Notes that the hub of this name is there, and closes the connections of hubs that have not said so for
    /// three minutes. Answers how many there were.
    pub fn node_beats(&self, name: &str, reply: impl FnOnce(Result<usize, StoreError>) + Send + 'static) {
        let name = name.to_owned();
        self.change(None, move |conn| nodes::beat(conn, &name), reply);
    }

    /// Reads the statistics of connections of a time, both ends included.
    pub fn connection_statistics(
        &self,
        from: Millis,
        to: Millis,
        reply: impl FnOnce(Result<ConnectionStatistics, StoreError>) + Send + 'static,
    ) {
        self.0.readers.read(move |conn| statistics::read(conn, from, to), reply);
    }

    /// Marks rows of the outbox, in the commit of everything that was asked for before, or a later one: so no
    /// row is marked while what it led to may still be lost.
    pub fn mark_outbox(
        &self,
        marks: Vec<OutboxMark>,
        now: Millis,
        reply: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let query = move |conn: &mut AnyConnection| outbox::mark(conn, &marks, now);
        let task = Asked { query, answer: None, reply, writes: true };
        if let Err(Item::Task(task)) = self.0.queue.push_last(Item::Task(Box::new(task))) {
            task.finish(Err(StoreError::Busy));
        }
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

    fn change<T: Send + 'static>(
        &self,
        campaign: Option<&str>,
        query: impl FnMut(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.line_up(campaign, Asked { query, answer: None, reply, writes: true });
    }

    fn line_up(&self, campaign: Option<&str>, task: impl Task + 'static) {
        self.try_line_up(campaign, task);
    }

    /// False where there was no room: who waits for it has been told.
    fn try_line_up(&self, campaign: Option<&str>, task: impl Task + 'static) -> bool {
        match self.0.queue.push_behind(Item::Task(Box::new(task)), campaign) {
            Ok(()) => true,
            Err(Item::Task(task)) => {
                task.finish(Err(StoreError::Busy));
                false
            }
            Err(_) => false,
        }
    }
}

/// Writes a campaign, and lets the other nodes know where that moves rights.
fn put(conn: &mut AnyConnection, origin: i64, write: &CampaignWrite) -> QueryResult<CampaignChange> {
    let change = read_model::put(conn, write)?;
    access::note_put(conn, origin, &write.id, &change)?;
    Ok(change)
}

/// A number for this process' store. Two that draw the same would not hear of each other: one chance in 2^64.
#[allow(clippy::expect_used, reason = "a hub without randomness must not run")]
fn origin() -> i64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    i64::from_le_bytes(bytes)
}

/// A campaign in the writer's line, in its place among the statuses.
struct Put {
    ticket: u64,
    put: CampaignPut,
    origin: i64,
    answer: Option<CampaignChange>,
}

impl Task for Put {
    fn apply(&mut self, conn: &mut AnyConnection) -> QueryResult<()> {
        self.answer = Some(put(conn, self.origin, &self.put.write)?);
        Ok(())
    }

    fn finish(self: Box<Self>, end: Result<(), StoreError>) {
        let Put { put, answer, .. } = *self;
        put.reply.send(end.and_then(|()| answer.ok_or_else(no_answer)));
    }

    fn writes(&self) -> bool {
        true
    }

    fn bytes(&self) -> usize {
        self.put.write.bytes()
    }

    fn ticket(&self) -> Option<u64> {
        Some(self.ticket)
    }

    fn confirmation(&self) -> Option<Confirmed> {
        self.put.write.confirmation(self.ticket)
    }
}

fn no_answer() -> StoreError {
    StoreError::Failed("no answer".into())
}

/// A query in the writer's line, and who waits for its answer.
struct Asked<T, Q, R> {
    query: Q,
    answer: Option<T>,
    reply: R,
    writes: bool,
}

impl<T, Q, R> Task for Asked<T, Q, R>
where
    T: Send,
    Q: FnMut(&mut AnyConnection) -> QueryResult<T> + Send,
    R: FnOnce(Result<T, StoreError>) + Send,
{
    fn apply(&mut self, conn: &mut AnyConnection) -> QueryResult<()> {
        self.answer = Some((self.query)(conn)?);
        Ok(())
    }

    fn finish(self: Box<Self>, end: Result<(), StoreError>) {
        let Asked { answer, reply, .. } = *self;
        reply(end.and_then(|()| answer.ok_or_else(no_answer)));
    }

    fn writes(&self) -> bool {
        self.writes
    }
}
