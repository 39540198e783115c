//! The connection under a socket: a non-blocking stream that the socket's actor and its lane share.

use std::any::Any;
use std::task::{Context, Poll};
use std::{fmt, io};

use tokio::net::TcpStream;

/// A connected stream of this worker. The last owner closes the descriptor, so a peer that has stalled
/// can always be dropped.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    _held: Held,
}

/// Something that is held until its owner ends, such as a place among those that are counted.
pub struct Held(Option<Box<dyn Any + Send>>);

impl Held {
    /// Holds nothing.
    pub const NOTHING: Held = Held(None);

    /// Holds this.
    pub fn new(what: impl Any + Send) -> Held {
        Held(Some(Box::new(what)))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Held" } else { "Held(nothing)" })
    }
}

impl Wire {
    /// Takes the stream over, and holds what is held as long as it is open.
    pub fn new(stream: TcpStream, held: Held) -> Wire {
        Wire { stream, _held: held }
    }

    /// One `send`, which never waits.
    ///
    /// # Errors
    /// `WouldBlock` where the peer takes nothing at the moment; else the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.try_write(bytes)
    }

    /// One `recv`, which never waits. No bytes mean that the peer has closed its side.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there; else the connection is broken.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(into)
    }

    /// Says that nothing more will be written; what was written still arrives, and reading goes on.
    pub fn shut(&self) {
        let _ = socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
    }

    /// Has the kernel let go of what it holds for the peer when the stream is closed: else it would go on trying to
    /// send that, for minutes, to one that takes nothing.
    pub fn abandon(&self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Ready when a read may find something.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    /// Ready when a write may go through.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(cx)
    }
}
