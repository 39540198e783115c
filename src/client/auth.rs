//! `auth:refresh`, and what becomes of a socket whose token runs out or is revoked.

use std::sync::Arc;

use super::answers::{about, done, refuse};
use super::identity::Renewed;
use super::requests::{TokenRequest, read};
use super::{Client, Hub, Request};
use crate::auth::{AuthError, User};
use crate::clock::{self, Millis};
use crate::close::CloseReason;
use crate::events::server::{ErrorData, Expiry};
use crate::events::{Code, Stamp, names};
use crate::protocol::frame::Event;
use crate::rooms::identity::Renewal;
use crate::rooms::manager::{Renew, Term};
use crate::rooms::registry::FromSocket;

const EXPECTED: &str = "expected {token}: a string";

// ── a fresh token ───────────────────────────────────────────────────────────────────────────────────────────

/// Takes a fresh token of the same user: whatever the client says next is judged by it. One that is refused
/// changes nothing.
pub(super) fn refresh(hub: &Hub, conn: &mut Client<'_>, user: &User, request: Request<'_>) {
    let ack = request.ack.as_ref();
    let payload = read::<TokenRequest<'_>>(request.data).ok().flatten();
    let Some(token) = payload.and_then(|payload| payload.token) else {
        return refuse(conn, ack, &about(Code::InvalidPayload(EXPECTED), request.event));
    };
    let fresh = hub.shared.verify(&token, clock::now_ms()).and_then(|fresh| same_subject(fresh, user));
    match fresh {
        Ok(fresh) => {
            let expiry = Expiry { expires_at: Stamp(fresh.expires_at) };
            become_user(hub, conn, Arc::new(fresh));
            done(conn, ack, &Event::new(names::AUTH_REFRESHED, &expiry));
            warn(hub, conn);
        }
        Err(error) => {
            let failed = about(Code::AuthFailed, request.event);
            refuse(conn, ack, &ErrorData { reason: Some(error.reason()), ..failed });
        }
    }
}

fn same_subject(fresh: User, user: &User) -> Result<User, AuthError> {
    if fresh.id == user.id { Ok(fresh) } else { Err(AuthError::Invalid("sub: another user")) }
}

/// The registry is told before anything that the client asks from now on.
fn become_user(hub: &Hub, conn: &mut Client<'_>, user: Arc<User>) {
    let place = conn.place();
    if let Some(state) = conn.state() {
        state.user = Arc::clone(&user);
        state.warned = false;
    }
    hub.manager.do_send(Renew { uid: place.uid, term: term(hub, &user) });
    let identity = Arc::new(Renewed { user, store: hub.shared.store.clone() });
    hub.ask(FromSocket::Renew(Renewal { place, identity }));
}

// ── a token that ends ───────────────────────────────────────────────────────────────────────────────────────

/// How long a user's token counts, and when its socket has to be looked at.
pub(super) fn term(hub: &Hub, user: &User) -> Term {
    Term {
        issued_at: user.first_issued_at,
        warn_at: hub.shared.warning_ms.map(|before| user.expires_at.saturating_sub(before)),
        expires_at: user.expires_at.saturating_add(hub.shared.leeway_ms),
    }
}

/// Looks at the client's token as it is now: the one that this was asked for may have been replaced.
pub(super) fn review(hub: &Hub, conn: &mut Client<'_>) {
    let Some(user) = conn.state().map(|state| Arc::clone(&state.user)) else { return };
    if hub.shared.revocations.cover(&user) {
        conn.close(CloseReason::Revoked);
    } else if clock::now_ms() >= user.expires_at.saturating_add(hub.shared.leeway_ms) {
        conn.close(CloseReason::TokenExpired);
    } else {
        warn(hub, conn);
    }
}

/// Tells the client once that its token runs out soon, and not before its `initial:*`.
pub(super) fn warn(hub: &Hub, conn: &mut Client<'_>) {
    let Some(state) = conn.state() else { return };
    let expires_at = state.user.expires_at;
    let soon = |before: Millis| clock::now_ms() >= expires_at.saturating_sub(before);
    if state.warned || state.caught_up.is_none() || !hub.shared.warning_ms.is_some_and(soon) {
        return;
    }
    state.warned = true;
    conn.emit(&Event::new(names::AUTH_EXPIRING, &Expiry { expires_at: Stamp(expires_at) }));
}

/// The last words to a client whose token has been revoked.
pub(super) fn revoked() -> ErrorData<'static> {
    ErrorData { reason: Some(AuthError::Revoked.reason()), ..ErrorData::from(Code::AuthFailed) }
}
