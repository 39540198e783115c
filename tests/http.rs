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
