//! How long an HTTP connection may take: the clock that its stream goes by.
//!
//! HTTP's dispatcher has a deadline for the head of a connection's first request only, and one for a connection
//! that rests, which the first byte of a head ends. So this one holds for all that follows: from the first byte of
//! a head it has to be there within `head`, and a connection never stays longer than `rest` and `head` together
//! without a request.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::time::Instant;

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For the head of a request; zero is no limit.
    pub head: Duration,
    /// From one request to the next.
    pub rest: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Line {
    times: Times,
    born: Instant,
    state: Cell<State>,
    deadline: Cell<Option<Instant>>,
    /// Counts those that were cut off.
    late: IntCounter,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before its first request: the dispatcher's time, unless there is a deadline.
    New,
    /// A request is being answered.
    Busy,
    /// Nothing came since.
    Resting,
    /// The next head has begun.
    Head,
    /// Its deadline is over.
    Late,
}

impl Line {
    /// A connection whose first request the dispatcher waits for; `hurry` is less time than it gives.
    pub fn new(times: Times, hurry: Option<Duration>, late: IntCounter) -> Rc<Line> {
        let born = Instant::now();
        let deadline = Cell::new(hurry.map(|hurry| born + hurry));
        Rc::new(Line { times, born, state: Cell::new(State::New), deadline, late })
    }

    /// What ends a connection whose deadline is over.
    pub fn cut_off(&self) -> io::Error {
        self.state.set(State::Late);
        ErrorKind::TimedOut.into()
    }

    /// When it has to be cut off.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    /// Bytes came.
    pub fn heard(&self, now: Instant) {
        if self.state.get() == State::Resting {
            self.state.set(State::Head);
            self.set_deadline(now + self.times.head);
        }
    }

    /// Bytes of an answer left. The next head may have begun meanwhile; it is not to be cut short for that.
    pub fn wrote(&self, now: Instant) {
        if matches!(self.state.get(), State::Resting | State::Head) {
            self.rest(now);
        }
    }

    /// A request is here; it is being answered until the guard is dropped.
    pub fn begin(self: &Rc<Self>) -> Busy {
        self.state.set(State::Busy);
        self.deadline.set(None);
        Busy(Rc::clone(self))
    }

    fn rest(&self, now: Instant) {
        self.state.set(State::Resting);
        self.set_deadline(now + self.times.rest + self.times.head);
    }

    fn set_deadline(&self, deadline: Instant) {
        self.deadline.set(Some(deadline).filter(|_| !self.times.head.is_zero()));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let times_out = !self.times.head.is_zero() && self.born.elapsed() >= self.times.head;
        // the dispatcher, which waits for the first head, does not say how that went
        if self.state.get() == State::Late || (self.state.get() == State::New && times_out) {
            self.late.inc();
        }
    }
}

/// See [`Line::begin`].
#[derive(Debug)]
pub struct Busy(Rc<Line>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.rest(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const REST: Duration = Duration::from_secs(75);
    const HURRY: Duration = Duration::from_secs(1);

    fn line(head: Duration, hurry: Option<Duration>) -> Rc<Line> {
        Line::new(Times { head, rest: REST }, hurry, IntCounter::new("late", "late").unwrap())
    }

    #[test]
    fn the_first_byte_of_a_later_head_starts_its_time_and_further_ones_do_not_prolong_it() {
        let (line, now) = (line(HEAD, None), Instant::now());
        line.heard(now);
        assert_eq!(line.deadline(), None, "the first request is the dispatcher's");
        let busy = line.begin();
        line.heard(now);
        line.wrote(now);
        assert_eq!(line.deadline(), None);
        drop(busy);
        assert!(line.deadline() >= Some(now + REST + HEAD));
        line.heard(now);
        line.heard(now + HEAD / 2);
        assert_eq!(line.deadline(), Some(now + HEAD));
        drop(line.begin());
        assert!(line.deadline() >= Some(now + REST + HEAD));
    }

    #[test]
    fn an_answer_that_is_still_read_is_not_cut_off_for_the_head_behind_it() {
        let (line, now) = (line(HEAD, None), Instant::now());
        drop(line.begin());
        line.heard(now);
        line.wrote(now);
        assert_eq!(line.deadline(), Some(now + REST + HEAD));
    }

    #[test]
    fn a_connection_may_be_hurried_and_a_limit_of_zero_is_none() {
        let now = Instant::now();
        let hurried = line(HEAD, Some(HURRY)).deadline();
        assert!(hurried >= Some(now + HURRY) && hurried < Some(now + HEAD));
        let line = line(Duration::ZERO, None);
        drop(line.begin());
        line.heard(now);
        assert_eq!(line.deadline(), None);
    }
}
