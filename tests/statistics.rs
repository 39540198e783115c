//! Statistics of connections and the usage report; connections that a killed hub left without an end.
#![cfg(feature = "hub")]

mod common;

use common::tokens::publisher;
use common::*;

fn stats(server: &TestServer, query: &str) -> Value {
    let answer = server.call("GET", &format!("/api/v1/stats/connections{query}"), &admin("a"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn usage(server: &TestServer) -> Value {
    let answer = server.call("GET", "/api/v1/reports/usage", &admin("a"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn written(server: &TestServer, event: &str) -> i64 {
    server.store().count(&format!("connection_events WHERE event = '{event}'"))
}

fn ms(stamp: &Value) -> i64 {
    roomcast::clock::parse_rfc3339(stamp.as_str().unwrap()).unwrap()
}

on_both! {
    fn connections_are_counted_by_hour_and_user_and_measured_when_they_end(database: Database) {
        let server = TestServer::builder().on(database).start();
        let nothing = stats(&server, "");
        assert_eq!(ms(&nothing["to"]) - ms(&nothing["from"]), 24 * 3_600_000);
        assert_eq!(nothing["perHour"].as_array().unwrap().len(), 25);
        for key in ["connections", "uniqueUsers", "averageDurationMs", "p95DurationMs"] {
            assert_eq!(nothing[key], 0, "{key}");
        }
        let before = roomcast::clock::now_ms();
        let clients = ["u1", "u1", "u2"].map(|of| server.connect(Protocol::SocketIo, &user(of)));
        eventually_true("three have come", || stats(&server, "?range=1h")["connections"] == 3);
        let open = stats(&server, "?range=1h");
        assert_eq!((&open["uniqueUsers"], &open["p95DurationMs"]), (&json!(2), &json!(0)));
        let hours = open["perHour"].as_array().unwrap();
        assert_eq!(hours.len(), 2);
        assert_eq!(hours.iter().map(|hour| hour["connections"].as_i64().unwrap()).sum::<i64>(), 3);
        assert!(hours.iter().all(|hour| ms(&hour["hour"]) % 3_600_000 == 0), "{hours:?}");
        for client in clients {
            client.close();
        }
        eventually_true("three are gone", || written(&server, "disconnected") == 3);
        let most = roomcast::clock::now_ms() - before;
        let ended = stats(&server, "?range=30m");
        let (average, p95) = (ended["averageDurationMs"].as_i64().unwrap(), ended["p95DurationMs"].as_i64().unwrap());
        assert!(0 < average && average <= p95 && p95 <= most, "{ended} of at most {most} ms");
        // what is older than the range is not in it
        server.store().execute("UPDATE connection_events SET \"timestamp\" = \"timestamp\" - 7200000");
        assert_eq!(stats(&server, "?range=119m")["connections"], 0);
        let longer = stats(&server, "?range=1d");
        assert_eq!((&longer["connections"], &longer["uniqueUsers"]), (&json!(3), &json!(2)));
        assert_eq!(longer["p95DurationMs"], p95);
    }

    fn connections_that_a_killed_hub_left_open_are_closed_as_unknown_at_its_next_start(database: Database) {
        let mut server = TestServer::builder().on(database).start();
        let ended = server.connect(Protocol::Plain, &user("u0"));
        ended.close();
        let _open = ["u1", "u2"].map(|of| server.connect(Protocol::Plain, &user(of)));
        eventually_true("all have come", || written(&server, "connected") == 3 && written(&server, "disconnected") == 1);
        // another hub on the same database is alive
        server.store().execute(
            "INSERT INTO open_connections (socket_id, node, user_id) VALUES ('other', 'another:1', 'u3')",
        );
        server.kill_and_start_again();
        let unknown = "connection_events WHERE metadata LIKE '%\"unknown\"%' AND duration_ms IS NULL";
        eventually_true("they are closed", || server.store().count(unknown) == 2);
        assert_eq!(written(&server, "disconnected"), 3);
        assert_eq!(server.store().words("SELECT socket_id AS value FROM open_connections"), ["other"]);
        // one that comes now is not taken for one of before
        let later = server.connect(Protocol::Plain, &user("u1"));
        eventually_true("it has come", || written(&server, "connected") == 4);
        assert_eq!(server.store().count("open_connections"), 2);
        later.close();
        eventually_true("it is gone", || server.store().count("open_connections") == 1);
        assert_eq!(stats(&server, "")["connections"], 4);
        assert_eq!(server.store().count(unknown), 2);
    }
}

#[test]
fn an_orderly_end_leaves_no_connection_open() {
    let mut server = TestServer::start();
    let _clients = ["u1", "u2", "u3"].map(|of| server.connect(Protocol::SocketIo, &user(of)));
    server.signal("TERM");
    assert!(server.wait().success());
    let mut store = server.store();
    assert_eq!(store.count("connection_events WHERE event = 'connected'"), 3);
    let ended = "connection_events WHERE metadata LIKE '%shutting_down%' AND duration_ms IS NOT NULL";
    assert_eq!((store.count(ended), store.count("open_connections")), (3, 0));
}

#[test]
fn the_usage_report_says_who_is_here_where_and_how_much_was_said() {
    let server = TestServer::start();
    let nothing = usage(&server);
    assert_eq!(
        (&nothing["totalConnections"], &nothing["activeUsers"], &nothing["topRooms"]),
        (&json!(0), &json!(0), &json!([]))
    );
    let mut clients = ["u1", "u1", "u2"].map(|of| server.connect(Protocol::Plain, &admin(of)));
    for client in &mut clients {
        client.emit("subscribe:campaign", json!({"campaignId": "big"}));
        client.wait_for("subscribed");
    }
    for n in 0..11 {
        clients[0].emit("subscribe:campaign", json!({"campaignId": format!("c{n:02}")}));
        clients[0].wait_for("subscribed");
    }
    clients[1].emit("subscribe:campaign", json!({"campaignId": "c05"}));
    clients[1].wait_for("subscribed");
    let now = usage(&server);
    assert_eq!((&now["totalConnections"], &now["activeUsers"]), (&json!(3), &json!(2)));
    let rooms = now["topRooms"].as_array().unwrap();
    assert_eq!(rooms.len(), 10);
    assert_eq!(rooms[0], json!({"room": "campaign:big", "memberCount": 3}));
    assert_eq!(rooms[1], json!({"room": "campaign:c05", "memberCount": 2}));
    assert_eq!(rooms[2], json!({"room": "campaign:c00", "memberCount": 1}));
    assert_eq!(now["messageStats"]["inbound"], 3 + 11 + 1);
    // three initial:* each, and two answers to each request; `connected` too
    eventually_true("what was sent is counted", || {
        usage(&server)["messageStats"]["outbound"].as_u64().unwrap() >= 3 * 3 + 2 * 15
    });
    assert!((ms(&now["timestamp"]) - roomcast::clock::now_ms()).abs() < 60_000);
}

#[test]
fn statistics_are_for_administrators_and_wrong_ranges_are_refused() {
    let server = TestServer::start();
    for path in ["/api/v1/stats/connections", "/api/v1/reports/usage"] {
        let error = |answer: Response| (answer.status, answer.json()["error"]["code"].clone());
        assert_eq!(error(server.get(path)), (401, json!("auth_failed")));
        for token in [user("u1"), publisher()] {
            assert_eq!(error(server.call("GET", path, &token, "")), (403, json!("admin_required")));
        }
    }
    for range in ["", "0h", "24", "-1h", "1w", "32d", "1.5h", "99999999999999999999m", "1h%00", "%FF"] {
        let path = format!("/api/v1/stats/connections?range={range}");
        let answer = server.call("GET", &path, &admin("a"), "");
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("invalid_payload")),
            "{range}"
        );
    }
}
