//! Stored notifications over HTTP: read page by page, and marked as read.
#![cfg(feature = "hub")]

mod common;

use common::tokens::publisher;
use common::*;

fn path(user: &str, query: &str) -> String {
    format!("/api/v1/users/{user}/notifications{query}")
}

fn start(database: Database) -> TestServer {
    TestServer::builder().on(database).start()
}

fn note(id: &str) -> Value {
    json!({"id": id, "type": "info", "title": id, "message": "m", "timestamp": "2026-05-04T10:20:30Z"})
}

/// Publishes notifications for a user and waits until they are stored.
fn store(server: &TestServer, user: &str, ids: impl IntoIterator<Item = String>) {
    let mut last = String::new();
    for id in ids {
        server.publish(&format!("user:{user}"), &note(&id));
        last = id;
    }
    let last = common::store::text(&last);
    eventually_true("all are stored", || {
        server.store().count(&format!("notifications WHERE id = {last}")) == 1
    });
}

fn page(server: &TestServer, user: &str, query: &str) -> Value {
    let answer = server.call("GET", &path(user, query), &common::user(user), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn assert_error(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{answer:?}");
}

on_both! {
    fn stored_notifications_are_the_events_newest_first_with_the_time_they_were_read(database: Database) {
        let server = start(database);
        let whole = json!({
            "id": "n2", "type": "warning", "title": "T", "message": "ü", "timestamp": "2026-05-04T10:20:30.123Z",
            "actionUrl": "/x", "metadata": {"a": [1, null]}, "campaignId": "c|1",
        });
        assert_eq!(server.call("GET", &path("u%7C1", ""), &user("u|1"), "").json(), json!({"items": []}));
        server.publish("user:u|1", &note("n1"));
        server.publish("user:u|1", &whole);
        server.publish("user:other", &note("n3"));
        eventually_true("all are stored", || server.store().count("notifications") == 3);
        let list = |query: &str| server.call("GET", &path("u%7C1", query), &user("u|1"), "").json();
        let mut first = whole;
        first["readAt"] = Value::Null;
        let mut second = note("n1");
        (second["readAt"], second["timestamp"]) = (Value::Null, json!("2026-05-04T10:20:30.000Z"));
        assert_eq!(list(""), json!({"items": [first, second]}));

        let before = roomcast::clock::now_ms();
        let body = json!({"ids": ["n1", "n3", "unknown", "n1"]}).to_string();
        let marked = server.call("POST", &path("u%7C1", "/read"), &user("u|1"), &body);
        assert_eq!((marked.status, marked.json()), (200, json!({"ids": ["n1"]})));
        let all = list("?unread=false");
        let at = roomcast::clock::parse_rfc3339(all["items"][1]["readAt"].as_str().unwrap()).unwrap();
        assert!((before..=roomcast::clock::now_ms()).contains(&at));
        assert_eq!(list("?unread=true"), json!({"items": [first]}));
        assert_eq!(server.call("POST", &path("u%7C1", "/read"), &user("u|1"), &body).json(), json!({"ids": []}));
    }

    fn pages_hold_still_while_new_ones_arrive_and_are_read(database: Database) {
        let server = start(database);
        store(&server, "u1", (0..25).map(|n| format!("n{n:02}")));
        let expected: Vec<String> = (0..25).rev().map(|n| format!("n{n:02}")).collect();
        for (query, unread) in [("", false), ("&unread=true", true)] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = page(&server, "u1", &format!("?limit=10{query}{cursor}"));
                let these = ids(&page);
                assert!(these.len() <= 10);
                seen.extend(these);
                let Some(next) = page["nextCursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
                store(&server, "u1", [format!("late-{unread}-{}", seen.len())]);
            }
            seen.retain(|id| !id.starts_with("late-false"));
            assert_eq!(seen, expected, "unread: {unread}");
        }
        assert_eq!(ids(&page(&server, "u1", "?limit=1000")).len(), 29);
        assert_eq!(page(&server, "nobody", ""), json!({"items": []}));
    }
}

over_every_transport! {
    fn what_is_marked_over_http_is_told_to_the_users_room(protocol: Protocol) {
        let server = start(Database::Sqlite);
        let mut one = server.connect(protocol, &user("u1"));
        one.emit_bare("subscribe:user");
        one.wait_for("subscribed");
        store(&server, "u1", ["n1".to_owned(), "n2".to_owned()]);
        one.expect_event("notification");
        one.expect_event("notification");
        let mark = |token: &str, ids: Value| {
            server.call("POST", &path("u1", "/read"), token, &json!({"ids": ids}).to_string()).json()
        };
        assert_eq!(mark(&user("u1"), json!(["n2", "x"])), json!({"ids": ["n2"]}));
        assert_eq!(one.expect_event("notifications:read"), json!({"ids": ["n2"]}));
        assert_eq!(mark(&admin("boss"), json!(["n2"])), json!({"ids": []}));
        one.expect_nothing_but_pong();
        assert_eq!(mark(&admin("boss"), json!(["n1", "n2"])), json!({"ids": ["n1"]}));
        assert_eq!(one.expect_event("notifications:read"), json!({"ids": ["n1"]}));
    }
}

#[test]
fn only_that_user_and_admins_read_and_mark() {
    let server = start(Database::Sqlite);
    store(&server, "u1", ["n1".to_owned()]);
    let body = json!({"ids": ["n1"]}).to_string();
    for (method, path, body) in [("GET", path("u1", ""), ""), ("POST", path("u1", "/read"), body.as_str())] {
        assert_error(&http::call(method, &server.url(&path), &[], body), 401, "auth_failed");
        for token in [user("u2"), publisher()] {
            assert_error(&server.call(method, &path, &token, body), 403, "access_denied");
        }
    }
    assert_eq!(server.store().count("notifications WHERE read_at IS NULL"), 1);
    assert_eq!(server.call("GET", &path("u1", ""), &admin("a"), "").json()["items"][0]["id"], "n1");
}

on_both! {
    fn what_is_wrong_is_refused(database: Database) {
        let server = start(database);
        let cursor_of_something_else = "cm9vbXM6NQ"; // rooms:5
        for query in [
            "?limit=0", "?limit=1001", "?limit=x", "?unread=yes", "?cursor=x", "?cursor=%00",
            &format!("?cursor={}", "x".repeat(2_000)), &format!("?cursor={cursor_of_something_else}"),
        ] {
            let answer = server.call("GET", &path("u1", query), &user("u1"), "");
            assert_error(&answer, 400, "invalid_payload");
        }
        assert_error(&server.call("GET", &path("a%20b", ""), &user("u1"), ""), 400, "invalid_payload");
        let many: Vec<String> = (0..501).map(|n| n.to_string()).collect();
        for body in [
            "x", "[]", "{}", r#"{"ids":"n1"}"#, r#"{"ids":[1]}"#, r#"{"ids":["a\u0000"]}"#, r#"{"ids":null}"#,
            &json!({"ids": many}).to_string(),
        ] {
            let answer = server.call("POST", &path("u1", "/read"), &user("u1"), body);
            assert_error(&answer, 400, "invalid_payload");
        }
        let answer = server.call("POST", &path("u1", "/read"), &user("u1"), &json!({"ids": many[..500]}).to_string());
        assert_eq!((answer.status, answer.json()), (200, json!({"ids": []})));
    }
}
