//! HTTP as it comes through proxies: other versions, forms, orders and spellings of the same request.
#![cfg(feature = "hub")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, TcpStream};

use common::raw::{FIN, TEXT, UPGRADE};
use common::*;

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

/// Sends a request as it stands and gives all that comes up to the end of the connection.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = wire::dial(port, None);
    stream.write_all(request.as_bytes()).unwrap();
    read_to_end(&mut stream)
}

fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// The session id in an answer to a handshake.
fn sid_in(answer: &str) -> String {
    let open = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}")).1;
    assert!(open.starts_with("0{"), "{answer}");
    wire::parse(&open[1..])["sid"].as_str().unwrap().to_owned()
}

#[test]
fn a_client_that_speaks_http_1_0_polls_a_connection_a_request() {
    let server = TestServer::start();
    let target = format!("{POLL}&token={}", user("u1"));
    let answer = exchange(server.port(), &format!("GET {target} HTTP/1.0\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");
    let target = format!("{POLL}&sid={}", sid_in(&answer));
    let post = format!("POST {target} HTTP/1.0\r\nContent-Length: 2\r\n\r\n40");
    assert!(exchange(server.port(), &post).ends_with("\r\n\r\nok"));
    let mut heard = String::new();
    while !heard.contains("initial:system_status") {
        let answer = exchange(server.port(), &format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
        heard.push_str(&answer);
    }
    let health = exchange(server.port(), "GET /health/live HTTP/1.0\r\n\r\n");
    assert!(health.starts_with("HTTP/1.0 200 "), "{health}");
}

#[test]
fn a_websocket_over_http_1_0_is_a_bad_request() {
    let server = TestServer::start();
    let headers: String = UPGRADE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    for (target, code) in
        [("/socket.io/?EIO=4&transport=websocket", "\"code\":3"), ("/ws", "invalid_payload")]
    {
        let answer = exchange(server.port(), &format!("GET {target} HTTP/1.0\r\n{headers}\r\n"));
        assert!(answer.starts_with("HTTP/1.0 400 ") && answer.contains(code), "{answer}");
    }
}

#[test]
fn targets_may_be_absolute() {
    let server = TestServer::start();
    let mut line = Line::open(server.port());
    for host in [
        "http://hub.example.com",
        "http://hub.example.com:8080",
        "https://hub.example.com",
        "http://[::1]:80",
    ] {
        assert_eq!(line.get(&format!("{host}/health/live")).status, 200, "{host}");
        let answer = line.get(&format!("{host}{POLL}"));
        assert_eq!(answer.status, 200, "{host}");
        let open: Value = serde_json::from_str(&answer.text()[1..]).unwrap();
        let target = format!("{host}{POLL}&sid={}", open["sid"].as_str().unwrap());
        assert_eq!(line.post(&target, &format!("40{}", json!({"token": user("u1")}))).text(), "ok");
        assert!(line.get(&target).text().starts_with("40{"), "{host}");
        let mut raw = Raw::open(server.port(), &format!("{host}/ws?token={}", user("u1")));
        assert!(String::from_utf8(raw.frame().1).unwrap().contains("connected"));
        let mut raw = Raw::open(server.port(), &format!("{host}/socket.io/?EIO=4&transport=websocket"));
        assert_eq!(raw.frame().0, FIN | TEXT);
    }
}

#[test]
fn query_parameters_come_in_any_order_and_of_repeated_ones_the_first_counts() {
    let server = TestServer::start();
    let pairs = ["EIO=4", "transport=polling", "t=abc123", "b64=1", "version=1"];
    for turn in 0..pairs.len() {
        let query = [&pairs[turn..], &pairs[..turn]].concat().join("&");
        assert_eq!(Line::open(server.port()).get(&format!("/socket.io/?{query}")).status, 200, "{query}");
    }
    for (query, status) in [
        ("EIO=4&transport=polling&EIO=9&transport=nonsense&sid", 400), // a sid that is empty is none there is
        ("EIO=4&transport=polling&EIO=9&transport=nonsense", 200),
        ("EIO=9&transport=polling&EIO=4", 400),
        ("&&EIO=4&&transport=polling&&", 200),
        ("EIO=%34&transport=poll%69ng", 200),
        ("eio=4&TRANSPORT=polling", 400), // names of parameters have a case
    ] {
        assert_eq!(Line::open(server.port()).get(&format!("/socket.io/?{query}")).status, status, "{query}");
    }
    let (good, bad) = (user("u1"), "no.such.token");
    let mut raw = Raw::open(server.port(), &format!("/ws?x=1&token={good}&token={bad}"));
    assert!(String::from_utf8(raw.frame().1).unwrap().contains("connected"));
}

#[test]
fn names_of_headers_come_in_any_case() {
    let server = TestServer::start();
    let token = format!("Bearer {}", user("u1"));
    let spell = |name: &str, how: usize| match how {
        0 => name.to_lowercase(),
        1 => name.to_uppercase(),
        _ => name
            .chars()
            .enumerate()
            .map(|(n, c)| if n % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect(),
    };
    for how in 0..3 {
        let mut headers: Vec<(String, &str)> =
            UPGRADE.iter().map(|(name, value)| (spell(name, how), *value)).collect();
        headers.push((spell("Authorization", how), &token));
        // the words in them, too
        headers[0].1 = ["upgrade", "UPGRADE, keep-alive", "Keep-Alive,Upgrade"][how];
        headers[1].1 = ["websocket", "WEBSOCKET", "WebSocket"][how];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, *value)).collect();
        for target in ["/ws", "/socket.io/?EIO=4&transport=websocket"] {
            let answer = Line::open(server.port()).request("GET", target, &headers, b"");
            assert_eq!(answer.status, 101, "{target} {headers:?}");
        }
        let authorization = [(&*spell("Authorization", how), &*token)];
        let answer = Line::open(server.port()).request("GET", "/api/v1/notifications", &authorization, b"");
        assert_ne!(answer.status, 401, "{authorization:?}");
    }
}

#[test]
fn who_expects_100_continue_gets_it_and_then_the_answer() {
    let server = TestServer::start();
    let mut line = Line::open(server.port());
    let open: Value = serde_json::from_str(&line.get(POLL).text()[1..]).unwrap();
    let poll = format!("{POLL}&sid={}", open["sid"].as_str().unwrap());
    let connect = format!("40{}", json!({"token": user("u1")}));
    let event =
        json!({"channel": "system:alerts", "payload": {"level": "info", "title": "t", "message": "m"}})
            .to_string();
    let bearer = format!("Authorization: Bearer {}\r\n", common::tokens::publisher());
    for (target, body, more, status) in
        [(&*poll, &connect, "", 200), ("/api/v1/events", &event, &*bearer, 202)]
    {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: h\r\n{more}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        line.stream().write_all(head.as_bytes()).unwrap();
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        assert_eq!(line.take(go_on.len()), go_on, "{target}");
        line.stream().write_all(body.as_bytes()).unwrap();
        assert_eq!(line.answer().status, status, "{target}");
    }
}

#[test]
fn head_and_options_are_answered_on_every_path_and_the_connection_goes_on() {
    let server = TestServer::start();
    let mut line = Line::open(server.port());
    for (method, target, status) in [
        ("OPTIONS", POLL, 204),
        ("OPTIONS", "/socket.io/", 204),
        ("OPTIONS", "/ws", 400),
        ("OPTIONS", "/nowhere", 404),
    ] {
        let answer = line.request(method, target, &[], b"");
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        assert_eq!(line.get("/health/live").status, 200, "behind {method} {target}");
    }
    for (target, status) in
        [(POLL, 400), ("/ws", 400), ("/health/live", 200), ("/nowhere", 404), ("/metrics", 200)]
    {
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.port(), &request);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && body.is_empty(), "{target}: {answer}");
    }
    assert_eq!(server.connections(), 0, "a HEAD begins no session");
}

#[test]
fn bodies_that_nobody_reads_do_not_become_the_next_request() {
    let server = TestServer::start();
    let smuggled = "GET /health/ready HTTP/1.1\r\nHost: h\r\n\r\n";
    for (method, target, status) in [
        ("POST", "/nowhere", 404),
        ("PUT", POLL, 400),
        ("POST", POLL, 400),
        ("POST", "/ws", 400),
        ("POST", "/health/live", 405),
        ("POST", "/api/v1/events", 401),
        ("DELETE", "/api/v1/campaigns/c1", 401),
    ] {
        for body in [smuggled.to_owned(), smuggled.repeat(10), "x".repeat(200_000)] {
            let mut line = Line::open(server.port());
            let answer = line.request(method, target, &[], body.as_bytes());
            assert_eq!(answer.status, status, "{method} {target}");
            assert_goes_on_or_said_that_it_ends(&mut line, &answer);
        }
    }
}

/// The next request is answered as such; only where the answer said so the connection has ended instead.
fn assert_goes_on_or_said_that_it_ends(line: &mut Line, answer: &Answer) {
    if answer.header("connection") == Some("close") {
        return line.expect_end();
    }
    let next = line.get("/health/live");
    assert_eq!((next.status, next.text().contains("dependencies")), (200, false), "behind {answer:?}");
}

#[test]
fn a_get_with_a_body_is_answered_and_its_body_is_passed_over() {
    let server = TestServer::start();
    for (target, status) in [(POLL, 200), ("/health/live", 200), ("/nowhere", 404)] {
        let mut line = Line::open(server.port());
        let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nHELLO");
        line.stream().write_all(head.as_bytes()).unwrap();
        let answer = line.answer();
        assert_eq!(answer.status, status, "{target}");
        assert_goes_on_or_said_that_it_ends(&mut line, &answer);
    }
}

#[test]
fn paths_are_served_with_and_without_their_last_slash() {
    let server = TestServer::start();
    for target in ["/socket.io?EIO=4&transport=polling", POLL] {
        assert_eq!(Line::open(server.port()).get(target).status, 200, "{target}");
    }
    for target in
        ["/ws", "/ws/", "/socket.io?EIO=4&transport=websocket", "/socket.io/?EIO=4&transport=websocket"]
    {
        Raw::open(server.port(), target);
    }
}

#[test]
fn a_client_with_an_address_of_ipv6_is_served_by_every_transport() {
    let dir = tempfile::tempdir().unwrap();
    let port = process::free_port();
    let mut hub = server::roomcast();
    hub.args(["serve", "--host", "::1", "--port", &port.to_string()])
        .env("DATABASE_URL", format!("sqlite://{}", dir.path().join("hub.db").display()))
        .current_dir(dir.path());
    let process = process::Process::start(&mut hub, "");
    let address = format!("listening on http://[::1]:{port}");
    process.wait_for_line(|line| (line == address).then_some(())).expect("it says where it listens");
    let dial = || {
        let stream = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    eventually_true("it is ready", || {
        let mut stream = dial();
        let request =
            format!("GET /health/ready HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        read_to_end(&mut stream).starts_with("HTTP/1.1 200 ")
    });
    let mut stream = dial();
    let origin = format!("Origin: http://[::1]:{port}\r\n"); // a page of the hub itself
    let request = format!("GET {POLL} HTTP/1.1\r\nHost: [::1]:{port}\r\n{origin}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    sid_in(&read_to_end(&mut stream));
    let headers: String = UPGRADE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    for target in ["/ws", "/socket.io/?EIO=4&transport=websocket"] {
        let mut stream = dial();
        let request = format!("GET {target} HTTP/1.1\r\nHost: [::1]:{port}\r\n{origin}{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 101", "{target}");
    }
}
