//! Socket.IO 5 packets: what stands behind Engine.IO's `4`.
//!
//! | file | what |
//! |---|---|
//! | [`packet`] | reading a packet: type, namespace, ack id, payload; an event's name and arguments |
//! | [`encode`] | writing packets |
//! | [`attachments`] | packets whose binary parts come behind them |

pub mod attachments;
pub mod encode;
pub mod packet;

pub use attachments::{Payload, Reconstructor};
pub use encode::{Encoded, ack, connect, connect_error, disconnect, event, prefix};
pub use packet::{AckId, Event, Kind, Packet};

use thiserror::Error;

use super::json::JsonFault;

/// Longest name of a namespace, in bytes, its query not counted.
pub const MAX_NAMESPACE: usize = 256;
/// Longest name of an event, in bytes.
pub const MAX_EVENT_NAME: usize = 256;
/// Most arguments of an event or an ack.
pub const MAX_ARGS: usize = 1_000;
/// Most binary attachments of a packet (CVE-2026-33151).
pub const MAX_ATTACHMENTS: u8 = 10;
/// Names that mean something to Socket.IO itself; no event may have one of them.
pub const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// What makes bytes no packet of a client. The reference server closes the connection on each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SocketIoError {
    /// An empty packet, or a first character other than `0` to `6`.
    #[error("an unknown packet type")]
    UnknownType,
    /// CONNECT_ERROR: only a server sends it.
    #[error("a packet that only a server sends")]
    ServerOnly,
    /// The number of attachments is missing or no number.
    #[error("illegal attachments")]
    Attachments,
    /// More than [`MAX_ATTACHMENTS`], or more bytes than a message may have.
    #[error("too many attachments")]
    TooManyAttachments,
    /// A `_placeholder` whose `num` is no attachment of its packet (CVE-2022-2421).
    #[error("a placeholder without its attachment")]
    Placeholder,
    /// A binary message that no packet announced.
    #[error("a binary message without its packet")]
    UnexpectedBinary,
    /// A packet before the attachments of the one before it.
    #[error("text before the attachments that were announced")]
    UnexpectedText,
    /// Longer than [`MAX_NAMESPACE`], or with a control character.
    #[error("an illegal namespace")]
    Namespace,
    /// More than 19 digits, or missing where it has to be there.
    #[error("an illegal ack id")]
    AckId,
    /// The payload is not what a packet of its type carries.
    #[error("an invalid payload")]
    Payload,
    /// Bad JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// The event's name is missing or no string (CVE-2023-32695), or too long.
    #[error("an event without a name")]
    EventName,
    /// The event's name is one of [`RESERVED`].
    #[error("a reserved event name")]
    ReservedName,
    /// More than [`MAX_ARGS`].
    #[error("too many arguments")]
    TooManyArgs,
}
