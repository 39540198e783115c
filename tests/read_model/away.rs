//! A database that cannot answer.

use std::time::Instant;

use diesel::connection::SimpleConnection as _;

use crate::common::tokens::publisher;
use crate::common::*;
use crate::hub::*;

fn each_call(server: &TestServer) -> Vec<(String, Response)> {
    let calls = [
        ("GET", path("c1"), ""),
        ("PUT", path("c1"), r#"{"name":"M","status":"B"}"#),
        ("PUT", part("c1", "u1"), ""),
        ("DELETE", part("c1", "u2"), ""),
        ("DELETE", path("c2"), ""),
    ];
    let call = |(method, path, body): (&str, String, &str)| {
        (format!("{method} {path}"), server.call(method, &path, &publisher(), body))
    };
    calls.into_iter().map(call).collect()
}

fn while_away(server: &TestServer, may_read: bool) {
    let start = Instant::now();
    for (call, answer) in each_call(server) {
        if call.starts_with("GET") && may_read {
            assert_eq!(answer.status, 200);
            continue;
        }
        assert_error(&answer, 503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"), "{call}");
    }
    assert!(start.elapsed() < PATIENCE, "each is answered when database.timeout_ms is over");
}

fn afterwards(server: &TestServer) {
    // what was asked for meanwhile is done, in its order, and then what follows
    eventually_true("it recovers by itself", || get(server, "c1").status == 200);
    assert_eq!(put(server, "c1", json!({"name": "after", "status": "C"}))["name"], "after");
    assert_eq!(get(server, "c1").json()["participants"], json!(["u1"]));
    assert_eq!(get(server, "c2").status, 404);
}

#[test]
fn while_postgres_does_not_answer_each_call_is_told_so_in_time() {
    let server = TestServer::builder().on(Database::Postgres).set("database.timeout_ms", 400).start();
    for campaign in ["c1", "c2"] {
        put(&server, campaign, json!({"status": "A"}));
    }
    let mut lock = server.postgres();
    lock.batch_execute("BEGIN; LOCK TABLE campaigns, campaign_participants").unwrap();
    while_away(&server, false);
    lock.batch_execute("COMMIT").unwrap();
    afterwards(&server);
}

#[test]
fn while_the_file_is_locked_by_another_process_changes_are_told_so_in_time_and_reads_go_on() {
    let server = TestServer::builder().set("database.timeout_ms", 400).start();
    for campaign in ["c1", "c2"] {
        put(&server, campaign, json!({"status": "A"}));
    }
    let mut lock = server.store();
    lock.execute("BEGIN IMMEDIATE");
    while_away(&server, true);
    lock.execute("COMMIT");
    afterwards(&server);
}
