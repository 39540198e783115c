//! All clients of a run, on a thread of their own: whoever drives the run may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, LocalSet};

use super::client::{Kind, World, live};
use super::record::{Clock, Log, SharedLog};

/// How many may be on their way in at the same time at the beginning.
const AT_ONCE: usize = 100;

/// How many clients of each kind.
#[derive(Clone, Copy)]
pub struct Size {
    pub websocket: usize,
    pub polling: usize,
    pub upgrade: usize,
    pub plain: usize,
}

impl Size {
    /// The same number of each kind.
    pub fn each(n: usize) -> Size {
        Size { websocket: n, polling: n, upgrade: n, plain: n }
    }

    /// Of twenty one polls and one upgrades; the others are websockets, half of them plain.
    pub fn mostly_websockets(n: usize) -> Size {
        let few = n / 20;
        let websocket = (n - 2 * few) / 2;
        Size { websocket, polling: few, upgrade: few, plain: n - 2 * few - websocket }
    }

    fn kinds(self) -> Vec<Kind> {
        let of = |kind, n| std::iter::repeat_n(kind, n);
        of(Kind::Websocket, self.websocket)
            .chain(of(Kind::Polling, self.polling))
            .chain(of(Kind::Upgrade, self.upgrade))
            .chain(of(Kind::Plain, self.plain))
            .collect()
    }
}

/// The clients of a run.
pub struct Crowd {
    world: Arc<World>,
    logs: Vec<SharedLog>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Lets them come to the hub of this port.
    pub fn start(size: Size, port: u16, token: String, clock: Clock, pause_ms: u64) -> Crowd {
        let world = Arc::new(World {
            port: AtomicU16::new(port),
            token,
            clock,
            over: AtomicBool::new(false),
            wake: Notify::new(),
            door: Semaphore::new(AT_ONCE),
            pause_ms,
        });
        let kinds = size.kinds();
        let logs: Vec<SharedLog> = kinds.iter().map(|_| SharedLog::default()).collect();
        let (theirs, lives) = (Arc::clone(&world), kinds.into_iter().zip(logs.clone()).collect::<Vec<_>>());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            LocalSet::new().block_on(&runtime, async move {
                let mut all = JoinSet::new();
                for (number, (kind, log)) in lives.into_iter().enumerate() {
                    all.spawn_local(live(number, kind, Arc::clone(&theirs), log));
                }
                all.join_all().await;
            });
        });
        Crowd { world, logs, thread: Some(thread) }
    }

    pub fn len(&self) -> usize {
        self.logs.len()
    }

    /// Where they go from now on when they come again.
    pub fn send_to(&self, port: u16) {
        self.world.port.store(port, Ordering::SeqCst);
    }

    /// For how many of them this is so.
    pub fn count(&self, so: impl Fn(&Log) -> bool) -> usize {
        self.logs.iter().filter(|log| log.with(|log| so(log))).count()
    }

    /// What the first of them says who has something to say.
    pub fn first<T>(&self, of: impl Fn(&Log) -> Option<T>) -> Option<T> {
        self.logs.iter().find_map(|log| log.with(|log| of(log)))
    }

    /// What all of them say who have something to say.
    pub fn all<T>(&self, of: impl Fn(&Log) -> Option<T>) -> Vec<T> {
        self.logs.iter().filter_map(|log| log.with(|log| of(log))).collect()
    }

    /// Whether all are in the room.
    pub fn is_in(&self) -> bool {
        self.count(Log::is_in) == self.len()
    }

    /// Lets them go; gives what they got. Their connections are simply dropped.
    pub fn finish(mut self) -> Vec<Log> {
        self.end();
        self.logs.iter().map(|log| log.with(|log| log.clone())).collect()
    }

    fn end(&mut self) {
        self.world.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() {
                self.world.wake.notify_waiters(); // one may have been between two waits
                std::thread::yield_now();
            }
            let _ = thread.join(); // its panic has been printed
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end();
    }
}
