//! Where other actors send what is for a client.

use actix::Addr;

use super::actor::{Post, Socket};
use super::namespace::Namespace;

/// A client in one of its namespaces. What is sent after it has left is dropped, also where it has come
/// again on the same connection.
pub struct Mailbox<N: Namespace> {
    pub(super) addr: Addr<Socket<N>>,
    pub(super) member: u32,
}

impl<N: Namespace> Mailbox<N> {
    /// Sends a message; it comes to [`Namespace::message`].
    pub fn send(&self, message: N::Message) {
        self.addr.do_send(Post { member: self.member, message });
    }
}

impl<N: Namespace> Clone for Mailbox<N> {
    fn clone(&self) -> Self {
        Mailbox { addr: self.addr.clone(), member: self.member }
    }
}
