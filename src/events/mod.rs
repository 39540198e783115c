//! The catalogue: what comes in, what goes out, to which rooms. Pure: time and rules are arguments.
//!
//! ```text
//! channel, payload ──BusEvent::parse──► BusEvent ──publications──► events for rooms, state, records
//!                          └──► Refusal (counted and kept by `Rejected`)
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`campaign`], [`timer`], [`system`], [`user`] | one channel each: its messages and the events they become |
//! | [`server`] | the events that the hub sends of its own accord |
//! | [`names`] | the events' names |
//! | [`codes`] | the errors that a client is told |
//! | [`channel`], [`fields`] | reading: a channel's name, the fields of a message |
//! | [`bus`] | [`BusEvent`]: any message, parsed once |
//! | [`route`] | from an event to its rooms, state and records |
//! | [`refusal`], [`rejected`] | why a message is refused; the last that were |
//! | [`seen`], [`event_id`] | repeats |
//! | [`words`], [`stamp`] | values with a fixed set of words; times |

pub mod bus;
pub mod campaign;
pub mod channel;
pub mod codes;
pub mod event_id;
pub mod fields;
pub mod names;
pub mod refusal;
pub mod rejected;
pub mod route;
pub mod seen;
pub mod server;
pub mod stamp;
pub mod system;
pub mod timer;
pub mod user;
pub mod words;

pub use bus::{Body, BusEvent, MAX_MESSAGE_BYTES};
pub use channel::Rules;
pub use codes::Code;
pub use names::{CLIENT_EVENTS, SERVER_EVENTS};
pub use refusal::{Reason, Refusal};
pub use rejected::{Rejected, RejectedMessage};
pub use route::{Campaigns, Catalogue, Routed};
pub use seen::Seen;
pub use stamp::Stamp;
