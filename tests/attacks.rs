//! Known attacks on servers of this kind, each by the name of the hole that it went through elsewhere. The one who
//! makes it is refused; the process, its memory and everybody else's sockets are as they were.
#![cfg(feature = "hub")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::process::peak_memory_of;
use common::raw::{BINARY, FIN, MORE, TEXT, UPGRADE, header, masked};
use common::*;
use tungstenite::Message;

const ENGINE: &str = "/socket.io/?EIO=4&transport=websocket";
const POLL: &str = "/socket.io/?EIO=4&transport=polling";

/// What an attack may make the hub take at most, for a moment, in KiB: some messages of the largest size.
const A_LITTLE: u64 = 24 * 1024;

/// A hub that somebody uses, by each transport.
struct Scene {
    server: TestServer,
    bystanders: Vec<TestClient>,
    before: u64,
}

impl Scene {
    fn set() -> Scene {
        let settings =
            TestServer::builder().set("server.workers", 2).set("limits.connections_per_address", 0);
        let server = settings.set("limits.handshakes_per_address_per_minute", 0).start();
        let come = |protocol| {
            let mut client = server.connect(protocol, &admin("bystander"));
            client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
            client.wait_for("subscribed");
            client
        };
        let bystanders = [Protocol::SocketIo, Protocol::Polling, Protocol::Plain].map(come).into();
        let before = peak_memory_of(server.id());
        let mut scene = Scene { server, bystanders, before };
        scene.assert_unharmed();
        scene.before = peak_memory_of(scene.server.id());
        scene
    }

    fn port(&self) -> u16 {
        self.server.port()
    }

    /// A socket of the attacker's own, let in.
    fn attacker(&self) -> TestClient {
        self.server.connect(Protocol::SocketIo, &user("mallory"))
    }

    /// Those who were there get answers and events, nothing is left of the attacker, and at no moment did the
    /// process take more than [`A_LITTLE`] beyond before.
    fn assert_unharmed(&mut self) {
        assert!(self.server.is_running());
        let all = self.bystanders.len();
        eventually_true("the attacker is gone", || self.server.connections() == all);
        self.server.publish("campaign:c1", &json!({"eventType": "updated"}));
        for bystander in &mut self.bystanders {
            bystander.expect_event("campaign:updated");
            bystander.expect_nothing_but_pong();
        }
        let more = peak_memory_of(self.server.id()).saturating_sub(self.before);
        assert!(more < A_LITTLE, "{more} KiB more at its peak");
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
    }
}

/// Writes until the hub takes no more of it, at most so many times. Returns whether it was stopped.
fn stopped(raw: &mut Raw, bytes: &[u8], times: usize) -> bool {
    (0..times).any(|_| !raw.try_write(bytes))
}

/// Is gone with a reset.
fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

// ── CVE-2026-33151, CVE-2020-36049: what socket.io-parser collected without a bound ─────────────────────────

#[test]
fn millions_of_attachments_are_refused_before_the_first_and_endless_bytes_behind_them_are_not_kept() {
    let mut scene = Scene::set();
    for count in ["11", "10000000", "4294967296", "99999999999999999999", "1e9", "-1", "0x7fffffff"] {
        let mut raw = Raw::open(scene.port(), &format!("{ENGINE}&token={}", user("mallory")));
        assert_eq!(raw.frame().0, FIN | TEXT, "the open packet");
        raw.send(FIN | TEXT, b"40");
        let packet = format!(r#"45{count}-["message",{{"_placeholder":true,"num":0}}]"#);
        raw.send(FIN | TEXT, packet.as_bytes());
        let endless = masked(FIN | BINARY, &[7; 60_000]);
        assert!(stopped(&mut raw, &endless, 20_000), "{count}: 1.2 GB were read");
    }
    scene.assert_unharmed();
}

#[test]
fn attachments_that_never_end_are_bounded_in_bytes_also_by_polling() {
    let mut scene = Scene::set();
    let placeholders: Vec<Value> = (0..10).map(|n| json!({"_placeholder": true, "num": n})).collect();
    for protocol in [Protocol::SocketIo, Protocol::Polling] {
        for _ in 0..10 {
            let mut client = scene.server.connect(protocol, &user("mallory"));
            let mut args = vec![json!("message")];
            args.extend(placeholders.clone());
            client.send_text(&format!("4510-{}", json!(args)));
            if protocol == Protocol::SocketIo {
                let _ = (0..10).all(|_| client.try_send(Message::binary(vec![7; 900_000])).is_ok());
            } else {
                let bytes = [binary(&[7; 600_000]), binary(&[7; 600_000])];
                for attachment in bytes {
                    client.engine().polls().post(&[attachment]);
                }
            }
            let (heard, _) = client.read_to_end();
            let events = heard.iter().filter(|heard| matches!(heard, Incoming::Answer(..)));
            assert_eq!(events.count(), 0, "{heard:?}");
        }
    }
    scene.assert_unharmed();
}

#[test]
fn an_echo_server_that_takes_attachments_is_not_filled_by_a_count_of_them_either() {
    let server = EchoServer::start();
    let mut bystander = Raw::open(server.port(), "/echo");
    let before = peak_memory_of(server.id());
    for _ in 0..20 {
        let mut raw = Raw::open(server.port(), ENGINE);
        raw.send(FIN | TEXT, b"40");
        raw.send(FIN | TEXT, br#"451000000-["message",{"_placeholder":true,"num":0}]"#);
        assert!(stopped(&mut raw, &masked(FIN | BINARY, &[7; 60_000]), 20_000));
    }
    bystander.send(FIN | TEXT, b"still here");
    bystander.expect(FIN | TEXT, b"still here");
    let more = peak_memory_of(server.id()).saturating_sub(before);
    assert!(more < A_LITTLE, "{more} KiB more at its peak");
}

// ── frames: CVE-2020-27813 (gorilla/websocket), and fragments without end ───────────────────────────────────

#[test]
fn millions_of_empty_fragments_end_their_socket_after_a_few_thousand() {
    let mut scene = Scene::set();
    for target in [ENGINE, "/ws"] {
        for first in [TEXT, BINARY] {
            let mut raw = Raw::open(scene.port(), target);
            raw.send(first, b"");
            let thousand = masked(MORE, b"").repeat(1_000);
            assert!(stopped(&mut raw, &thousand, 20_000), "{target}: twenty million were read");
        }
    }
    scene.assert_unharmed();
}

#[test]
fn a_frame_of_a_gibibyte_or_of_2_to_the_63_is_refused_on_its_header_however_slowly_it_comes() {
    let mut scene = Scene::set();
    for target in [ENGINE, "/ws"] {
        for len in [1 << 30, 1 << 32, (1 << 63) - 1, u64::MAX] {
            let mut raw = Raw::open(scene.port(), target);
            if target == ENGINE {
                raw.frame();
            }
            let mut announced = vec![FIN | BINARY, 0xff];
            announced.extend(len.to_be_bytes());
            for byte in announced {
                raw.write(&[byte]);
            }
            let (first, payload) = raw.frame();
            let code = if len >> 63 == 0 { 1009_u16 } else { 1002 };
            assert_eq!((first, &payload[..2]), (0x88, &code.to_be_bytes()[..]), "{target} {len}");
            assert!(stopped(&mut raw, &[0; 60_000], 20_000), "{target} {len}: all was read");
        }
    }
    scene.assert_unharmed();
}

#[test]
fn what_a_frame_announces_takes_no_memory_before_it_comes() {
    let mut scene = Scene::set();
    // as much as a client that is not let in may say is announced by each of these, and a byte of each comes
    let mut slow: Vec<Raw> = (0..300).map(|_| Raw::open(scene.port(), "/ws")).collect();
    for raw in &mut slow {
        raw.write(&[header(FIN | TEXT, 60_000), vec![0; 4], b"{".to_vec()].concat());
    }
    for byte in b"\"a\"" {
        slow.iter_mut().for_each(|raw| raw.write(&[*byte]));
    }
    // the end of the stream behind them: where the hub answers with its own, it has read all of them
    for raw in &mut slow {
        raw.line().stream().shutdown(std::net::Shutdown::Write).unwrap();
    }
    slow.iter_mut().for_each(Raw::expect_end);
    scene.assert_unharmed();
}

// ── handshakes: CVE-2022-41940, CVE-2023-31125 (engine.io) ────────────────────────────────────────────────

/// One upgrade request; gives the status.
fn knock(port: u16, target: &str) -> u16 {
    Line::open(port).request("GET", target, &UPGRADE, b"").status
}

#[test]
fn crafted_words_in_the_query_of_an_upgrade_are_bad_requests() {
    let mut scene = Scene::set();
    let words = [
        "__proto__",
        "constructor",
        "toString",
        "polling%00",
        "websocket%00",
        "webtransport",
        "WEBSOCKET",
        "flashsocket",
        "",
        "%",
        "%ff%fe",
        "../../etc/passwd",
        "[object Object]",
    ];
    for word in words.map(|word| word.replace(' ', "%20")) {
        for target in [
            format!("/socket.io/?EIO=4&transport={word}"),
            format!("/socket.io/?EIO={word}&transport=websocket"),
            format!("/socket.io/?EIO=4&transport=websocket&sid={word}"),
            format!("/socket.io/?EIO[]=4&transport[{word}]=websocket"),
            format!("/socket.io/?transport=websocket&transport={word}"),
        ] {
            assert_eq!(knock(scene.port(), &target), 400, "{target}");
            let polled = target.replace("websocket", "polling");
            assert_eq!(Line::open(scene.port()).get(&polled).status, 400, "{polled}");
        }
    }
    let long = "x".repeat(10_000);
    assert_eq!(knock(scene.port(), &format!("{ENGINE}&sid={long}")), 400);
    scene.assert_unharmed();
}

#[test]
fn the_session_of_another_connection_cannot_be_taken_by_an_upgrade_that_does_not_fit_it() {
    let mut scene = Scene::set();
    let of_websocket = scene.bystanders[0].engine().sid().to_owned();
    let of_polling = scene.bystanders[1].engine().sid().to_owned();
    let mut other = of_polling.clone().into_bytes();
    other[3] = if other[3] == b'A' { b'B' } else { b'A' };
    let guessed = String::from_utf8(other).unwrap();
    for target in [
        format!("{ENGINE}&sid={of_websocket}"), // no session that is polled
        format!("/socket.io/?EIO=3&transport=websocket&sid={of_polling}"), // of another version
        format!("{POLL}&sid={of_polling}"),     // an upgrade to polling
        format!("{ENGINE}&sid={guessed}"),      // next to one that there is
        format!("{ENGINE}&sid={of_polling}&sid={of_websocket}x").replace(&of_polling, &guessed),
        format!("{ENGINE}&sid={of_polling}%00"),
    ] {
        assert_eq!(knock(scene.port(), &target), 400, "{target}");
    }
    for target in [
        format!("{POLL}&sid={of_websocket}"),
        format!("/socket.io/?EIO=3&transport=polling&sid={of_polling}"),
    ] {
        let mut line = Line::open(scene.port());
        assert_eq!(line.get(&target).status, 400, "{target}");
        assert_eq!(line.post(&target, "41").status, 400, "{target}");
    }
    scene.assert_unharmed();
}

#[test]
fn resets_in_the_middle_of_bad_upgrades_harm_nobody() {
    let mut scene = Scene::set();
    let heads: Vec<String> = [
        "/socket.io/?EIO=4&transport=nonsense",
        "/socket.io/?EIO=9&transport=websocket",
        "/socket.io/?EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAAAA",
        "/nowhere",
        ENGINE,
        "/ws",
    ]
    .iter()
    .map(|target| {
        let headers: String = UPGRADE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {target} HTTP/1.1\r\nHost: h\r\n{headers}\r\n")
    })
    .chain(["CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()])
    .collect();
    for round in 0..30 {
        for head in &heads {
            let cut = if round % 3 == 0 { head.len() } else { head.len() * (round % 10) / 10 };
            let mut stream = wire::dial(scene.port(), None);
            stream.write_all(&head.as_bytes()[..cut]).unwrap();
            if round % 2 == 0 && cut == head.len() {
                let _ = stream.read(&mut [0; 16]); // so that it is in the middle of its answer
            }
            reset(&stream);
        }
    }
    scene.assert_unharmed();
}

// ── heads: CVE-2024-37890, CVE-2021-32640 (ws), CVE-2020-7662 (websocket-extensions), CVE-2023-43669 ────────

#[test]
fn ten_thousand_headers_are_refused_and_their_connection_alone_ends() {
    let mut scene = Scene::set();
    let many: String = (0..10_000).map(|n| format!("x{n}: y\r\n")).collect();
    let upgrade: String = UPGRADE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    for start in [
        format!("GET {POLL} HTTP/1.1\r\nHost: h\r\n"),
        format!("GET {ENGINE} HTTP/1.1\r\nHost: h\r\n{upgrade}"),
        format!("GET /ws HTTP/1.1\r\nHost: h\r\n{upgrade}"),
        "POST /api/v1/events HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n".to_owned(),
    ] {
        let mut line = Line::open(scene.port());
        let _ = line.stream().write_all(format!("{start}{many}\r\n").as_bytes()); // it may be refused meanwhile
        match line.hear(PATIENCE) {
            Heard::Answer(answer) => assert!(matches!(answer.status, 400 | 431), "{start}: {answer:?}"),
            Heard::End => {}
            Heard::Nothing => panic!("no answer to {start}"),
        }
    }
    scene.assert_unharmed();
}

#[test]
fn pathological_extensions_and_protocols_are_read_past() {
    let mut scene = Scene::set();
    let values = [
        ",".repeat(8_000),
        "a,".repeat(4_000),
        format!("a; b=\"{}", "\\".repeat(8_000)), // a quote without end
        format!("a; b=\"{}\"", "\\c".repeat(4_000)),
        "permessage-deflate; client_max_window_bits; ".repeat(180),
        "permessage-deflate; server_max_window_bits=99999999999999999999, x-webkit-deflate-frame".to_owned(),
        format!("x{}x", " ".repeat(8_000)),
        "\"".repeat(8_000),
        ";=,\"".repeat(2_000),
    ];
    for value in &values {
        for name in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
            for target in [ENGINE, "/ws"] {
                let mut line = Line::open(scene.port());
                let answer = line.request("GET", target, &[&UPGRADE[..], &[(name, value)]].concat(), b"");
                assert_eq!(answer.status, 101, "{name}: {value:.40}");
                assert_eq!(answer.header("sec-websocket-extensions"), None);
                assert_eq!(answer.header("sec-websocket-protocol"), None);
            }
        }
    }
    scene.assert_unharmed();
}

#[test]
fn a_header_of_megabytes_is_refused_before_it_has_come() {
    let mut scene = Scene::set();
    for target in [ENGINE, "/ws", POLL] {
        let mut stream = wire::dial(scene.port(), None);
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: h\r\nx: ").as_bytes()).unwrap();
        let filler = [b'x'; 60_000];
        assert!((0..20_000).any(|_| stream.write_all(&filler).is_err()), "1.2 GB were read");
    }
    scene.assert_unharmed();
}

// ── JSON: CVE-2025-52999 (jackson) and whoever else recurses into it ────────────────────────────────────────

#[test]
fn json_nested_a_hundred_thousand_deep_is_refused_by_sockets_and_calls_alike() {
    let mut scene = Scene::set();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let endless = open.repeat(100_000);
        for json in [&deep, &endless] {
            let mut client = scene.attacker();
            client.send_text(&format!("42[\"message\",{json}]"));
            client.expect_error("invalid_payload", "nested too deep");
            client.expect_nothing_but_pong();
            client.send_text(&format!("421{json}"));
            client.close();
            let mut plain = scene.server.connect(Protocol::Plain, &user("mallory"));
            plain.send_text(json);
            plain.expect_event("error");
            plain.expect_nothing_but_pong();
            plain.close();
            for body in [(*json).clone(), format!(r#"{{"channel":"campaign:c1","payload":{json}}}"#)] {
                let token = format!("Bearer {}", common::tokens::publisher());
                let answer =
                    http::post(&scene.server.url("/api/v1/events"), &[("Authorization", &token)], &body);
                assert!(matches!(answer.status, 400 | 422), "{}", answer.status);
            }
        }
    }
    scene.assert_unharmed();
}
