//! The REST API, health and metrics.
//!
//! | file | calls |
//! |---|---|
//! | [`publish`] | `POST /api/v1/events` |
//! | [`campaigns`] | `/api/v1/campaigns/{id}` and its participants: the read model |
//! | [`notifications`] | `GET /api/v1/users/{id}/notifications`, `POST …/read` |
//! | [`auth`] | `POST /api/v1/auth/refresh`, `POST /api/v1/users/{id}/revoke` |
//! | [`stats`] | `GET /api/v1/stats/connections`, `GET /api/v1/reports/usage` |
//! | [`health`] | `GET /health/live`, `GET /health/ready`, `GET /metrics` |
//! | [`rights`] | who may call what |
//! | [`read_model`] | writes it, and tells the registry whose rights have changed |
//! | [`path`] | ids in paths |
//! | [`page`] | `limit` and `cursor` of lists |
//! | [`error`] | the one form of errors |

pub mod auth;
pub mod campaigns;
pub mod error;
pub mod health;
pub mod notifications;
pub mod page;
pub mod path;
pub mod publish;
pub mod read_model;
pub mod rights;
pub mod stats;

use std::sync::{Arc, OnceLock};

use actix_cors::Cors;
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Scope};

use crate::bridge::Bus;
use crate::bridge::access::Revoker;
use crate::bridge::intake::Intake;
use crate::bridge::outbox::Relay;
use crate::client;
use crate::clock::Millis;
use crate::events::Campaigns;
use crate::pulse::Health;
use crate::transport::{Options, peer_ip};

use error::ApiError;
use read_model::ReadModel;

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
    /// Campaigns and participants.
    pub read_model: ReadModel,
    /// Makes revocations count on this node.
    pub revoker: Revoker,
    /// How long after its first token a session may be refreshed, in milliseconds; none where it may not.
    pub refresh: Option<Millis>,
    /// How many are here.
    pub figures: stats::Figures,
    /// How the hub is.
    pub health: Arc<Health>,
    /// Keys of backends.
    pub api_keys: Vec<String>,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The outbox's relay; set when it starts.
    pub relay: Arc<OnceLock<Relay>>,
}

/// Which calls an address serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// One address serves everything.
    All,
    /// The main address, where operators have one of their own.
    Public,
    /// The operators' own address.
    Operators,
}

/// The routes of the API on an address.
pub fn routes(config: &mut ServiceConfig, api: &web::Data<Api>, audience: Audience) {
    config.app_data(api.clone()).app_data(web::PayloadConfig::new(api.body_bytes));
    // one scope: of two with one prefix the first would answer for the second
    let mut calls = web::scope("/api/v1");
    if audience != Audience::Operators {
        calls = public_calls(calls);
    }
    if audience != Audience::Public {
        calls = admin_calls(calls);
        admin_routes(config);
    }
    config
        .service(calls.wrap(cors(&api.options)).wrap(no_store()).default_service(web::to(not_found)))
        .route("/health/live", web::get().to(health::live))
        .route("/health/ready", web::get().to(health::ready))
        .default_service(web::to(not_found));
}

/// Below `/api/v1`: what backends and users call.
fn public_calls(scope: Scope) -> Scope {
    scope
        .route("/events", web::post().to(publish::events))
        .route("/campaigns/{id}", web::get().to(campaigns::get))
        .route("/campaigns/{id}", web::put().to(campaigns::put))
        .route("/campaigns/{id}", web::delete().to(campaigns::delete))
        .route("/campaigns/{id}/participants/{user}", web::put().to(campaigns::add_participant))
        .route("/campaigns/{id}/participants/{user}", web::delete().to(campaigns::remove_participant))
        .route("/users/{id}/notifications", web::get().to(notifications::list))
        .route("/users/{id}/notifications/read", web::post().to(notifications::read))
        .route("/auth/refresh", web::post().to(auth::refresh))
}

/// Below `/api/v1`: what operators call. With `server.admin_address` it is served there only.
fn admin_calls(scope: Scope) -> Scope {
    scope
        .route("/users/{id}/revoke", web::post().to(auth::revoke))
        .route("/stats/connections", web::get().to(stats::connections))
        .route("/reports/usage", web::get().to(stats::usage))
}

/// What operators ask for outside `/api/v1`; served where [`admin_calls`] are.
fn admin_routes(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(health::metrics));
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}

/// What is answered is somebody's and of now: nobody on the way keeps it, unless a call says otherwise.
fn no_store() -> DefaultHeaders {
    DefaultHeaders::new().add((header::CACHE_CONTROL, "no-store"))
}

/// Lets allowed pages call the API; the one origin function decides.
fn cors(options: &Arc<Options>) -> Cors {
    /// How long a page may rely on a preflight's answer, in seconds.
    const MAX_AGE: usize = 600;
    let judge = Arc::clone(options);
    let allowed = move |origin: &HeaderValue, head: &RequestHead| {
        let peer = peer_ip(head.peer_addr);
        let host = judge.trusted_proxies.host(peer, head.headers());
        origin.to_str().is_ok_and(|origin| judge.origins.allows(origin, host))
    };
    let cors = Cors::default()
        .allowed_origin_fn(allowed)
        .allowed_methods(["GET", "POST", "PUT", "DELETE"])
        .allowed_headers(["authorization", "content-type", "x-api-key", "idempotency-key"])
        .max_age(MAX_AGE);
    if options.credentials { cors.supports_credentials() } else { cors }
}
