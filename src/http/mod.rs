//! The REST API, health and metrics.
//!
//! | file | calls |
//! |---|---|
//! | [`publish`] | `POST /api/v1/events` |
//! | [`one_kind`] | `POST` of an update, a timer's event, an alert, a notification |
//! | [`campaigns`] | `/api/v1/campaigns/{id}` and its participants: the read model |
//! | [`notifications`] | `GET /api/v1/users/{id}/notifications`, `POST …/read` |
//! | [`auth`] | `POST /api/v1/auth/refresh`, `POST /api/v1/users/{id}/revoke` |
//! | [`connections`], [`rooms`], [`rejected`] | who is connected and where; refused messages: for operators |
//! | [`stats`] | `GET /api/v1/stats/connections`, `GET /api/v1/reports/usage` |
//! | [`health`] | `GET /health/live`, `GET /health/ready`, `GET /metrics` |
//! | [`rights`] | who may call what |
//! | [`read_model`] | writes it, and tells the registry whose rights have changed |
//! | [`roster`] | asks manager, registry and lanes who is here, and how many |
//! | [`ask`] | a question to an owner, and the wait for the answer |
//! | [`routing`] | paths and their methods |
//! | [`path`], [`query`] | ids in paths; filters |
//! | [`page`] | `limit` and `cursor` of lists |
//! | [`openapi`] | the description of all of it |
//! | [`error`] | the one form of errors |

pub mod ask;
pub mod auth;
pub mod campaigns;
pub mod connections;
pub mod error;
pub mod health;
pub mod notifications;
pub mod one_kind;
pub mod openapi;
pub mod page;
pub mod path;
pub mod publish;
pub mod query;
pub mod read_model;
pub mod rejected;
pub mod rights;
pub mod rooms;
pub mod roster;
pub mod routing;
pub mod stats;

use std::sync::{Arc, OnceLock};

use actix_cors::Cors;
use actix_web::Scope;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig, to};

use crate::bridge::Bus;
use crate::bridge::access::Revoker;
use crate::bridge::intake::Intake;
use crate::bridge::outbox::Relay;
use crate::client;
use crate::clock::Millis;
use crate::events::Campaigns;
use crate::pulse::Health;
use crate::transport::{Options, peer_ip};

use read_model::ReadModel;
use roster::Roster;
use routing::{at, not_found};

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
    /// Who is here, and how many.
    pub roster: Roster,
    /// Whose statistics are made.
    pub statistics: stats::Turn,
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
        .service(
            calls
                .service(at("/openapi.json", [(GET, to(openapi::document))]))
                .wrap(cors(&api.options))
                .wrap(no_store())
                .default_service(to(not_found)),
        )
        .service(at("/health/live", [(GET, to(health::live))]))
        .service(at("/health/ready", [(GET, to(health::ready))]))
        .default_service(to(not_found));
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

/// Below `/api/v1`: what backends and users call.
fn public_calls(scope: Scope) -> Scope {
    let campaign = [(GET, to(campaigns::get)), (PUT, to(campaigns::put)), (DELETE, to(campaigns::delete))];
    let participant = [(PUT, to(campaigns::add_participant)), (DELETE, to(campaigns::remove_participant))];
    let stored = [(GET, to(notifications::list)), (POST, to(one_kind::notification))];
    scope
        .service(at("/events", [(POST, to(publish::events))]))
        .service(at("/campaigns/{id}/updates", [(POST, to(one_kind::update))]))
        .service(at("/timers/{id}/events", [(POST, to(one_kind::timer_event))]))
        .service(at("/system/alerts", [(POST, to(one_kind::alert))]))
        .service(at("/users/{id}/notifications", stored))
        .service(at("/users/{id}/notifications/read", [(POST, to(notifications::read))]))
        .service(at("/campaigns/{id}", campaign))
        .service(at("/campaigns/{id}/participants/{user}", participant))
        .service(at("/auth/refresh", [(POST, to(auth::refresh))]))
}

/// Below `/api/v1`: what operators call. With `server.admin_address` it is served there only.
fn admin_calls(scope: Scope) -> Scope {
    scope
        .service(at("/connections", [(GET, to(connections::list))]))
        .service(at("/connections/{socketId}", [(DELETE, to(connections::disconnect))]))
        .service(at("/users/{id}/connections", [(DELETE, to(connections::disconnect_user))]))
        .service(at("/rooms", [(GET, to(rooms::list))]))
        .service(at("/rooms/{room}", [(GET, to(rooms::get))]))
        .service(at("/rejected", [(GET, to(rejected::list))]))
        .service(at("/users/{id}/revoke", [(POST, to(auth::revoke))]))
        .service(at("/stats/connections", [(GET, to(stats::connections))]))
        .service(at("/reports/usage", [(GET, to(stats::usage))]))
}

/// What operators ask for outside `/api/v1`; served where [`admin_calls`] are.
fn admin_routes(config: &mut ServiceConfig) {
    config.service(at("/metrics", [(GET, to(health::metrics))]));
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
