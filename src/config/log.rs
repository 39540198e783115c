//! `[log]`: how log lines look.

use super::setting::{Rules, section};
use super::value::choice;

choice! {
    /// How a log line looks.
    pub enum LogFormat {
        /// Time, level, target and message, for people.
        Text = "text",
        /// One JSON object a line, for programs.
        Json = "json",
    }
}

section! {
    /// How log lines look. They go to the standard error output; the level is that of `RUST_LOG` (default `info`).
    pub struct Log = "log" {
        /// `text` for people, or `json`: one object a line with `timestamp`, `level`, `target` and `message`.
        format: LogFormat = LogFormat::Text;
    }
}

impl Rules for Log {}
