//! A service of one's own on the public API (feature `server`): acks that it asks clients for, volatile
//! events, several namespaces, a client that is let in late or never.
#![cfg(feature = "hub")]

mod common;
#[path = "common/service.rs"]
mod service;

use std::time::Duration;

use common::*;
use service::Own;

const PATH: &str = "/socket.io/";
const FIRST: &str = r#"{"_placeholder":true,"num":0}"#;

fn begin(server: &Own, version: Version, way: Way) -> Engine {
    Engine::open(server.port(), &Opening::new(PATH, version, way))
}

/// A client that is in `/`.
fn connected(server: &Own, version: Version, way: Way) -> Engine {
    let mut client = begin(server, version, way);
    join(&mut client, version, "");
    client
}

/// Joins a namespace (with a comma; empty is `/`, where old clients are already).
fn join(client: &mut Engine, version: Version, nsp: &str) {
    if version == Version::V4 || !nsp.is_empty() {
        client.send(&format!("40{nsp}"));
    }
    let answer = client.expect_text();
    assert!(answer.starts_with(&format!("40{nsp}")), "{answer}");
}

/// The digits between `4<kind>…` and the payload: the ack that is asked for.
fn ack_id(packet: &str, head: &str) -> String {
    let rest = packet.strip_prefix(head).unwrap_or_else(|| panic!("expected {head}, got {packet}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    assert!(!digits.is_empty(), "no ack is asked for: {packet}");
    digits
}

over_engine! {
    fn the_service_asks_and_the_client_answers(version: Version, way: Way) {
        let server = Own::start();
        for nsp in ["", "/other,"] {
            let mut client = connected(&server, version, way);
            if !nsp.is_empty() {
                join(&mut client, version, nsp);
            }
            client.send(&format!(r#"42{nsp}["ask",5000]"#));
            let question = client.expect_text();
            let id = ack_id(&question, &format!("42{nsp}"));
            assert_eq!(question, format!(r#"42{nsp}{id}["question",1,"two"]"#));
            client.send(&format!(r#"43{nsp}{id}["yes",{{"n":[1]}}]"#));
            client.expect(&format!(r#"42{nsp}["answered",["yes",{{"n":[1]}}],0]"#));
            // once
            client.send(&format!(r#"43{nsp}{id}["again"]"#));
            client.send(&format!(r#"42{nsp}["say"]"#));
            client.expect(&format!(r#"42{nsp}["said"]"#));
        }
    }

    fn question_and_answer_may_carry_attachments(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        client.send(r#"42["ask-binary"]"#);
        let question = client.expect_text();
        let id = ack_id(&question, "451-");
        assert_eq!(question, format!(r#"451-{id}["question",{FIRST}]"#));
        client.expect_binary(&[9, 8, 7]);
        client.send_all(&[text(&format!("461-{id}[{FIRST},1]")), binary(&[1, 2, 3, 4])]);
        client.expect(&format!(r#"42["answered",[{FIRST},1],4]"#));
    }

    fn who_does_not_answer_in_time_has_not_answered(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        client.send(r#"42["ask",50]"#);
        let question = client.expect_text();
        client.expect(r#"42["unanswered"]"#);
        client.send(&format!(r#"43{}["late"]"#, ack_id(&question, "42")));
        client.send(r#"42["say"]"#);
        client.expect(r#"42["said"]"#);
    }

    fn a_question_to_one_namespace_is_not_answered_from_another(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        join(&mut client, version, "/other,");
        client.send(r#"42["ask",5000]"#);
        let id = ack_id(&client.expect_text(), "42");
        client.send(&format!(r#"43/other,{id}["no"]"#));
        client.send(r#"42/other,["say"]"#);
        client.expect(r#"42/other,["said"]"#);
        client.send(&format!(r#"43{id}["yes"]"#));
        client.expect(r#"42["answered",["yes"],0]"#);
    }

    fn nobody_is_asked_who_has_left_meanwhile(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        client.send(r#"42["ask",100]"#);
        let id = ack_id(&client.expect_text(), "42");
        client.send("41");
        client.send("40");
        let answer = client.expect_text();
        assert!(answer.starts_with("40"), "{answer}");
        client.send(&format!(r#"43{id}["yes"]"#)); // of the one before
        client.expect_silence(Duration::from_millis(300));
        client.send(r#"42["say"]"#);
        client.expect(r#"42["said"]"#);
    }

    fn a_client_owes_at_most_a_thousand_acks(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        client.send(r#"42["ask-many",1001]"#);
        for _ in 0..1_000 {
            ack_id(&client.expect_text(), "42");
        }
        client.expect(r#"42["not asked"]"#);
    }

    fn a_message_from_elsewhere_reaches_its_namespace_as_long_as_the_client_is_there(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        join(&mut client, version, "/other,");
        client.send(r#"42/other,["later",30]"#);
        client.expect(r#"42/other,["later"]"#);
        client.send(r#"42/other,["later",100]"#);
        client.send("41/other,");
        join(&mut client, version, "/other,");
        client.expect_silence(Duration::from_millis(300));
    }

    fn what_is_said_while_a_client_waits_to_be_let_in_is_heard_afterwards(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        client.send("40/slow,");
        client.send(r#"42/slow,["say"]"#);
        client.send(r#"42["say"]"#);
        let answer = client.expect_text();
        assert!(answer.starts_with("40/slow,"), "{answer}");
        client.expect(r#"42/slow,["said"]"#);
        client.expect(r#"42["said"]"#);
    }

    fn a_refusal_leaves_nothing_behind_and_another_try_may_follow(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        for _ in 0..2 {
            client.send("40/closed,");
            client.expect(match version {
                Version::V4 => r#"44/closed,{"message":"Closed","data":{"until":"noon"}}"#,
                Version::V3 => r#"44/closed,"Closed""#,
            });
            client.send(r#"42/closed,["say"]"#);
        }
        client.send(r#"42["say"]"#);
        client.expect(r#"42["said"]"#);
    }

    fn who_is_closed_by_the_service_is_told_why(version: Version, way: Way) {
        let server = Own::start();
        let mut client = connected(&server, version, way);
        join(&mut client, version, "/other,");
        client.send(r#"42["kick"]"#);
        client.expect(r#"42["error",{"code":"kicked"}]"#);
        let mut left = [client.expect_text(), client.expect_text()];
        left.sort();
        assert_eq!(left, ["41", "41/other,"]);
        client.expect_close();
    }
}

#[test]
fn a_volatile_event_is_left_out_where_the_client_does_not_take_it_at_once() {
    let server = Own::start();
    for version in Version::ALL {
        let mut client = connected(&server, version, Way::Polling);
        // no poll is open while these are posted
        for _ in 0..3 {
            assert_eq!(client.polls().post(&[text(r#"42["volatile"]"#)]), Some(200));
        }
        assert_eq!(client.polls().post(&[text(r#"42["say"]"#)]), Some(200));
        client.expect(r#"42["said"]"#);
        client.begin_poll();
        eventually_true("the poll is there", || {
            assert_eq!(client.polls().post(&[text(r#"42["volatile"]"#)]), Some(200));
            let polled = client.polls().poll(Duration::from_millis(100));
            match polled {
                Polled::Packets(packets) => {
                    assert_eq!(packets, [text(r#"42["volatile",null]"#)]);
                    true
                }
                Polled::Nothing => false,
                Polled::Over => panic!("the session is over"),
            }
        });
        let mut ready = connected(&server, version, Way::Websocket);
        ready.send(r#"42["volatile"]"#);
        ready.expect(r#"42["volatile",null]"#);
    }
}

#[test]
fn who_is_never_let_in_is_closed() {
    let server = Own::start();
    std::thread::scope(|scope| {
        for way in Way::ALL {
            let server = &server;
            scope.spawn(move || begin(server, Version::V4, way).expect_close());
            // a namespace that there is not lets nobody in
            scope.spawn(move || {
                let mut client = begin(server, Version::V4, way);
                client.send("40/nowhere,");
                client.expect(r#"44/nowhere,{"message":"Invalid namespace"}"#);
                client.expect_close();
            });
            // nor may who has left stay for ever
            scope.spawn(move || {
                let mut client = connected(server, Version::V4, way);
                client.send("41");
                client.expect_close();
            });
        }
    });
}

#[test]
fn a_second_post_while_one_is_heard_closes_the_session() {
    let server = Own::start();
    for version in Version::ALL {
        let mut client = connected(&server, version, Way::Polling);
        let target = client.polls().target().to_owned();
        assert!(client.polls().begin_post(&[text("40/slow,")]));
        let (body, kind) = payload::encode(version, &[text(r#"42["say"]"#)]);
        // the first one waits to be let in; it may not have come yet
        let second = eventually("the second is refused", || {
            let answer = Line::open(server.port()).request("POST", &target, &[kind], &body);
            (answer.status != 200).then_some(answer)
        });
        second.assert_refused(400, 3, "Bad request");
        assert_eq!(client.polls().finish_post(), Some(400));
        while let Received::Packet(packet) = client.next() {
            assert_eq!(packet, text(r#"42["said"]"#));
        }
    }
}

#[test]
fn a_probe_that_comes_with_its_handshake_waits_for_what_was_posted_and_is_heard_then() {
    use std::io::Write as _;
    let server = Own::start();
    for version in Version::ALL {
        let mut client = connected(&server, version, Way::Polling);
        assert!(client.polls().begin_post(&[text("40/slow,")]));
        std::thread::sleep(Duration::from_millis(50)); // /slow takes 300 ms: the POST is there before
        let mut line = Line::open(server.port());
        let target = client.polls().target().replace("polling", "websocket");
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let probe = [b"\x81\x86\0\0\0\0".as_slice(), b"2probe"].concat();
        line.stream().write_all(&[head.as_bytes(), &probe].concat()).unwrap();
        assert_eq!(line.answer().status, 101);
        assert_eq!(client.polls().finish_post(), Some(200));
        assert_eq!(line.take(8), b"\x81\x063probe");
    }
}
