//! `subscribe:user`, `unsubscribe:user`.

use std::sync::Arc;

use super::answers::{Membership, Target, about, refuse};
use super::requests::{self, UserRequest};
use super::stored::notification_event;
use super::{Client, Hub, Request, asked};
use crate::auth::{User, permissions};
use crate::events::Code;
use crate::events::route::{owner_alias, user_room};
use crate::protocol::ack::AckRef;
use crate::rooms::registry::FromSocket;
use crate::rooms::request::{Found, Join, LeaveRoom, Read, ReadAnswer, Refused, Reply};
use crate::store::{Store, Unread};

const EXPECTED: &str = "expected {userId?}: a string of 1 to 128 characters without white space";

/// A request for the client's own room, which waits for `initial:notifications`.
pub(super) enum Early {
    Subscribe(&'static str, Option<AckRef>),
    Unsubscribe(&'static str, Option<AckRef>),
}

/// The user that a request names, by default the client itself; else it is told what was expected.
fn target(conn: &mut Client<'_>, user: &User, request: &Request<'_>) -> Option<Box<str>> {
    match requests::read::<UserRequest>(request.data) {
        Ok(data) => {
            let named = data.and_then(|data| data.user_id);
            Some(named.map_or_else(|| (*user.id).into(), |id| id.0))
        }
        Err(_) => {
            refuse(conn, request.ack.as_ref(), &about(Code::InvalidPayload(EXPECTED), request.event));
            None
        }
    }
}

pub(super) fn subscribe(hub: &Hub, conn: &mut Client<'_>, user: &Arc<User>, request: Request<'_>) {
    let Some(id) = target(conn, user, &request) else { return };
    if *id == *user.id {
        return when_ready(hub, conn, Early::Subscribe(request.event, request.ack));
    }
    let words = Membership::subscribe(request.event, Target::User(id.clone()));
    if !permissions::may_join_user(user, &id) {
        return words.refuse(conn, request.ack.as_ref(), Refused::Denied);
    }
    hub.ask(FromSocket::Join(Box::new(Join {
        place: conn.place(),
        room: user_room(&id),
        asked: asked(request.ack, words),
        right: None,
        read: None,
        aliases: Some(Vec::new()),
        caught_up: None,
    })));
}

pub(super) fn unsubscribe(hub: &Hub, conn: &mut Client<'_>, user: &Arc<User>, request: Request<'_>) {
    let Some(id) = target(conn, user, &request) else { return };
    if *id == *user.id {
        return when_ready(hub, conn, Early::Unsubscribe(request.event, request.ack));
    }
    leave(hub, conn, &id, request.event, request.ack);
}

/// Requests that may wait for `initial:notifications`.
const MAX_EARLY: usize = 64;

/// Sends a request for the own room on, as soon as it is known what the client was sent already.
fn when_ready(hub: &Hub, conn: &mut Client<'_>, request: Early) {
    let Some(state) = conn.state() else { return };
    match state.caught_up {
        Some(_) => send(hub, conn, request),
        None if state.early.len() < MAX_EARLY => state.early.push(request),
        None => {
            hub.shared.metrics.queue_overflow.with_label_values(&["early_requests"]).inc();
            let (Early::Subscribe(event, ack) | Early::Unsubscribe(event, ack)) = request;
            let id = state.user.id.clone();
            Membership::subscribe(event, Target::User((*id).into())).refuse(
                conn,
                ack.as_ref(),
                Refused::Unavailable,
            );
        }
    }
}

pub(super) fn send(hub: &Hub, conn: &mut Client<'_>, request: Early) {
    let Some(state) = conn.state() else { return };
    let (user, caught_up) = (Arc::clone(&state.user), state.caught_up.clone());
    match request {
        Early::Unsubscribe(event, ack) => leave(hub, conn, &user.id, event, ack),
        Early::Subscribe(event, ack) => {
            let read = UnreadSince { store: hub.shared.store.clone(), user: Arc::clone(&user.id) };
            hub.ask(FromSocket::Join(Box::new(Join {
                place: conn.place(),
                room: user_room(&user.id),
                asked: asked(ack, Membership::subscribe(event, Target::User((*user.id).into()))),
                right: None,
                read: Some(Box::new(read)),
                aliases: Some(user.owned.iter().map(|campaign| owner_alias(campaign)).collect()),
                caught_up,
            })));
        }
    }
}

fn leave(hub: &Hub, conn: &mut Client<'_>, id: &str, event: &'static str, ack: Option<AckRef>) {
    hub.ask(FromSocket::Leave(Box::new(LeaveRoom {
        place: conn.place(),
        room: user_room(id),
        asked: asked(ack, Membership::unsubscribe(event, Target::User(id.into()))),
    })));
}

/// Reads the notifications that a socket has not been sent yet.
struct UnreadSince {
    store: Store,
    user: Arc<str>,
}

impl Read for UnreadSince {
    fn start(&self, since: i64, reply: Reply) {
        self.store.unread_since(&self.user, since, move |unread| {
            reply.send(match unread {
                Ok(unread) => ReadAnswer::Found(found(unread)),
                Err(_) => ReadAnswer::Unavailable,
            });
        });
    }

    /// The token alone gives the right to the own room.
    fn is_optional(&self) -> bool {
        true
    }
}

fn found(unread: Unread) -> Found {
    let item = |item: crate::store::StoredNotification| {
        (item.id.as_str().into(), Arc::new(notification_event(&item)))
    };
    Found { items: unread.items.into_iter().map(item).collect(), mark: unread.mark, ..Found::default() }
}
