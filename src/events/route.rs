//! From a message to what the registry is handed: events, rooms, state, records.

use std::sync::Arc;

use serde::Serialize;
use smallvec::{SmallVec, smallvec};

use super::bus::{Body, BusEvent};
use super::campaign::StatusChanged;
use super::channel::Rules;
use super::names;
use super::refusal::Refusal;
use super::timer::TimerFailed;
use super::user::Notification;
use crate::clock::Millis;
use crate::protocol::frame::Event;
use crate::rooms::{Item, Publication, RoomName, State};
use crate::store::{Recipient, Record};

/// The room of operators.
pub const SYSTEM_ROOM: &str = "system";

/// What a hub's messages mean. The campaigns' is built in.
pub trait Catalogue {
    /// What becomes of a message that came on `channel` at the time `now`.
    ///
    /// # Errors
    /// Says why the message is refused and what was expected.
    fn route(&self, channel: &str, payload: &[u8], now: Millis) -> Result<Routed, Refusal>;
}

/// A message that is to be passed on.
#[derive(Debug)]
pub struct Routed {
    /// The publisher's `eventId`: see [`Seen`](super::Seen).
    pub event_id: Option<Arc<str>>,
    /// The publisher's time, else that of receipt.
    pub timestamp: Millis,
    /// What it becomes, in order.
    pub publications: SmallVec<[Publication<Record>; 2]>,
}

/// The catalogue of campaigns.
#[derive(Clone, Default, Debug)]
pub struct Campaigns {
    /// What the configuration says of messages.
    pub rules: Rules,
}

impl Catalogue for Campaigns {
    fn route(&self, channel: &str, payload: &[u8], now: Millis) -> Result<Routed, Refusal> {
        let event = BusEvent::parse(channel, payload, now, &self.rules)?;
        let event_id = event.event_id.as_deref().map(Arc::from);
        let mut publications = publications(&event.body);
        publications.iter_mut().for_each(|publication| self.mark_latest(publication, subject(&event.body)));
        Ok(Routed { event_id, timestamp: event.timestamp, publications })
    }
}

impl Campaigns {
    /// Lets an event of which only the newest counts supersede older ones of its room that are about the same
    /// subject. The event must not have been shared yet.
    pub fn mark_latest(&self, publication: &mut Publication<Record>, subject: &str) {
        if self.rules.latest.is_empty() {
            return;
        }
        let (room, item) = (publication.rooms.first(), publication.item.as_ref());
        if let (Some(event), Some(room)) = (publication.event.as_mut().and_then(Arc::get_mut), room)
            && self.rules.latest.iter().any(|name| name == event.name())
        {
            let subject = item.map_or(subject, |item| &item.id);
            let key = format!("{} {room} {subject}", event.name());
            event.be_latest_of(key.into());
        }
    }
}

/// What an event is about, beside its room: the newest of one timer does not stand for that of another.
fn subject<'a>(body: &'a Body<'_>) -> &'a str {
    match body {
        Body::TimerScheduled(data) => &data.timer_id,
        Body::TimerExecuted(data) => &data.timer_id,
        Body::TimerFailed(data) => &data.timer_id,
        Body::TimerEvent(data) => &data.timer_id,
        Body::ServiceStatus(data) => &data.service,
        _ => "",
    }
}

/// The room of a campaign.
pub fn campaign_room(campaign: &str) -> RoomName {
    room("campaign:", campaign)
}

/// The alias of the user room of whoever owns the campaign.
pub fn owner_alias(campaign: &str) -> RoomName {
    room("owner:", campaign)
}

/// The room of a user.
pub fn user_room(user: &str) -> RoomName {
    room("user:", user)
}

/// The room of operators.
pub fn system_room() -> RoomName {
    Arc::from(SYSTEM_ROOM)
}

fn room(kind: &str, id: &str) -> RoomName {
    let mut name: SmallVec<[u8; 160]> = SmallVec::from_slice(kind.as_bytes());
    name.extend_from_slice(id.as_bytes());
    // two texts in UTF-8 are one
    Arc::from(std::str::from_utf8(&name).unwrap_or_default())
}

fn publications(body: &Body<'_>) -> SmallVec<[Publication<Record>; 2]> {
    use names::*;
    match body {
        Body::StatusChanged(data) => smallvec![status_changed(data)],
        Body::TimerScheduled(data) => {
            smallvec![live(CAMPAIGN_TIMER_SCHEDULED, data, campaign_room(&data.campaign_id))]
        }
        Body::MetricsUpdated(data) => {
            smallvec![live(CAMPAIGN_METRICS_UPDATED, data, campaign_room(&data.campaign_id))]
        }
        Body::Updated(data) => smallvec![live(CAMPAIGN_UPDATED, data, campaign_room(&data.campaign_id))],
        Body::TimerExecuted(data) => smallvec![live(TIMER_EXECUTED, data, campaign_room(&data.campaign_id))],
        Body::TimerFailed(data) => timer_failed(data),
        Body::TimerEvent(data) => smallvec![live(TIMER_EVENT, data, campaign_room(&data.campaign_id))],
        Body::ServiceStatus(data) => smallvec![live(SYSTEM_SERVICE_STATUS, data, system_room())],
        Body::Alert(data) => smallvec![live(SYSTEM_ALERT, data, system_room())],
        Body::Notification(data, user) => {
            smallvec![notification(data, user_room(user), Recipient::User((&**user).into()))]
        }
    }
}

/// An event that is delivered to those who are there, and not remembered.
fn live(name: &'static str, data: &impl Serialize, room: RoomName) -> Publication<Record> {
    Publication {
        event: Some(Arc::new(Event::new(name, data))),
        rooms: smallvec![room],
        state: None,
        item: None,
        record: None,
        except: None,
    }
}

fn status_changed(data: &StatusChanged<'_>) -> Publication<Record> {
    let campaign_id: Arc<str> = (&*data.campaign_id).into();
    let (status, time): (Arc<str>, _) = ((&*data.status).into(), data.timestamp.0);
    Publication {
        rooms: smallvec![campaign_room(&campaign_id), owner_alias(&campaign_id)],
        state: Some(State { time, value: status.clone() }),
        record: Some(Record::Status { campaign_id, status, time }),
        ..live(names::CAMPAIGN_STATUS_CHANGED, data, system_room())
    }
}

fn timer_failed(data: &TimerFailed<'_>) -> SmallVec<[Publication<Record>; 2]> {
    let campaign = &*data.campaign_id;
    smallvec![
        live(names::TIMER_FAILED, data, campaign_room(campaign)),
        notification(&data.notification(), owner_alias(campaign), Recipient::OwnerOf(campaign.into())),
    ]
}

fn notification(data: &Notification<'_>, room: RoomName, to: Recipient) -> Publication<Record> {
    let row = data.row(to);
    Publication {
        item: Some(Item { id: row.id.clone() }),
        record: Some(Record::Notification(Box::new(row))),
        ..live(names::NOTIFICATION, data, room)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::events::Reason;
    use crate::events::bus::testing::{NOW, NOW_TEXT};
    use crate::store::NotificationRow;

    fn route(channel: &str, payload: &Value) -> Routed {
        Campaigns::default().route(channel, payload.to_string().as_bytes(), NOW).unwrap()
    }

    fn latest(rules: &Rules, channel: &str, payload: &Value) -> Vec<Option<String>> {
        let catalogue = Campaigns { rules: rules.clone() };
        let routed = catalogue.route(channel, payload.to_string().as_bytes(), NOW).unwrap();
        let key = |publication: &Publication<Record>| {
            publication.event.as_ref()?.latest().map(|key| key.to_string())
        };
        routed.publications.iter().map(key).collect()
    }

    #[test]
    fn only_events_that_are_named_supersede_and_only_what_is_about_the_same() {
        let rules = Rules {
            latest: vec!["campaign:metrics_updated".into(), "timer:failed".into()],
            ..Rules::default()
        };
        let metrics = json!({"eventType": "metrics.updated", "metrics": {"participants": 1, "engagements": 2, "rewards": 3}});
        assert_eq!(latest(&Rules::default(), "campaign:c1", &metrics), [None]);
        let key = |id: &str| Some(format!("campaign:metrics_updated campaign:{id} "));
        assert_eq!(latest(&rules, "campaign:c1", &metrics), [key("c1")]);
        assert_eq!(latest(&rules, "campaign:c2", &metrics), [key("c2")]);
        assert_eq!(latest(&rules, "campaign:c1", &json!({"eventType": "updated"})), [None]);
        let failed = json!({"eventType": "failed", "campaignId": "c1", "timerType": "t", "error": "e", "retryCount": 0});
        let of_timer = Some("timer:failed campaign:c1 t1".to_owned());
        assert_eq!(
            latest(&rules, "timer:t1", &failed),
            [of_timer, None],
            "the notification is another event"
        );
    }

    #[track_caller]
    fn goes_to(channel: &str, payload: Value, name: &str, rooms: &[&str]) -> Publication<Record> {
        let mut publications = route(channel, &payload).publications;
        assert_eq!(publications.len(), 1);
        let publication = publications.remove(0);
        assert_eq!(publication.event.as_ref().unwrap().name(), name);
        assert_eq!(publication.rooms.iter().map(|room| &**room).collect::<Vec<_>>(), rooms);
        publication
    }

    #[track_caller]
    fn only_live(publication: &Publication<Record>) {
        assert!(publication.state.is_none() && publication.item.is_none() && publication.record.is_none());
    }

    fn data(publication: &Publication<Record>) -> Value {
        serde_json::from_str(publication.event.as_ref().unwrap().data()).unwrap()
    }

    #[test]
    fn status_changed_goes_to_the_campaign_and_its_owner_sets_the_state_and_is_stored() {
        let payload = json!({
            "eventType": "status.changed", "toStatus": "ACTIVE", "trigger": "t", "timestamp": NOW - 5,
        });
        let rooms = ["campaign:a|b", "owner:a|b"];
        let publication = goes_to("campaign:a|b", payload, "campaign:status_changed", &rooms);
        assert_eq!(data(&publication)["status"], "ACTIVE");
        assert_eq!(publication.state, Some(State { time: NOW - 5, value: "ACTIVE".into() }));
        assert_eq!(publication.item, None);
        let record = Record::Status { campaign_id: "a|b".into(), status: "ACTIVE".into(), time: NOW - 5 };
        assert_eq!(publication.record, Some(record));
    }

    #[test]
    fn timer_scheduled_metrics_and_updates_go_to_the_campaign_alone() {
        let scheduled = json!({
            "eventType": "timer.scheduled", "timerId": "t", "timerType": "x", "scheduledAt": 1,
        });
        only_live(&goes_to("campaign:c", scheduled, "campaign:timer_scheduled", &["campaign:c"]));
        let metrics = json!({
            "eventType": "metrics.updated", "metrics": {"participants": 1, "engagements": 2, "rewards": 3},
        });
        only_live(&goes_to("campaign:c", metrics, "campaign:metrics_updated", &["campaign:c"]));
        let updated = json!({"eventType": "updated", "campaignId": "c", "name": "n"});
        only_live(&goes_to("campaign:events", updated, "campaign:updated", &["campaign:c"]));
    }

    #[test]
    fn timer_executed_and_timer_event_go_to_the_campaign_alone() {
        let executed = json!({
            "eventType": "executed", "campaignId": "c", "timerType": "x", "status": "FAILED", "executionTime": 1,
        });
        only_live(&goes_to("timer:t", executed, "timer:executed", &["campaign:c"]));
        only_live(&goes_to("timer:t", json!({"campaignId": "c"}), "timer:event", &["campaign:c"]));
    }

    #[test]
    fn timer_failed_goes_to_the_campaign_and_a_stored_notification_to_its_owner() {
        let payload = json!({
            "eventType": "failed", "campaignId": "c", "timerType": "start", "error": "e", "retryCount": 2,
            "eventId": "e1",
        });
        let routed = route("timer:t", &payload);
        assert_eq!(routed.event_id.as_deref(), Some("e1"));
        let [event, notice] = &routed.publications[..] else { panic!("{routed:?}") };
        assert_eq!((event.event.as_ref().unwrap().name(), &*event.rooms[0]), ("timer:failed", "campaign:c"));
        assert_eq!(event.rooms.len(), 1);
        only_live(event);
        assert_eq!((notice.event.as_ref().unwrap().name(), &*notice.rooms[0]), ("notification", "owner:c"));
        assert_eq!(notice.rooms.len(), 1);
        let expected = json!({
            "id": "timer-failed:t:2", "type": "error", "title": "Timer Execution Failed",
            "message": "Timer start failed for campaign c", "timestamp": NOW_TEXT, "campaignId": "c",
        });
        assert_eq!(data(notice), expected);
        assert_eq!(notice.item, Some(Item { id: "timer-failed:t:2".into() }));
        let Some(Record::Notification(row)) = &notice.record else { panic!("{notice:?}") };
        assert_eq!((&row.to, row.kind), (&Recipient::OwnerOf("c".into()), "error"));
    }

    #[test]
    fn service_status_and_alerts_go_to_the_system_room() {
        let status = json!({"eventType": "service.status", "service": "s", "status": "healthy"});
        only_live(&goes_to("system:health", status, "system:service_status", &["system"]));
        let alert = json!({"level": "info", "title": "t", "message": "m"});
        only_live(&goes_to("system:alerts", alert, "system:alert", &["system"]));
    }

    #[test]
    fn a_users_message_is_a_notification_for_the_users_room_and_is_stored() {
        let payload = json!({
            "id": "n1", "type": "success", "title": "t", "message": "m", "actionUrl": "/x", "campaignId": "c",
            "metadata": {"a": [1]}, "timestamp": NOW - 1,
        });
        let publication = goes_to("user:auth0|1", payload, "notification", &["user:auth0|1"]);
        assert_eq!(publication.state, None);
        assert_eq!(publication.item, Some(Item { id: "n1".into() }));
        let row = NotificationRow {
            id: "n1".into(),
            to: Recipient::User("auth0|1".into()),
            kind: "success",
            title: "t".into(),
            message: "m".into(),
            action_url: Some("/x".into()),
            metadata: Some(r#"{"a":[1]}"#.into()),
            campaign_id: Some("c".into()),
            created_at: NOW - 1,
        };
        assert_eq!(publication.record, Some(Record::Notification(Box::new(row))));
    }

    #[test]
    fn a_refused_message_is_nothing_but_a_refusal() {
        let refused = Campaigns::default().route("campaign:c", b"{", NOW);
        assert_eq!(refused.unwrap_err().reason, Reason::NotJson);
    }

    #[test]
    fn shared_suffixes_are_configured() {
        let catalogue =
            Campaigns { rules: Rules { shared_suffixes: vec!["all".into()], ..Rules::default() } };
        let updated = br#"{"eventType":"updated","campaignId":"events"}"#;
        let routed = catalogue.route("campaign:all", updated, NOW).unwrap();
        assert_eq!(&*routed.publications[0].rooms[0], "campaign:events");
    }

    mod any_bytes {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn never_panic(channel in "(campaign|timer|user|system):[a-z\u{0}-\u{ff}]{0,4}", payload: Vec<u8>) {
                let _ = Campaigns::default().route(&channel, &payload, NOW);
            }

            #[test]
            fn in_the_fields_of_a_message_give_an_event_that_is_json_or_a_refusal(
                kind in "status.changed|timer.scheduled|updated|executed|failed|service.status",
                channel in "campaign:c|timer:c|system:c|user:c",
                field in "toStatus|metadata|timestamp|scheduledAt|campaignId|x",
                value in r#"[\\\[\]{}":,0-9a-fun \u{e9}]{0,12}"#,
            ) {
                let payload = format!(
                    r#"{{"eventType":"{kind}","{field}":{value},"trigger":"t","timerId":"c","userId":"c",
                    "level":"info","title":"t","message":"m","type":"info","timerType":"x","error":"e",
                    "retryCount":1,"service":"s","status":"healthy"}}"#
                );
                if let Ok(routed) = Campaigns::default().route(&channel, payload.as_bytes(), NOW) {
                    for publication in &routed.publications {
                        let event = publication.event.as_ref().unwrap();
                        prop_assert!(serde_json::from_str::<Value>(event.data()).is_ok(), "{}", event.data());
                    }
                }
            }
        }
    }
}
