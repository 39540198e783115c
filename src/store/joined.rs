//! Reads that wait, joined: who asks what somebody else has asked, while that read has not begun, shares its
//! answer. A read that has not begun is as fresh for the later as for the first; nothing is kept. So however
//! often one user comes back, his reads cost the database what its readers do one after the other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::result::QueryResult;

use super::StoreError;
use super::connection::AnyConnection;
use super::reader::{Place, Question, Readers};

type Reply<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// Who waits for the answer to each question that has not been put yet.
type Waiting<K, T> = Arc<Mutex<HashMap<K, Vec<Waiter<T>>>>>;

struct Waiter<T> {
    reply: Reply<T>,
    /// Who joined counts among the reads that may wait; the first has his place in the readers' line.
    _place: Option<Place>,
}

/// Reads of one kind.
pub(super) struct Joined<K, T>(Waiting<K, T>);

impl<K, T> Default for Joined<K, T> {
    fn default() -> Joined<K, T> {
        Joined(Waiting::default())
    }
}

impl<K, T> Joined<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + 'static,
{
    /// Asks `query` of a reader, or waits for the same that does already.
    pub(super) fn read(
        &self,
        readers: &Readers,
        key: K,
        query: impl FnMut(&mut AnyConnection, &K) -> QueryResult<T> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        match self.join(readers, &key, Box::new(reply)) {
            Joining::First => {
                let waiting = Arc::clone(&self.0);
                readers.ask(Shared { key, query, waiting, heard: None });
            }
            Joining::Waits => {}
            Joining::NoRoom(reply) => reply(Err(StoreError::Busy)),
        }
    }

    fn join(&self, readers: &Readers, key: &K, reply: Reply<T>) -> Joining<T> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(others) = waiting.get_mut(key) else {
            waiting.insert(key.clone(), vec![Waiter { reply, _place: None }]);
            return Joining::First;
        };
        let Some(place) = readers.place() else { return Joining::NoRoom(reply) };
        others.push(Waiter { reply, _place: Some(place) });
        Joining::Waits
    }
}

enum Joining<T> {
    First,
    Waits,
    NoRoom(Reply<T>),
}

/// A read that others may join until it begins.
struct Shared<K, T, Q> {
    key: K,
    query: Q,
    waiting: Waiting<K, T>,
    /// Who is to hear its answer, from when it began.
    heard: Option<Vec<Waiter<T>>>,
}

impl<K: Eq + Hash, T, Q> Shared<K, T, Q> {
    fn begin(&mut self) {
        if self.heard.is_none() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.heard = Some(waiting.remove(&self.key).unwrap_or_default());
        }
    }
}

impl<K, T, Q> Question for Shared<K, T, Q>
where
    K: Eq + Hash + Send + 'static,
    T: Clone + Send + 'static,
    Q: FnMut(&mut AnyConnection, &K) -> QueryResult<T> + Send + 'static,
{
    type Answer = T;

    fn query(&mut self, conn: &mut AnyConnection) -> QueryResult<T> {
        self.begin();
        (self.query)(conn, &self.key)
    }

    fn reply(mut self, answer: Result<T, StoreError>) {
        self.begin(); // where it was given up without having begun
        for Waiter { reply, .. } in self.heard.into_iter().flatten() {
            reply(answer.clone());
        }
    }
}
