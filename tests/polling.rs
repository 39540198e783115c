//! Long-polling as HTTP: bodies and their limits, refusals, what pages may read, session ids, workers.
#![cfg(feature = "hub")]

mod common;

use std::io::Write as _;
use std::time::Duration;

use common::*;
use roomcast::ids::Sid;

/// Both versions' handshakes.
const HANDSHAKES: [&str; 2] = ["/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3&transport=polling"];
/// `maxPayload` of these tests.
const MOST: usize = 10_000;

fn small() -> TestServer {
    TestServer::builder().set("socketio.max_payload", MOST).start()
}

/// A polled session that nobody has authenticated; the target of its requests.
fn session(server: &TestServer, version: Version) -> (Engine, String) {
    let mut engine = Engine::open(server.port(), &Opening::new("/socket.io/", version, Way::Polling));
    if version == Version::V3 {
        engine.expect(r#"44"Authentication failed""#);
    }
    let target = engine.polls().target().to_owned();
    (engine, target)
}

/// The session is there, and answers.
fn assert_alive(engine: &mut Engine) {
    engine.send("40/nowhere,");
    let answer = engine.expect_text();
    assert!(answer.starts_with("44/nowhere,"), "{answer}");
}

/// `POST` of a chunked body; the pieces may not all be taken.
fn post_chunked(line: &mut Line, target: &str, pieces: &[String]) {
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let stream = line.stream();
    stream.write_all(head.as_bytes()).unwrap();
    for piece in pieces {
        if stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).is_err() {
            return;
        }
    }
    let _ = stream.write_all(b"0\r\n\r\n"); // what is refused may not be read to its end
}

#[test]
fn a_body_over_the_largest_message_is_refused_before_it_is_sent_and_the_session_stays() {
    let server = small();
    for version in Version::ALL {
        let (mut engine, target) = session(&server, version);
        let mut line = Line::open(server.port());
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", MOST + 1);
        line.stream().write_all(head.as_bytes()).unwrap();
        line.answer().assert_refused(413, 3, "Payload too large");
        line.expect_end();
        assert_alive(&mut engine);
    }
}

#[test]
fn a_body_that_does_not_say_its_length_is_counted_as_it_comes() {
    let server = small();
    for version in Version::ALL {
        let (mut engine, target) = session(&server, version);
        let mut line = Line::open(server.port());
        // no end of it is ever sent: it is refused as soon as it is too long
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let piece = "4".repeat(MOST / 2 + 1);
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        line.stream().write_all(format!("{head}{chunk}{chunk}").as_bytes()).unwrap();
        line.answer().assert_refused(413, 3, "Payload too large");
        assert_alive(&mut engine);

        let packet = match version {
            Version::V4 => "40/nowhere,".to_owned(),
            Version::V3 => "11:40/nowhere,".to_owned(),
        };
        let pieces: Vec<String> = packet.chars().map(String::from).collect();
        let mut line = Line::open(server.port());
        post_chunked(&mut line, &target, &pieces);
        assert_eq!(line.answer().status, 200);
        assert!(engine.expect_text().starts_with("44/nowhere,"));
    }
}

#[test]
fn a_body_of_exactly_the_largest_size_is_taken() {
    let server = small();
    let (mut engine, target) = session(&server, Version::V4);
    let separated = "3\u{1e}".repeat(MOST / 2 - 1) + "33";
    assert_eq!(separated.len(), MOST);
    assert_eq!(Line::open(server.port()).post(&target, &separated).status, 200);
    Line::open(server.port()).post(&target, &(separated + "3")).assert_refused(413, 3, "Payload too large");
    assert_alive(&mut engine);
}

#[test]
fn a_body_that_does_not_come_in_time_is_refused() {
    let server = TestServer::builder().set("limits.body_timeout_ms", 300).start();
    let (mut engine, target) = session(&server, Version::V4);
    let mut line = Line::open(server.port());
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n40/now");
    line.stream().write_all(head.as_bytes()).unwrap();
    line.answer().assert_refused(408, 3, "Request timeout");
    assert_alive(&mut engine);
}

#[test]
fn a_body_that_breaks_off_leaves_the_session_as_it_was() {
    let server = TestServer::start();
    let (mut engine, target) = session(&server, Version::V4);
    let mut line = Line::open(server.port());
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n40/now");
    line.stream().write_all(head.as_bytes()).unwrap();
    drop(line);
    assert_alive(&mut engine);
}

#[test]
fn requests_without_their_session_are_refused() {
    let server = TestServer::start();
    let (mut engine, target) = session(&server, Version::V4);
    let sid = engine.sid().to_owned();
    let line = || Line::open(server.port());
    for other in ["", "x", "../etc", &"a".repeat(5_000), &sid[..sid.len() - 1], &sid.to_uppercase()] {
        let target = format!("{}&sid={other}", HANDSHAKES[0]);
        line().get(&target).assert_refused(400, 1, "Session ID unknown");
        line().post(&target, "40").assert_refused(400, 1, "Session ID unknown");
        let target = target.replace("polling", "websocket");
        let (status, body) = wire::websocket(server.port(), &target, &[], None).unwrap_err();
        assert_eq!((status, body.as_str()), (400, r#"{"code":1,"message":"Session ID unknown"}"#), "{other}");
    }
    // one that a hub could have given out, of this worker and of one that there is not
    for worker in [0, 999] {
        let target = format!("{}&sid={}", HANDSHAKES[0], Sid::new(0, worker));
        line().get(&target).assert_refused(400, 1, "Session ID unknown");
    }
    // a session speaks its version
    let other = format!("{}&sid={sid}", HANDSHAKES[1]);
    line().get(&other).assert_refused(400, 3, "Bad request");
    line().post(&other, "2:40").assert_refused(400, 3, "Bad request");
    // an upgrade whose headers a proxy has stripped
    line().get(&target.replace("polling", "websocket")).assert_refused(400, 3, "Bad request");
    assert_alive(&mut engine);
    engine.leave();
    let answer = line().get(&target);
    assert_eq!((answer.status, answer.text().as_str()), (200, "6")); // its last word, once
    line().get(&target).assert_refused(400, 1, "Session ID unknown");
}

#[test]
fn old_clients_can_be_turned_away() {
    let server = TestServer::builder().set("socketio.allow_eio3", "false").start();
    Line::open(server.port()).get(HANDSHAKES[1]).assert_refused(400, 5, "Unsupported protocol version");
    assert_eq!(Line::open(server.port()).get(HANDSHAKES[0]).status, 200);
}

#[test]
fn the_path_is_served_with_and_without_its_last_slash() {
    let server = TestServer::start();
    for target in HANDSHAKES {
        assert_eq!(Line::open(server.port()).get(&target.replace("io/?", "io?")).status, 200);
    }
}

// ── what pages may read ─────────────────────────────────────────────────────────────────────────────────────

const PAGE: &str = "https://shop.example";

fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{answer:?}");
    assert_eq!(answer.header("vary"), Some("Origin"), "{answer:?}");
}

#[test]
fn an_allowed_page_may_read_every_answer_also_refusals() {
    let server = TestServer::builder().set("cors.origins", PAGE).set("socketio.max_payload", MOST).start();
    let origin = ("Origin", PAGE);
    let mut line = Line::open(server.port());
    for target in HANDSHAKES {
        let answer = line.request("GET", target, &[origin], b"");
        assert_eq!(answer.status, 200);
        assert_readable(&answer);
    }
    let (mut engine, target) = session(&server, Version::V4);
    for (method, target, body, status) in [
        ("POST", target.as_str(), "3", 200),
        ("GET", "/socket.io/?EIO=9&transport=polling", "", 400),
        ("GET", "/socket.io/?EIO=4&transport=x", "", 400),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=x", "", 400),
        ("GET", "/socket.io/?EIO=4&transport=websocket", "", 400),
        ("POST", HANDSHAKES[0], "", 400),
        ("POST", target.as_str(), &"x".repeat(MOST + 1), 413),
    ] {
        let answer = Line::open(server.port()).request(method, target, &[origin], body.as_bytes());
        assert_eq!(answer.status, status, "{method} {target}");
        assert_readable(&answer);
    }
    engine.send("40/nowhere,");
    let answer = line.request("GET", &target, &[origin], b"");
    assert_eq!(answer.status, 200);
    assert_readable(&answer);
}

#[test]
fn a_page_is_told_beforehand_what_it_may_send() {
    let server = TestServer::builder().set("cors.origins", PAGE).start();
    let asks = |origin| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type, x-tenant, authorization"),
        ];
        Line::open(server.port()).request("OPTIONS", HANDSHAKES[0], &headers, b"")
    };
    let answer = asks(PAGE);
    assert_eq!(answer.status, 204);
    assert_readable(&answer);
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
    let allowed = answer.header("access-control-allow-headers");
    assert_eq!(allowed, Some("content-type, x-tenant, authorization"));
    assert!(answer.header("access-control-max-age").unwrap().parse::<u32>().unwrap() > 0);
    let foreign = asks("https://evil.example");
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (403, None));
}

#[test]
fn a_foreign_page_is_refused_whatever_it_asks_and_may_not_read_why() {
    let server = TestServer::builder().set("cors.origins", PAGE).start();
    let (mut engine, target) = session(&server, Version::V4);
    for (method, target) in
        [("GET", HANDSHAKES[0]), ("GET", &target), ("POST", &target), ("POST", HANDSHAKES[1])]
    {
        let mut line = Line::open(server.port());
        let answer = line.request(method, target, &[("Origin", "https://evil.example")], b"40");
        answer.assert_refused(403, 4, "Forbidden");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_alive(&mut engine);
}

// ── connections and workers ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn requests_find_their_session_whichever_worker_they_come_in_on() {
    let server = TestServer::builder().set("server.workers", 2).start();
    let mut between = Vec::new();
    let mut sessions: Vec<(Engine, String)> = (0..40)
        .map(|n| {
            // connections go round among the workers, and a session opens two
            between.extend((0..n / 2 % 2).map(|_| Line::open(server.port())));
            session(&server, Version::ALL[n % 2])
        })
        .collect();
    let worker = |engine: &Engine| Sid::parse(engine.sid()).unwrap().worker();
    let mut workers: Vec<u16> = sessions.iter().map(|(engine, _)| worker(engine)).collect();
    workers.sort_unstable();
    workers.dedup();
    assert_eq!(workers, [0, 1], "sessions of both workers are needed");
    for round in 0..5 {
        for (n, (engine, target)) in sessions.iter_mut().enumerate() {
            // each on a connection of its own
            let packet = format!("40/{round}-{n},");
            let body = if n % 2 == 0 { format!("{}:{packet}", packet.len()) } else { packet };
            assert_eq!(Line::open(server.port()).post(target, &body).status, 200);
            let answer = Line::open(server.port()).get(target);
            assert!(answer.text().contains(&format!("44/{round}-{n},")), "{answer:?}");
            assert!(engine.is_polled());
        }
    }
    sessions.iter_mut().for_each(|(engine, _)| assert_alive(engine));
}

#[test]
fn one_connection_carries_many_sessions_one_after_the_other() {
    let server = TestServer::start();
    let mut line = Line::open(server.port());
    for _ in 0..20 {
        let open = line.get(HANDSHAKES[0]).text();
        let sid = wire::parse(&open[1..])["sid"].as_str().unwrap().to_owned();
        let target = format!("{}&sid={sid}", HANDSHAKES[0]);
        assert_eq!(line.post(&target, "40/nowhere,").status, 200);
        assert!(line.get(&target).text().starts_with("44/nowhere,"));
        assert_eq!(line.post(&target, "1").status, 200);
        assert_eq!(line.get(&target).text(), "6");
        line.get(&target).assert_refused(400, 1, "Session ID unknown");
    }
}

#[test]
#[ignore = "long"]
fn an_idle_connection_is_kept_longer_than_a_load_balancer_keeps_it() {
    let server = TestServer::start();
    let mut line = Line::open(server.port());
    assert_eq!(line.get("/health/live").status, 200);
    assert!(matches!(line.hear(Duration::from_secs(65)), Heard::Nothing));
    assert_eq!(line.get("/health/live").status, 200);
}

#[test]
fn while_the_hub_drains_handshakes_are_refused_and_told_when_to_come_back() {
    let server = TestServer::builder().set("shutdown.sockets_per_second", 1).start();
    let _open: Vec<TestClient> = (0..10).map(|_| server.connect(Protocol::Polling, &admin("a"))).collect();
    let mut line = Line::open(server.port());
    assert_eq!(line.get("/health/ready").status, 200);
    server.signal("TERM");
    let refused = eventually("handshakes are refused", || {
        let answer = line.get(HANDSHAKES[0]);
        (answer.status != 200).then_some(answer)
    });
    refused.assert_refused(503, 4, "Temporarily unavailable");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}
