//! What a server does with its clients: the trait that the hub, or any other service, implements.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::bucket::Dropped;
use super::conn::Conn;
use crate::close::CloseReason;
use crate::ids::Place;
use crate::protocol::ack::AckRef;

/// An event from a client.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// Its name, as the client chose it.
    pub name: Cow<'a, str>,
    /// Its first argument.
    pub data: Option<&'a RawValue>,
    /// How the client wants its ack addressed, where it asked for one.
    pub ack: Option<AckRef>,
}

/// What a server does with its clients.
///
/// One value a worker; its methods run in the actor of the socket concerned and must not block. What
/// takes time is asked of another actor, whose answer comes back as a [`Namespace::Message`].
pub trait Namespace: Sized + Unpin + 'static {
    /// What is kept of a socket whose client has been let in.
    type State: Unpin + 'static;
    /// What other actors may send to its sockets.
    type Message: Send + 'static;

    /// A client asks to be let in, with its CONNECT payload or the data of its `auth` message. The
    /// answer is [`Conn::accept`] or [`Conn::refuse`], now or later: nothing more is read until then.
    fn connect(&self, conn: &mut Conn<'_, Self>, payload: Option<&RawValue>);

    /// A client that has been let in says something.
    fn event(&self, conn: &mut Conn<'_, Self>, event: Incoming<'_>);

    /// A message that is no event: not an object with an `event` (plain protocol), or JSON that is nested
    /// too deep or holds half a surrogate pair.
    fn malformed(&self, conn: &mut Conn<'_, Self>, ack: Option<AckRef>, what: &str);

    /// Something before the client has been let in (plain protocol only).
    fn stranger(&self, conn: &mut Conn<'_, Self>, event: Incoming<'_>);

    /// A client that has been let in says too much: its event was dropped.
    fn flooded(&self, conn: &mut Conn<'_, Self>, event: Incoming<'_>, dropped: Dropped);

    /// Another actor has something for this socket.
    fn message(&self, conn: &mut Conn<'_, Self>, message: Self::Message);

    /// What a client is told before its session is closed for `reason`: the data of an `error` event.
    fn farewell(&self, reason: CloseReason) -> Option<String>;

    /// The session is over. `state` is there where the client had been let in.
    fn disconnect(&self, place: Place, state: Option<Self::State>, reason: CloseReason);
}
