//! The stream under an HTTP connection: one that can always be dropped.
//!
//! HTTP's dispatcher waits for ever on a peer that reads nothing. So a write that makes no progress ends
//! here after a while, and a session that is over can cut off the answer that its client does not read.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_codec::{AsyncRead, AsyncWrite, ReadBuf};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::admission::StreamPlaces;
use super::capacity::Place;
use super::line::Line;
use crate::socket::poll::Cut;

/// How long a write may make no progress.
const STALL: Duration = Duration::from_secs(60);
/// Bytes that the kernel takes beyond those that it has sent: what a peer does not read stays visible here,
/// instead of in the kernel's buffer of some megabytes.
const UNSENT: u32 = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Stream {
    io: TcpStream,
    connection: Connection,
    /// Set while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Set when the line has a deadline.
    late: Option<Pin<Box<Sleep>>>,
    places: StreamPlaces,
}

/// What the requests of a connection know of it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Cuts it off, from any thread.
    pub cut: Arc<Cut>,
    /// Its clock.
    pub line: Rc<Line>,
}

impl Stream {
    /// Takes a connection over, and holds its places.
    pub fn new(io: TcpStream, line: Rc<Line>, places: StreamPlaces) -> Stream {
        let _ = SockRef::from(&io).set_tcp_notsent_lowat(UNSENT);
        let connection = Connection { cut: Arc::default(), line };
        Stream { io, connection, stalled: None, late: None, places }
    }

    /// What its requests are told of it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The bare connection, as it was, and its place among those that are open.
    pub fn into_inner(self) -> (TcpStream, Place) {
        let _ = SockRef::from(&self.io).set_tcp_notsent_lowat(0); // the system's own value
        (self.io, self.places.stream)
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.connection.cut.watch(cx.waker());
        if self.connection.cut.is_done() {
            // the kernel lets go of what it holds for the peer, too
            let _ = SockRef::from(&self.io).set_linger(Some(Duration::ZERO));
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let Some(deadline) = self.connection.line.deadline() else { return Ok(()) };
        let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if late.deadline() != deadline {
            late.as_mut().reset(deadline);
        }
        match late.as_mut().poll(cx) {
            Poll::Ready(()) => Err(self.connection.line.cut_off()),
            Poll::Pending => Ok(()),
        }
    }

    /// Passes on how a write went, and counts the time of one that waits.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            self.connection.line.wrote(Instant::now());
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.connection.line.heard(Instant::now());
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
