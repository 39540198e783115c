//! What waits for the writer: bounded, in order, statuses coalesced by campaign. Plain state behind one
//! lock that nobody holds while he works, so that asking for a write never waits for the database.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::behind::Behind;
use super::item::Item;
use super::statuses::StatusWrite;

/// Statuses are committed at most this often.
const SLOW_EVERY: Duration = Duration::from_millis(50);
/// Of each kind, what one transaction takes.
const BATCH: usize = 1_000;
/// How long the writer sleeps without work before it asks whether the database is still there.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// How much may wait, in items of each kind (statuses: campaigns), and in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) items: usize,
    pub(super) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { items: 50_000, bytes: 128 << 20 }
    }
}

/// What the writer finds when it looks.
pub(super) enum Work {
    /// Do this, in this order.
    Batch(Vec<Item>),
    /// Nothing has come for a while.
    Idle,
    /// Nobody can ask any more, and nothing waits.
    Over,
}

/// An item in the line.
struct Lined {
    item: Item,
    bytes: usize,
    /// Whether it changes a campaign's row as a whole: no later status may overtake it.
    change: bool,
}

#[derive(Default)]
struct Waiting {
    /// In order; committed at once.
    line: VecDeque<Lined>,
    /// How many of the line are changes.
    changes: usize,
    line_bytes: usize,
    /// By campaign, the newest of each, and the campaigns by arrival (those that left early still stand there).
    statuses: HashMap<Arc<str>, StatusWrite>,
    arrival: VecDeque<Arc<str>>,
    /// What goes behind all that was in line, or a status that waited, when it came.
    behind: Behind,
    /// When statuses may be committed again.
    slow_from: Option<Instant>,
    /// How many items the writer has in hand.
    in_work: usize,
    flushes: usize,
    closed: bool,
    overflowed: u64,
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bounds: Bounds,
    /// Something came, or is to be hurried up.
    work: Condvar,
    /// Nothing is left.
    idle: Condvar,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Queue {
        Queue { bounds, ..Queue::default() }
    }

    /// Takes a status; the newest of its campaign stands for the others. False where it was refused.
    pub(super) fn status(&self, new: StatusWrite) -> bool {
        let mut waiting = self.lock();
        if let Some(held) = waiting.statuses.get_mut(&new.campaign) {
            held.coalesce(new);
            return true;
        }
        if waiting.statuses.len() >= self.bounds.items {
            waiting.overflowed += 1;
            return false;
        }
        waiting.arrival.push_back(new.campaign.clone());
        waiting.statuses.insert(new.campaign.clone(), new);
        self.work.notify_one();
        true
    }

    /// Takes something for the line. What is not taken for want of room comes back.
    pub(super) fn push(&self, item: Item) -> Result<(), Item> {
        self.push_behind(item, None)
    }

    /// The same for something that changes `campaign`: it goes behind the campaign's status that waits,
    /// which so is not written into a row that has been deleted meanwhile.
    pub(super) fn push_behind(&self, item: Item, campaign: Option<&str>) -> Result<(), Item> {
        let mut waiting = self.lock();
        let bytes = item.bytes();
        if waiting.line.len() >= self.bounds.items || waiting.line_bytes + bytes > self.bounds.bytes {
            waiting.overflowed += 1;
            return Err(item);
        }
        if let Some(status) = campaign.and_then(|id| waiting.statuses.remove(id)) {
            waiting.line_up(Item::Status(status), false);
        }
        waiting.line_up(item, campaign.is_some());
        self.work.notify_one();
        Ok(())
    }

    /// Takes something that is committed only with, or after, everything that waits now. What is not taken for
    /// want of room comes back.
    pub(super) fn push_last(&self, item: Item) -> Result<(), Item> {
        let mut waiting = self.lock();
        if waiting.behind.len() >= self.bounds.items {
            waiting.overflowed += 1;
            return Err(item);
        }
        let (line, statuses) = (waiting.line.len(), waiting.arrival.len());
        waiting.behind.push(item, line, statuses);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for work and takes it. What was taken before is done.
    pub(super) fn take(&self) -> Work {
        let mut waiting = self.lock();
        let until = Instant::now() + IDLE;
        waiting.finish_work();
        loop {
            let now = Instant::now();
            let batch = waiting.drain(now);
            if !batch.is_empty() {
                waiting.in_work = batch.len();
                return Work::Batch(batch);
            }
            if waiting.is_empty() {
                self.idle.notify_all();
                if waiting.closed {
                    return Work::Over;
                }
            }
            if now >= until {
                return Work::Idle;
            }
            let wake = waiting.next_slow(now).map_or(until, |slow| slow.min(until));
            waiting = self.wait(&self.work, waiting, wake.saturating_duration_since(now));
        }
    }

    /// Waits before another try; over at once when nobody is left who would see it.
    pub(super) fn pause(&self, how_long: Duration) {
        let until = Instant::now() + how_long;
        let mut waiting = self.lock();
        while !waiting.closed && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            waiting = self.wait(&self.work, waiting, left);
        }
    }

    /// Hurries everything and waits until it is written; false where `limit` was too short for it.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut waiting = self.lock();
        waiting.flushes += 1;
        self.work.notify_all();
        while !waiting.is_empty() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            waiting = self.wait(&self.idle, waiting, left);
        }
        waiting.flushes -= 1;
        waiting.is_empty()
    }

    /// Nobody can ask any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What waits and what is in work, in items.
    pub(super) fn depth(&self) -> usize {
        self.lock().depth()
    }

    /// What found no room since the start.
    pub(super) fn overflowed(&self) -> u64 {
        self.lock().overflowed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        on: &Condvar,
        guard: MutexGuard<'a, Waiting>,
        how_long: Duration,
    ) -> MutexGuard<'a, Waiting> {
        on.wait_timeout(guard, how_long).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Waiting {
    fn depth(&self) -> usize {
        self.line.len() + self.statuses.len() + self.behind.len() + self.in_work
    }

    fn is_empty(&self) -> bool {
        self.depth() == 0
    }

    fn finish_work(&mut self) {
        self.in_work = 0;
    }

    /// When statuses may go, if any wait.
    fn next_slow(&self, now: Instant) -> Option<Instant> {
        let any = !self.statuses.is_empty();
        let hurried = self.flushes > 0 || self.closed;
        any.then(|| self.slow_from.filter(|_| !hurried).unwrap_or(now))
    }

    fn line_up(&mut self, item: Item, change: bool) {
        let bytes = item.bytes();
        self.line_bytes += bytes;
        self.changes += usize::from(change);
        self.line.push_back(Lined { item, bytes, change });
    }

    fn drain(&mut self, now: Instant) -> Vec<Item> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(Lined { item, bytes, change }) = self.line.pop_front()
        {
            self.line_bytes -= bytes;
            self.changes -= usize::from(change);
            self.behind.left_line();
            batch.push(item);
        }
        if self.changes == 0 && self.next_slow(now).is_some_and(|slow| slow <= now) {
            self.drain_slow(&mut batch, now);
        }
        batch.extend(self.behind.take_ready());
        batch
    }

    fn drain_slow(&mut self, batch: &mut Vec<Item>, now: Instant) {
        let mut statuses = Vec::new();
        while statuses.len() < BATCH
            && let Some(campaign) = self.arrival.pop_front()
        {
            statuses.extend(self.statuses.remove(&campaign));
            self.behind.status_left();
        }
        // one order for all writers' rows
        statuses.sort_by(|a, b| a.campaign.cmp(&b.campaign));
        batch.extend(statuses.into_iter().map(Item::Status));
        let more = !self.statuses.is_empty();
        self.slow_from = Some(if more { now } else { now + SLOW_EVERY });
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::QueryResult;

    use super::super::StoreError;
    use super::super::connection::AnyConnection;
    use super::super::item::Task;
    use super::*;

    fn status(campaign: &str, time: i64, ticket: u64) -> StatusWrite {
        StatusWrite { campaign: campaign.into(), status: format!("s{time}").into(), time, ticket }
    }

    struct Nothing;

    impl Task for Nothing {
        fn apply(&mut self, _: &mut AnyConnection) -> QueryResult<()> {
            Ok(())
        }

        fn finish(self: Box<Self>, _: Result<(), StoreError>) {}

        fn writes(&self) -> bool {
            true
        }
    }

    fn task() -> Item {
        Item::Task(Box::new(Nothing))
    }

    fn batch(queue: &Queue) -> Vec<Item> {
        match queue.take() {
            Work::Batch(batch) => batch,
            _ => panic!("no work"),
        }
    }

    fn of(batch: &[Item]) -> Vec<(&str, i64, u64)> {
        let mut found = Vec::new();
        for item in batch {
            if let Item::Status(one) = item {
                found.push((&*one.campaign, one.time, one.ticket));
            }
        }
        found
    }

    #[test]
    fn a_late_status_leaves_the_newest_but_its_ticket_is_covered() {
        let queue = Queue::default();
        for (time, ticket) in [(5, 1), (7, 2), (7, 3), (6, 4)] {
            assert!(queue.status(status("c", time, ticket)));
        }
        assert_eq!(queue.depth(), 1);
        assert_eq!(of(&batch(&queue)), [("c", 7, 4)]);
    }

    #[test]
    fn statuses_wait_their_turn_unless_somebody_flushes_and_the_line_does_not() {
        let queue = Arc::new(Queue::default());
        queue.status(status("a", 1, 1));
        assert_eq!(of(&batch(&queue)).len(), 1, "the first goes at once");
        let start = Instant::now();
        queue.status(status("b", 1, 2));
        assert!(queue.push(task()).is_ok());
        assert_eq!(of(&batch(&queue)).len(), 0, "the task alone");
        assert_eq!(of(&batch(&queue)), [("b", 1, 2)]);
        assert!(start.elapsed() >= SLOW_EVERY - Duration::from_millis(5), "{:?}", start.elapsed());
        queue.status(status("c", 1, 3));
        let flushing = queue.clone();
        let flushed = std::thread::spawn(move || flushing.flush(Duration::from_secs(10)));
        assert_eq!(of(&batch(&queue)), [("c", 1, 3)]);
        assert!(matches!(queue.take(), Work::Idle));
        assert!(flushed.join().unwrap());
    }

    #[test]
    fn no_status_overtakes_a_change_of_its_campaign_however_long_the_line_is() {
        let queue = Queue::default();
        queue.status(status("c", 1, 1));
        for _ in 0..BATCH + 5 {
            assert!(queue.push(task()).is_ok());
        }
        assert!(queue.push_behind(task(), Some("c")).is_ok());
        queue.status(status("c", 2, 2));
        let first = batch(&queue);
        assert_eq!((first.len(), of(&first)), (BATCH, vec![]));
        let second = batch(&queue);
        let last: Vec<bool> = second.iter().skip(5).map(|item| matches!(item, Item::Status(_))).collect();
        assert_eq!(last, [true, false, true], "the status before, the change, the status after");
        assert_eq!(of(&second), [("c", 1, 1), ("c", 2, 2)]);
    }

    #[test]
    fn what_goes_last_waits_for_all_that_came_before_it_and_for_nothing_else() {
        let queue = Queue::default();
        queue.status(status("first", 1, 0));
        batch(&queue); // the next statuses wait their time
        assert!(queue.push_last(task()).is_ok());
        assert_eq!(batch(&queue).len(), 1, "nothing is before it");
        (0..BATCH + 5).for_each(|n| assert!(queue.status(status(&format!("c{n}"), 1, n as u64))));
        assert!(queue.push(task()).is_ok());
        assert!(queue.push_last(task()).is_ok());
        assert!(queue.push(task()).is_ok());
        assert_eq!(batch(&queue).len(), 2, "the line alone");
        assert_eq!(of(&batch(&queue)).len(), BATCH);
        assert_eq!(queue.depth(), BATCH + 6, "the batch in work, five statuses and what goes last");
        queue.status(status("later", 1, 9));
        let last = batch(&queue);
        assert_eq!((of(&last).len(), last.len()), (6, 7));
        assert!(matches!(last.last(), Some(Item::Task(_))), "behind the statuses of its batch");
    }

    #[test]
    fn bytes_count_too() {
        let queue = Queue::new(Bounds { items: 100, bytes: 600 });
        assert!(queue.push(task()).is_ok() && queue.push(task()).is_ok());
        assert!(queue.push(task()).is_err());
        assert_eq!(queue.overflowed(), 1);
        batch(&queue);
        assert!(queue.push(task()).is_ok(), "what was taken gives its room back");
    }
}
