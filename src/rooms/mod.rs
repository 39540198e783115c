//! Rooms: one order, members, fan-out.
//!
//! | file | owns |
//! |---|---|
//! | [`registry`] | the `RoomRegistry` actor: the one place of order, counts, room → workers |
//! | [`ledger`] | its state, pure |
//! | [`lane`] | the `Lane` actor of each worker: members, watches, fan-out |
//! | [`members`] | its state, pure: who is where, who is let in and out, refreshes |
//! | [`watch`] | how a subscriber gets its snapshot and then the stream, without a gap |
//! | [`manager`] | the `ConnectionManager` actor: users and their connections |
//! | [`publication`] | what is handed to the registry: an event and the rooms it goes to |
//! | [`request`] | what a socket asks of the registry, and how it is answered |
//! | [`identity`] | another identity for a socket that is in rooms already |
//! | [`roll`] | who is in a room, for operators |
//! | [`permits`] | how much may be in flight between a source and the sockets |
//!
//! Among registry, lanes and sockets only `do_send` is used: an `Addr::send` that meets a full mailbox is
//! overtaken by a later `do_send`, and order is what this is all about.

pub mod identity;
pub mod lane;
pub mod ledger;
pub mod manager;
pub mod members;
pub mod permits;
pub mod publication;
pub mod registry;
pub mod request;
pub mod roll;
pub mod watch;

#[cfg(test)]
mod tests;

pub use lane::Lane;
pub use manager::ConnectionManager;
pub use permits::{Permit, Permits};
pub use publication::{Item, Publication, Publications, RoomName, State};
pub use registry::RoomRegistry;

/// A room's number, given by the registry and used again when the room is empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoomId(pub u32);
