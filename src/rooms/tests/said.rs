//! What sockets are told, written down; and the words and reads of their requests.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::{Place, Uid};
use crate::protocol::ack::{AckRef, Outcome};
use crate::protocol::frame::Event;
use crate::protocol::socketio::AckId;
use crate::rooms::members::{Outlet, Word};
use crate::rooms::request::{Answers, Asked, Read, Refused, Reply};
use crate::socket::Slot;

/// Something that a socket was told, and how far its lane was when it said it.
#[derive(Clone, Debug)]
pub struct Said {
    pub uid: Uid,
    pub text: String,
    /// See [`House::order`].
    pub at: usize,
}

/// An outlet that writes down who was told what.
#[derive(Debug, Default)]
pub struct Notebook {
    pub here: HashMap<Slot, Uid>,
    pub seen: HashMap<Slot, u64>,
    pub said: Vec<Said>,
    pub at: usize,
}

impl Notebook {
    fn note(&mut self, slot: Slot, text: String) {
        let uid = *self.here.get(&slot).expect("words for a socket that is gone");
        self.said.push(Said { uid, text, at: self.at });
    }
}

fn line(event: &Event) -> String {
    format!("{} {}", event.name(), event.data().trim_matches('"'))
}

impl Outlet for Notebook {
    fn is_here(&self, slot: Slot, uid: Uid) -> bool {
        self.here.get(&slot) == Some(&uid)
    }

    fn deliver(&mut self, slots: &[Slot], number: u64, event: &Event) {
        for &slot in slots {
            if self.seen.insert(slot, number) != Some(number) {
                self.note(slot, line(event));
            }
        }
    }

    fn skip(&mut self, place: Place, number: u64) {
        if self.is_here(place.slot, place.uid) {
            self.seen.insert(place.slot, number);
        }
    }

    fn was_reached(&self, slot: Slot, number: u64) -> bool {
        self.seen.get(&slot) == Some(&number)
    }

    fn say(&mut self, slot: Slot, words: &[Word<'_>]) {
        for word in words {
            self.note(
                slot,
                match word {
                    Word::Event(event) => line(event),
                    Word::Ack(ack, Outcome::Ok(data)) => {
                        format!(
                            "ack {} {}",
                            ack.as_str(),
                            data.as_deref().unwrap_or_default().trim_matches('"')
                        )
                    }
                    Word::Ack(ack, Outcome::Err { code, .. }) => format!("nack {} {code}", ack.as_str()),
                },
            );
        }
    }
}

/// The words of a test's requests.
struct Words {
    room: String,
    done: Event,
}

impl Answers for Words {
    fn done(&self) -> &Event {
        &self.done
    }

    fn refused(&self, why: Refused) -> (Event, Outcome) {
        let code = match why {
            Refused::RoomFull => "room_full",
            Refused::RoomLimit => "room_limit",
            Refused::Unavailable => "unavailable",
            Refused::Denied => "denied",
        };
        (Event::new("error", &format!("{} {code}", self.room)), Outcome::err(code, code))
    }

    fn lost(&self) -> Event {
        Event::new("lost", &self.room)
    }
}

pub fn asked(ack: u32, verb: &'static str, room: &str) -> Asked {
    let done = Event::new(verb, &if verb == "subscribed" { room.to_owned() } else { format!("left {room}") });
    let digits = ack.to_string();
    let ack = (ack > 0).then(|| AckRef::from(AckId::new(&digits).unwrap()));
    Asked { ack, answers: Arc::new(Words { room: room.to_owned(), done }) }
}

/// A read that the test answers by hand.
pub struct ByHand {
    pub optional: bool,
}

impl Read for ByHand {
    fn start(&self, _: i64, _: Reply) {
        unreachable!("there are no actors here")
    }

    fn is_optional(&self) -> bool {
        self.optional
    }
}
