//! `docs/api/asyncapi.json`: the description of what clients and hub say to each other, made from the very
//! types that are sent and read. `make api` writes it anew; a test holds it up to date. The TypeScript types
//! beside it are made from it (`scripts/types.mjs`).

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::requests::{CampaignRequest, NotificationsReadRequest, TokenRequest, UserRequest};
use crate::events::server::{
    CampaignStatus, Connected, ErrorData, Expiry, Gap, HubServiceStatus, InitialCampaign,
    InitialSystemStatus, NotificationsRead, Pong, Subscribed, Unsubscribed,
};
use crate::events::system::{Alert, ServiceStatus};
use crate::events::timer::{TimerEvent, TimerExecuted, TimerFailed};
use crate::events::user::Notification;
use crate::events::{CLIENT_EVENTS, SERVER_EVENTS, campaign, names};

/// Where it is checked in.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api/asyncapi.json");

/// The schemas of both ways, under one set of names.
struct Schemas {
    sent: SchemaGenerator,
    read: SchemaGenerator,
}

impl Schemas {
    fn new() -> Schemas {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings
        };
        Schemas {
            sent: settings().for_serialize().into_generator(),
            read: settings().for_deserialize().into_generator(),
        }
    }

    fn sent<T: JsonSchema>(&mut self) -> Value {
        self.sent.subschema_for::<T>().to_value()
    }

    fn read<T: JsonSchema>(&mut self) -> Value {
        self.read.subschema_for::<T>().to_value()
    }

    /// All that were named. A field that is left out where it has no value is never null.
    fn definitions(mut self) -> Map<String, Value> {
        let mut sent = self.sent.take_definitions(true);
        sent.values_mut().for_each(absent_is_not_null);
        sent.extend(self.read.take_definitions(true));
        sent
    }
}

fn absent_is_not_null(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if required.iter().any(|required| required == name) {
            continue;
        }
        match property["type"].as_array().map(|types| types[0].clone()) {
            Some(first) => property["type"] = first,
            None => {
                if let Some(first) = property.get("anyOf").map(|either| either[0].clone()) {
                    property.as_object_mut().unwrap().remove("anyOf");
                    property.as_object_mut().unwrap().extend(first.as_object().unwrap().clone());
                }
            }
        }
    }
}

/// What the hub sends: name, what it says, data.
fn server_events(schemas: &mut Schemas) -> Vec<(&'static str, &'static str, Value)> {
    let list = |items: Value| json!({ "type": "array", "items": items });
    let campaigns = list(schemas.sent::<InitialCampaign<'_>>());
    let notifications = list(schemas.sent::<Notification<'_>>());
    let mut all = campaign_events(schemas);
    all.extend([
        (names::SYSTEM_ALERT, "Something that operators should know.", schemas.sent::<Alert<'_>>()),
        (
            names::SYSTEM_SERVICE_STATUS,
            "How a service is. The hub's own comes each second, with HubMetrics.",
            schemas.sent::<ServiceStatus<'_, &RawValue>>(),
        ),
        (names::NOTIFICATION, "Something for a user, kept until read.", schemas.sent::<Notification<'_>>()),
        (
            names::GAP,
            "Events of that time may be missing; a fresh campaign:status for each of the socket's campaigns follows.",
            schemas.sent::<Gap<'_>>(),
        ),
        (names::INITIAL_CAMPAIGNS, "On connect: the user's active campaigns, newest first.", campaigns),
        (names::INITIAL_NOTIFICATIONS, "On connect: unread, newest first, at most ten.", notifications),
        (names::INITIAL_SYSTEM_STATUS, "On connect: how the hub is.", schemas.sent::<InitialSystemStatus<'_>>()),
        (
            names::CONNECTED,
            "Plain websocket only: the first frame after authentication.",
            schemas.sent::<Connected<'_>>(),
        ),
        (names::SUBSCRIBED, "A room was joined.", schemas.sent::<Subscribed<'_>>()),
        (names::UNSUBSCRIBED, "A room was left.", schemas.sent::<Unsubscribed<'_>>()),
        (names::PONG, "The answer to ping.", schemas.sent::<Pong>()),
        (names::ERROR, "Something went wrong.", schemas.sent::<ErrorData<'_>>()),
        (names::AUTH_EXPIRING, "The token runs out soon.", schemas.sent::<Expiry>()),
        (names::AUTH_REFRESHED, "The fresh token was taken.", schemas.sent::<Expiry>()),
        (
            names::NOTIFICATIONS_READ,
            "Those that were the user's and unread are marked as read.",
            schemas.sent::<NotificationsRead<'_, String>>(),
        ),
    ]);
    all
}

fn campaign_events(schemas: &mut Schemas) -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            names::CAMPAIGN_STATUS,
            "The snapshot that a subscribe begins with, and that follows a gap.",
            schemas.sent::<CampaignStatus<'_>>(),
        ),
        (
            names::CAMPAIGN_STATUS_CHANGED,
            "A campaign's status has changed.",
            schemas.sent::<campaign::StatusChanged<'_>>(),
        ),
        (
            names::CAMPAIGN_TIMER_SCHEDULED,
            "A timer has been set.",
            schemas.sent::<campaign::TimerScheduled<'_>>(),
        ),
        (
            names::CAMPAIGN_METRICS_UPDATED,
            "A campaign's figures.",
            schemas.sent::<campaign::MetricsUpdated<'_>>(),
        ),
        (
            names::CAMPAIGN_UPDATED,
            "Anything else about a campaign, with the update's own fields.",
            schemas.sent::<campaign::Updated<'_>>(),
        ),
        (names::TIMER_EXECUTED, "A timer has run.", schemas.sent::<TimerExecuted<'_>>()),
        (names::TIMER_FAILED, "A timer could not be run.", schemas.sent::<TimerFailed<'_>>()),
        (
            names::TIMER_EVENT,
            "Anything else about a timer, with the event's own fields.",
            schemas.sent::<TimerEvent<'_>>(),
        ),
    ]
}

/// What a client may say.
struct Asked {
    name: &'static str,
    summary: &'static str,
    /// None takes none.
    data: Option<Value>,
    /// Whether the data may be left out.
    optional: bool,
    /// The events that answer it, in order; the last one's data are the ack's.
    answers: &'static [&'static str],
}

fn client_events(schemas: &mut Schemas) -> Vec<Asked> {
    let campaign = schemas.read::<CampaignRequest>();
    let user = schemas.read::<UserRequest>();
    let token = schemas.read::<TokenRequest<'_>>();
    let ids = schemas.read::<NotificationsReadRequest>();
    let asked = |name, summary, data, optional, answers| Asked { name, summary, data, optional, answers };
    const LEFT: &[&str] = &[names::UNSUBSCRIBED];
    vec![
        asked(
            names::SUBSCRIBE_CAMPAIGN,
            "Join a campaign's room.",
            Some(campaign.clone()),
            false,
            &[names::CAMPAIGN_STATUS, names::SUBSCRIBED],
        ),
        asked(names::UNSUBSCRIBE_CAMPAIGN, "Leave a campaign's room.", Some(campaign), false, LEFT),
        asked(
            names::SUBSCRIBE_USER,
            "Join a user's room; unread notifications follow the answer.",
            Some(user.clone()),
            true,
            &[names::SUBSCRIBED],
        ),
        asked(names::UNSUBSCRIBE_USER, "Leave a user's room.", Some(user), true, LEFT),
        asked(names::SUBSCRIBE_SYSTEM, "Join the system room.", None, true, &[names::SUBSCRIBED]),
        asked(names::UNSUBSCRIBE_SYSTEM, "Leave the system room.", None, true, LEFT),
        asked(
            names::NOTIFICATIONS_READ,
            "Mark notifications as read.",
            Some(ids),
            false,
            &[names::NOTIFICATIONS_READ],
        ),
        asked(
            names::AUTH_REFRESH,
            "Go on with a fresh token of the same user.",
            Some(token.clone()),
            false,
            &[names::AUTH_REFRESHED],
        ),
        asked(names::PING, "Ask for a pong.", None, true, &[names::PONG]),
        asked(names::AUTH, "Plain websocket only: the first token.", Some(token), false, &[names::CONNECTED]),
    ]
}

/// The whole document, AsyncAPI 3.0.
fn document() -> Value {
    let mut schemas = Schemas::new();
    let sent = server_events(&mut schemas);
    let asked = client_events(&mut schemas);
    schemas.sent::<HubServiceStatus<'_>>();
    let mut messages = Map::new();
    let mut operations = Map::new();
    for (name, summary, payload) in &sent {
        messages.insert(format!("hub.{name}"), message(name, summary, payload));
        operations.insert(format!("send.{name}"), operation("send", &format!("hub.{name}"), summary));
    }
    for ask in &asked {
        let nothing = json!({ "type": "null" });
        let mut said = message(ask.name, ask.summary, ask.data.as_ref().unwrap_or(&nothing));
        said["x-data-optional"] = json!(ask.optional);
        said["x-answers"] = json!(ask.answers);
        messages.insert(format!("client.{}", ask.name), said);
        let mut heard = operation("receive", &format!("client.{}", ask.name), ask.summary);
        let answers = ask.answers.iter().map(|name| reference(&format!("hub.{name}")));
        heard["reply"] = json!({
            "channel": { "$ref": "#/channels/socket" },
            "messages": answers.collect::<Vec<_>>(),
        });
        operations.insert(format!("receive.{}", ask.name), heard);
    }
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "roomcast",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/json",
        "channels": { "socket": { "address": "/", "description": CHANNEL, "messages": messages } },
        "operations": operations,
        "components": { "schemas": schemas.definitions() },
    });
    named(document)
}

const ABOUT: &str = "What clients and the hub say to each other: the same events on every transport. \
    Times are RFC 3339 in UTC with milliseconds. An event that is sent with an ack is answered by its events \
    first and then by the ack: {ok:true,data} with the data of the last answer, or {ok:false,error:{code,message}}.";

const CHANNEL: &str = "Socket.IO at /socket.io/: the event's name and the payload as its one argument. \
    Plain websocket at /ws: {\"event\":name,\"data\":payload,\"id\"?} in a text frame.";

fn message(name: &str, summary: &str, payload: &Value) -> Value {
    json!({ "name": name, "summary": summary, "payload": payload })
}

fn reference(message: &str) -> Value {
    json!({ "$ref": format!("#/channels/socket/messages/{}", pointer(message)) })
}

fn operation(action: &str, message: &str, summary: &str) -> Value {
    json!({
        "action": action,
        "channel": { "$ref": "#/channels/socket" },
        "summary": summary,
        "messages": [reference(message)],
    })
}

/// A name as a part of a JSON pointer in a URI fragment.
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Generic types under the names that people know.
fn named(document: Value) -> Value {
    const NAMES: [(&str, &str); 3] = [
        ("ServiceStatus_for_AnyValue", "ServiceStatus"),
        ("ServiceStatus_for_HubMetrics", "HubServiceStatus"),
        ("NotificationsRead_for_string", "NotificationsRead"),
    ];
    let text = NAMES.iter().fold(document.to_string(), |text, (made, known)| text.replace(made, known));
    serde_json::from_str(&text).expect("renaming keeps it JSON")
}

#[test]
fn the_description_of_the_sockets_events_is_up_to_date() {
    let made = format!("{:#}\n", document());
    if std::env::var_os("ROOMCAST_WRITE_API").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let checked_in = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(made == checked_in, "{FILE} is not what the types say: `make api` writes it anew");
}

#[test]
fn each_event_is_described_once() {
    let mut schemas = Schemas::new();
    let mut sent: Vec<_> = server_events(&mut schemas).iter().map(|(name, ..)| *name).collect();
    let mut asked: Vec<_> = client_events(&mut schemas).iter().map(|ask| ask.name).collect();
    let (mut all_sent, mut all_asked) = (SERVER_EVENTS.to_vec(), CLIENT_EVENTS.to_vec());
    for list in [&mut sent, &mut asked, &mut all_sent, &mut all_asked] {
        list.sort_unstable();
    }
    assert_eq!((sent, asked), (all_sent, all_asked));
}
