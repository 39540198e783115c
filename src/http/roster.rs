//! Who is here, asked of the connection manager, the registry and the lanes. Each of them serves live traffic: so no
//! question takes one of them long, however many sockets there are, and a long answer is fetched in parts.

use std::sync::Arc;

use actix::{Addr, Recipient};
use tokio::sync::mpsc;

use super::ask::asked;
use super::error::ApiError;
use crate::clock::Millis;
use crate::close::CloseReason;
use crate::ids::{Sid, Uid};
use crate::rooms::ledger::Ledger;
use crate::rooms::manager::{self, Connection, ConnectionManager, Connections, Disconnect, Whose};
use crate::rooms::registry;
use crate::rooms::roll::{Part, Roll, lowest};
use crate::rooms::{RoomId, RoomName};
use crate::socket::{Peer, Presence};
use crate::store::Record;

/// Sockets whose rooms are looked up at once: each may be in 128.
const ROOMS_AT_ONCE: usize = 64;

/// Whom to ask.
pub struct Roster {
    /// Knows connections.
    pub manager: Addr<ConnectionManager>,
    /// Knows rooms.
    pub registry: Recipient<registry::Look<Record>>,
    /// Knows, by way of the lanes, who is in them.
    pub rolls: Recipient<Roll>,
}

/// A connection, without its actor.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its number: lists are in this order.
    pub uid: Uid,
    /// Its public name.
    pub id: Sid,
    /// Whose it is.
    pub user: Arc<str>,
    /// When it came.
    pub connected_at: Millis,
    /// When it was last heard, and by what it is carried.
    pub presence: Arc<Presence>,
    /// What its handshake said.
    pub peer: Arc<Peer>,
    /// The rooms that it is in.
    pub rooms: Vec<RoomName>,
}

/// Which connections are wanted.
#[derive(Clone, Default, Debug)]
pub struct Wanted {
    /// Those of this user.
    pub user: Option<String>,
    /// Those in this room.
    pub room: Option<RoomName>,
    /// Those with greater numbers.
    pub after: Option<Uid>,
    /// At most so many.
    pub most: usize,
}

impl Roster {
    /// Connections, in the order of their numbers: one that is here all the time is on exactly one page, whoever
    /// comes and goes meanwhile.
    ///
    /// # Errors
    /// The hub goes down.
    pub async fn connections(&self, mut wanted: Wanted) -> Result<Vec<Seen>, ApiError> {
        let mut found = Vec::new();
        while found.len() < wanted.most {
            let numbers = self.numbers(&wanted).await?;
            let is_last = numbers.len() < wanted.most;
            wanted.after = numbers.last().copied();
            let mut seen = self.seen(numbers).await?;
            self.look_up_rooms(&mut seen).await?;
            let in_room = |seen: &Seen| wanted.room.as_ref().is_none_or(|room| seen.rooms.contains(room));
            found.extend(seen.into_iter().filter(in_room));
            if is_last {
                break;
            }
        }
        found.truncate(wanted.most);
        Ok(found)
    }

    /// Numbers of connections that may be wanted.
    async fn numbers(&self, wanted: &Wanted) -> Result<Vec<Uid>, ApiError> {
        let (after, most) = (wanted.after, wanted.most);
        match (wanted.user.clone(), &wanted.room) {
            (Some(user), _) => self.look(move |all| all.some_of(&user, after, most)).await,
            (None, Some(room)) => Ok(self.roll(room.clone(), after, most).await.unwrap_or_default().1),
            (None, None) => self.look(move |all| all.some(after, most)).await,
        }
    }

    async fn look_up_rooms(&self, seen: &mut [Seen]) -> Result<(), ApiError> {
        for some in seen.chunks_mut(ROOMS_AT_ONCE) {
            let uids: Vec<Uid> = some.iter().map(|seen| seen.uid).collect();
            let rooms = self.look_at_rooms(move |ledger| {
                uids.into_iter().map(|uid| ledger.rooms_of(uid)).collect::<Vec<_>>()
            });
            some.iter_mut().zip(rooms.await?).for_each(|(seen, rooms)| seen.rooms = rooms);
        }
        Ok(())
    }

    /// How many are in a room and some of them; none where nobody is.
    ///
    /// # Errors
    /// The hub goes down.
    pub async fn members(
        &self,
        room: RoomName,
        mut after: Option<Uid>,
        most: usize,
    ) -> Result<Option<(u32, Vec<Seen>)>, ApiError> {
        let mut found = Vec::new();
        loop {
            let Some((count, numbers)) = self.roll(room.clone(), after, most).await else { return Ok(None) };
            let is_last = numbers.len() < most;
            after = numbers.last().copied();
            found.extend(self.seen(numbers).await?); // some may have gone meanwhile
            if is_last || found.len() >= most {
                found.truncate(most);
                return Ok(Some((count, found)));
            }
        }
    }

    async fn roll(&self, room: RoomName, after: Option<Uid>, most: usize) -> Option<(u32, Vec<Uid>)> {
        let (tell, mut told) = mpsc::unbounded_channel();
        self.rolls.do_send(Roll { room, after, most, tell });
        let (mut count, mut numbers) = (None, Vec::new());
        while let Some(part) = told.recv().await {
            match part {
                Part::Count(members) => count = Some(members),
                Part::Members(some) => numbers.extend(some),
            }
        }
        Some((count?, lowest(numbers.into_iter(), None, most)))
    }

    /// Rooms in the order of their numbers, from number `from` on.
    ///
    /// # Errors
    /// The hub goes down.
    pub async fn rooms(&self, mut from: u32, most: usize) -> Result<Vec<(RoomId, RoomName, u32)>, ApiError> {
        let mut found = Vec::new();
        loop {
            let left = most - found.len();
            let (some, next) = self.look_at_rooms(move |ledger| ledger.some_rooms(from, left)).await?;
            found.extend(some);
            match next {
                Some(next) if found.len() < most => from = next,
                _ => return Ok(found),
            }
        }
    }

    /// How many connections there are, and how many users have one.
    ///
    /// # Errors
    /// The hub goes down.
    pub async fn count(&self) -> Result<(usize, usize), ApiError> {
        self.look(|all| (all.len(), all.users())).await
    }

    /// The rooms with the most members, largest first, those of one size by name.
    ///
    /// # Errors
    /// The hub goes down.
    pub async fn largest_rooms(&self, most: usize) -> Result<Vec<(RoomName, u32)>, ApiError> {
        self.look_at_rooms(move |ledger| largest(ledger, most)).await
    }

    /// Sends connections away, not to come back by themselves. Returns how many there were.
    ///
    /// # Errors
    /// The hub goes down.
    pub async fn kick(&self, whose: Whose) -> Result<usize, ApiError> {
        let reason = CloseReason::Kicked;
        asked(|answer| self.manager.do_send(Disconnect { whose, reason, answer })).await
    }

    async fn seen(&self, uids: Vec<Uid>) -> Result<Vec<Seen>, ApiError> {
        self.look(move |all| uids.into_iter().filter_map(|uid| all.get(uid).map(Seen::of)).collect()).await
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connections) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        asked(|reply| self.manager.do_send(manager::Look(Box::new(move |all| reply(look(all)))))).await
    }

    async fn look_at_rooms<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Ledger<Record>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        asked(|reply| self.registry.do_send(registry::Look(Box::new(move |ledger| reply(look(ledger))))))
            .await
    }
}

impl Seen {
    fn of(connection: &Connection) -> Seen {
        Seen {
            uid: connection.place.uid,
            id: connection.id,
            user: Arc::clone(&connection.user),
            connected_at: connection.connected_at,
            presence: Arc::clone(&connection.presence),
            peer: Arc::clone(&connection.peer),
            rooms: Vec::new(),
        }
    }
}

/// One look at each room, and no list of all.
fn largest(ledger: &Ledger<Record>, most: usize) -> Vec<(RoomName, u32)> {
    let mut top: Vec<(&RoomName, u32)> = Vec::with_capacity(most + 1);
    for (name, count) in ledger.rooms().filter(|(_, count)| *count > 0) {
        let larger = |of: &(&RoomName, u32)| of.1 > count || (of.1 == count && of.0 < name);
        let at = top.partition_point(larger);
        if at < most {
            top.insert(at, (name, count));
            top.truncate(most);
        }
    }
    top.into_iter().map(|(name, count)| (name.clone(), count)).collect()
}
