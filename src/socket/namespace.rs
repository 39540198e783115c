//! What a server does with its clients: the trait that the hub, or any other service, implements.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::bucket::Dropped;
use super::conn::Conn;
use crate::close::CloseReason;
use crate::ids::Place;
use crate::protocol::ack::AckRef;

/// A client asks to be let in.
#[derive(Clone, Debug, Default)]
pub struct Credentials<'a> {
    /// The CONNECT packet's payload (`auth` in the client), or the data of a plain `auth` message.
    pub payload: Option<&'a RawValue>,
    /// What stood behind a `?` in the namespace: so clients of Socket.IO 2 say it.
    pub query: Option<&'a str>,
    /// How the client wants its answer addressed (the `id` of a plain `auth` message).
    pub ack: Option<AckRef>,
}

/// An event from a client.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// Its name, as the client chose it.
    pub name: Cow<'a, str>,
    /// Its first argument.
    pub data: Option<&'a RawValue>,
    /// All its arguments. A `{"_placeholder":true,"num":n}` in them stands for `attachments[n]`.
    pub args: &'a [&'a RawValue],
    /// Its binary parts.
    pub attachments: &'a [Bytes],
    /// How the client wants its ack addressed, where it asked for one.
    pub ack: Option<AckRef>,
}

/// A message of a connection that carries no events: bare Engine.IO, or a bare websocket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Raw<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

/// What a server does with its clients.
///
/// One value a worker; its methods run in the actor of the socket concerned and must not block. What
/// takes time is asked of another actor, whose answer comes back as a [`Namespace::Message`].
pub trait Namespace: Sized + Unpin + 'static {
    /// What is kept of a socket whose client has been let in, for each of Socket.IO's namespaces.
    type State: Unpin + 'static;
    /// What other actors may send to its sockets.
    type Message: Send + 'static;

    /// Whether this is one of the names (`/`, `/custom`) that clients may connect to.
    fn serves(&self, nsp: &str) -> bool {
        nsp == "/"
    }

    /// A client asks to be let in. The answer is [`Conn::accept`] or [`Conn::refuse`], now or later:
    /// nothing more is read until then.
    fn connect(&self, conn: &mut Conn<'_, Self>, credentials: Credentials<'_>);

    /// A client that has been let in says something.
    fn event(&self, conn: &mut Conn<'_, Self>, event: Incoming<'_>);

    /// A message of a connection that carries no events.
    fn raw(&self, conn: &mut Conn<'_, Self>, _message: Raw<'_>) {
        conn.close(CloseReason::ProtocolError);
    }

    /// A message that is no event: not an object with an `event` (plain protocol), or JSON that is nested
    /// too deep or holds half a surrogate pair.
    fn malformed(&self, conn: &mut Conn<'_, Self>, _ack: Option<AckRef>, _what: &str) {
        conn.close(CloseReason::ProtocolError);
    }

    /// Something before the client has been let in (plain protocol only).
    fn stranger(&self, _conn: &mut Conn<'_, Self>, _event: Incoming<'_>) {}

    /// A client that has been let in says too much: its event was dropped.
    fn flooded(&self, _conn: &mut Conn<'_, Self>, _event: Incoming<'_>, _dropped: Dropped) {}

    /// Another actor has something for this socket.
    fn message(&self, _conn: &mut Conn<'_, Self>, _message: Self::Message) {}

    /// What a client has shown to be let in has to be looked at: it runs out soon, has run out, or may not count
    /// any more.
    fn review(&self, _conn: &mut Conn<'_, Self>) {}

    /// What a client is told before its session is closed for `reason`: the data of an `error` event.
    fn farewell(&self, _reason: CloseReason) -> Option<String> {
        None
    }

    /// A client has left, or its session is over. `state` is there where it had been let in.
    fn disconnect(&self, _place: Place, _state: Option<Self::State>, _reason: CloseReason) {}
}
