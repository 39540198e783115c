//! What is published in tests, and what a store answers.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::protocol::frame::Event;
use crate::rooms::request::{Found, ReadAnswer};
use crate::rooms::{Item, Publication, RoomName, State};

pub type Pub<R> = Publication<R>;

pub fn state(time: i64, value: &str) -> State {
    State { time, value: value.into() }
}

pub fn rooms(names: &[&str]) -> SmallVec<[RoomName; 2]> {
    names.iter().map(|name| (*name).into()).collect()
}

/// An event `event <text>`.
pub fn event<R>(text: &str, names: &[&str]) -> Pub<R> {
    let event = Some(Arc::new(Event::new("event", &text)));
    Publication { event, rooms: rooms(names), state: None, item: None, record: None, except: None }
}

/// An event that sets the state of the first room.
pub fn status<R>(time: i64, text: &str, names: &[&str]) -> Pub<R> {
    Publication { state: Some(state(time, text)), ..event(text, names) }
}

/// A stored event.
pub fn note<R>(id: &str, room: &str) -> Pub<R> {
    let item = Some(Item { id: id.into() });
    let event = Some(note_event(id));
    Publication { event, rooms: rooms(&[room]), state: None, item, record: None, except: None }
}

pub fn note_event(id: &str) -> Arc<Event> {
    Arc::new(Event::new("note", &id))
}

/// What a store answers of a room with a snapshot.
pub fn found(stored: Option<State>) -> ReadAnswer {
    let snapshot = |newest: Option<&State>| {
        Event::new(
            "snapshot",
            &newest.map_or("nothing".to_owned(), |state| format!("{}@{}", state.value, state.time)),
        )
    };
    ReadAnswer::Found(Found { state: stored, snapshot: Some(Box::new(snapshot)), ..Found::default() })
}

/// What a store answers of a user's own room.
pub fn found_notes(ids: &[&str], mark: i64) -> ReadAnswer {
    let items = ids.iter().map(|id| ((*id).into(), note_event(id))).collect();
    ReadAnswer::Found(Found { items, mark, ..Found::default() })
}
