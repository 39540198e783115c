//! Counters that everyone adds to; `/metrics` shows them (CONTRACT 10). The doc comment of a field is
//! its help text's source; labels are resolved here, once, so that the hot path only adds.

mod log_lines;
mod tally;

use std::sync::{Mutex, PoisonError};

use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

pub use log_lines::{LOG_LINES, LogLines};
pub use tally::Tally;

/// All counters of one hub.
#[derive(Debug)]
pub struct Metrics {
    /// Where they are gathered from.
    pub registry: Registry,
    /// Sockets that were let in, since start.
    pub connected: IntCounter,
    /// Sockets that were let in and are gone, since start.
    pub disconnected: IntCounter,
    /// Sockets that are in now.
    pub active: IntGauge,
    /// Copies of events handed to sockets, since start.
    pub deliveries: IntCounter,
    /// Messages by type and direction. `type` is a known event name or `other`.
    pub messages: IntCounterVec,
    /// Size of messages by type, in bytes.
    pub message_size: HistogramVec,
    /// Members by kind of room.
    pub room_members: IntGaugeVec,
    /// From the publisher's timestamp to the hand-over to the lanes, in seconds.
    pub publish_delay: HistogramVec,
    /// Refused messages by reason.
    pub refused: IntCounterVec,
    /// Refused requests, handshakes among them, by reason.
    pub refused_requests: IntCounterVec,
    /// TCP connections of clients that are open now.
    pub streams: IntGauge,
    /// Gaps told, by source.
    pub gaps: IntCounterVec,
    /// Sockets closed because they did not read.
    pub slow_consumers: IntCounter,
    /// Bytes that peers have not taken yet.
    pub unsent_bytes: IntGauge,
    /// Sessions that are over and whose clients have still to come and hear why.
    pub last_words: IntGauge,
    /// Items in a bounded queue.
    pub queue_depth: IntGaugeVec,
    /// Items that a full queue refused.
    pub queue_overflow: IntCounterVec,
    /// How long events take from their source to the sockets, in seconds.
    pub delay: Gauge,
    /// Statements that the store's readers and writer have begun, since start.
    pub database_statements: IntCounter,
    /// Always 1; the labels say what runs.
    pub build_info: IntGaugeVec,
    /// Whether a dependency can be reached (1) or not (0).
    pub dependency_up: IntGaugeVec,
}

impl Metrics {
    /// Counters at zero, in a registry of their own (two hubs in one process do not share them).
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let make = Maker(&registry);
        let connections =
            make.counters("websocket_connections_total", "Connections since start.", &["status"]);
        Metrics {
            connected: connections.with_label_values(&["connected"]),
            disconnected: connections.with_label_values(&["disconnected"]),
            active: make.gauge("websocket_connections_active", "Sockets that are connected now."),
            deliveries: make.counter("roomcast_deliveries_total", "Copies of events handed to sockets."),
            messages: make.counters(
                "websocket_messages_total",
                "Messages since start.",
                &["type", "direction"],
            ),
            message_size: make.histograms(
                "websocket_message_size_bytes",
                "Size of messages.",
                "type",
                &[100.0, 500.0, 1000.0, 5000.0, 10000.0, 50000.0],
            ),
            room_members: make.gauges("websocket_room_members", "Members by kind of room.", "room"),
            publish_delay: make.histograms(
                "roomcast_publish_delay_seconds",
                "From the publisher's timestamp, or the receipt where it has none, to the fan-out.",
                "source",
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
            ),
            refused: make.counters("roomcast_refused_messages_total", "Refused messages.", &["reason"]),
            refused_requests: make.counters(
                "roomcast_refused_requests_total",
                "Connections, handshakes and other requests that were refused or cut off.",
                &["reason"],
            ),
            streams: make.gauge("roomcast_tcp_connections", "TCP connections of clients that are open now."),
            gaps: make.counters(
                "roomcast_gaps_total",
                "Times that events may have been missed.",
                &["source"],
            ),
            slow_consumers: make.counter("roomcast_slow_consumers_total", "Sockets closed for not reading."),
            unsent_bytes: make.gauge("roomcast_unsent_bytes", "Bytes that peers have not taken yet."),
            last_words: make
                .gauge("roomcast_last_words", "Polled sessions that are over and have still to be told why."),
            queue_depth: make.gauges("roomcast_queue_depth", "Items in a bounded queue.", "queue"),
            queue_overflow: make.counters(
                "roomcast_queue_overflow_total",
                "Items that a full queue refused.",
                &["queue"],
            ),
            database_statements: make.counter(
                "roomcast_database_statements_total",
                "Statements that readers and writer have begun, a transaction's own among them.",
            ),
            delay: make.seconds(
                "roomcast_delay_seconds",
                "How long events take now from their source to the sockets; over a second is degraded.",
            ),
            build_info: make.gauges_by("roomcast_build_info", "What runs.", &["version", "writer"]),
            dependency_up: make.gauges("roomcast_dependency_up", "Whether it can be reached.", "dependency"),
            registry,
        }
    }
}

impl Metrics {
    /// Sets how many a full queue has refused since the start, where the queue itself counts.
    pub fn note_overflow(&self, queue: &str, total: u64) {
        static ONE: Mutex<()> = Mutex::new(());
        let counter = self.queue_overflow.with_label_values(&[queue]);
        // two that look at the same time must not both add what is new
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        counter.inc_by(total.saturating_sub(counter.get()));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

/// Makes a metric and registers it. The names are constants: a mistake shows in every test.
struct Maker<'a>(&'a Registry);

#[allow(
    clippy::expect_used,
    reason = "names are constants of this file; a wrong or doubled one fails every test"
)]
impl Maker<'_> {
    fn register<M: prometheus::core::Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("a metric's name and labels are well formed");
        self.0.register(Box::new(metric.clone())).expect("a metric's name is used once");
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn seconds(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> IntGaugeVec {
        self.gauges_by(name, help, &[label])
    }

    fn gauges_by(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histograms(&self, name: &str, help: &str, label: &str, buckets: &[f64]) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, &[label]))
    }
}
