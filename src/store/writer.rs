//! The one writer: takes what waits, commits it in one transaction in order, and says so afterwards.
//!
//! A database that is away, locked or full keeps it trying the same batch; what can never be stored is
//! found by trying a batch one by one, and left out.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use diesel::Connection;
use diesel::r2d2::R2D2Connection;
use diesel::result::QueryResult;

use super::connection::{AnyConnection, Manager};
use super::error::{Fault, fault};
use super::health::Health;
use super::item::Item;
use super::notifications::{self, NotificationWrite};
use super::probe;
use super::queue::{Queue, Work};
use super::{Confirmed, StoreError, statuses};
use crate::vital::Vital;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often on end a row has to fail right after others could be written, where the error may be the row's
/// own or the database's: a lock that ends between the row and the others must not cost the row.
const OBJECTIONS: u32 = 3;

/// Who hears what was committed.
pub(super) type Confirm = Box<dyn Fn(Vec<Confirmed>) + Send>;

pub(super) struct Writer {
    queue: Arc<Queue>,
    health: Arc<Health>,
    manager: Manager,
    conn: Option<AnyConnection>,
    confirm: Confirm,
    pause: Duration,
}

/// Why something was not written.
struct Trouble {
    fault: Fault,
    text: String,
}

impl Writer {
    pub(super) fn new(queue: Arc<Queue>, health: Arc<Health>, manager: Manager, confirm: Confirm) -> Writer {
        Writer { queue, health, manager, conn: None, confirm, pause: FIRST_PAUSE }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self) {
        let _vital = Vital("the store's writer");
        self.look();
        loop {
            match self.queue.take() {
                Work::Batch(batch) => self.finish(batch),
                Work::Idle => self.look(),
                Work::Over => return,
            }
        }
    }

    /// Asks whether the database is still there.
    fn look(&mut self) {
        let found = self.ask(|conn| conn.ping());
        match found {
            Ok(()) => self.health.note(None, 0),
            Err(trouble) => self.away(&trouble),
        }
    }

    /// Writes a batch, however long the database is away.
    fn finish(&mut self, mut batch: Vec<Item>) {
        loop {
            match self.commit(&mut batch) {
                Ok(()) => return self.settle(batch),
                Err(trouble) if trouble.fault == Fault::Outage => {
                    if !self.wait_out(&trouble) {
                        return give_up(batch);
                    }
                }
                Err(_) => return self.finish_singly(batch.into()),
            }
        }
    }

    /// Writes a batch that holds something bad, in order, without it.
    fn finish_singly(&mut self, mut batch: VecDeque<Item>) {
        let mut objections = 0;
        while let Some(mut item) = batch.pop_front() {
            let Err(trouble) = self.commit(std::slice::from_mut(&mut item)) else {
                self.settle(vec![item]);
                objections = 0;
                continue;
            };
            if trouble.fault == Fault::Data || objections >= OBJECTIONS {
                self.leave_out(item, &trouble);
                objections = 0;
                continue;
            }
            batch.push_front(item);
            if trouble.fault == Fault::Unclear && self.ask(probe::run).is_ok() {
                objections += 1;
                continue;
            }
            objections = 0;
            if !self.wait_out(&trouble) {
                return give_up(batch);
            }
        }
    }

    fn commit(&mut self, batch: &mut [Item]) -> Result<(), Trouble> {
        if batch.iter().any(writes) {
            self.ask(|conn| conn.write(|conn| apply(conn, batch)))
        } else {
            self.ask(|conn| conn.transaction(|conn| apply(conn, batch)))
        }
    }

    /// Runs something on the connection, opening one where there is none.
    fn ask<T>(&mut self, run: impl FnOnce(&mut AnyConnection) -> QueryResult<T>) -> Result<T, Trouble> {
        let Writer { health, manager, conn, .. } = self;
        let result = health.asking(|| {
            let open = match conn.take() {
                Some(open) => open,
                None => manager.open().map_err(|e| Trouble { fault: Fault::Outage, text: e.to_string() })?,
            };
            let open = conn.insert(open);
            let sqlite = open.is_sqlite();
            run(open).map_err(|e| Trouble { fault: fault(&e, sqlite), text: e.to_string() })
        });
        let broken = self.conn.as_mut().is_some_and(R2D2Connection::is_broken);
        if broken || matches!(&result, Err(Trouble { fault: Fault::Outage, .. })) {
            self.conn = None;
        }
        result
    }

    fn away(&self, trouble: &Trouble) {
        self.health.note(Some(&trouble.text), self.queue.depth());
    }

    /// Waits before another try; false where nobody is left to wait for it.
    fn wait_out(&mut self, trouble: &Trouble) -> bool {
        if self.queue.is_closed() {
            return false;
        }
        self.away(trouble);
        self.queue.pause(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }

    /// Tells everyone whose write is committed.
    fn settle(&mut self, batch: Vec<Item>) {
        self.pause = FIRST_PAUSE;
        self.health.note(None, self.queue.depth());
        let mut confirmed = Vec::new();
        let mut tasks = Vec::new();
        for item in batch {
            match item {
                Item::Status(one) => {
                    confirmed.push(Confirmed::Status {
                        campaign_id: one.campaign,
                        time: one.time,
                        ticket: one.ticket,
                    });
                }
                Item::Notification(one) => confirmed.push(confirmation(one)),
                Item::Task(task) => {
                    confirmed.extend(task.confirmation());
                    tasks.push(task);
                }
            }
        }
        if !confirmed.is_empty() {
            (self.confirm)(confirmed);
        }
        tasks.into_iter().for_each(|task| task.finish(Ok(())));
    }

    fn leave_out(&mut self, item: Item, trouble: &Trouble) {
        let (what, ticket) = match item {
            Item::Status(one) => (format!("a status of {:?}", one.campaign), Some(one.ticket)),
            Item::Notification(one) => (format!("the notification {:?}", one.row.id), Some(one.ticket)),
            Item::Task(task) => {
                let ticket = task.ticket();
                task.finish(Err(StoreError::Failed(trouble.text.clone())));
                ("a change".to_owned(), ticket)
            }
        };
        self.health.drop_one(&what, &trouble.text);
        if let Some(ticket) = ticket {
            (self.confirm)(vec![Confirmed::Dropped { ticket }]);
        }
    }
}

fn confirmation(one: NotificationWrite) -> Confirmed {
    let NotificationWrite { ticket, row, written } = one;
    match written {
        Some(to) => Confirmed::Notification { ticket, user: to.user, id: row.id, seq: to.seq, new: to.new },
        None => Confirmed::NotificationWithoutRecipient { ticket },
    }
}

fn writes(item: &Item) -> bool {
    match item {
        Item::Task(task) => task.writes(),
        _ => true,
    }
}

/// Everything in order; neighbours of a kind together.
fn apply(conn: &mut AnyConnection, batch: &mut [Item]) -> QueryResult<()> {
    batch.chunk_by_mut(|a, b| discriminant(a) == discriminant(b)).try_for_each(|run| apply_run(conn, run))
}

/// Items of one kind.
fn apply_run(conn: &mut AnyConnection, run: &mut [Item]) -> QueryResult<()> {
    let (mut status, mut notification) = (Vec::new(), Vec::new());
    for item in run {
        match item {
            Item::Status(one) => status.push(&*one),
            Item::Notification(one) => notification.push(one),
            Item::Task(task) => task.apply(conn)?,
        }
    }
    if !status.is_empty() {
        statuses::write(conn, &status)?;
    }
    if !notification.is_empty() {
        notifications::write(conn, &mut notification)?;
    }
    Ok(())
}

/// The hub is gone and the database too.
fn give_up(batch: impl IntoIterator<Item = Item>) {
    let mut lost = 0;
    for item in batch {
        lost += 1;
        if let Item::Task(task) = item {
            task.finish(Err(StoreError::Timeout("the hub ended first".into())));
        }
    }
    log::error!("{lost} writes are lost: the database did not come back before the end");
}
