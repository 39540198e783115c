//! The calls, and clients that are in rooms.

use crate::common::tokens::publisher;
use crate::common::*;

pub fn start(database: Database) -> TestServer {
    TestServer::builder().on(database).start()
}

pub fn path(campaign: &str) -> String {
    format!("/api/v1/campaigns/{campaign}")
}

pub fn part(campaign: &str, user: &str) -> String {
    format!("/api/v1/campaigns/{campaign}/participants/{user}")
}

pub fn call_url(method: &str, url: &str, body: &str) -> Response {
    http::call(method, url, &[("Authorization", &format!("Bearer {}", publisher()))], body)
}

pub fn get(server: &TestServer, campaign: &str) -> Response {
    server.call("GET", &path(campaign), &publisher(), "")
}

pub fn put(server: &TestServer, campaign: &str, body: Value) -> Value {
    let answer = server.call("PUT", &path(campaign), &publisher(), &body.to_string());
    assert!([200, 201].contains(&answer.status), "{answer:?}");
    answer.json()
}

pub fn delete(server: &TestServer, campaign: &str) {
    let answer = server.call("DELETE", &path(campaign), &publisher(), "");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

pub fn add(server: &TestServer, campaign: &str, user: &str) {
    let answer = server.call("PUT", &part(campaign, user), &publisher(), "");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

pub fn remove(server: &TestServer, campaign: &str, user: &str) {
    let answer = server.call("DELETE", &part(campaign, user), &publisher(), "");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
}

pub fn changed(to: &str) -> Value {
    json!({"eventType": "status.changed", "toStatus": to, "trigger": "t"})
}

pub fn changed_at(to: &str, timestamp: i64) -> Value {
    json!({"eventType": "status.changed", "toStatus": to, "trigger": "t", "timestamp": timestamp})
}

pub fn member(server: &TestServer, protocol: Protocol, token: &str, campaign: &str) -> TestClient {
    let mut client = server.connect(protocol, token);
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    client.wait_for("subscribed");
    client
}

pub fn in_user_room(server: &TestServer, protocol: Protocol, token: &str) -> TestClient {
    let mut client = server.connect(protocol, token);
    client.emit_bare("subscribe:user");
    client.wait_for("subscribed");
    client
}

/// The status that a subscribe shows now.
pub fn snapshot(client: &mut TestClient, campaign: &str) -> Value {
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    let shown = client.expect_event("campaign:status");
    client.expect_event("subscribed");
    shown["status"].clone()
}

pub fn lost(campaign: &str) -> Value {
    json!({"type": "campaign", "campaignId": campaign, "reason": "permission"})
}

/// Nothing has come, and nothing that was published before is on its way: the answer takes the events' way.
pub fn expect_nothing(client: &mut TestClient) {
    client.emit_bare("unsubscribe:system");
    assert_eq!(client.expect_event("unsubscribed"), json!({"type": "system"}));
}

/// An owner's copies come, now or soon; none that was published here is on its way then.
pub fn copies_come(server: &TestServer, client: &mut TestClient, status: &str) {
    eventually_true("the copies come", || {
        server.publish("campaign:c1", &changed(status));
        client.emit_bare("unsubscribe:system"); // its answer takes the events' way, as a pong would not
        let came = client.next_event().0 == "campaign:status_changed";
        if came {
            client.wait_for("unsubscribed");
        }
        came
    });
}

pub fn is_denied(client: &mut TestClient, campaign: &str) {
    let answer = client.request("subscribe:campaign", json!({"campaignId": campaign}));
    assert_eq!(answer["error"]["code"], "access_denied", "{answer}");
    client.expect_error("access_denied", "Access denied to campaign");
}

pub fn assert_error(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{answer:?}");
    assert!(answer.json()["error"]["message"].is_string(), "{answer:?}");
}
