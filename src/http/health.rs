//! Whether the hub lives, whether it is ready, and its counters.

use actix_web::{HttpResponse, web};
use prometheus::{Encoder as _, TextEncoder};
use serde_json::json;

use super::Api;
use crate::transport::gate::Phase;

/// The process lives.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

/// Whether connections should be sent here.
pub async fn ready(api: web::Data<Api>) -> HttpResponse {
    let health = &api.health;
    let ready = health.is_ready();
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let status = match health.phase() {
        Phase::Starting => "starting",
        _ => health.status().as_str(),
    };
    response.json(json!({
        "status": status,
        "version": api.shared.version,
        "parts": { "redis": health.redis_word(), "database": health.database_word() },
    }))
}

/// The counters, for Prometheus.
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
    let mut text = Vec::new();
    match TextEncoder::new().encode(&metrics.registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        Err(error) => {
            log::error!("the counters cannot be written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
