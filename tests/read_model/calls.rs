//! The calls themselves: what they answer, and who may.

use crate::common::tokens::publisher;
use crate::common::*;
use crate::hub::*;
use crate::on_both;

const KEY: &str = "an-api-key-of-the-tests-long-enough";

on_both! {
    fn a_campaign_is_made_read_replaced_and_deleted(database: Database) {
        let server = start(database);
        assert_error(&get(&server, "c1"), 404, "not_found");
        let body = json!({
            "name": "Spring", "status": "ACTIVE", "statusAt": "2026-05-04T12:20:30.1239+02:00", "ownerId": "o|1",
            "metadata": {"budget": 5, "tags": ["ü"]},
        });
        let made = server.call("PUT", &path("c1"), &publisher(), &body.to_string());
        let expected = json!({
            "campaignId": "c1", "name": "Spring", "status": "ACTIVE", "statusAt": "2026-05-04T10:20:30.123Z",
            "ownerId": "o|1", "metadata": {"budget": 5, "tags": ["ü"]}, "participants": [],
        });
        assert_eq!((made.status, made.json()), (201, expected.clone()));
        assert_eq!((get(&server, "c1").status, get(&server, "c1").json()), (200, expected.clone()));
        // what was answered may be sent back
        let again = server.call("PUT", &path("c1"), &publisher(), &expected.to_string());
        assert_eq!((again.status, again.json()), (200, expected));

        for user in ["u2", "u1", "u1"] {
            add(&server, "c1", user);
        }
        add(&server, "c1", "gone");
        remove(&server, "c1", "gone");
        remove(&server, "c1", "never");
        assert_eq!(get(&server, "c1").json()["participants"], json!(["u1", "u2"]));
        let replaced = json!({
            "campaignId": "c1", "name": null, "status": null, "statusAt": null, "ownerId": null, "metadata": null,
            "participants": ["u1", "u2"],
        });
        assert_eq!(put(&server, "c1", json!({})), replaced);
        delete(&server, "c1");
        assert_error(&get(&server, "c1"), 404, "not_found");
        delete(&server, "c1");
        assert_eq!(put(&server, "c1", json!({}))["participants"], json!([]));
    }

    fn a_status_is_of_now_and_an_older_one_leaves_it(database: Database) {
        let server = start(database);
        let before = roomcast::clock::now_ms();
        let at = put(&server, "c1", json!({"status": "A"}))["statusAt"].as_str().unwrap().to_owned();
        let at = roomcast::clock::parse_rfc3339(&at).unwrap();
        assert!((before..=roomcast::clock::now_ms()).contains(&at));
        let now = put(&server, "c1", json!({"name": "N", "status": "OLD", "statusAt": at - 1}));
        assert_eq!((&now["name"], &now["status"]), (&json!("N"), &json!("A")));
        let now = put(&server, "c1", json!({"status": "B", "statusAt": at}));
        assert_eq!(now["status"], "B", "of the same time the later one counts");
        // one that is none is no newer than any that follows
        assert_eq!(put(&server, "c1", json!({"statusAt": at - 1}))["status"], "B");
        assert_eq!(put(&server, "c1", json!({"statusAt": at}))["status"], Value::Null);
        assert_eq!(put(&server, "c1", json!({"status": "C", "statusAt": 1}))["status"], "C");
    }

    fn ids_of_every_script_are_percent_encoded_in_the_path(database: Database) {
        let server = start(database);
        for (raw, id) in [
            ("auth0%7C64af", "auth0|64af"), ("a%2Fb%2Fparticipants%2Fx", "a/b/participants/x"), ("a+b", "a+b"),
            ("a%2Bb", "a+b"), ("%25%32%46", "%2F"), ("%E5%9B%A2%E9%98%9F", "团队"), ("%F0%9F%98%80", "😀"),
            ("a:b'--%22", "a:b'--\""),
        ] {
            assert_eq!(put(&server, raw, json!({"name": id}))["campaignId"], json!(id), "{raw}");
            add(&server, raw, raw);
            let read = get(&server, raw).json();
            assert_eq!((&read["campaignId"], &read["participants"]), (&json!(id), &json!([id])), "{raw}");
            delete(&server, raw);
            assert_eq!(get(&server, raw).status, 404, "{raw}");
        }
        for raw in ["%20", "a%00b", "%FF", "a%0Ab", &"x".repeat(129)] {
            for method in ["GET", "PUT", "DELETE"] {
                let body = if method == "PUT" { "{}" } else { "" };
                assert_error(&server.call(method, &path(raw), &publisher(), body), 400, "invalid_payload");
            }
            for method in ["PUT", "DELETE"] {
                assert_error(&server.call(method, &part("c", raw), &publisher(), ""), 400, "invalid_payload");
                assert_error(&server.call(method, &part(raw, "u"), &publisher(), ""), 400, "invalid_payload");
            }
        }
    }

    fn what_is_wrong_is_refused_and_changes_nothing(database: Database) {
        let server = start(database);
        let good = put(&server, "c1", json!({"name": "N", "status": "A", "metadata": {"k": "v"}}));
        let ahead = roomcast::clock::now_ms() + 600_000;
        for body in [
            "", "{", "[]", "null", "1", r#"{"name":1}"#, r#"{"status":{}}"#, r#"{"ownerId":"a b"}"#,
            r#"{"ownerId":""}"#, r#"{"statusAt":"yesterday"}"#, r#"{"campaignId":"c2"}"#, r#"{"campaignId":7}"#,
            r#"{"name":"a\u0000b"}"#, r#"{"status":"\u0000"}"#, r#"{"metadata":["\u0000"]}"#,
            r#"{"ignored":"\u0000"}"#, r#"{"name":"\ud800"}"#, r#"{"name":"a","name":"b"}"#,
            &format!(r#"{{"statusAt":{ahead}}}"#),
            &format!(r#"{{"metadata":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
        ] {
            assert_error(&server.call("PUT", &path("c1"), &publisher(), body), 400, "invalid_payload");
        }
        let metadata = |bytes: usize| json!({"metadata": "x".repeat(bytes - 2)}).to_string();
        assert_eq!(server.call("PUT", &path("c2"), &publisher(), &metadata(16 * 1024)).status, 201);
        let answer = server.call("PUT", &path("c1"), &publisher(), &metadata(16 * 1024 + 1));
        assert_error(&answer, 413, "too_large");
        let answer = server.call("PUT", &path("c1"), &publisher(), &format!(r#"{{"name":"{}"}}"#, "x".repeat(1_000_000)));
        assert_error(&answer, 413, "too_large");
        for method in ["POST", "PATCH"] {
            assert_error(&server.call(method, &path("c1"), &publisher(), "{}"), 405, "method_not_allowed");
        }
        assert_eq!(get(&server, "c1").json(), good);
    }

    fn a_participant_may_be_known_before_the_campaign_is(database: Database) {
        let server = start(database);
        add(&server, "c1", "u1");
        assert_error(&get(&server, "c1"), 404, "not_found");
        let mut client = member(&server, Protocol::Plain, &user("u1"), "c1");
        server.publish("campaign:c1", &changed("A"));
        assert_eq!(client.expect_event("campaign:status_changed")["status"], "A");
        assert_eq!(put(&server, "c1", json!({"name": "N"}))["participants"], json!(["u1"]));
    }
}

#[test]
fn admins_holders_of_publish_and_api_keys_may_and_nobody_else() {
    let server = TestServer::builder().set("auth.api_keys", KEY).start();
    let calls = [
        ("PUT", "/c1"),
        ("GET", "/c1"),
        ("PUT", "/c1/participants/u1"),
        ("DELETE", "/c1/participants/u1"),
        ("DELETE", "/c1"),
    ];
    let call = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let body = if (method, path) == ("PUT", "/c1") { "{}" } else { "" };
        http::call(method, &server.url(&format!("/api/v1/campaigns{path}")), headers, body)
    };
    let bearer = |token: String| format!("Bearer {token}");
    let weak = bearer(Claims::of("u1").with("permissions", json!(["system:read", "not-publish"])).token());
    let wrong = bearer(Claims::of("u1").with("exp", json!(1)).token());
    for (method, path) in calls {
        assert_error(&call(method, path, &[]), 401, "auth_failed");
        assert_error(&call(method, path, &[("Authorization", &wrong)]), 401, "auth_failed");
        assert_error(
            &call(method, path, &[("X-Api-Key", "another-key-which-is-not-configured")]),
            401,
            "auth_failed",
        );
        assert_error(&call(method, path, &[("Authorization", &weak)]), 403, "access_denied");
    }
    let (boss, backend) = (bearer(admin("a")), bearer(publisher()));
    for header in [("Authorization", boss.as_str()), ("Authorization", backend.as_str()), ("X-Api-Key", KEY)]
    {
        for (method, path) in calls {
            let status = call(method, path, &[header]).status;
            assert!((200..300).contains(&status), "{method} {path} {header:?}: {status}");
        }
    }
}
