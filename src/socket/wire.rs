//! The connection under a socket: a non-blocking stream that the socket's actor and its lane share.

use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

/// A connected stream of this worker. The last owner closes the descriptor, so a peer that has stalled
/// can always be dropped.
#[derive(Debug)]
pub struct Wire(TcpStream);

impl Wire {
    /// Takes the stream over.
    pub fn new(stream: TcpStream) -> Wire {
        Wire(stream)
    }

    /// One `send`, which never waits.
    ///
    /// # Errors
    /// `WouldBlock` where the peer takes nothing at the moment; else the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// One `recv`, which never waits. No bytes mean that the peer has closed its side.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there; else the connection is broken.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }

    /// Says that nothing more will be written; what was written still arrives, and reading goes on.
    pub fn shut(&self) {
        let _ = socket2::SockRef::from(&self.0).shutdown(std::net::Shutdown::Write);
    }

    /// Has the kernel let go of what it holds for the peer when the stream is closed: else it would go on trying to
    /// send that, for minutes, to one that takes nothing.
    pub fn abandon(&self) {
        let _ = socket2::SockRef::from(&self.0).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Ready when a read may find something.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx)
    }

    /// Ready when a write may go through.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }
}
