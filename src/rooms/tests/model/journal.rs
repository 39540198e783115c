//! What one socket was told, parsed.

use super::super::house::Said;
use super::steps::Room;

/// One word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    Snapshot(String),
    Subscribed(Room),
    Unsubscribed(Room),
    /// Put out: its right is gone.
    Lost(Room),
    Refused(Room, String),
    /// An ack by its request's number, with the room of the answer, and whether that was `subscribed`.
    Done {
        request: usize,
        subscribed: bool,
    },
    NotDone {
        request: usize,
    },
    Event(usize),
    Note(usize),
}

/// A word, and how many events had been ordered when the lane was told what it had handled last.
#[derive(Clone, Debug)]
pub struct Entry {
    pub word: Word,
    pub at: usize,
}

fn room(name: &str) -> Room {
    let (kind, number) = name.split_once(':').expect("a room's name has a kind");
    let number = number.parse().expect("and a number");
    if kind == "topic" { Room::Topic(number) } else { Room::User(number) }
}

fn word(text: &str) -> Word {
    let parts: Vec<&str> = text.split(' ').collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    match parts[..] {
        ["snapshot", value] => Word::Snapshot(value.to_owned()),
        ["subscribed", name] => Word::Subscribed(room(name)),
        ["unsubscribed", "left", name] => Word::Unsubscribed(room(name)),
        ["lost", name] => Word::Lost(room(name)),
        ["error", name, why] => Word::Refused(room(name), why.to_owned()),
        ["ack", request, _] => Word::Done { request: number(request), subscribed: true },
        ["ack", request, "left", _] => Word::Done { request: number(request), subscribed: false },
        ["nack", request, _] => Word::NotDone { request: number(request) },
        ["event", event] => Word::Event(number(event)),
        ["note", note] => Word::Note(number(note)),
        _ => unreachable!("nobody says {text}"),
    }
}

pub fn parse(said: &[&Said]) -> Vec<Entry> {
    said.iter().map(|said| Entry { word: word(&said.text), at: said.at }).collect()
}

/// A stretch of the journal in which the socket was a member of a room.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    pub room: Room,
    /// Index of the first `subscribed`, and of what ended it (or the journal's length).
    pub from: usize,
    pub to: usize,
    /// Events ordered before this one's number came before the stay, or after it.
    pub first: usize,
    pub last: usize,
    pub open: bool,
}

/// Every stay; `end` is how many events its lane had handled in the end.
pub fn stays(journal: &[Entry], end: usize) -> Vec<Stay> {
    let mut all: Vec<Stay> = Vec::new();
    for (index, Entry { word, at }) in journal.iter().enumerate() {
        let ended = match word {
            Word::Unsubscribed(room) | Word::Lost(room) => Some(*room),
            Word::Refused(room, why) if why == "denied" => Some(*room),
            _ => None,
        };
        let is_in = |all: &[Stay], room: Room| all.iter().any(|stay| stay.open && stay.room == room);
        if let Some(stay) = all.iter_mut().find(|stay| stay.open && Some(stay.room) == ended) {
            (stay.to, stay.last, stay.open) = (index, *at, false);
        }
        if let Word::Subscribed(room) = *word
            && !is_in(&all, room)
        {
            all.push(Stay { room, from: index, to: journal.len(), first: *at, last: end, open: true });
        }
    }
    all
}
