//! Rooms: one order, members, fan-out.
//!
//! | file | owns |
//! |---|---|
//! | [`publication`] | what is handed to the registry: an event and the rooms it goes to |
//! | [`permits`] | how much may be in flight between a source and the sockets |

pub mod permits;
pub mod publication;

pub use permits::{Permit, Permits};
pub use publication::{Item, Publication, Publications, RoomName, State};
