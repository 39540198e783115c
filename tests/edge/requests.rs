//! `limits.header_bytes`, `handshake_timeout_ms`, `body_timeout_ms` and `body_bytes`.

use std::io::Write as _;

use crate::common::tokens::publisher;
use crate::common::*;
use crate::ways::{Entry, PAGE};

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

fn refused(server: &TestServer, reason: &str) -> f64 {
    server.metric("roomcast_refused_requests_total", &format!("reason=\"{reason}\""))
}

fn get_with(server: &TestServer, target: &str, filler: usize) -> line::Answer {
    let filler = "x".repeat(filler);
    Line::open(server.port()).request("GET", target, &[("Cookie", &filler)], b"")
}

#[test]
fn a_head_that_is_too_large_gets_431_and_one_just_under_is_served() {
    let server = TestServer::start();
    for target in [POLL, "/health/live", "/socket.io/?EIO=4&transport=polling&x=1"] {
        assert_eq!(get_with(&server, target, 16_000).status, 200, "{target}");
        let refused = get_with(&server, target, 16_384);
        assert_eq!(refused.status, 431, "{target}");
        assert_eq!(refused.header("connection"), Some("close"));
        match target.starts_with("/socket.io") {
            true => assert_eq!(refused.json()["code"], 3),
            false => assert_eq!(refused.json()["error"]["code"], "too_large"),
        }
    }
    let cookie = ("Cookie", "x".repeat(16_384));
    for protocol in [Protocol::SocketIo, Protocol::Plain] {
        let large = Handshake::default().header(cookie.0, &cookie.1);
        let status = TestClient::open_with(&server, protocol, &large).err().map(|(status, _)| status);
        assert_eq!(status, Some(431), "{protocol:?}");
        let fits = Handshake::default().header(cookie.0, &cookie.1[..16_000]);
        assert!(TestClient::open_with(&server, protocol, &fits).is_ok(), "{protocol:?}");
    }
    assert_eq!(refused(&server, "header_bytes"), 5.0);
    let off = TestServer::builder().set("limits.header_bytes", 0).start();
    assert_eq!(get_with(&off, POLL, 100_000).status, 200);
}

#[test]
fn a_connection_that_says_nothing_or_not_enough_gets_408() {
    let server = TestServer::builder().set("limits.handshake_timeout_ms", 300).start();
    for said in ["", "GET /health/live HTTP/1.1\r\nHost: h\r\n"] {
        let mut line = Line::open(server.port());
        line.stream().write_all(said.as_bytes()).unwrap();
        assert_eq!(line.answer().status, 408, "{said:?}");
        line.expect_end();
    }
    eventually_true("both are counted", || refused(&server, "slow_head") == 2.0);
    assert_eq!(server.get("/health/live").status, 200);
}

#[test]
fn a_later_head_that_takes_too_long_is_cut_off_and_a_connection_that_rests_is_not() {
    let server = TestServer::builder().set("limits.handshake_timeout_ms", 300).start();
    let mut resting = Line::open(server.port());
    let mut slow = Line::open(server.port());
    for line in [&mut resting, &mut slow] {
        assert_eq!(line.get("/health/live").status, 200);
    }
    slow.stream().write_all(b"GET /health/live HTTP/1.1\r\n").unwrap();
    slow.expect_end();
    eventually_true("it is counted", || refused(&server, "slow_head") == 1.0);
    // one that begins with the request before it, too
    let mut eager = Line::open(server.port());
    let two = "GET /health/live HTTP/1.1\r\nHost: h\r\n\r\nGET /health";
    eager.stream().write_all(two.as_bytes()).unwrap();
    assert_eq!(eager.answer().status, 200);
    eager.stream().write_all(b"/live HTTP").unwrap();
    eager.expect_end();
    // it has rested for longer than a head may take
    assert_eq!(resting.get("/health/live").status, 200);
}

#[test]
fn a_poll_that_waits_is_not_a_slow_head() {
    let server = TestServer::builder().set("limits.handshake_timeout_ms", 200).start();
    let mut polled = server.connect(Protocol::Polling, &admin("a"));
    polled.emit_bare("subscribe:system");
    polled.wait_for("subscribed");
    polled.engine().begin_poll();
    // meanwhile another connection is given up
    let mut silent = Line::open(server.port());
    assert_eq!(silent.answer().status, 408);
    server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
    polled.wait_for("system:alert");
}

/// The head of a post, and the beginning of its body.
fn begin_post(server: &TestServer, target: &str, length: usize, begin: &[u8]) -> Line {
    let mut line = Line::open(server.port());
    let token = publisher();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {token}\r\nOrigin: {PAGE}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
        server.port()
    );
    line.stream().write_all(&[head.as_bytes(), begin].concat()).unwrap();
    line
}

fn impatient() -> TestServer {
    TestServer::builder().set("limits.body_timeout_ms", 300).set("cors.origins", PAGE).start()
}

#[test]
fn a_body_that_takes_too_long_gets_408_in_the_one_form_of_errors() {
    let server = impatient();
    for target in ["/api/v1/events", "/api/v1/campaigns/c1/participants/u1"] {
        let body = json!({"channel": "system:alerts"}).to_string();
        let mut line = begin_post(&server, target, 1_000, body.as_bytes());
        if target != "/api/v1/events" {
            // nobody reads the body of what is not served: it is not waited for
            assert_eq!(line.answer().status, 405);
            line.expect_end();
            continue;
        }
        let answer = line.answer();
        let expected = json!({"error": {"code": "invalid_payload", "message": "Request timeout"}});
        assert_eq!((answer.status, answer.json()), (408, expected));
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        line.expect_end();
    }
    assert_eq!(refused(&server, "body_timeout"), 1.0);
}

#[test]
fn a_body_that_comes_in_pieces_but_in_time_is_taken() {
    let server = impatient();
    let payload = json!({"level": "info", "title": "t", "message": "m"});
    let body = json!({"channel": "system:alerts", "payload": payload}).to_string();
    let (first, second) = body.split_at(10);
    let mut line = begin_post(&server, "/api/v1/events", body.len(), first.as_bytes());
    line.stream().write_all(second.as_bytes()).unwrap();
    assert_eq!(line.answer().status, 202);
}

#[test]
fn a_post_of_a_session_that_takes_too_long_gets_408_in_the_form_of_engine_io() {
    let server = impatient();
    let (answer, _) = Entry::Poll.knock(server.port(), "");
    let open: Value = serde_json::from_str(&answer.text()[1..]).unwrap();
    let target = format!("{POLL}&sid={}", open["sid"].as_str().unwrap());
    let mut line = begin_post(&server, &target, 1_000, b"40");
    line.answer().assert_refused(408, 3, "Request timeout");
    line.expect_end();
    assert_eq!(refused(&server, "body_timeout"), 1.0);
}

#[test]
fn a_body_that_is_too_large_gets_413_before_it_is_read_or_as_soon_as_it_is() {
    let server = TestServer::builder().set("limits.body_bytes", 2_000).set("cors.origins", PAGE).start();
    let mut line = begin_post(&server, "/api/v1/events", 2_001, b"");
    let answer = line.answer();
    let expected = json!({"error": {"code": "too_large", "message": "Body too large: at most 2000 bytes"}});
    assert_eq!((answer.status, answer.json()), (413, expected.clone()));
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    // one that does not say how large it is
    let mut line = Line::open(server.port());
    let token = publisher();
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    line.stream().write_all(head.as_bytes()).unwrap();
    line.stream().write_all(format!("7D1\r\n{}\r\n", "x".repeat(2_001)).as_bytes()).unwrap();
    let answer = line.answer();
    assert_eq!((answer.status, answer.json()), (413, expected));
}

#[test]
fn zero_switches_each_of_them_off() {
    let limits =
        ["header_bytes", "handshake_timeout_ms", "body_timeout_ms", "body_bytes", "connections_per_address"];
    let builder = limits.iter().fold(TestServer::builder().set("cors.origins", PAGE), |builder, limit| {
        builder.set(&format!("limits.{limit}"), 0)
    });
    let server = builder.start();
    assert_eq!(get_with(&server, POLL, 100_000).status, 200);
    let payload = json!({"eventType": "updated", "filler": "x".repeat(500_000)});
    let messages = [
        json!({"channel": "campaign:c1", "payload": payload}),
        json!({"channel": "campaign:c2", "payload": payload}),
    ];
    let body = json!(messages).to_string();
    let (first, second) = body.split_at(10);
    let mut line = begin_post(&server, "/api/v1/events", body.len(), first.as_bytes());
    // the body of a million bytes and the head behind it wait for another request to be answered
    assert_eq!(server.get("/health/live").status, 200);
    line.stream().write_all(second.as_bytes()).unwrap();
    assert_eq!(line.answer().status, 202);
    line.stream().write_all(b"GET /health/live HTTP/1.1\r\n").unwrap();
    assert_eq!(server.get("/health/live").status, 200);
    line.stream().write_all(b"Host: h\r\n\r\n").unwrap();
    assert_eq!(line.answer().status, 200);
}
