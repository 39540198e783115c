//! `subscribe:system`, `unsubscribe:system`.

use super::answers::{Membership, Target};
use super::{Client, Hub, Request, asked};
use crate::auth::{User, permissions};
use crate::events::route::SYSTEM_ROOM;
use crate::rooms::registry::FromSocket;
use crate::rooms::request::{Join, LeaveRoom, Refused};

pub(super) fn subscribe(hub: &Hub, conn: &mut Client<'_>, user: &User, request: Request<'_>) {
    let words = Membership::subscribe(request.event, Target::System);
    if !permissions::may_join_system(user) {
        return words.refuse(conn, request.ack.as_ref(), Refused::Denied);
    }
    hub.ask(FromSocket::Join(Box::new(Join {
        place: conn.place(),
        room: SYSTEM_ROOM.into(),
        asked: asked(request.ack, words),
        right: None,
        read: None,
        aliases: None,
        caught_up: None,
    })));
}

pub(super) fn unsubscribe(hub: &Hub, conn: &mut Client<'_>, request: Request<'_>) {
    hub.ask(FromSocket::Leave(Box::new(LeaveRoom {
        place: conn.place(),
        room: SYSTEM_ROOM.into(),
        asked: asked(request.ack, Membership::unsubscribe(request.event, Target::System)),
    })));
}
