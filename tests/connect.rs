//! Getting in: the handshake, the token, the origin, and what comes first.
#![cfg(feature = "hub")]

mod common;

use common::server::roomcast;
use common::*;
use jsonwebtoken::Algorithm;
use std::time::{Duration, Instant};

const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// What follows `44`, to the letter.
fn refusal(protocol: Protocol, reason: &str) -> Incoming {
    if protocol.is_old() {
        return Incoming::Refused(r#""Authentication failed""#.to_owned());
    }
    let body = r#"{"message":"Authentication failed","data":{"code":"auth_failed","reason":"REASON"}}"#;
    Incoming::Refused(body.replace("REASON", reason))
}

/// The token is refused for this reason, in the words of either protocol.
fn assert_refused(server: &TestServer, protocol: Protocol, token: &str, reason: &str) {
    let mut client = TestClient::open(server, protocol);
    client.send_token(token);
    if protocol == Protocol::Plain {
        client.expect_error("auth_failed", "Authentication failed");
        assert_eq!(client.expect_close(), protocol.close(4401, "auth_failed"));
    } else {
        assert_eq!(client.next(), refusal(protocol, reason), "{token}");
    }
}

over_every_transport! {
    fn a_good_token_is_let_in_and_the_initial_events_come_in_order(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = TestClient::connected(&server, protocol, &user("u1"));
        assert_eq!(client.expect_event("initial:campaigns"), json!([]));
        assert_eq!(client.expect_event("initial:notifications"), json!([]));
        let status = client.expect_event("initial:system_status");
        assert_eq!(status["status"], "operational");
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert!(status["uptime"].is_number() && status["timestamp"].is_string(), "{status}");
        client.expect_nothing_but_pong();
    }

    fn initial_campaigns_are_the_active_ones_of_the_user_newest_first(protocol: Protocol) {
        let server = TestServer::start();
        let mut store = server.store();
        store.campaign_at("owned", Some("u1"), "RUNNING", 1_000);
        store.campaign_at("joined", Some("u2"), "DRAFT", 3_000);
        store.participant("joined", "u1");
        store.campaign_at("claimed", Some("u2"), "RUNNING", 2_000);
        store.campaign_at("over", Some("u1"), "COMPLETED", 4_000);
        store.campaign_at("foreign", Some("u2"), "RUNNING", 5_000);
        let claims = Claims::of("u1").with("participatingCampaigns", json!(["claimed", "unknown"]));
        let mut client = TestClient::connected(&server, protocol, &claims.token());
        let metadata = json!({"budget": 5});
        assert_eq!(
            client.expect_event("initial:campaigns"),
            json!([
                {"campaignId": "joined", "name": "Campaign joined", "status": "DRAFT", "role": "participant", "metadata": metadata},
                {"campaignId": "claimed", "name": "Campaign claimed", "status": "RUNNING", "role": "participant", "metadata": metadata},
                {"campaignId": "owned", "name": "Campaign owned", "status": "RUNNING", "role": "owner", "metadata": metadata},
            ])
        );
    }

    fn a_token_that_is_not_right_is_refused_as_invalid(protocol: Protocol) {
        let server = TestServer::start();
        let good = Claims::of("u1");
        let far = common::tokens::now() + 3600;
        for (what, token) in [
            ("no token at all", "nonsense".to_owned()),
            ("another secret", good.signed(Algorithm::HS256, "some other secret of thirty-two bytes and more")),
            ("an algorithm that is not accepted", good.signed(Algorithm::HS512, common::tokens::SECRET)),
            ("no signature", good.unsigned()),
            ("no exp", good.clone().without("exp").token()),
            ("no sub", good.clone().without("sub").token()),
            ("a sub with white space", good.clone().with("sub", json!("u 1")).token()),
            ("a sub that is a number", good.clone().with("sub", json!(7)).token()),
            ("permissions as a string", good.clone().with("permissions", json!("admin")).token()),
            ("owned campaigns that are no ids", good.clone().with("ownedCampaigns", json!([1])).token()),
            ("not valid yet", good.clone().with("nbf", json!(far)).token()),
        ] {
            println!("{what}");
            assert_refused(&server, protocol, &token, "invalid");
        }
    }

    fn a_token_that_has_run_out_is_refused_as_expired(protocol: Protocol) {
        let server = TestServer::start();
        let past = common::tokens::now() - 60;
        assert_refused(&server, protocol, &Claims::of("u1").with("exp", json!(past)).token(), "expired");
    }

    fn a_token_within_the_leeway_is_still_good(protocol: Protocol) {
        let server = TestServer::builder().set("auth.leeway_ms", 30_000).start();
        let past = common::tokens::now() - 5;
        server.connect(protocol, &Claims::of("u1").with("exp", json!(past)).token());
    }

    fn issuer_and_audience_are_checked_where_configured(protocol: Protocol) {
        let server = TestServer::builder().set("auth.issuer", "https://id.example/").set("auth.audience", "hub").start();
        let right = Claims::of("u1").with("iss", json!("https://id.example/")).with("aud", json!("hub"));
        server.connect(protocol, &right.token());
        assert_refused(&server, protocol, &right.clone().with("aud", json!("shop")).token(), "invalid");
        assert_refused(&server, protocol, &right.clone().with("iss", json!("https://evil.example/")).token(), "invalid");
        assert_refused(&server, protocol, &right.without("iss").token(), "invalid");
    }

    fn a_token_may_come_in_the_authorization_header(protocol: Protocol) {
        let server = TestServer::start();
        let handshake = Handshake::default().header("Authorization", &format!("Bearer {}", user("u1")));
        let mut client = TestClient::open_with(&server, protocol, &handshake).unwrap();
        connect_bare(&mut client, protocol);
    }

    fn a_token_may_come_in_the_query_and_is_never_logged(protocol: Protocol) {
        let server = TestServer::builder().env("RUST_LOG", "trace").start();
        let token = user("u1");
        let handshake = Handshake::query(protocol, &format!("token={token}"));
        let mut client = TestClient::open_with(&server, protocol, &handshake).unwrap();
        connect_bare(&mut client, protocol);
        client.skip_initial();
        client.expect_nothing_but_pong();
        let log = server.log();
        assert!(!log.is_empty());
        let signature = token.rsplit('.').next().unwrap();
        assert!(!log.contains(signature), "the log has the token");
    }

    fn a_second_connect_changes_nothing(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        for token in [admin("u2"), "nonsense".to_owned()] {
            client.send_token(&token);
            client.emit("subscribe:user", json!({}));
            assert_eq!(client.wait_for("subscribed")["userId"], "u1");
            client.emit_bare("subscribe:system");
            client.expect_error("admin_required", "Admin access required");
        }
    }

    fn who_does_not_authenticate_in_time_is_closed(protocol: Protocol) {
        let server = TestServer::builder().set("auth.timeout_ms", 300).start();
        let begun = Instant::now();
        let (_, close) = TestClient::open(&server, protocol).read_to_end();
        assert!(begun.elapsed() >= Duration::from_millis(250), "after {:?}", begun.elapsed());
        assert_eq!(close, protocol.close(4401, "unauthenticated"));
        server.connect(protocol, &user("u1")).expect_silence(Duration::from_millis(600));
    }

    fn a_page_of_a_foreign_origin_is_refused_before_any_session(protocol: Protocol) {
        let server = TestServer::builder().set("cors.origins", "https://shop.example,https://*.example.com").start();
        let token = user("u1");
        let from = |origin: &str| TestClient::open_with(&server, protocol, &Handshake::default().header("Origin", origin));
        for origin in [
            "https://evil.example",
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example.evil.example",
            "https://evilexample.com",
            "null",
        ] {
            let (status, _) = from(origin).err().unwrap_or_else(|| panic!("{origin} was let in"));
            assert_eq!(status, 403, "{origin}");
        }
        for origin in ["https://shop.example", "https://a.example.com", "https://a.b.example.com"] {
            let mut client = from(origin).unwrap_or_else(|refusal| panic!("{origin}: {refusal:?}"));
            client.skip_first_refusal();
            client.connect_with(&token);
        }
        server.connect(protocol, &token); // no Origin: no browser
        assert_eq!(server.metric("websocket_connections_total", "\"connected\"") as usize, 4);
    }

    fn without_listed_origins_only_pages_of_the_hub_itself_are_let_in(protocol: Protocol) {
        let server = TestServer::start();
        let own = format!("http://127.0.0.1:{}", server.port());
        let from = |origin: &str| TestClient::open_with(&server, protocol, &Handshake::default().header("Origin", origin));
        assert!(from(&own).is_ok());
        assert_eq!(from("http://127.0.0.1:1").err().unwrap().0, 403);
        assert_eq!(from("http://localhost:3000").err().unwrap().0, 403);
    }

    fn a_client_may_speak_at_once_after_connecting(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = TestClient::open(&server, protocol);
        client.send_token(&admin("u1"));
        client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
        client.expect_connected();
        client.wait_for("subscribed");
        server.publish("campaign:c1", &json!({"eventType": "updated", "n": 1}));
        assert_eq!(client.wait_for("campaign:updated")["n"], 1);
    }

    fn who_leaves_is_counted_out(protocol: Protocol) {
        let server = TestServer::start();
        let one = server.connect(protocol, &user("u1"));
        let _two = server.connect(protocol, &user("u2"));
        assert_eq!(server.connections(), 2);
        one.close();
        eventually_true("one is left", || server.connections() == 1);
        assert_eq!(server.metric("websocket_connections_total", "\"disconnected\"") as usize, 1);
    }
}

/// Connects without a token in the payload.
fn connect_bare(client: &mut TestClient, protocol: Protocol) {
    if protocol != Protocol::Plain && !protocol.is_old() {
        client.send_text("40");
    }
    client.expect_connected();
}

#[test]
fn socketio_a_connect_without_a_token_is_refused_as_missing_and_another_may_follow() {
    let server = TestServer::start();
    for payload in ["", "{}", r#"{"token":null}"#, r#"{"token":""}"#] {
        let mut client = TestClient::open(&server, Protocol::SocketIo);
        client.send_text(&format!("40{payload}"));
        assert_eq!(client.next(), refusal(Protocol::SocketIo, "missing"), "{payload}");
        client.connect_with(&user("u1"));
        client.skip_initial();
        client.expect_nothing_but_pong();
    }
}

#[test]
fn of_several_tokens_the_one_of_the_payload_counts_then_the_header_then_the_query() {
    let server = TestServer::start();
    let open = |protocol, query: &str, header: &str| {
        let handshake = Handshake::query(protocol, &format!("token={query}"));
        let handshake = handshake.header("Authorization", &format!("Bearer {header}"));
        TestClient::open_with(&server, protocol, &handshake).unwrap()
    };
    let assert_is = |mut client: TestClient, who: &str| {
        client.emit("subscribe:user", json!({}));
        assert_eq!(client.wait_for("subscribed")["userId"], who);
    };
    for protocol in [Protocol::SocketIo, Protocol::Polling, Protocol::Plain] {
        let mut client = open(protocol, &user("query"), &user("header"));
        connect_bare(&mut client, protocol);
        assert_is(client, "header");
    }
    let mut client = open(Protocol::SocketIo, &user("query"), &user("header"));
    client.connect_with(&user("payload"));
    assert_is(client, "payload");
    // the first that is found counts, also where it is not accepted
    let mut client = open(Protocol::SocketIo, &user("query"), &user("header"));
    client.send_token("nonsense");
    assert_eq!(client.next(), refusal(Protocol::SocketIo, "invalid"));
    let mut client = open(Protocol::SocketIo, &user("query"), "nonsense");
    client.send_text("40");
    assert_eq!(client.next(), refusal(Protocol::SocketIo, "invalid"));
}

#[test]
fn socketio_only_the_main_namespace_is_served() {
    let server = TestServer::start();
    let mut client = TestClient::open(&server, Protocol::SocketIo);
    client.send_text(&format!("40/admin,{}", json!({"token": user("u1")})));
    let refused = r#"/admin,{"message":"Invalid namespace"}"#;
    assert_eq!(client.next(), Incoming::Refused(refused.to_owned()));
    client.connect_with(&user("u1"));
    client.skip_initial();
    client.send_text("40/other,");
    assert_eq!(client.next(), Incoming::Refused(refused.replace("admin", "other")));
    client.expect_nothing_but_pong();
}

#[test]
fn socketio_the_open_packet_has_what_the_protocol_says() {
    let server = TestServer::start();
    let packet = TestClient::open(&server, Protocol::SocketIo).open_packet;
    let sid = packet["sid"].as_str().unwrap();
    assert!(sid.len() >= 20, "{sid}");
    let expected = json!({"sid": sid, "upgrades": [], "pingInterval": 25_000, "pingTimeout": 60_000, "maxPayload": 1_000_000});
    assert_eq!(packet, expected);
}

#[test]
fn socketio_connect_is_answered_with_a_socket_id_of_its_own() {
    let server = TestServer::start();
    let mut client = TestClient::open(&server, Protocol::SocketIo);
    let connected = client.connect_with(&user("u1"));
    assert!(connected["sid"].as_str().unwrap().len() >= 20);
    // the Engine.IO id opens the transport, so it must not be what others are told
    assert_ne!(connected["sid"], client.open_packet["sid"]);
}

#[test]
fn socketio_is_served_with_and_without_the_last_slash() {
    let server = TestServer::start();
    for path in ["/socket.io/?EIO=4&transport=websocket", "/socket.io?EIO=4&transport=websocket"] {
        let mut client = TestClient::open_with(&server, Protocol::SocketIo, &Handshake::path(path)).unwrap();
        client.connect_with(&user("u1"));
    }
}

#[test]
fn socketio_a_bad_handshake_is_answered_in_the_words_of_engine_io() {
    let server = TestServer::start();
    for (query, code, message) in [
        ("transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=9&transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=4&transport=pigeon", 0, "Transport unknown"),
        ("EIO=4&transport=websocket&sid=nobody", 1, "Session ID unknown"),
    ] {
        let answer = http::get(&server.url(&format!("/socket.io/?{query}")), &UPGRADE);
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json(), json!({"code": code, "message": message}), "{query}");
    }
    let foreign = [UPGRADE.as_slice(), &[("Origin", "https://evil.example")]].concat();
    let answer = http::get(&server.url("/socket.io/?EIO=4&transport=websocket"), &foreign);
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!(4)));
}

#[test]
fn socketio_pings_are_sent_and_who_does_not_answer_is_closed() {
    let settings =
        TestServer::builder().set("socketio.ping_interval_ms", 200).set("socketio.ping_timeout_ms", 400);
    let server = settings.start();
    let mut alive = server.connect(Protocol::SocketIo, &user("u1"));
    let mut dead = server.connect(Protocol::SocketIo, &user("u2"));
    dead.engine().answers_pings = false;
    let begun = Instant::now();
    while dead.next_within(Duration::from_millis(100)).is_none() {
        alive.expect_silence(Duration::from_millis(50));
        assert!(begun.elapsed() < PATIENCE, "a client that answers no ping was kept");
    }
    assert!(dead.engine().pings >= 1);
    while alive.engine().pings < 5 {
        alive.expect_silence(Duration::from_millis(100));
        assert!(begun.elapsed() < PATIENCE, "{} pings", alive.engine().pings);
    }
    alive.expect_nothing_but_pong();
}

#[test]
fn plain_connected_is_the_first_frame_and_says_who_and_until_when() {
    let server = TestServer::start();
    let exp = common::tokens::now() + 1000;
    let mut client = TestClient::open(&server, Protocol::Plain);
    let connected = client.connect_with(&Claims::of("auth0|u1").with("exp", json!(exp)).token());
    assert_eq!(connected["userId"], "auth0|u1");
    assert_eq!(connected["pingIntervalMs"], 25_000);
    assert!(connected["socketId"].as_str().unwrap().len() >= 20);
    let expires = roomcast_time(connected["expiresAt"].as_str().unwrap());
    assert_eq!(expires, i64::try_from(exp).unwrap() * 1000);
    assert_eq!(connected.as_object().unwrap().len(), 4, "{connected}");
}

#[test]
fn plain_anything_before_auth_is_told_to_authenticate_first() {
    let server = TestServer::start();
    let mut client = TestClient::open(&server, Protocol::Plain);
    client.emit("subscribe:user", json!({}));
    client.expect_error("unauthenticated", "Authenticate first");
    client.send_text("no json");
    client.expect_event("error");
    client.connect_with(&user("u1"));
    client.skip_initial();
    client.expect_nothing_but_pong();
}

#[test]
fn plain_auth_without_a_token_is_refused() {
    let server = TestServer::start();
    for data in [json!({}), json!(null), json!({"token": 5}), json!("token")] {
        let mut client = TestClient::open(&server, Protocol::Plain);
        client.emit("auth", data);
        client.expect_event("error");
    }
}

#[test]
fn plain_the_subprotocol_is_echoed_if_offered() {
    let server = TestServer::start();
    // tungstenite fails the handshake if what it offered is not chosen, or something is that it did not offer
    let offered = Handshake::default().header("Sec-WebSocket-Protocol", "roomcast.json");
    TestClient::open_with(&server, Protocol::Plain, &offered).unwrap();
    TestClient::open(&server, Protocol::Plain);
}

#[test]
fn an_unknown_path_is_not_found() {
    let server = TestServer::start();
    for headers in [&UPGRADE[..], &[]] {
        let answer = http::get(&server.url("/nowhere"), headers);
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["error"]["code"], "not_found");
    }
    let refused = TestClient::open_with(&server, Protocol::Plain, &Handshake::path("/nowhere"));
    assert_eq!(refused.err().unwrap().0, 404);
}

#[test]
fn a_token_of_the_command_line_is_let_in() {
    let server = TestServer::start();
    let made = roomcast().args(["token", "--sub", "u9", "--permissions", "admin,publish"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let mut client = server.connect(Protocol::Plain, &token);
    client.emit_bare("subscribe:system");
    assert_eq!(client.wait_for("subscribed"), json!({"type": "system"}));
}

fn roomcast_time(text: &str) -> i64 {
    roomcast::clock::parse_rfc3339(text).unwrap_or_else(|| panic!("no time: {text}"))
}
