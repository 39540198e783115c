//! What these tests say to the hub.

use crate::common::*;

pub fn expiring_in(sub: &str, seconds: u64) -> Claims {
    Claims::of(sub).with("exp", json!(tokens::now() + seconds))
}

/// RFC 3339 of a token's `exp`.
pub fn stamp(seconds: u64) -> Value {
    json!(roomcast::clock::rfc3339(seconds as i64 * 1_000))
}

pub fn claiming(sub: &str, campaigns: &[&str]) -> Claims {
    Claims::of(sub).with("participatingCampaigns", json!(campaigns))
}

pub fn subscribe(client: &mut TestClient, campaign: &str) {
    let answer = client.request("subscribe:campaign", json!({"campaignId": campaign}));
    assert_eq!(answer["ok"], true, "{answer}");
    client.expect_event("campaign:status");
    client.expect_event("subscribed");
}

/// Replaces the token; the client is told when it runs out, as an event and in the ack.
pub fn refresh(client: &mut TestClient, token: &str) {
    let answer = client.request("auth:refresh", json!({"token": token}));
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(client.expect_event("auth:refreshed"), answer["data"]);
}

pub fn left(room: Value) -> Value {
    let mut left = room;
    left["reason"] = json!("permission");
    left
}

pub fn campaign(id: &str) -> Value {
    json!({"type": "campaign", "campaignId": id})
}

pub fn update(server: &TestServer, id: &str, n: u64) {
    server.publish(&format!("campaign:{id}"), &json!({"eventType": "updated", "n": n}));
}

pub fn alert(server: &TestServer) {
    server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
}

/// Passes over the hub's own status, which everybody in the system room gets each second.
pub fn next_but_pulse(client: &mut TestClient) -> (String, Value) {
    loop {
        let (name, data) = client.next_event();
        if name != "system:service_status" {
            return (name, data);
        }
    }
}

/// What a token comes to on a new connection.
pub trait RefusedOrNot {
    fn refused_or_not(self, token: &str) -> bool;
}

impl RefusedOrNot for TestClient {
    fn refused_or_not(mut self, token: &str) -> bool {
        self.send_token(token);
        self.next_event().0 == "error"
    }
}
