//! The subscribed connection's bytes and messages: one batch a read, and no read without room.
//!
//! The redis crate reads its stream whenever it has parsed all it got. So its asking for more is the end
//! of a read: then the inbox hands on what came, and the gate lets others run (the registry and the lane
//! live on this thread) and looks for permits, before it reads again. What is not read stays in the
//! socket's buffers and, when those are full, in Redis.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use redis::{PushInfo, PushKind, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outgoing::Outgoing;
use super::target::Stream;
use super::{Message, Sink};
use crate::clock;
use crate::rooms::Permits;

/// The most that one read brings, and so about what one batch holds.
const READ: usize = 64 << 10;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // what is behind these locks is whole whenever they are free
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Collects what the connection pushes, and hands it on at the end of each read.
pub(super) struct Inbox {
    sink: Sink,
    permits: Permits,
    outgoing: Arc<Mutex<Outgoing>>,
    state: Mutex<State>,
}

struct State {
    list: Vec<Message>,
    bytes: usize,
    /// Nothing is handed on before the link has been told to be up.
    open: bool,
    /// Nothing is read for want of permits: silence means nothing then.
    paused: bool,
    last_read: Instant,
    /// All that was published before this has been read, in milliseconds of the uptime.
    complete_until: u64,
}

/// What the gate does next.
enum Turn {
    /// Read on.
    Read,
    /// Something was, or has to be, handed on: others first.
    Yield,
}

impl Inbox {
    pub(super) fn new(sink: Sink, permits: Permits, outgoing: Arc<Mutex<Outgoing>>) -> Inbox {
        let state = State {
            list: Vec::new(),
            bytes: 0,
            open: false,
            paused: false,
            last_read: Instant::now(),
            complete_until: 0,
        };
        Inbox { sink, permits, outgoing, state: Mutex::new(state) }
    }

    /// Begins with a new connection.
    pub(super) fn reset(&self) {
        let mut state = lock(&self.state);
        (state.list, state.bytes) = (Vec::new(), 0);
        (state.open, state.paused, state.last_read) = (false, false, Instant::now());
        self.permits.source_is_away();
    }

    /// From now on messages are handed on.
    pub(super) fn open(&self) {
        lock(&self.state).open = true;
        self.is_complete_until(clock::uptime_ms());
    }

    /// Something that was sent at this time has come back, and with it all that was published before it.
    pub(super) fn is_complete_until(&self, at: u64) {
        let mut state = lock(&self.state);
        state.complete_until = state.complete_until.max(at);
        self.permits.source_has_told(at);
    }

    /// How long ago that was which has surely been read. The time of the last read says less: what is read may
    /// have waited in a buffer while Redis gave the link up.
    pub(super) fn uncertain(&self) -> Duration {
        Duration::from_millis(clock::uptime_ms().saturating_sub(lock(&self.state).complete_until))
    }

    /// Nothing is read for want of permits.
    pub(super) fn is_paused(&self) -> bool {
        lock(&self.state).paused
    }

    /// How long nothing came, while it could have.
    pub(super) fn silence(&self) -> Duration {
        let state = lock(&self.state);
        if state.paused { Duration::ZERO } else { state.last_read.elapsed() }
    }

    /// Takes what the connection pushes; beside messages of a pattern only the heartbeat concerns the hub.
    pub(super) fn push(&self, info: PushInfo) {
        if info.kind == PushKind::Message {
            return self.take_heartbeat(info.data);
        }
        let (PushKind::PMessage, Ok([_, channel, payload])) = (info.kind, <[Value; 3]>::try_from(info.data))
        else {
            return;
        };
        let (Some(channel), Some(payload)) = (bytes_of(channel), bytes_of(payload)) else { return };
        let channel = String::from_utf8(channel)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let mut state = lock(&self.state);
        state.bytes += channel.len() + payload.len();
        state.list.push(Message { channel, payload: payload.into() });
    }

    /// It carries the time at which it was sent.
    fn take_heartbeat(&self, data: Vec<Value>) {
        let payload = data.into_iter().nth(1).and_then(bytes_of);
        let at = payload.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
        at.into_iter().for_each(|at| self.is_complete_until(at));
    }

    /// Hands on what came since the last time, then answers whose publications were among it.
    pub(super) fn hand_on(&self) {
        let (list, bytes) = {
            let mut state = lock(&self.state);
            if !state.open || state.list.is_empty() {
                return;
            }
            (std::mem::take(&mut state.list), std::mem::take(&mut state.bytes))
        };
        let contents = lock(&self.outgoing).contents(&list);
        let permit = self.permits.take(list.len(), bytes);
        (self.sink)(list, permit);
        let answers = lock(&self.outgoing).read_back(contents);
        answers.into_iter().for_each(|answer| answer.give(Ok(())));
    }

    fn end_of_read(&self) -> Turn {
        if lock(&self.state).list.is_empty() {
            return Turn::Read;
        }
        self.hand_on();
        Turn::Yield
    }

    /// Room is asked for when messages may come; the answers that open the link need none.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let room = self.permits.poll_room(cx);
        let mut state = lock(&self.state);
        if !state.open {
            return Poll::Ready(());
        }
        if state.paused && room.is_ready() {
            state.last_read = Instant::now();
        }
        state.paused = room.is_pending();
        room
    }

    fn has_read(&self) {
        lock(&self.state).last_read = Instant::now();
    }
}

fn bytes_of(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// The connection's stream.
pub(super) struct Gate {
    stream: Box<dyn Stream>,
    inbox: Arc<Inbox>,
    buf: Box<[u8]>,
    /// What of `buf` has been read and not yet been asked for.
    unread: std::ops::Range<usize>,
}

impl Gate {
    pub(super) fn new(stream: Box<dyn Stream>, inbox: Arc<Inbox>) -> Gate {
        Gate { stream, inbox, buf: vec![0; READ].into(), unread: 0..0 }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buf = ReadBuf::new(&mut self.buf);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        self.unread = 0..buf.filled().len();
        if !self.unread.is_empty() {
            self.inbox.has_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            if let Turn::Yield = this.inbox.end_of_read() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(this.inbox.poll_room(cx));
            ready!(this.poll_fill(cx))?;
        }
        let n = out.remaining().min(this.unread.len());
        out.put_slice(&this.buf[this.unread.start..this.unread.start + n]);
        this.unread.start += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
