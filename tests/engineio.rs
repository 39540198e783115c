//! Engine.IO 3 and 4 against the example `echo_server`: handshake, messages, heartbeat, close, upgrade.
#![cfg(feature = "hub")]

mod common;

use std::time::Duration;

use common::payload;
use common::*;

const PATH: &str = "/engine.io/";

/// The session's first words.
fn begin(server: &EchoServer, version: Version, way: Way) -> Engine {
    Engine::open(server.port(), &Opening::new(PATH, version, way))
}

/// A session that is over: what comes after it finds none.
fn assert_gone(server: &EchoServer, version: Version, sid: &str) {
    let target = format!("{PATH}?EIO={}&transport=polling&sid={sid}", version.number());
    eventually_true("the session is gone", || {
        let answer = Line::open(server.port()).get(&target);
        if answer.status == 200 {
            return false; // its last words
        }
        answer.assert_refused(400, 1, "Session ID unknown");
        true
    });
}

/// A text of every width in UTF-8 and UTF-16.
const WIDE: &str = "4a é € 😀 end";

over_engine! {
    fn a_session_opens_with_what_the_protocol_says(version: Version, way: Way) {
        let server = EchoServer::start();
        let engine = begin(&server, version, way);
        let sid = engine.sid().to_owned();
        assert!(sid.len() >= 20, "{sid}");
        let upgrades = if way == Way::Websocket { json!([]) } else { json!(["websocket"]) };
        let expected = json!({
            "sid": sid, "upgrades": upgrades, "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000,
        });
        assert_eq!(engine.open, expected);
        let other = begin(&server, version, way);
        assert_ne!(other.sid(), sid);
    }

    fn a_text_comes_back(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut engine = begin(&server, version, way);
        for packet in ["4hello", WIDE, "4", "4\u{1f}"] {
            engine.send(packet);
            engine.expect(packet);
        }
    }

    fn several_packets_come_back_in_their_order(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut engine = begin(&server, version, way);
        let packets: Vec<Packet> = (0..200).map(|n| text(&format!("4{n} {WIDE}"))).collect();
        engine.send_all(&packets);
        for packet in packets {
            assert_eq!(engine.next(), Received::Packet(packet));
        }
    }

    fn texts_and_bytes_come_back_in_their_order(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut engine = begin(&server, version, way);
        let every: Vec<u8> = (0..=255).collect();
        let packets = [text("4one"), binary(&[1, 2, 3]), binary(&[]), text(WIDE), binary(&every), text("4two")];
        engine.send_all(&packets);
        for packet in packets {
            assert_eq!(engine.next(), Received::Packet(packet));
        }
    }

    fn a_message_of_the_largest_size_comes_back(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut engine = begin(&server, version, way);
        // with its type, and with version 3's length in front of it
        let largest = format!("4{}", "x".repeat(1_000_000 - 1 - "1000000:".len()));
        engine.send(&largest);
        assert!(engine.expect_text() == largest);
    }

    fn what_is_no_packet_closes_the_session(version: Version, way: Way) {
        let server = EchoServer::start();
        for bad in ["abc", "7", " 4a"] {
            let mut engine = begin(&server, version, way);
            engine.send(bad);
            engine.expect_close();
            assert_gone(&server, version, engine.sid());
        }
    }

    fn heartbeats_go_on_for_as_long_as_both_are_there(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut engine = begin(&server, version, way);
        while engine.pings.max(engine.pongs) < 4 {
            engine.expect_silence(Duration::from_millis(50));
        }
        engine.send("4still here");
        engine.expect("4still here");
    }

    fn who_gives_no_sign_of_life_is_closed(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut engine = begin(&server, version, way);
        engine.answers_pings = false;
        if (version, way) == (Version::V4, Way::Polling) {
            assert_polled(&mut engine, &[text("2")]);
            // a poll would be a sign of life: here nothing can be waited for but the time
            std::thread::sleep(Duration::from_millis(700));
            let target = engine.polls().target().to_owned();
            Line::open(server.port()).get(&target).assert_refused(400, 1, "Session ID unknown");
        } else {
            engine.expect_close();
        }
    }

    fn a_client_that_leaves_is_gone(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut engine = begin(&server, version, way);
        let sid = engine.sid().to_owned();
        engine.begin_poll();
        engine.send("1");
        if way == Way::Polling {
            let Polled::Packets(last) = engine.polls().poll(PATIENCE) else { panic!("the poll is not answered") };
            assert_eq!(last, [text("6")]);
        } else {
            engine.expect_close();
        }
        assert_gone(&server, version, &sid);
    }
}

/// Both versions by polling.
fn polled(server: &EchoServer, version: Version, query: &str) -> Engine {
    Engine::open(server.port(), &Opening::new(PATH, version, Way::Polling).query(query))
}

/// A poll is answered, and its packets are these.
fn assert_polled(engine: &mut Engine, packets: &[Packet]) {
    match engine.polls().poll(PATIENCE) {
        Polled::Packets(got) => assert_eq!(got, packets),
        other => panic!("no packets but {other:?}"),
    }
}

#[test]
fn a_version_that_is_not_served_is_refused() {
    let server = EchoServer::start();
    for eio in ["", "EIO=&", "EIO=abc&", "EIO=2&", "EIO=5&", "EIO=44&"] {
        let target = format!("{PATH}?{eio}transport=polling");
        Line::open(server.port()).get(&target).assert_refused(400, 5, "Unsupported protocol version");
        let target = format!("{PATH}?{eio}transport=websocket");
        let (status, body) = wire::websocket(server.port(), &target, &[], None).unwrap_err();
        assert_eq!((status, body.as_str()), (400, r#"{"code":5,"message":"Unsupported protocol version"}"#));
    }
}

#[test]
fn a_transport_that_there_is_not_is_refused() {
    let server = EchoServer::start();
    for version in Version::ALL.map(Version::number) {
        for transport in ["", "&transport=", "&transport=abc", "&transport=Polling", "&transport=__proto__"] {
            let target = format!("{PATH}?EIO={version}{transport}");
            Line::open(server.port()).get(&target).assert_refused(400, 0, "Transport unknown");
            let (status, body) = wire::websocket(server.port(), &target, &[], None).unwrap_err();
            assert_eq!((status, body.as_str()), (400, r#"{"code":0,"message":"Transport unknown"}"#));
        }
    }
}

#[test]
fn a_handshake_is_a_get_and_requests_of_a_session_are_get_or_post() {
    let server = EchoServer::start();
    for version in Version::ALL {
        let target = format!("{PATH}?EIO={}&transport=polling", version.number());
        let mut line = Line::open(server.port());
        for method in ["POST", "PUT", "DELETE"] {
            line.request(method, &target, &[], b"").assert_refused(400, 2, "Bad handshake method");
        }
        let mut engine = polled(&server, version, "");
        let target = engine.polls().target().to_owned();
        for method in ["PUT", "DELETE"] {
            line.request(method, &target, &[], b"").assert_refused(400, 3, "Bad request");
        }
        engine.send("4still here");
        engine.expect("4still here");
    }
}

#[test]
fn answers_say_what_they_are_and_are_kept_nowhere() {
    let server = EchoServer::start();
    for version in Version::ALL {
        let mut engine = polled(&server, version, "");
        let target = engine.polls().target().to_owned();
        let mut line = Line::open(server.port());
        let body = payload::encode(version, &[text("4a")]).0;
        let posted = line.request("POST", &target, &[payload::TEXT], &body);
        assert_eq!((posted.status, posted.text().as_str()), (200, "ok"));
        let got = line.get(&target);
        for answer in [posted, got] {
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[test]
fn v3_bytes_go_as_they_are_or_in_base64_where_the_client_says_so() {
    let server = EchoServer::start();
    let packets = [text("4text €"), binary(&[0, 1, 255])];
    for (query, kind) in [("", "application/octet-stream"), ("b64=1", "text/plain; charset=UTF-8")] {
        let mut engine = polled(&server, Version::V3, query);
        let target = engine.polls().target().to_owned();
        let mut line = Line::open(server.port());
        // both forms are taken, whatever the client wants for itself
        for (body, header) in
            [(payload::v3_text(&packets), payload::TEXT), payload::encode(Version::V3, &packets)]
        {
            assert_eq!(line.request("POST", &target, &[header], &body).status, 200);
            let answer = line.get(&target);
            assert_eq!(answer.header("content-type"), Some(kind), "{query}");
            assert_eq!(payload::decode(Version::V3, kind, &answer.body), packets);
        }
    }
}

#[test]
fn a_body_that_is_no_payload_is_refused_and_closes_the_session() {
    let server = EchoServer::start();
    let bad = [
        (Version::V4, &["", "abc", "4a\u{1e}", "\u{1e}4a", "4a\u{1e}\u{1e}4b", "b!!!", "4a\u{1e}x"][..]),
        (
            Version::V3,
            &["", "abc", "4a", "3:4a", "1:4a", ":4a", "-1:4a", "99999999999999999999:4a", "4:b4!!"][..],
        ),
    ];
    for (version, bodies) in bad {
        for body in bodies {
            let mut engine = polled(&server, version, "");
            let target = engine.polls().target().to_owned();
            Line::open(server.port()).post(&target, body).assert_refused(400, 3, "Bad request");
            assert_gone(&server, version, engine.sid());
        }
    }
    let binary: [&[u8]; 5] = [&[1, 255], &[0, 255, b'4'], &[2, 1, 255, b'4'], &[1, 10, 255, 4], &[1, 9]];
    for body in binary {
        let mut engine = polled(&server, Version::V3, "");
        let target = engine.polls().target().to_owned();
        let answer = Line::open(server.port()).request("POST", &target, &[payload::BINARY], body);
        answer.assert_refused(400, 3, "Bad request");
        assert_gone(&server, Version::V3, engine.sid());
    }
}

#[test]
fn a_second_poll_closes_the_session_and_both_are_told() {
    let server = EchoServer::start();
    for version in Version::ALL {
        let mut engine = polled(&server, version, "");
        engine.answers_pings = false;
        engine.begin_poll();
        let target = engine.polls().target().to_owned();
        // the first one is there when a POST behind it has been answered
        assert_eq!(engine.polls().post(&[text("3")]), Some(200));
        Line::open(server.port()).get(&target).assert_refused(400, 3, "Bad request");
        assert_polled(&mut engine, &[text("1")]);
        assert_gone(&server, version, engine.sid());
    }
}

#[test]
fn after_the_upgrade_http_requests_and_other_websockets_of_the_session_are_turned_away() {
    let server = EchoServer::start();
    for version in Version::ALL {
        let mut engine = begin(&server, version, Way::Upgraded);
        engine.send("4changed");
        engine.expect("4changed");
        let target = format!("{PATH}?EIO={}&transport=polling&sid={}", version.number(), engine.sid());
        let mut line = Line::open(server.port());
        line.get(&target).assert_refused(400, 3, "Bad request");
        line.post(&target, "4a").assert_refused(400, 3, "Bad request");
        let mut late = engine.candidate();
        let _ = late.send(tungstenite::Message::text("2probe")); // it may be closed already
        let read = eventually("an end", || engine::read_websocket(&mut late, Duration::from_millis(50)));
        assert!(read.is_err(), "{read:?}");
        engine.send("4still here");
        engine.expect("4still here");
    }
}
