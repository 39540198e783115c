//! Who is in a room, a page at a time: asked of the registry, which passes the question to the lanes in line with
//! joins and leaves. Only operators ask.

use actix::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

use super::publication::RoomName;
use crate::ids::Uid;

/// Asks for some members of a room. Each part of the answer goes to `tell`; the answer is whole when all copies of
/// that are gone, and empty where nobody is in the room.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct Roll {
    /// The room.
    pub room: RoomName,
    /// Sockets with greater numbers are wanted.
    pub after: Option<Uid>,
    /// This many from each lane, those with the smallest numbers.
    pub most: usize,
    /// Takes the answer: at most one part a lane and one of the registry, so it needs no bound.
    pub tell: UnboundedSender<Part>,
}

/// A part of the answer to a [`Roll`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// How many are in the room, those included who are being let in.
    Count(u32),
    /// Live members of one lane, in the order of their numbers.
    Members(Vec<Uid>),
}

impl Roll {
    /// Answers with what is asked for of these sockets. It costs a lane less than one event to the room.
    pub(super) fn answer(&self, sockets: impl Iterator<Item = Uid>) {
        self.say(Part::Members(lowest(sockets, self.after, self.most)));
    }

    /// Whoever asked may have gone.
    pub(super) fn say(&self, part: Part) {
        let _ = self.tell.send(part);
    }
}

/// The `most` smallest numbers greater than `after`, in order. Looks at each of them once.
pub fn lowest(uids: impl Iterator<Item = Uid>, after: Option<Uid>, most: usize) -> Vec<Uid> {
    let mut list: Vec<Uid> = uids.filter(|uid| after.is_none_or(|after| *uid > after)).collect();
    if most < list.len() {
        list.select_nth_unstable(most);
        list.truncate(most);
    }
    list.sort_unstable();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_numbers_after_a_given_one_are_taken_in_order() {
        let take = |after: Option<u64>, most| {
            let uids = [7, 3, 9, 1, 5].map(Uid).into_iter();
            lowest(uids, after.map(Uid), most).into_iter().map(|uid| uid.0).collect::<Vec<_>>()
        };
        assert_eq!(take(None, 2), [1, 3]);
        assert_eq!(take(Some(3), 2), [5, 7]);
        assert_eq!(take(Some(4), 100), [5, 7, 9]);
        assert_eq!(take(None, 5), [1, 3, 5, 7, 9]);
        assert!(take(Some(9), 2).is_empty());
    }
}
