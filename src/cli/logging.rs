//! Log lines: formatted by us, filtered by `env_logger`, written by a thread of their own.
//!
//! Whoever logs puts a line into a bounded queue and goes on; a log pipe that is full or closed therefore
//! never stops or slows the hub. What does not fit is dropped and counted, and the count is logged.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

use crate::clock;
use crate::config::log::LogFormat;
use crate::metrics::LOG_LINES;

/// Lines that wait to be written; a burst of some seconds.
const CAPACITY: usize = 8_192;
/// Longest message, so that the queue is bounded in bytes too.
const LONGEST_MESSAGE: usize = 8_192;
/// Least time between two reports of dropped lines while there are always more.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long to wait where a terminal or pipe was made non-blocking by somebody else.
const RETRY: Duration = Duration::from_millis(10);

static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is a logger already.
    #[error("a logger is set already")]
    Set(#[from] log::SetLoggerError),
    /// The standard error output or the thread that writes to it.
    #[error("cannot write the log: {0}")]
    Io(#[from] io::Error),
}

/// What is logged where `RUST_LOG` says nothing: of actix only what matters, since its parser writes a line
/// for each malformed request, and whoever sends those should not fill a disk.
const DEFAULT_FILTER: &str = "info,actix_http=off,actix_server=warn";

/// Starts logging to the standard error output. `filter` is the value of `RUST_LOG`; without it everything
/// of ours from `info` up is logged. Panics are logged too, since the standard way to print them can block.
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<(), LogError> {
    // a descriptor of its own: whoever else prints does not wait for a lock that a blocked write holds
    let out = std::fs::File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let queue = Arc::new(Queue::new(CAPACITY));
    spawn(queue.clone(), out, format)?;
    env_logger::Builder::new()
        .parse_filters(filter.filter(|filter| !filter.is_empty()).unwrap_or(DEFAULT_FILTER))
        .target(env_logger::Target::Pipe(Box::new(LineWriter(queue.clone()))))
        .write_style(env_logger::WriteStyle::Never)
        .format(move |out, record| {
            let message = record.args().to_string();
            out.write_all(line(format, record.level(), record.target(), &message).as_bytes())
        })
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::capture();
        match trace.status() {
            std::backtrace::BacktraceStatus::Captured => log::error!("{panic}\n{trace}"),
            _ => log::error!("{panic}"),
        }
    }));
    let _ = QUEUE.set(queue);
    Ok(())
}

/// Whether lines that are logged go anywhere.
pub(crate) fn is_started() -> bool {
    QUEUE.get().is_some()
}

/// Waits until everything logged so far is written, `wait` at most; whether it is.
pub fn flush(wait: Duration) -> bool {
    QUEUE.get().is_none_or(|queue| queue.flush(wait))
}

#[derive(serde::Serialize)]
struct JsonLine<'a> {
    timestamp: &'a str,
    level: &'a str,
    target: &'a str,
    message: &'a str,
}

/// One line, with its line break.
fn line(format: LogFormat, level: Level, target: &str, message: &str) -> String {
    let at = clock::rfc3339(clock::now_ms());
    let message = shortened(message);
    match format {
        LogFormat::Text => format!("{at} {level:<5} {}: {}\n", escaped(target), escaped(&message)),
        LogFormat::Json => {
            let object = JsonLine { timestamp: &at, level: level.as_str(), target, message: &message };
            // a struct of texts is always JSON
            serde_json::to_string(&object).map(|line| line + "\n").unwrap_or_default()
        }
    }
}

/// Cut at a character's start, with what is missing.
fn shortened(message: &str) -> Cow<'_, str> {
    if message.len() <= LONGEST_MESSAGE {
        return Cow::Borrowed(message);
    }
    let end = message.floor_char_boundary(LONGEST_MESSAGE);
    Cow::Owned(format!("{}… ({} bytes more)", &message[..end], message.len() - end))
}

/// Control characters and line separators escaped, so that outside text can neither break a line nor drive
/// a terminal, and letters that turn the direction of writing, which could disguise one.
fn escaped(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// The lines that wait.
struct Queue {
    state: Mutex<State>,
    capacity: usize,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// A line is being written.
    writing: bool,
    /// Lines that did not fit since the last report.
    dropped: u64,
}

impl Queue {
    fn new(capacity: usize) -> Queue {
        let (filled, drained) = (Condvar::new(), Condvar::new());
        Queue { state: Mutex::default(), capacity, filled, drained }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Vec<u8>) {
        let mut state = self.state();
        if state.lines.len() < self.capacity {
            state.lines.push_back(line);
            LOG_LINES.wait(state.lines.len());
            self.filled.notify_one();
        } else {
            state.dropped += 1;
            LOG_LINES.drop_one();
        }
    }

    /// The next line, and how many were dropped if it is time to say so. Waits for one.
    fn next(&self, reported: Instant) -> (Vec<u8>, u64) {
        let mut state = self.state();
        state.writing = false;
        if state.lines.is_empty() {
            self.drained.notify_all();
        }
        loop {
            if let Some(line) = state.lines.pop_front() {
                LOG_LINES.wait(state.lines.len());
                state.writing = true;
                let due = state.lines.is_empty() || reported.elapsed() >= REPORT_EVERY;
                let dropped = if due { std::mem::take(&mut state.dropped) } else { 0 };
                return (line, dropped);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn flush(&self, wait: Duration) -> bool {
        let busy = |state: &mut State| state.writing || !state.lines.is_empty();
        let (_state, waited) =
            self.drained.wait_timeout_while(self.state(), wait, busy).unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }
}

/// What `env_logger` writes to: each record is one call.
struct LineWriter(Arc<Queue>);

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn spawn(queue: Arc<Queue>, mut out: impl Write + Send + 'static, format: LogFormat) -> io::Result<()> {
    let drain = move || {
        let mut reported = Instant::now();
        loop {
            let (line, dropped) = queue.next(reported);
            write(&mut out, &line);
            if dropped > 0 {
                reported = Instant::now();
                write(&mut out, dropped_line(format, dropped).as_bytes());
            }
        }
    };
    std::thread::Builder::new().name("log".into()).spawn(drain).map(drop)
}

fn dropped_line(format: LogFormat, dropped: u64) -> String {
    line(format, Level::Warn, module_path!(), &format!("{dropped} log lines dropped"))
}

/// Writes a line; where nobody reads any more (a closed pipe) it is lost, and nothing else happens.
fn write(out: &mut impl Write, mut line: &[u8]) {
    while !line.is_empty() {
        match out.write(line) {
            Ok(0) => return,
            Ok(written) => line = &line[written..],
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) if why.kind() == ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn text(message: &str) -> String {
        line(LogFormat::Text, Level::Info, "roomcast::app", message)
    }

    #[test]
    fn a_text_line_has_time_level_target_and_message() {
        let line = text("listening on 127.0.0.1:8080");
        let (at, rest) = line.split_once(' ').unwrap();
        assert!(clock::parse_rfc3339(at).is_some() && at.ends_with('Z'), "{at}");
        assert_eq!(rest, "INFO  roomcast::app: listening on 127.0.0.1:8080\n");
    }

    #[test]
    fn outside_text_cannot_break_a_line_or_drive_a_terminal() {
        let line = text("a\nb\r\u{1b}[31mc\u{2028}d\u{85}é\u{202e}");
        assert!(line.ends_with(": a\\nb\\r\\u{1b}[31mc\\u{2028}d\\u{85}é\\u{202e}\n"), "{line:?}");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = line(LogFormat::Json, Level::Warn, "roomcast::bridge", "a \"b\"\nc");
        assert!(line.starts_with("{\"timestamp\":\"") && line.matches('\n').count() == 1, "{line}");
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(object.len(), 4);
        assert!(clock::parse_rfc3339(object["timestamp"].as_str().unwrap()).is_some());
        assert_eq!((&object["level"], &object["target"]), (&"WARN".into(), &"roomcast::bridge".into()));
        assert_eq!(object["message"], "a \"b\"\nc");
    }

    #[test]
    fn a_message_without_end_is_cut_between_two_characters() {
        let line = text(&"é".repeat(LONGEST_MESSAGE));
        assert!(
            line.ends_with(&format!("é… ({LONGEST_MESSAGE} bytes more)\n")),
            "{}",
            &line[line.len() - 40..]
        );
    }

    /// Writes only what the test lets it write.
    struct Gate(mpsc::Receiver<()>, io::PipeWriter);

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_pipe_stops_nobody_and_what_was_dropped_is_counted() {
        let (reader, writer) = io::pipe().unwrap();
        let (open, gate) = mpsc::channel();
        let queue = Arc::new(Queue::new(4));
        spawn(queue.clone(), Gate(gate, writer), LogFormat::Text).unwrap();
        // with the writer stuck in its first line, four more fit
        queue.push(b"first\n".to_vec());
        while !queue.state().writing {
            std::thread::yield_now();
        }
        let dropped_before = LOG_LINES.counts().1;
        for n in 0..10 {
            queue.push(format!("line {n}\n").into_bytes());
        }
        assert!(LOG_LINES.counts().1 >= dropped_before + 6, "what is dropped shows in the metrics");
        assert!(!queue.flush(Duration::from_millis(20)), "nothing can have been written");
        drop(open); // every write passes now
        assert!(queue.flush(LONG));
        let lines: Vec<String> = BufReader::new(reader).lines().take(6).map(Result::unwrap).collect();
        assert_eq!(lines[..5], ["first", "line 0", "line 1", "line 2", "line 3"]);
        assert!(lines[5].ends_with("6 log lines dropped"), "{}", lines[5]);
    }

    #[test]
    fn a_closed_pipe_loses_lines_and_nothing_else() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let queue = Arc::new(Queue::new(4));
        spawn(queue.clone(), writer, LogFormat::Text).unwrap();
        for _ in 0..3 {
            queue.push(b"lost\n".to_vec());
            assert!(queue.flush(LONG));
        }
    }
}
