//! Whether the hub lives, whether it is ready, and its counters.

use actix_web::{HttpResponse, web};
use prometheus::{Encoder as _, TextEncoder};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::metrics::LOG_LINES;
use crate::transport::gate::Phase;

/// That the process lives.
#[derive(Serialize, ToSchema)]
pub struct Liveness {
    /// `live`.
    status: &'static str,
}

/// How the hub is.
#[derive(Serialize, ToSchema)]
pub struct Readiness<'a> {
    /// `starting`, `operational`, `degraded` or `draining`.
    status: &'static str,
    version: &'a str,
    parts: PartsHealth,
}

/// How its parts are.
#[derive(Serialize, ToSchema)]
pub struct PartsHealth {
    /// `up`, `down`, or `off` where there is none.
    redis: &'static str,
    /// `up` or `down`.
    database: &'static str,
}

/// The process lives.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "getLive",
    tag = "health",
    responses(
        (status = 200, description = "The process lives.", body = Liveness),
    ),
)]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "live" })
}

/// Whether connections should be sent here.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReady",
    tag = "health",
    responses(
        (status = 200, description = "Connections may be sent here.", body = Readiness),
        (status = 503, description = "They may not: it starts, it goes down, or a part that it needs is missing.", body = Readiness),
    ),
)]
pub async fn ready(api: web::Data<Api>) -> HttpResponse {
    let health = &api.health;
    let ready = health.is_ready();
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let status = match health.phase() {
        Phase::Starting => "starting",
        _ => health.status().as_str(),
    };
    let parts = PartsHealth { redis: health.redis_word(), database: health.database_word() };
    response.json(Readiness { status, version: &api.shared.version, parts })
}

/// The counters, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "health",
    responses(
        (status = 200, description = "Counters in the text format of Prometheus.", body = String, content_type = "text/plain"),
    ),
)]
pub async fn metrics(api: web::Data<Api>) -> HttpResponse {
    let metrics = &api.shared.metrics;
    let up = |name: &str, word: &str| {
        metrics.dependency_up.with_label_values(&[name]).set(i64::from(word == "up"))
    };
    if api.health.redis_word() != "off" {
        up("redis", api.health.redis_word());
    }
    up("database", api.health.database_word());
    if let Some(relay) = api.relay.get() {
        up("outbox", if relay.is_up() { "up" } else { "down" });
        metrics.queue_depth.with_label_values(&["outbox"]).set(relay.waiting() as i64);
    }
    let depth = |queue: &str, items: usize| metrics.queue_depth.with_label_values(&[queue]).set(items as i64);
    depth("store_writes", api.shared.store.depth());
    depth("connection_events", api.shared.connections.depth());
    depth("store_reads", api.shared.store.reading());
    depth("events_in_flight", api.shared.permits.in_flight().0);
    let (waiting, refused) = api.bus.load();
    depth("publications", waiting);
    metrics.note_overflow("publications", refused);
    depth("ids_seen", api.intake.ids_seen());
    let (lines, dropped) = LOG_LINES.counts();
    depth("log_lines", lines);
    metrics.note_overflow("log_lines", dropped);
    metrics.note_overflow("store_reads", api.shared.store.reads_refused());
    metrics.delay.set(api.shared.permits.delay_ms() as f64 / 1_000.0);
    let mut text = Vec::new();
    match TextEncoder::new().encode(&metrics.registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        Err(error) => {
            log::error!("the counters cannot be written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
