//! Snapshot, then stream, without a gap.
//!
//! A lane *watches* a room for a subscriber while the store is read: it remembers the newest state and
//! lists what passes, and holds nothing live back. At the answer the snapshot is the newer of the two, and
//! what passed after it follows. The rules were model-checked; the numbers below are theirs
//! (`docs/decisions/0005-watch-instead-of-hold.md`).

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::RoomId;
use super::publication::State;
use super::request::{Asked, Found};
use crate::ids::Uid;
use crate::protocol::frame::Event;
use crate::socket::Slot;

/// A watch's number in its lane; never used again, so that a late answer finds nothing (rule 9).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WatchId(pub u64);

/// The list may be emptied at any time (rule 8): beyond this many events it is.
const MAX_LISTED: usize = 256;
/// The same in bytes.
const MAX_LISTED_BYTES: usize = 256 * 1024;
/// Stored events are covered by no snapshot: beyond this many the watch comes to nothing, and who asked is told.
pub(super) const MAX_ITEMS: usize = 1_024;
/// The same in bytes.
const MAX_ITEM_BYTES: usize = 1024 * 1024;
/// Requests that wait for the same answer; one more is refused.
const MAX_WAITING: usize = 64;

/// One socket waiting to be let into one room.
#[derive(Debug)]
pub struct Watch {
    /// The waiting socket.
    pub slot: Slot,
    /// The same: slots are used again.
    pub uid: Uid,
    /// The room.
    pub room: RoomId,
    /// Position among the room's watches.
    pub at: u32,
    /// The requests that it answers (rule 7), and the registry's number of the newest.
    pub waiting: SmallVec<[Asked; 1]>,
    /// See [`Watch::waiting`].
    pub request: u64,
    /// Whether the client is let in where the store cannot answer.
    pub optional: bool,
    /// The newest state that the registry or this lane has seen.
    newest: Option<State>,
    /// What passed and did not reach the socket otherwise.
    list: Vec<Arc<Event>>,
    /// Where in the list what came after the newest state begins.
    cut: usize,
    listed_bytes: usize,
    /// Stored events that passed, or were passing when the socket asked.
    items: Vec<(Arc<str>, Arc<Event>)>,
    item_bytes: usize,
    overflowed: bool,
}

impl Watch {
    /// Opens a watch with the state that the registry has kept (rules 3 and 4).
    pub fn new(slot: Slot, uid: Uid, room: RoomId, kept: Option<State>) -> Watch {
        Watch {
            slot,
            uid,
            room,
            at: 0,
            waiting: SmallVec::new(),
            request: 0,
            optional: false,
            newest: kept,
            list: Vec::new(),
            cut: 0,
            listed_bytes: 0,
            items: Vec::new(),
            item_bytes: 0,
            overflowed: false,
        }
    }

    /// Has one more request answered, if not too many are.
    pub fn wait(&mut self, asked: Asked, request: u64) -> Result<(), Asked> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(asked);
        }
        self.waiting.push(asked);
        self.request = request;
        Ok(())
    }

    /// A stored event passes, or was passing when the socket asked.
    pub fn pass_item(&mut self, id: &Arc<str>, event: &Arc<Event>) {
        if self.overflowed {
            return;
        }
        self.item_bytes += event.data().len();
        self.items.push((Arc::clone(id), Arc::clone(event)));
        if self.items.len() > MAX_ITEMS || self.item_bytes > MAX_ITEM_BYTES {
            self.overflowed = true;
            (self.items, self.item_bytes) = (Vec::new(), 0);
        }
    }

    /// Stored events that passed, oldest first.
    pub fn items(&self) -> &[(Arc<str>, Arc<Event>)] {
        &self.items
    }

    /// Whether stored events passed that it could not list: the socket must not be let in as if it had them.
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// A state passes that goes to no client.
    pub fn pass_silently(&mut self, state: Option<&State>) {
        if self.take_newer(state) {
            self.cut = self.list.len();
        }
    }

    /// Makes a state the newest if it is. Of a state that is not, the event is one like any other.
    fn take_newer(&mut self, state: Option<&State>) -> bool {
        let newer = state.filter(|state| self.newest.as_ref().is_none_or(|newest| state.replaces(newest)));
        if let Some(state) = newer {
            self.newest = Some(state.clone());
        }
        newer.is_some()
    }

    /// An event of the room passes (rule 5). `reached` says that the socket got it some other way.
    pub fn pass(&mut self, event: &Arc<Event>, state: Option<&State>, reached: bool) {
        let newer = self.take_newer(state);
        if reached {
            return self.empty();
        }
        self.list.push(Arc::clone(event));
        self.listed_bytes += event.data().len();
        if newer {
            self.cut = self.list.len();
        }
        if self.list.len() > MAX_LISTED || self.listed_bytes > MAX_LISTED_BYTES {
            self.empty();
        }
    }

    /// Forgets what passed (rule 8).
    pub fn empty(&mut self) {
        self.list.clear();
        (self.cut, self.listed_bytes) = (0, 0);
    }

    /// The store answered (rule 6): the state for the snapshot, and what follows it. Between the two a
    /// tie goes to the hub (rule 1).
    pub fn resolve(&mut self, found: &Found) -> (Option<State>, Vec<Arc<Event>>) {
        let list = std::mem::take(&mut self.list);
        match (self.newest.take(), &found.state) {
            (Some(ours), stored) if stored.as_ref().is_none_or(|stored| ours.replaces(stored)) => {
                (Some(ours), list.into_iter().skip(self.cut).collect())
            }
            (_, stored) => (stored.clone(), list),
        }
    }
}

/// Which of its own stored events a socket has been sent: all up to a mark, and some beyond it.
#[derive(Debug)]
pub struct Marks {
    /// The socket's own room, once it has asked for it.
    pub room: Option<RoomId>,
    /// All up to here were sent.
    pub mark: i64,
    /// Set where the socket was let in without the store: what it missed must not be skipped by later ones.
    pub behind: bool,
    sent: VecDeque<Arc<str>>,
}

/// Ids are remembered only for as long as the same event may still be under way to the lane.
const REMEMBERED: usize = 1024;

impl Marks {
    /// What the socket was sent when it connected.
    pub fn new(mark: i64, ids: Vec<Arc<str>>) -> Marks {
        Marks { room: None, mark, behind: false, sent: ids.into() }
    }

    /// Moves the mark with one that goes out live.
    pub fn advance(&mut self, mark: Option<i64>) {
        if !self.behind {
            self.mark = self.mark.max(mark.unwrap_or(i64::MIN));
        }
    }

    /// Notes that an event goes out. Returns whether it is the first time.
    pub fn note(&mut self, id: &Arc<str>) -> bool {
        if self.sent.contains(id) {
            return false;
        }
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(Arc::clone(id));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(time: i64, value: &str) -> State {
        State { time, value: value.into() }
    }

    fn event(name: &'static str) -> Arc<Event> {
        Arc::new(Event::new(name, &1))
    }

    fn watch(kept: Option<State>) -> Watch {
        Watch::new(0, Uid(1), RoomId(0), kept)
    }

    fn found(state: Option<State>) -> Found {
        Found { state, ..Found::default() }
    }

    fn names(list: &[Arc<Event>]) -> Vec<&str> {
        list.iter().map(|event| event.name()).collect()
    }

    #[test]
    fn where_the_watch_wins_what_came_after_its_newest_state_follows() {
        let mut watch = watch(Some(state(1, "A")));
        watch.pass(&event("before"), None, false);
        watch.pass(&event("status"), Some(&state(5, "B")), false);
        watch.pass(&event("after"), None, false);
        let (newest, list) = watch.resolve(&found(Some(state(5, "stored"))));
        assert_eq!((newest, names(&list)), (Some(state(5, "B")), vec!["after"]), "a tie goes to the hub");
    }

    #[test]
    fn where_the_store_wins_everything_that_passed_follows() {
        let mut watch = watch(None);
        watch.pass(&event("late"), Some(&state(2, "B")), false);
        watch.pass(&event("other"), None, false);
        let (newest, list) = watch.resolve(&found(Some(state(9, "C"))));
        assert_eq!((newest, names(&list)), (Some(state(9, "C")), vec!["late", "other"]));
    }

    #[test]
    fn what_reached_the_socket_anyway_empties_the_list() {
        let mut watch = watch(None);
        watch.pass(&event("one"), None, false);
        watch.pass(&event("two"), Some(&state(3, "B")), true);
        watch.pass(&event("three"), None, false);
        let (newest, list) = watch.resolve(&found(None));
        assert_eq!((newest, names(&list)), (Some(state(3, "B")), vec!["three"]));
    }

    #[test]
    fn a_list_that_outgrows_its_bound_is_emptied() {
        let mut watch = watch(None);
        (0..MAX_LISTED + 3).for_each(|_| watch.pass(&event("x"), None, false));
        let (_, list) = watch.resolve(&found(None));
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn stored_events_that_outgrow_their_bound_are_let_go_and_the_watch_comes_to_nothing() {
        let mut watch = watch(None);
        (0..MAX_ITEMS).for_each(|n| watch.pass_item(&n.to_string().into(), &event("x")));
        assert!(!watch.has_overflowed() && watch.items().len() == MAX_ITEMS);
        watch.pass_item(&"one more".into(), &event("x"));
        watch.pass_item(&"and another".into(), &event("x"));
        assert!(watch.has_overflowed() && watch.items().is_empty());
    }

    #[test]
    fn a_stored_event_is_noted_once() {
        let mut marks = Marks::new(7, vec!["a".into()]);
        assert!(!marks.note(&"a".into()));
        assert!(marks.note(&"b".into()));
        assert!(!marks.note(&"b".into()));
    }
}
