//! Wire formats, pure: no I/O, no actors.
//!
//! | file | what | source |
//! |---|---|---|
//! | [`frame`] | an event, encoded once a dialect for all its receivers | |
//! | [`websocket`] | frame headers, masking, close codes | RFC 6455 |
//! | [`engineio`] | packets and payloads | Engine.IO protocol v3, v4 |
//! | [`socketio`] | packets, acks, attachments | Socket.IO protocol v4, v5 |
//! | [`plain`] | one JSON object a text frame | `docs/plain-websocket.md` |
//! | [`ack`] | how a request is answered, in either dialect | |
//! | [`json`] | what is checked of JSON that is passed on unread | RFC 8259 |

pub mod ack;
pub mod engineio;
pub mod frame;
pub mod json;
pub mod plain;
pub mod socketio;
pub mod websocket;
mod write;
