//! A client proves who it is, is let in, and is shown what there is.

use std::sync::Arc;

use serde_json::json;

use super::answers::{done, refuse, refuse_quietly};
use super::record::ConnectionRecord;
use super::requests::{self, TokenRequest};
use super::stored::{notification_item, raw};
use super::{Client, Hub, State, ToClient, auth};
use crate::auth::{AuthError, User};
use crate::clock;
use crate::close::CloseReason;
use crate::events::server::{Connected, ErrorData, HubStatus, InitialCampaign, InitialSystemStatus, Role};
use crate::events::{Code, Stamp, names};
use crate::protocol::ack::AckRef;
use crate::protocol::frame::Event;
use crate::rooms::manager::{Admit, Connection, Denied};
use crate::rooms::request::CaughtUp;
use crate::socket::{Credentials, Kind};
use crate::store::{self, CampaignRow, Initial, InitialAsk, StoreError};
use crate::transport::query::query_param;

/// Judges a client's token: the first found of payload, header and query.
pub(super) fn authenticate(hub: &Hub, conn: &mut Client<'_>, credentials: Credentials<'_>) {
    let payload = requests::read::<TokenRequest<'_>>(credentials.payload).ok().flatten();
    let from_query = || query_param(credentials.query?, "token").map(Into::into);
    let token =
        payload.and_then(|payload| payload.token).or_else(from_query).filter(|token| !token.is_empty());
    let peer = Arc::clone(conn.peer());
    let token = token.or_else(|| peer.token.as_ref().map(|token| (*token.0).into()));
    let verified =
        token.ok_or(AuthError::Missing).and_then(|token| hub.shared.verify(&token, clock::now_ms()));
    match verified {
        Ok(user) => ask_for_admission(hub, conn, Arc::new(user), credentials.ack),
        Err(error) => reject(conn, error, credentials.ack.as_ref()),
    }
}

fn reject(conn: &mut Client<'_>, error: AuthError, ack: Option<&AckRef>) {
    let data = json!({ "code": Code::AuthFailed.code(), "reason": error.reason() });
    conn.refuse(&Code::AuthFailed.message(), &data.to_string());
    if conn.kind() == Kind::Plain {
        let failed = ErrorData { reason: Some(error.reason()), ..ErrorData::from(Code::AuthFailed) };
        refuse(conn, ack, &failed);
        conn.close(CloseReason::AuthFailed);
    }
}

fn ask_for_admission(hub: &Hub, conn: &mut Client<'_>, user: Arc<User>, ack: Option<AckRef>) {
    let mailbox = conn.mailbox();
    let connection = Connection {
        place: conn.place(),
        id: conn.id(),
        user: Arc::clone(&user.id),
        connected_at: clock::now_ms(),
        term: auth::term(hub, &user),
        presence: Arc::clone(conn.presence()),
        peer: Arc::clone(conn.peer()),
        actor: conn.addr().recipient(),
    };
    let answer = Box::new(move |admitted: Result<(), Denied>| {
        mailbox.send(match admitted {
            Ok(()) => ToClient::Admitted(user, ack),
            Err(denied) => ToClient::Refused(denied, ack),
        });
    });
    hub.manager.do_send(Admit { connection, answer });
}

/// The manager did not let the client in.
pub(super) fn refused(conn: &mut Client<'_>, denied: Denied, ack: Option<&AckRef>) {
    let Denied { reason, retry_after_ms } = denied;
    let message = reason.message().unwrap_or_default();
    let mut data = json!({ "code": reason.code() });
    if let Some(ms) = retry_after_ms {
        data["retryAfterMs"] = ms.into();
    }
    conn.refuse(message, &data.to_string());
    if conn.kind() == Kind::Plain {
        let is_rate = reason == CloseReason::ConnectRate;
        let code = if is_rate { Code::RateLimited } else { Code::ConnectionLimit };
        // that there are too many connections is said when it is closed
        refuse_quietly(conn, ack, &ErrorData { retry_after_ms, ..ErrorData::from(code) }, is_rate);
        conn.close(reason);
    }
}

/// The client is in: tell it, and load what it is shown first.
pub(super) fn admitted(hub: &Hub, conn: &mut Client<'_>, user: Arc<User>, ack: Option<&AckRef>) {
    if hub.shared.revocations.cover(&user) {
        // while the manager was asked, and before it knew of this socket
        reject(conn, AuthError::Revoked, ack);
        return conn.close(CloseReason::AuthFailed);
    }
    let record = ConnectionRecord::of(conn, &user.id, &hub.shared.node);
    hub.shared.connections.note(record.come());
    conn.accept(State { user: Arc::clone(&user), record, caught_up: None, early: Vec::new(), warned: false });
    if conn.kind() == Kind::Plain {
        let id = conn.id();
        let connected = Connected {
            socket_id: id.as_str(),
            user_id: &user.id,
            expires_at: Stamp(user.expires_at),
            ping_interval_ms: hub.shared.ping_interval_ms,
        };
        done(conn, ack, &Event::new(names::CONNECTED, &connected));
    }
    let text = |ids: &[Arc<str>]| ids.iter().map(|id| id.to_string()).collect();
    let ask = InitialAsk {
        user: Arc::clone(&user.id),
        claimed_owned: text(&user.owned),
        claimed_participating: text(&user.participating),
    };
    let mailbox = conn.mailbox();
    hub.shared.store.initial(ask, move |initial| mailbox.send(ToClient::Initial(initial)));
    let late = StoreError::Timeout("the first reads".to_owned());
    conn.later(hub.shared.store_patience, ToClient::Initial(Err(late)));
}

/// Shows the client what there is; empty, and said to be so, where the store did not answer in time.
pub(super) fn initial(hub: &Hub, conn: &mut Client<'_>, initial: Result<Initial, StoreError>) {
    let already = conn.state().is_none_or(|state| state.caught_up.is_some());
    if already {
        return; // the store and the deadline both answered
    }
    let status = if initial.is_ok() { (hub.shared.status)() } else { HubStatus::Degraded };
    let initial = initial.unwrap_or(NOTHING);
    let max = hub.shared.max_payload;
    conn.emit(&fitting(names::INITIAL_CAMPAIGNS, initial.campaigns.iter().map(campaign_item), max));
    conn.emit(&fitting(
        names::INITIAL_NOTIFICATIONS,
        initial.notifications.iter().map(notification_item),
        max,
    ));
    let system = InitialSystemStatus {
        timestamp: Stamp(clock::now_ms()),
        status,
        version: &hub.shared.version,
        uptime: clock::uptime_ms() / 1_000,
    };
    conn.emit(&Event::new(names::INITIAL_SYSTEM_STATUS, &system));
    let ids = initial.notifications.iter().map(|item| item.id.as_str().into()).collect();
    if let Some(state) = conn.state() {
        state.caught_up = Some(CaughtUp { mark: initial.mark, ids });
        let early = std::mem::take(&mut state.early);
        early.into_iter().for_each(|request| super::user::send(hub, conn, request));
    }
    auth::warn(hub, conn);
}

/// What a client is shown where the store does not answer. The mark says that it was sent nothing, so
/// its own room catches it up.
const NOTHING: Initial = Initial { campaigns: Vec::new(), notifications: Vec::new(), mark: 0 };

/// A list whose newest items come first; the oldest are left out where it would pass `max` bytes.
fn fitting(name: &'static str, items: impl Iterator<Item = String>, max: usize) -> Event {
    /// Room for the packet around the list.
    const AROUND: usize = 64;
    let mut data = String::from("[");
    for item in items {
        if data.len() + item.len() + AROUND > max {
            break;
        }
        if data.len() > 1 {
            data.push(',');
        }
        data.push_str(&item);
    }
    data.push(']');
    Event::from_json(name, data.into_boxed_str())
}

fn campaign_item(row: &CampaignRow) -> String {
    let item = InitialCampaign {
        campaign_id: &row.id,
        name: row.name.as_deref(),
        status: row.status.as_deref(),
        role: match row.role {
            store::Role::Owner => Role::Owner,
            store::Role::Participant => Role::Participant,
        },
        metadata: raw(row.metadata.as_deref()),
    };
    serde_json::to_string(&item).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::Dialect;

    #[test]
    fn where_a_list_would_pass_the_largest_message_the_oldest_are_left_out() {
        let items = || (0..100).map(|n| format!("\"item {n:03}\""));
        let whole = fitting("initial:campaigns", items(), 1_000_000);
        let count =
            |event: &Event| serde_json::from_str::<Vec<String>>(event.data()).map(|list| list.len()).ok();
        assert_eq!(count(&whole), Some(100));
        let cut = fitting("initial:campaigns", items(), 300);
        assert!(cut.frame(Dialect::Plain).len() <= 300 && cut.frame(Dialect::SocketIo).len() <= 300);
        let kept: Vec<String> = serde_json::from_str(cut.data()).unwrap();
        assert!(kept.len() > 10 && kept[0] == "item 000", "{kept:?}");
        assert_eq!(count(&fitting("initial:campaigns", items(), 0)), Some(0));
    }
}
