//! The store from outside, on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::queue::Bounds;
use super::testing::{Blocker, Db, Kind, ask, flush, on_both, run, until};
use super::*;

mod access;
mod analytics;
mod campaigns;
mod connects;
mod notifications;
mod outages;
mod outbox;
mod plans;
mod speed;
mod ten_million;

fn status(campaign: &str, status: &str, time: i64) -> Record {
    Record::Status { campaign_id: campaign.into(), status: status.into(), time }
}

fn notification(to: Recipient, id: &str) -> Record {
    Record::Notification(Box::new(NotificationRow {
        id: id.into(),
        to,
        kind: "info",
        title: "title".into(),
        message: "message".into(),
        action_url: None,
        metadata: Some(r#"{"a":1}"#.into()),
        campaign_id: Some("c|1".into()),
        created_at: 5,
    }))
}

fn to(user: &str, id: &str) -> Record {
    notification(Recipient::User(user.into()), id)
}

fn ids(list: &[StoredNotification]) -> Vec<&str> {
    list.iter().map(|one| one.id.as_str()).collect()
}

fn campaign(id: &str, owner: Option<&str>) -> CampaignWrite {
    CampaignWrite { id: id.into(), owner_id: owner.map(Into::into), ..CampaignWrite::default() }
}

async fn put(store: &Store, write: CampaignWrite) -> CampaignChange {
    ask(|reply| store.put_campaign(write, reply)).await.unwrap()
}

async fn read(store: &Store, campaign: &str, user: &str) -> CampaignRead {
    ask(|reply| store.campaign(campaign, user, reply)).await.unwrap()
}

async fn state(store: &Store, campaign: &str) -> Option<(Option<String>, Option<i64>)> {
    read(store, campaign, "nobody").await.row.map(|row| (row.status, row.status_at))
}

async fn owned(store: &Store, user: &str, claimed: &[&str]) -> Vec<String> {
    let claimed = claimed.iter().map(ToString::to_string).collect();
    let mut list = ask(|reply| store.owned(user, claimed, reply)).await.unwrap();
    list.sort();
    list
}

async fn initial(store: &Store, user: &str, owned: &[&str], participating: &[&str]) -> Initial {
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let ask_for = InitialAsk {
        user: user.into(),
        claimed_owned: strings(owned),
        claimed_participating: strings(participating),
    };
    ask(|reply| store.initial(ask_for, reply)).await.unwrap()
}

async fn unread(store: &Store, user: &str, mark: i64) -> Unread {
    ask(|reply| store.unread_since(user, mark, reply)).await.unwrap()
}

fn came(node: &str, socket: &str, user: &str, at: i64) -> ConnectionEvent {
    ConnectionEvent {
        node: node.into(),
        socket_id: socket.into(),
        user_id: user.into(),
        kind: ConnectionEventKind::Connected,
        timestamp: at,
        metadata: Some(r#"{"ip":"::1"}"#.into()),
        duration_ms: None,
    }
}

fn gone(node: &str, socket: &str, user: &str, at: i64, lasted: i64) -> ConnectionEvent {
    let kind = ConnectionEventKind::Disconnected;
    ConnectionEvent { kind, duration_ms: Some(lasted), ..came(node, socket, user, at) }
}
