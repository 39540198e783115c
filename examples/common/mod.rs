//! What the programs share that load and break a hub: clients of a few lines, so that many of them cost
//! little on the machine that the hub runs on, too.

#![allow(dead_code, reason = "each program uses a part of this")]

pub mod churn;
pub mod polling;
pub mod publishing;
pub mod websocket;

use std::error::Error;
use std::time::Duration;

pub use polling::Polling;
pub use websocket::Websocket;

/// Nothing for this long, and the rest counts as lost.
pub const STALLED: Duration = Duration::from_secs(15);

/// What ends a client, or a run before its table.
pub type Fault = Box<dyn Error + Send + Sync>;

/// The whole number behind `key`.
pub fn number(body: &[u8], key: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(body, key)? + key.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}
