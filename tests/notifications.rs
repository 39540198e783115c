//! Notifications: live, stored until they are read, and nobody else's.
#![cfg(feature = "hub")]

mod common;

use common::hub::Hub;
use common::*;

over_all! {
    fn a_notification_reaches_the_users_sockets_and_nobody_else(protocol: Protocol, hub: Hub) {
        let mut one = hub.in_user_room(protocol, &user("u|1"));
        let mut two = hub.in_user_room(protocol, &user("u|1"));
        let mut not_subscribed = hub.server.connect(protocol, &user("u|1"));
        let mut other = hub.in_user_room(protocol, &user("u2"));
        hub.publish("user:u|1", json!({
            "userId": "u|1", "id": "n1", "type": "success", "title": "Done", "message": "well", "actionUrl": "/x",
            "campaignId": "c1", "metadata": {"k": "v"}, "timestamp": "2026-05-04T10:20:30Z",
        }));
        let expected = json!({
            "id": "n1", "type": "success", "title": "Done", "message": "well", "actionUrl": "/x", "campaignId": "c1",
            "metadata": {"k": "v"}, "timestamp": "2026-05-04T10:20:30.000Z",
        });
        assert_eq!(one.expect_event("notification"), expected);
        assert_eq!(two.expect_event("notification"), expected);
        other.expect_nothing_but_pong();
        not_subscribed.expect_nothing_but_pong();
    }

    fn a_notification_is_stored_until_it_is_read(protocol: Protocol, hub: Hub) {
        let mut live = hub.in_user_room(protocol, &user("u1"));
        for (n, time) in [("n1", 1000), ("n2", 2000), ("n3", 3000)] {
            hub.publish("user:u1", json!({"id": n, "type": "info", "title": n, "message": "m", "timestamp": time}));
            live.expect_event("notification");
        }
        let stored = json!([notice("n3", 3), notice("n2", 2), notice("n1", 1)]);
        let mut later = eventually("all are stored", || {
            let mut client = TestClient::connected(&hub.server, protocol, &user("u1"));
            client.expect_event("initial:campaigns");
            (client.expect_event("initial:notifications") == stored).then_some(client)
        });
        later.expect_event("initial:system_status");

        let asked = later.emit_ack("notifications:read", json!({"ids": ["n1", "n3", "unknown", "n1"]}));
        let read = later.expect_event("notifications:read");
        assert_eq!(sorted(&read["ids"]), ["n1", "n3"]);
        let answer = later.expect_answer(&asked);
        assert_eq!((&answer["ok"], sorted(&answer["data"]["ids"])), (&json!(true), vec!["n1".to_owned(), "n3".to_owned()]));
        assert_eq!(sorted(&live.expect_event("notifications:read")["ids"]), ["n1", "n3"]);

        later.emit("notifications:read", json!({"ids": ["n1"]}));
        assert_eq!(later.expect_event("notifications:read"), json!({"ids": []}));
        live.expect_nothing_but_pong();
        let mut last = TestClient::connected(&hub.server, protocol, &user("u1"));
        last.expect_event("initial:campaigns");
        assert_eq!(last.expect_event("initial:notifications"), json!([notice("n2", 2)]));
    }

    fn nobody_reads_the_notifications_of_another(protocol: Protocol, hub: Hub) {
        let mut live = hub.in_user_room(protocol, &user("u1"));
        hub.publish("user:u1", json!({"id": "n1", "type": "info", "title": "t", "message": "m"}));
        live.expect_event("notification");
        eventually_true("it is stored", || hub.server.store().count("notifications") == 1);
        let mut other = hub.server.connect(protocol, &admin("u2"));
        other.emit("notifications:read", json!({"ids": ["n1"]}));
        assert_eq!(other.expect_event("notifications:read"), json!({"ids": []}));
        live.expect_nothing_but_pong();
        assert_eq!(hub.server.store().count("notifications WHERE read_at IS NULL"), 1);
    }

    fn notifications_published_between_connect_and_subscribe_are_sent_then(protocol: Protocol, hub: Hub) {
        let mut client = hub.server.connect(protocol, &user("u1"));
        for n in ["n1", "n2"] {
            hub.publish("user:u1", json!({"id": n, "type": "info", "title": n, "message": "m"}));
        }
        eventually_true("both are stored", || hub.server.store().count("notifications") == 2);
        client.emit_bare("subscribe:user");
        client.expect_event("subscribed");
        assert_eq!(client.expect_event("notification")["id"], "n1");
        assert_eq!(client.expect_event("notification")["id"], "n2");
        client.expect_nothing_but_pong();
        client.emit_bare("subscribe:user");
        client.expect_event("subscribed");
        client.expect_nothing_but_pong();
    }

    fn the_same_notification_is_stored_once_and_for_each_user(protocol: Protocol, hub: Hub) {
        let mut client = hub.in_user_room(protocol, &user("u2"));
        for to in ["user:u1", "user:u1", "user:u2"] {
            hub.publish(to, json!({"id": "same", "type": "info", "title": "t", "message": "m"}));
        }
        client.expect_event("notification");
        eventually_true("it is stored for both", || hub.server.store().count("notifications") == 2);
    }
}

fn notice(id: &str, second: u8) -> Value {
    let timestamp = format!("1970-01-01T00:00:0{second}.000Z");
    json!({"id": id, "type": "info", "title": id, "message": "m", "timestamp": timestamp})
}

fn sorted(ids: &Value) -> Vec<String> {
    let mut ids: Vec<String> =
        ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

over_every_transport! {
    fn a_repeat_of_an_id_goes_to_nobody_not_even_to_who_never_had_it(protocol: Protocol) {
        let server = TestServer::start();
        let note = json!({"type": "info", "title": "t", "message": "m", "id": "Q", "timestamp": "2026-05-04T10:20:30Z"});
        let mut first = server.connect(protocol, &user("u1"));
        first.emit("subscribe:user", json!({}));
        first.wait_for("subscribed");
        server.publish("user:u1", &note);
        first.wait_for("notification");
        first.emit("notifications:read", json!({"ids": ["Q"]}));
        first.wait_for("notifications:read");
        let mut second = server.connect(protocol, &user("u1"));
        second.emit("subscribe:user", json!({}));
        second.wait_for("subscribed");
        server.publish("user:u1", &note);
        second.expect_nothing_but_pong();
        first.expect_nothing_but_pong();
        eventually_true("it is counted", || {
            server.metric("roomcast_refused_messages_total", r#"reason="duplicate""#) == 1.0
        });
    }

    fn reading_is_answered_also_while_the_database_takes_no_writes(protocol: Protocol) {
        let server = TestServer::builder().set("database.timeout_ms", 300).start();
        let mut client = server.connect(protocol, &user("u1"));
        let mut lock = server.store();
        lock.execute("BEGIN IMMEDIATE");
        let answer = client.request("notifications:read", json!({"ids": ["x"]}));
        assert_eq!(answer["error"]["code"], "unavailable", "{answer}");
        assert!(answer["error"]["retryAfterMs"].is_u64(), "{answer}");
        lock.execute("COMMIT");
        client.expect_error("unavailable", "Temporarily unavailable");
    }
}
