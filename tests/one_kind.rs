//! Calls that publish one message of one kind. A test's name begins with its call.
#![cfg(feature = "hub")]

mod common;

use common::tokens::publisher;
use common::*;

const TAKEN: &str = r#"{"results":[{"ok":true}]}"#;

fn post(server: &TestServer, path: &str, body: &str) -> (u16, Value) {
    post_with(server, path, &[], body)
}

fn post_with(server: &TestServer, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let bearer = format!("Bearer {}", publisher());
    let headers = [&[("Authorization", bearer.as_str())], headers].concat();
    let answer = http::post(&server.url(path), &headers, body);
    (answer.status, answer.json())
}

fn taken() -> (u16, Value) {
    (202, serde_json::from_str(TAKEN).unwrap())
}

fn in_rooms(server: &TestServer, sub: &str, campaign: &str) -> TestClient {
    let mut client = server.connect(Protocol::SocketIo, &admin(sub));
    client.emit("subscribe:campaign", json!({"campaignId": campaign}));
    client.wait_for("subscribed");
    client.emit_bare("subscribe:user");
    client.wait_for("subscribed");
    client.emit_bare("subscribe:system");
    client.wait_for("subscribed");
    client
}

#[test]
fn post_campaigns_id_updates_becomes_campaign_updated_whatever_its_event_type_says() {
    let server = TestServer::start();
    let mut client = in_rooms(&server, "a", "a|b/c+团");
    let path = "/api/v1/campaigns/a%7Cb%2Fc+%E5%9B%A2/updates";
    assert_eq!(post(&server, path, r#"{"budget":7,"timestamp":0}"#), taken());
    let expected = json!({"campaignId": "a|b/c+团", "budget": 7, "timestamp": "1970-01-01T00:00:00.000Z"});
    assert_eq!(client.wait_for("campaign:updated"), expected);
    let other =
        r#"{"eventType":"status.changed","toStatus":"RUNNING","trigger":"t","campaignId":"a|b/c+团"}"#;
    assert_eq!(post(&server, path, other), taken());
    let update = client.wait_for("campaign:updated");
    assert_eq!((&update["toStatus"], update.get("eventType")), (&json!("RUNNING"), None));
    assert_eq!(post(&server, path, "{}"), taken());
    client.wait_for("campaign:updated");
    let (status, body) = post(&server, path, r#"{"campaignId":"another"}"#);
    assert_eq!((status, &body["results"][0]["error"]["code"]), (422, &json!("invalid_payload")));
}

#[test]
fn post_timers_id_events_takes_the_payload_as_it_is() {
    let server = TestServer::start();
    let mut client = in_rooms(&server, "a", "c1");
    let path = "/api/v1/timers/t%2F1/events";
    assert_eq!(post(&server, path, r#"{"campaignId":"c1","phase":"armed"}"#), taken());
    let event = client.wait_for("timer:event");
    assert_eq!((&event["timerId"], &event["phase"]), (&json!("t/1"), &json!("armed")));
    let executed = json!({"eventType": "executed", "campaignId": "c1", "timerType": "end", "status": "COMPLETED", "executionTime": 0});
    assert_eq!(post(&server, path, &executed.to_string()), taken());
    assert_eq!(client.wait_for("timer:executed")["executionTime"], "1970-01-01T00:00:00.000Z");
    let (status, body) = post(&server, path, r#"{"eventType":"executed","campaignId":"c1"}"#);
    assert_eq!((status, &body["results"][0]["ok"]), (422, &json!(false)));
}

#[test]
fn post_system_alerts_reaches_the_operators() {
    let server = TestServer::start();
    let mut client = in_rooms(&server, "a", "c1");
    let alert = json!({"level": "error", "title": "Disk", "message": "full"});
    assert_eq!(post(&server, "/api/v1/system/alerts", &alert.to_string()), taken());
    assert_eq!(client.wait_for("system:alert")["title"], "Disk");
    let (status, body) =
        post(&server, "/api/v1/system/alerts", r#"{"level":"loud","title":"t","message":"m"}"#);
    assert_eq!((status, &body["results"][0]["error"]["code"]), (422, &json!("invalid_payload")));
}

#[test]
fn post_users_id_notifications_is_stored_and_reaches_the_user() {
    let server = TestServer::start();
    let mut client = in_rooms(&server, "auth0|a", "c1");
    let path = "/api/v1/users/auth0%7Ca/notifications";
    let body = json!({"id": "n1", "type": "info", "title": "Hello", "message": "you"}).to_string();
    assert_eq!(post(&server, path, &body), taken());
    assert_eq!(client.wait_for("notification")["id"], "n1");
    assert_eq!(post(&server, path, &body), taken(), "a repeat is fine");
    client.expect_nothing_but_pong();
    let mut later = TestClient::connected(&server, Protocol::Plain, &user("auth0|a"));
    assert_eq!(later.wait_for("initial:notifications")[0]["id"], "n1");
}

#[test]
fn one_kind_calls_take_an_idempotency_key_and_one_in_the_payload_wins() {
    let server = TestServer::start();
    let mut client = in_rooms(&server, "a", "c1");
    let calls = [
        ("/api/v1/campaigns/c1/updates", json!({}), "campaign:updated"),
        ("/api/v1/timers/t1/events", json!({"campaignId": "c1"}), "timer:event"),
        ("/api/v1/system/alerts", json!({"level": "info", "title": "t", "message": "m"}), "system:alert"),
        (
            "/api/v1/users/a/notifications",
            json!({"type": "info", "title": "t", "message": "m"}),
            "notification",
        ),
    ];
    for (path, body, event) in calls {
        let call = |key: &str, body: &Value| {
            post_with(&server, path, &[("Idempotency-Key", key)], &body.to_string())
        };
        for _ in 0..3 {
            assert_eq!(call("k1", &body), taken(), "{path}");
        }
        let mut own = body.clone();
        own["eventId"] = json!("own");
        assert_eq!((call("k1", &own), call("k2", &own)), (taken(), taken()), "{path}");
        client.wait_for(event);
        client.wait_for(event);
        client.expect_nothing_but_pong();
        let (status, answer) = call("white space", &body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_payload")), "{path}");
    }
}

const CALLS: [&str; 4] = [
    "/api/v1/campaigns/c1/updates",
    "/api/v1/timers/t1/events",
    "/api/v1/system/alerts",
    "/api/v1/users/u1/notifications",
];

#[test]
fn one_kind_calls_are_for_publishers_and_api_keys() {
    let key = "a-key-of-a-backend-that-is-long-enough-to-be-one";
    let server = TestServer::builder().set("auth.api_keys", key).start();
    let body = json!({"campaignId": "c1", "level": "info", "type": "info", "title": "t", "message": "m"})
        .to_string();
    for path in CALLS {
        let call = |headers: &[(&str, &str)]| {
            let answer = http::post(&server.url(path), headers, &body);
            (answer.status, answer.json()["error"]["code"].clone())
        };
        assert_eq!(call(&[]), (401, json!("auth_failed")), "{path}");
        assert_eq!(call(&[("X-Api-Key", "another")]), (401, json!("auth_failed")), "{path}");
        assert_eq!(
            call(&[("Authorization", &format!("Bearer {}", user("u1")))]),
            (403, json!("access_denied")),
            "{path}"
        );
        assert_eq!(call(&[("X-Api-Key", key)]), (202, Value::Null), "{path}");
        assert_eq!(
            call(&[("Authorization", &format!("Bearer {}", admin("a")))]),
            (202, Value::Null),
            "{path}"
        );
    }
}

#[test]
fn one_kind_calls_refuse_what_is_no_message_with_the_one_form_of_errors() {
    let server = TestServer::start();
    for path in CALLS {
        for body in ["", "{", "nonsense", "{} {}"] {
            let (status, answer) = post(&server, path, body);
            assert_eq!(
                (status, &answer["error"]["code"]),
                (400, &json!("invalid_payload")),
                "{path} {body:?}"
            );
        }
        for body in
            ["[]", "null", "7", r#"{"eventId":7}"#, r#"{"timestamp":"never"}"#, r#"{"title":"\u0000"}"#]
        {
            let (status, answer) = post(&server, path, body);
            assert_eq!((status, &answer["results"][0]["ok"]), (422, &json!(false)), "{path} {body:?}");
            assert_eq!(answer["results"][0]["error"]["code"], "invalid_payload");
        }
        let large = json!({"title": "x".repeat(1_000_001)}).to_string();
        let (status, answer) = post(&server, path, &large);
        assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")), "{path}");
    }
    assert_eq!(server.metric("roomcast_refused_messages_total", r#""not_json""#), 16.0);
}

#[test]
fn one_kind_calls_refuse_ids_that_are_none_and_words_of_shared_channels() {
    let server = TestServer::start();
    let mut client = in_rooms(&server, "a", "c1");
    for id in ["a%20b", "%00", "%FF", "a%0A", "events", "lifecycle", &"x".repeat(129)] {
        for path in [
            format!("/api/v1/campaigns/{id}/updates"),
            format!("/api/v1/timers/{id}/events"),
            format!("/api/v1/users/{id}/notifications"),
        ] {
            let body = json!({"campaignId": "c1", "userId": "a", "timerId": "t", "type": "info", "title": "t", "message": "m"});
            let (status, answer) = post(&server, &path, &body.to_string());
            assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_payload")), "{path}");
        }
    }
    client.expect_nothing_but_pong();
}

#[test]
fn one_kind_calls_answer_503_while_the_bus_is_down_and_again_when_it_is_back() {
    let mut redis = RedisServer::start();
    let server = TestServer::builder().redis(&redis).start();
    let body = json!({"campaignId": "c1", "level": "info", "type": "info", "title": "t", "message": "m"})
        .to_string();
    redis.kill();
    std::thread::scope(|scope| {
        for path in CALLS {
            let (url, body) = (server.url(path), &body);
            scope.spawn(move || {
                let bearer = format!("Bearer {}", publisher());
                let answer = http::post(&url, &[("Authorization", &bearer)], body);
                assert_eq!(
                    (answer.status, &answer.json()["error"]["code"]),
                    (503, &json!("unavailable")),
                    "{path}"
                );
                assert_eq!(answer.header("retry-after"), Some("1"));
            });
        }
    });
    redis.start_again();
    for path in CALLS {
        eventually_true(path, || post(&server, path, &body) == taken());
    }
}
