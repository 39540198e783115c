//! The rows of CONTRACT's tables 3 (permissions) and 4 (answers and errors) on the running hub, and of the
//! first words and of publishing over HTTP, those that have no test elsewhere.
#![cfg(feature = "hub")]

mod common;

use common::*;

fn changed(to: &str) -> Value {
    json!({"eventType": "status.changed", "toStatus": to, "trigger": "t"})
}

fn subscribe(client: &mut TestClient, campaign: &str) -> Value {
    client.request("subscribe:campaign", json!({"campaignId": campaign}))
}

// ── table 3: who may ────────────────────────────────────────────────────────────────────────────────────────

over_every_transport! {
    fn a_removed_participant_stays_out_whatever_the_token_claims_until_added_again(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        store.campaign("c1", Some("owner"), "RUNNING");
        store.removed_participant("c1", "u1");
        store.removed_participant("unknown", "u1");
        let claims = Claims::of("u1")
            .with("participatingCampaigns", json!(["c1", "unknown"]))
            .with("ownedCampaigns", json!(["c1", "unknown"]));
        let mut client = TestClient::connected(&server, protocol, &claims.token());
        assert_eq!(client.expect_event("initial:campaigns"), json!([]));
        client.wait_for("initial:system_status");
        for campaign in ["c1", "unknown"] {
            assert_eq!(subscribe(&mut client, campaign)["error"]["code"], "access_denied", "{campaign}");
            client.expect_error("access_denied", "Access denied to campaign");
        }
        server.publish("campaign:c1", &json!({"eventType": "updated"}));
        client.expect_nothing_but_pong();
        store.add_again("c1", "u1");
        assert_eq!(subscribe(&mut client, "c1")["ok"], true);
    }

    fn the_owner_and_an_admin_get_in_though_they_were_removed_as_participants(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        store.campaign("c1", Some("owner"), "RUNNING");
        store.removed_participant("c1", "owner");
        store.removed_participant("c1", "boss");
        for token in [user("owner"), admin("boss")] {
            assert_eq!(subscribe(&mut server.connect(protocol, &token), "c1")["ok"], true);
        }
    }

    fn a_claim_for_a_campaign_that_the_store_does_not_know_lets_in(protocol: Protocol) {
        let server = TestServer::start();
        for claim in ["ownedCampaigns", "participatingCampaigns"] {
            let mut client = server.connect(protocol, &Claims::of("u1").with(claim, json!(["new"])).token());
            client.emit("subscribe:campaign", json!({"campaignId": "new"}));
            assert_eq!(
                client.expect_event("campaign:status"),
                json!({"campaignId": "new", "status": null, "metadata": null, "timestamp": null})
            );
        }
    }

    fn an_admin_is_no_owner_and_gets_no_owners_copy_in_the_own_room(protocol: Protocol) {
        let server = TestServer::start();
        server.store().campaign("c1", Some("owner"), "RUNNING");
        let mut boss = server.connect(protocol, &admin("boss"));
        boss.emit_bare("subscribe:user");
        boss.wait_for("subscribed");
        server.publish("campaign:c1", &changed("X"));
        boss.expect_nothing_but_pong();
    }
}

// ── table 4: where the store cannot answer ──────────────────────────────────────────────────────────────────

over_every_transport! {
    fn a_store_that_cannot_answer_makes_a_subscribe_unavailable_and_joins_nothing(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        let mut before = server.connect(protocol, &admin("a"));
        assert_eq!(subscribe(&mut before, "c1")["ok"], true);
        before.wait_for("subscribed");
        store.execute("ALTER TABLE campaigns RENAME TO elsewhere");
        let mut client = TestClient::connected(&server, protocol, &admin("b"));
        assert_eq!(client.expect_event("initial:campaigns"), json!([]));
        assert_eq!(client.expect_event("initial:notifications"), json!([]));
        assert_eq!(client.expect_event("initial:system_status")["status"], "degraded");
        let id = client.emit_ack("subscribe:campaign", json!({"campaignId": "c1"}));
        let error = client.expect_error("unavailable", "Temporarily unavailable");
        assert_eq!((&error["event"], &error["campaignId"]), (&json!("subscribe:campaign"), &json!("c1")));
        assert!(error["retryAfterMs"].is_u64(), "{error}");
        let answer = client.expect_answer(&id);
        assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!("unavailable")));
        // those who are in stay in, and live events go on; the token alone opens the own and the system room
        server.publish("campaign:c1", &json!({"eventType": "updated", "n": 1}));
        assert_eq!(before.expect_event("campaign:updated")["n"], 1);
        client.expect_nothing_but_pong();
        for room in ["subscribe:user", "subscribe:system"] {
            assert_eq!(client.request(room, json!({}))["ok"], true, "{room}");
        }
        store.execute("ALTER TABLE elsewhere RENAME TO campaigns");
        eventually_true("it recovers by itself", || subscribe(&mut client, "c1")["ok"] == true);
    }
}

// ── table 5: the first words ────────────────────────────────────────────────────────────────────────────────

over_every_transport! {
    fn initial_notifications_are_the_ten_newest_unread_ones_newest_first(protocol: Protocol) {
        let server = TestServer::start();
        for n in 0..13 {
            server.publish("user:u1", &json!({"id": format!("n{n}"), "type": "info", "title": "t", "message": "m"}));
        }
        eventually_true("all are stored", || server.store().count("notifications") == 13);
        let mut client = TestClient::connected(&server, protocol, &user("u1"));
        client.expect_event("initial:campaigns");
        let ids: Vec<String> = client.expect_event("initial:notifications").as_array().unwrap().iter()
            .map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        let expected: Vec<String> = (3..13).rev().map(|n| format!("n{n}")).collect();
        assert_eq!(ids, expected);
    }

    fn initial_campaigns_are_at_most_five_hundred_and_those_that_ended_are_configured(protocol: Protocol) {
        let server = TestServer::builder().set("campaigns.ended_statuses", "DONE").start();
        let mut store = server.store();
        store.execute("BEGIN");
        for n in 0..510 {
            store.campaign_at(&format!("c{n}"), Some("u1"), "COMPLETED", n);
        }
        store.campaign_at("over", Some("u1"), "DONE", 1_000);
        store.execute("COMMIT");
        let mut client = TestClient::connected(&server, protocol, &user("u1"));
        let campaigns = client.expect_event("initial:campaigns");
        let campaigns = campaigns.as_array().unwrap();
        assert_eq!(campaigns.len(), 500);
        assert_eq!((&campaigns[0]["campaignId"], &campaigns[499]["campaignId"]), (&json!("c509"), &json!("c10")));
    }
}

// ── HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────

fn post_events(server: &TestServer, key: &str, body: &Value) -> Response {
    let bearer = format!("Bearer {}", common::tokens::publisher());
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
    http::post(&server.url("/api/v1/events"), &headers, &body.to_string())
}

#[test]
fn http_an_idempotency_key_makes_a_repeat_harmless_and_an_event_id_wins_over_it() {
    let server = TestServer::start();
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    assert_eq!(subscribe(&mut client, "c1")["ok"], true);
    client.wait_for("subscribed");
    let item = |n: u64| json!({"channel": "campaign:c1", "payload": {"eventType": "updated", "n": n}});
    for n in 0..2 {
        let answer = post_events(&server, "k1", &item(n));
        assert_eq!((answer.status, answer.json()), (202, json!({"results": [{"ok": true}]})));
    }
    assert_eq!(client.expect_event("campaign:updated")["n"], 0);
    client.expect_nothing_but_pong();
    for _ in 0..2 {
        let answer = post_events(&server, "k2", &json!([item(2), item(3)])); // k2:0 and k2:1
        assert_eq!(answer.json(), json!({"results": [{"ok": true}, {"ok": true}]}));
    }
    assert_eq!(client.expect_event("campaign:updated")["n"], 2);
    assert_eq!(client.expect_event("campaign:updated")["n"], 3);
    client.expect_nothing_but_pong();
    assert_eq!(post_events(&server, "k2:1", &item(4)).status, 202); // the second of that batch again
    client.expect_nothing_but_pong();
    let mut own = item(5);
    own["payload"]["eventId"] = json!("e1");
    assert_eq!(post_events(&server, "k1", &own).status, 202);
    assert_eq!(client.expect_event("campaign:updated")["n"], 5);
    assert_eq!(post_events(&server, "k9", &own).status, 202);
    client.expect_nothing_but_pong();
}

#[test]
fn http_a_batch_of_which_nothing_is_good_is_unprocessable_and_one_of_over_a_thousand_is_refused() {
    let server = TestServer::start();
    let publisher = common::tokens::publisher();
    let bad = json!([{"channel": "campaign:c1", "payload": {}}, {"channel": "x", "payload": {}}]);
    let answer = server.post("/api/v1/events", &publisher, &bad);
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(answer.json()["results"].as_array().unwrap().len(), 2);
    let item = json!({"channel": "campaign:c1", "payload": {"eventType": "updated"}});
    let many = |n: usize| Value::Array(vec![item.clone(); n]);
    assert_eq!(server.post("/api/v1/events", &publisher, &many(1_000)).status, 202);
    assert_eq!(server.post("/api/v1/events", &publisher, &many(1_001)).status, 400);
    assert_eq!(server.post("/api/v1/events", &publisher, &json!([])).status, 400);
}

#[test]
fn configured_shared_suffixes_take_the_place_of_the_default_ones() {
    let server = TestServer::builder().set("redis.shared_suffixes", "all").start();
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    assert_eq!(subscribe(&mut client, "events")["ok"], true);
    client.wait_for("subscribed");
    server.publish("campaign:all", &json!({"eventType": "updated", "campaignId": "events", "n": 1}));
    server.publish("campaign:events", &json!({"eventType": "updated", "n": 2}));
    assert_eq!(client.expect_event("campaign:updated")["n"], 1);
    assert_eq!(client.expect_event("campaign:updated")["n"], 2);
}

// ── table 4: errors after which the connection is over ──────────────────────────────────────────────────────

/// This error, then the end; Socket.IO's clients stay away where it is a DISCONNECT.
fn assert_sent_away(client: &mut TestClient, protocol: Protocol, error: &Value, code: u16, disconnect: bool) {
    assert_eq!(client.expect_event("error"), *error);
    if protocol == Protocol::Plain {
        let reason = error["code"].as_str().unwrap().to_owned();
        assert_eq!(client.expect_close(), Close { code: Some(code), reason });
        return;
    }
    if disconnect {
        assert_eq!(client.next(), Incoming::Disconnected);
    }
    client.expect_close();
}

over_every_transport! {
    fn token_expired_closes_at_exp_plus_leeway_so_that_the_client_comes_back(protocol: Protocol) {
        let settings = TestServer::builder().set("auth.leeway_ms", 1_000).set("auth.expiry_warning_ms", 0);
        let server = settings.start();
        let exp = common::tokens::now() + 1;
        let mut client = server.connect(protocol, &Claims::of("u1").with("exp", json!(exp)).token());
        let mut other = server.connect(protocol, &user("u1"));
        let error = json!({"code": "token_expired", "message": "Token expired"});
        assert_sent_away(&mut client, protocol, &error, 4401, false);
        assert!(roomcast::clock::now_ms() >= (exp as i64 + 1) * 1_000, "within the leeway");
        other.expect_nothing_but_pong();
    }

    fn idle_closes_who_gives_no_sign_of_life(protocol: Protocol) {
        let server = TestServer::builder().set("limits.idle_check_ms", 50).set("limits.idle_timeout_ms", 400).start();
        let mut client = server.connect(protocol, &user("u1"));
        let error = json!({"code": "idle", "message": "No sign of life"});
        assert_sent_away(&mut client, protocol, &error, 4408, false);
    }

    fn connection_limit_sends_the_oldest_away_not_to_reconnect(protocol: Protocol) {
        let server = TestServer::builder().set("limits.connections_per_user", 2).start();
        let mut clients: Vec<TestClient> = (0..3).map(|_| server.connect(protocol, &user("u1"))).collect();
        let error = json!({"code": "connection_limit", "message": "Connection limit exceeded"});
        assert_sent_away(&mut clients[0], protocol, &error, 4429, true);
        clients[1].expect_nothing_but_pong();
        clients[2].expect_nothing_but_pong();
        server.connect(protocol, &user("u2")).expect_nothing_but_pong();
    }
}
