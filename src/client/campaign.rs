//! `subscribe:campaign`, `unsubscribe:campaign`.

use std::sync::Arc;

use super::answers::{Membership, Target, about, refuse};
use super::requests::{self, CampaignRequest};
use super::{Client, Hub, Request, asked};
use crate::auth::{User, permissions};
use crate::bridge::journal::room_state;
use crate::events::Code;
use crate::events::route::campaign_room;
use crate::rooms::registry::FromSocket;
use crate::rooms::request::{Found, Join, LeaveRoom, Read, ReadAnswer, Reply, Right, RoomState};
use crate::store::{CampaignRead, CampaignState, Store};

const EXPECTED: &str = "expected {campaignId}: a string of 1 to 128 characters without white space";

/// The campaign that a request names, else the client is told what was expected.
fn target(conn: &mut Client<'_>, request: &Request<'_>) -> Option<Box<str>> {
    let id = requests::read::<CampaignRequest>(request.data).ok().flatten().map(|data| data.campaign_id.0);
    if id.is_none() {
        refuse(conn, request.ack.as_ref(), &about(Code::InvalidPayload(EXPECTED), request.event));
    }
    id
}

pub(super) fn subscribe(hub: &Hub, conn: &mut Client<'_>, user: Arc<User>, request: Request<'_>) {
    let Some(id) = target(conn, &request) else { return };
    let right = right(&user, &id);
    let read = CampaignSnapshot { store: hub.shared.store.clone(), campaign: id.clone(), user };
    hub.ask(FromSocket::Join(Box::new(Join {
        place: conn.place(),
        room: campaign_room(&id),
        asked: asked(request.ack, Membership::subscribe(request.event, Target::Campaign(id))),
        right,
        read: Some(Box::new(read)),
        aliases: None,
        caught_up: None,
    })));
}

/// By what right, where the read model can take it away.
pub(super) fn right(user: &User, campaign: &str) -> Option<Right> {
    let claimed = permissions::claims_campaign(user, campaign);
    (!user.is_admin).then(|| Right { user: Arc::clone(&user.id), claimed })
}

pub(super) fn unsubscribe(hub: &Hub, conn: &mut Client<'_>, request: Request<'_>) {
    let Some(id) = target(conn, &request) else { return };
    hub.ask(FromSocket::Leave(Box::new(LeaveRoom {
        place: conn.place(),
        room: campaign_room(&id),
        asked: asked(request.ack, Membership::unsubscribe(request.event, Target::Campaign(id))),
    })));
}

/// Reads a campaign's status and the client's right to see it, both of one moment.
pub(super) struct CampaignSnapshot {
    pub(super) store: Store,
    pub(super) campaign: Box<str>,
    pub(super) user: Arc<User>,
}

impl Read for CampaignSnapshot {
    fn start(&self, _: i64, reply: Reply) {
        let (campaign, user) = (self.campaign.clone(), Arc::clone(&self.user));
        self.store.campaign(&self.campaign, &self.user.id, move |read| {
            reply.send(match read {
                Ok(read) if may_join(&user, &campaign, &read) => ReadAnswer::Found(found(campaign, read.row)),
                Ok(_) => ReadAnswer::Denied,
                Err(_) => ReadAnswer::Unavailable,
            });
        });
    }

    fn is_optional(&self) -> bool {
        false
    }
}

fn may_join(user: &User, campaign: &str, read: &CampaignRead) -> bool {
    let owner = read.row.as_ref().and_then(|row| row.owner_id.as_deref());
    permissions::may_join_campaign(user, campaign, owner, read.participant)
}

fn found(campaign: Box<str>, row: Option<CampaignState>) -> Found {
    let RoomState { state, snapshot } = room_state(campaign.into(), row);
    Found { state, snapshot: Some(Box::new(move |state| snapshot(state))), ..Found::default() }
}
