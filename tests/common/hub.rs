//! A hub together with the way its events come in: Redis or HTTP.

use serde_json::{Value, json};

use super::client::{Protocol, TestClient};
use super::redis::RedisServer;
use super::server::TestServer;
use super::tokens::publisher;

/// A hub and the way its events come in.
pub struct Hub {
    /// The running hub.
    pub server: TestServer,
    /// Where events are published; over HTTP if there is none.
    pub redis: Option<RedisServer>,
}

impl Hub {
    /// One that takes its events from Redis.
    pub fn over_redis() -> Hub {
        let redis = RedisServer::start();
        Hub { server: TestServer::builder().redis(&redis).start(), redis: Some(redis) }
    }

    /// One that takes them over HTTP.
    pub fn over_http() -> Hub {
        Hub { server: TestServer::start(), redis: None }
    }

    /// Publishes one event that has to be taken.
    pub fn publish(&self, channel: &str, payload: Value) {
        match &self.redis {
            Some(redis) => assert_eq!(redis.publish(channel, &payload), 1, "subscriptions that took it"),
            None => self.server.publish(channel, &payload),
        }
    }

    /// Publishes many, as fast as they are taken.
    pub fn publish_all(&self, messages: &[(String, Value)]) {
        match &self.redis {
            Some(redis) => redis.publish_all(messages),
            None => {
                for some in messages.chunks(500) {
                    let batch =
                        some.iter().map(|(channel, payload)| json!({"channel": channel, "payload": payload}));
                    let answer = self.server.post("/api/v1/events", &publisher(), &batch.collect());
                    assert_eq!(answer.status, 202, "{answer:?}");
                }
            }
        }
    }

    /// Publishes what has to be refused. Over HTTP the publisher is told so.
    pub fn publish_bad(&self, channel: &str, payload: &str) {
        match &self.redis {
            Some(redis) => assert_eq!(redis.publish_text(channel, payload.as_bytes()), 1),
            None => {
                let Ok(payload) = serde_json::from_str::<Value>(payload) else { return };
                let body = json!({"channel": channel, "payload": payload});
                let answer = self.server.post("/api/v1/events", &publisher(), &body);
                assert_eq!(answer.status, 422, "{channel} {payload}: {answer:?}");
                assert_eq!(answer.json()["results"][0]["ok"], false);
                assert_eq!(answer.json()["results"][0]["error"]["code"], "invalid_payload");
            }
        }
    }

    /// A client in a campaign's room, its snapshot read.
    pub fn member(&self, protocol: Protocol, token: &str, campaign: &str) -> TestClient {
        let mut client = self.server.connect(protocol, token);
        client.emit("subscribe:campaign", json!({"campaignId": campaign}));
        client.wait_for("subscribed");
        client
    }

    /// A client in its own user's room.
    pub fn in_user_room(&self, protocol: Protocol, token: &str) -> TestClient {
        let mut client = self.server.connect(protocol, token);
        client.emit_bare("subscribe:user");
        client.wait_for("subscribed");
        client
    }
}

/// Each function becomes a test for every transport, from Redis or over HTTP.
#[macro_export]
macro_rules! over_all {
    ($(fn $name:ident($protocol:ident: Protocol, $hub:ident: Hub) $body:block)*) => {$(
        $crate::for_each_case! {
            [
                redis_to_socketio(Protocol::SocketIo, Hub::over_redis())
                redis_to_plain(Protocol::Plain, Hub::over_redis())
                redis_to_polling(Protocol::Polling, Hub::over_redis())
                redis_to_old_clients_that_upgrade(Protocol::OldUpgraded, Hub::over_redis())
                http_to_old_clients_that_poll(Protocol::OldPolling, Hub::over_http())
                http_to_an_upgrade(Protocol::Upgraded, Hub::over_http())
                http_to_socketio(Protocol::SocketIo, Hub::over_http())
                http_to_plain(Protocol::Plain, Hub::over_http())
            ]
            {} $name($protocol: Protocol, $hub: Hub) $body
        }
    )*};
}
