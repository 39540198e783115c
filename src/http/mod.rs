//! The REST API, health and metrics.
//!
//! | file | calls |
//! |---|---|
//! | [`publish`] | `POST /api/v1/events` |
//! | [`health`] | `GET /health/live`, `GET /health/ready`, `GET /metrics` |
//! | [`rights`] | who may call what |
//! | [`error`] | the one form of errors |
//! | [`engine`] | Socket.IO's path without an upgrade |

pub mod engine;
pub mod error;
pub mod health;
pub mod publish;
pub mod rights;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

use crate::bridge::Bus;
use crate::bridge::intake::Intake;
use crate::client;
use crate::events::Campaigns;
use crate::pulse::Health;
use crate::transport::Options;

use error::ApiError;

/// What the calls need.
pub struct Api {
    /// Keys, store, counters.
    pub shared: Arc<client::Shared>,
    /// What handshakes are judged by: the same origins hold here.
    pub options: Arc<Options>,
    /// Publishes.
    pub bus: Arc<dyn Bus>,
    /// Judges what is published.
    pub intake: Arc<Intake<Campaigns>>,
    /// How the hub is.
    pub health: Arc<Health>,
    /// Keys of backends.
    pub api_keys: Vec<String>,
    /// The largest body, in bytes.
    pub body_bytes: usize,
}

/// The routes of the API.
pub fn routes(config: &mut ServiceConfig, api: &web::Data<Api>) {
    let socketio = api.options.socketio_path.trim_end_matches('/').to_owned();
    let json = web::PayloadConfig::new(api.body_bytes);
    config
        .app_data(api.clone())
        .app_data(json)
        .route("/api/v1/events", web::post().to(publish::events))
        .route("/health/live", web::get().to(health::live))
        .route("/health/ready", web::get().to(health::ready))
        .route("/metrics", web::get().to(health::metrics))
        .service(web::resource([socketio.clone(), format!("{socketio}/")]).to(engine::without_upgrade))
        .default_service(web::to(|| async { Err::<HttpResponse, _>(ApiError::NotFound) }));
}
