//! What a client may say, and what it is answered: the hub's [`Namespace`].
//!
//! | file | events |
//! |---|---|
//! | [`connect`] | the token, `connected`, `initial:*` |
//! | [`campaign`] | `subscribe:campaign`, `unsubscribe:campaign` |
//! | [`user`] | `subscribe:user`, `unsubscribe:user` |
//! | [`system`] | `subscribe:system`, `unsubscribe:system` |
//! | [`auth`] | `auth:refresh`, `auth:expiring`; tokens that run out or are revoked |
//! | `identity` | what a fresh token means for the rooms that its socket is in |
//! | [`notifications`] | `notifications:read` |
//! | [`answers`] | the words of answers and errors |
//! | [`requests`] | what clients send with their events |
//! | [`stored`] | stored rows as they are sent |
//! | `record` | what is recorded of a connection |

pub mod answers;
#[cfg(test)]
mod asyncapi;
pub mod auth;
pub mod campaign;
pub mod connect;
mod identity;
pub mod notifications;
mod record;
pub mod requests;
pub mod stored;
pub mod system;
pub mod user;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix::{Addr, Recipient};
use serde_json::value::RawValue;

use crate::auth::{AuthError, KeySet, Revocations, User};
use crate::clock::{self, Millis};
use crate::close::CloseReason;
use crate::events::server::{ErrorData, HubStatus, Pong};
use crate::events::{Code, names};
use crate::ids::Place;
use crate::metrics::Metrics;
use crate::protocol::ack::AckRef;
use crate::protocol::frame::Event;
use crate::rooms::manager::Denied;
use crate::rooms::registry::{FromSocket, Publish};
use crate::rooms::request::{Asked, CaughtUp};
use crate::rooms::{ConnectionManager, Permits};
use crate::socket::{Conn, Credentials, Dropped, Incoming, Namespace};
use crate::store::analytics::ConnectionLog;
use crate::store::{Initial, Record, Store, StoreError};

use answers::{about, refuse};

/// What the clients of every worker share.
pub struct Shared {
    /// Judges tokens; replaced as a whole when the keys are read anew.
    pub keys: RwLock<Arc<KeySet>>,
    /// Tokens that do not count any more.
    pub revocations: Arc<Revocations>,
    /// The database.
    pub store: Store,
    /// Who comes and goes, for the statistics.
    pub connections: ConnectionLog,
    /// This hub's name among those on the database.
    pub node: Arc<str>,
    /// The hub's counters.
    pub metrics: Arc<Metrics>,
    /// What may be in flight.
    pub permits: Permits,
    /// The version that is shown.
    pub version: String,
    /// Whether the hub works as it should, for `initial:system_status`.
    pub status: Box<dyn Fn() -> HubStatus + Send + Sync>,
    /// How long the database may take.
    pub store_patience: Duration,
    /// How far clocks may differ, in milliseconds.
    pub leeway_ms: i64,
    /// How long before its token ends a client is told, in milliseconds; none where it is not.
    pub warning_ms: Option<i64>,
    /// The largest message, in bytes.
    pub max_payload: usize,
    /// Engine.IO's ping interval, which plain clients are told.
    pub ping_interval_ms: u64,
}

impl Shared {
    /// The keys as they are now.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks a token: its signature, its claims, and that it has not been revoked.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(&self, token: &str, now: Millis) -> Result<User, AuthError> {
        let user = self.keys().verify(token, now)?;
        if self.revocations.cover(&user) { Err(AuthError::Revoked) } else { Ok(user) }
    }

    /// Replaces the keys.
    pub fn set_keys(&self, keys: KeySet) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// The hub as its clients see it; one a worker.
pub struct Hub {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Rooms.
    pub registry: Recipient<FromSocket>,
    /// What the hub itself publishes.
    pub publisher: Recipient<Publish<Record>>,
    /// Connections.
    pub manager: Addr<ConnectionManager>,
}

/// What the hub keeps of a client that has been let in.
pub struct State {
    /// Who it is.
    pub user: Arc<User>,
    /// What is recorded of its connection.
    record: record::ConnectionRecord,
    /// Set when `initial:*` are out: what it was sent of its notifications.
    caught_up: Option<CaughtUp>,
    /// Requests for its own room that wait for `initial:notifications`.
    early: Vec<user::Early>,
    /// Set when it was told that its token runs out.
    warned: bool,
}

/// What other actors tell a client's socket.
pub enum ToClient {
    /// The manager has let it in.
    Admitted(Arc<User>, Option<AckRef>),
    /// The manager has not.
    Refused(Denied, Option<AckRef>),
    /// What it is shown first.
    Initial(Result<Initial, StoreError>),
    /// Notifications were marked as read.
    Read(notifications::Marked),
}

type Client<'a> = Conn<'a, Hub>;

impl Namespace for Hub {
    type State = State;
    type Message = ToClient;

    fn connect(&self, conn: &mut Client<'_>, credentials: Credentials<'_>) {
        connect::authenticate(self, conn, credentials);
    }

    fn event(&self, conn: &mut Client<'_>, event: Incoming<'_>) {
        let known = names::CLIENT_EVENTS.iter().find(|name| **name == event.name).copied();
        self.shared.metrics.messages.with_label_values(&[known.unwrap_or("other"), "inbound"]).inc();
        let size = event.data.map_or(0, |data| data.get().len());
        self.shared.metrics.message_size.with_label_values(&[known.unwrap_or("other")]).observe(size as f64);
        let Some(user) = conn.state().map(|state| Arc::clone(&state.user)) else { return };
        let request = Request { event: known.unwrap_or(""), data: event.data, ack: event.ack };
        match known {
            Some(names::SUBSCRIBE_CAMPAIGN) => campaign::subscribe(self, conn, user, request),
            Some(names::UNSUBSCRIBE_CAMPAIGN) => campaign::unsubscribe(self, conn, request),
            Some(names::SUBSCRIBE_USER) => user::subscribe(self, conn, &user, request),
            Some(names::UNSUBSCRIBE_USER) => user::unsubscribe(self, conn, &user, request),
            Some(names::SUBSCRIBE_SYSTEM) => system::subscribe(self, conn, &user, request),
            Some(names::UNSUBSCRIBE_SYSTEM) => system::unsubscribe(self, conn, request),
            Some(names::NOTIFICATIONS_READ) => notifications::read(self, conn, &user, request),
            Some(names::AUTH_REFRESH) => auth::refresh(self, conn, &user, request),
            Some(names::PING) => pong(conn, request.ack.as_ref()),
            _ => refuse(conn, request.ack.as_ref(), &about(Code::UnknownEvent(&event.name), &event.name)),
        }
    }

    fn malformed(&self, conn: &mut Client<'_>, ack: Option<AckRef>, what: &str) {
        refuse(conn, ack.as_ref(), &ErrorData::from(Code::InvalidPayload(what)));
    }

    fn stranger(&self, conn: &mut Client<'_>, event: Incoming<'_>) {
        refuse(conn, event.ack.as_ref(), &about(Code::Unauthenticated, &event.name));
    }

    fn flooded(&self, conn: &mut Client<'_>, event: Incoming<'_>, dropped: Dropped) {
        let error = about(Code::RateLimited, &event.name);
        let error = ErrorData { retry_after_ms: Some(dropped.retry_after_ms.into()), ..error };
        answers::refuse_quietly(conn, event.ack.as_ref(), &error, dropped.tell);
    }

    fn message(&self, conn: &mut Client<'_>, message: ToClient) {
        match message {
            ToClient::Admitted(user, ack) => connect::admitted(self, conn, user, ack.as_ref()),
            ToClient::Refused(denied, ack) => connect::refused(conn, denied, ack.as_ref()),
            ToClient::Initial(initial) => connect::initial(self, conn, initial),
            ToClient::Read(marked) => notifications::marked(self, conn, marked),
        }
    }

    fn review(&self, conn: &mut Client<'_>) {
        auth::review(self, conn);
    }

    fn farewell(&self, reason: CloseReason) -> Option<String> {
        let code = match reason {
            CloseReason::AuthTimeout => Code::Unauthenticated,
            CloseReason::Revoked => return serde_json::to_string(&auth::revoked()).ok(),
            CloseReason::TokenExpired => Code::TokenExpired,
            CloseReason::ConnectionLimit => Code::ConnectionLimit,
            CloseReason::RateLimited => Code::RateLimited,
            CloseReason::Kicked => Code::Kicked,
            CloseReason::Idle => Code::Idle,
            CloseReason::ShuttingDown => Code::ShuttingDown,
            CloseReason::Internal => Code::Internal,
            _ => return None, // nothing to say, or said already
        };
        serde_json::to_string(&ErrorData::from(code)).ok()
    }

    fn disconnect(&self, _: Place, state: Option<State>, reason: CloseReason) {
        if reason == CloseReason::SlowConsumer {
            self.shared.metrics.slow_consumers.inc();
        }
        if let Some(state) = state {
            self.shared.connections.note(state.record.gone(reason));
        }
    }
}

/// One event of a client that has been let in.
pub(crate) struct Request<'a> {
    /// Its name, one of ours.
    event: &'static str,
    data: Option<&'a RawValue>,
    ack: Option<AckRef>,
}

impl Hub {
    /// Sends a request to join or leave to the registry.
    fn ask(&self, what: FromSocket) {
        self.registry.do_send(what);
    }
}

fn pong(conn: &mut Client<'_>, ack: Option<&AckRef>) {
    let event = Event::new(names::PONG, &Pong { timestamp: clock::now_ms() });
    answers::done(conn, ack, &event);
}

fn asked(ack: Option<AckRef>, answers: answers::Membership) -> Asked {
    Asked { ack, answers: Arc::new(answers) }
}
