//! The HTTP API as pages and backends call it.
#![cfg(feature = "hub")]

mod common;

use common::tokens::publisher;
use common::*;

const PAGE: &str = "https://app.example.com";

fn alert() -> String {
    let payload = json!({"level": "info", "title": "t", "message": "m"});
    json!({"channel": "system:alerts", "payload": payload}).to_string()
}

#[test]
fn an_allowed_page_may_publish_and_read_the_answer_and_another_may_not() {
    let server = TestServer::builder().set("cors.origins", PAGE).start();
    let bearer = format!("Bearer {}", publisher());
    let call = |origin: &str| {
        let headers = [("Origin", origin), ("Authorization", bearer.as_str())];
        http::post(&server.url("/api/v1/events"), &headers, &alert())
    };
    let allowed = call(PAGE);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (202, Some(PAGE)));
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
    let refused = call("https://evil.example.com");
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
    assert_eq!(refused.json()["error"]["code"], "access_denied");
}

#[test]
fn a_preflight_of_an_allowed_page_is_answered() {
    let server = TestServer::builder().set("cors.origins", PAGE).start();
    let preflight = |origin: &str| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type"),
        ];
        http::options(&server.url("/api/v1/events"), &headers)
    };
    let allowed = preflight(PAGE);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, Some(PAGE)));
    assert!(preflight("https://evil.example.com").header("access-control-allow-origin").is_none());
}

#[test]
fn an_unknown_call_has_the_one_form_of_errors() {
    let server = TestServer::start();
    for path in ["/api/v1/nonsense", "/nonsense"] {
        let response = http::get(&server.url(path), &[]);
        assert_eq!(
            (response.status, &response.json()["error"]["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
}

#[test]
fn an_idempotency_key_that_is_no_event_id_is_refused_and_not_accepted_in_vain() {
    let server = TestServer::start();
    let mut member = server.connect(Protocol::Plain, &admin("a"));
    member.emit_bare("subscribe:system");
    member.wait_for("subscribed");
    let bearer = format!("Bearer {}", publisher());
    let call = |key: &str| {
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
        http::post(&server.url("/api/v1/events"), &headers, &alert())
    };
    for key in ["order 17", "a\tb", &"k".repeat(257)] {
        let refused = call(key);
        assert_eq!(
            (refused.status, &refused.json()["error"]["code"]),
            (400, &json!("invalid_payload")),
            "{key}"
        );
    }
    assert_eq!(call(&"k".repeat(256)).status, 202);
    member.wait_for("system:alert");
    // the two keys of this batch are one character too long
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", &"b".repeat(255))];
    let body = format!("[{},{}]", alert(), alert());
    let batch = http::post(&server.url("/api/v1/events"), &headers, &body);
    assert_eq!((batch.status, &batch.json()["results"][0]["ok"]), (422, &json!(false)), "{}", batch.body);
}

#[test]
fn the_path_of_the_plain_websocket_says_what_it_expects() {
    let server = TestServer::start();
    let response = server.get("/ws");
    assert_eq!((response.status, &response.json()["error"]["code"]), (400, &json!("invalid_payload")));
}

#[test]
fn the_delay_of_every_event_is_measured() {
    let server = TestServer::start();
    for _ in 0..3 {
        server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
    }
    assert_eq!(server.metric("roomcast_publish_delay_seconds_count", r#"source="memory""#), 3.0);
}

#[test]
fn another_method_of_a_path_is_answered_with_405_and_those_that_there_are() {
    let server = TestServer::start();
    for (method, path, allowed) in [
        ("GET", "/api/v1/events", "POST"),
        ("POST", "/api/v1/campaigns/c1", "GET, PUT, DELETE, HEAD"),
        ("PATCH", "/api/v1/connections", "GET, HEAD"),
        ("GET", "/api/v1/users/u/connections", "DELETE"),
        ("POST", "/health/live", "GET, HEAD"),
        ("BREW", "/metrics", "GET, HEAD"),
    ] {
        let response = server.call(method, path, &admin("a"), "");
        let code = &response.json()["error"]["code"];
        assert_eq!((response.status, code), (405, &json!("method_not_allowed")), "{method} {path}");
        assert_eq!(response.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let server = TestServer::start();
    for path in ["/health/live", "/health/ready", "/metrics", "/api/v1/rooms"] {
        let response = server.call("HEAD", path, &admin("a"), "");
        assert_eq!((response.status, &*response.body), (200, ""), "{path}");
        assert!(response.header("content-length").is_some_and(|length| length != "0"), "{path}");
    }
}

#[test]
fn get_openapi_json_is_the_description_that_is_checked_in_and_every_call_in_it_is_served() {
    let server = TestServer::start();
    let answer = server.get("/api/v1/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.body == include_str!("../docs/api/openapi.json"), "`make api` writes it anew");
    let mut calls = 0;
    for (path, methods) in answer.json()["paths"].as_object().unwrap() {
        let filled = path.replace(['{', '}'], "");
        for (method, call) in methods.as_object().unwrap() {
            let response = http::call(&method.to_uppercase(), &server.url(&filled), &[], "");
            let expected = if call.get("security").is_some() { 401 } else { 200 };
            assert_eq!(response.status, expected, "{method} {path}: {response:?}");
            calls += 1;
        }
    }
    assert!(calls >= 22, "{calls}");
}
