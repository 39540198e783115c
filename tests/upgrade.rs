//! A websocket takes a polled session over: under load, and when it comes to nothing.
#![cfg(feature = "hub")]

mod common;

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use common::engine::read_websocket;
use common::*;
use tungstenite::{Message, WebSocket};

/// Both protocols by polling.
const POLLED: [Protocol; 2] = [Protocol::Polling, Protocol::OldPolling];

fn publish(server: &TestServer, numbers: std::ops::Range<usize>) {
    let item = |n| json!({"channel": "campaign:c1", "payload": {"eventType": "updated", "n": n}});
    let batch: Vec<Value> = numbers.map(item).collect();
    let answer = server.post("/api/v1/events", &common::tokens::publisher(), &json!(batch));
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// A client in the room of `c1`.
fn member(server: &TestServer, protocol: Protocol) -> TestClient {
    let mut client = server.connect(protocol, &admin("a"));
    client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    client.wait_for("subscribed");
    client
}

// ── under load ──────────────────────────────────────────────────────────────────────────────────────────────

/// What a client of the crowd does, chosen by its number alone so that a failure can be repeated.
struct Plan {
    /// It upgrades after this many events.
    upgrade_after: usize,
    /// It asks for an answer after each event whose number leaves no rest by this.
    ask_each: usize,
}

impl Plan {
    fn of(client: usize, events: usize) -> Plan {
        let dice = client.wrapping_mul(2_654_435_761) >> 7;
        Plan { upgrade_after: dice % (events - 50), ask_each: 37 + dice % 20 }
    }
}

/// Reads all events and changes its transport in the middle of them, with packets of its own under way.
fn go_through(client: &mut TestClient, plan: &Plan, events: usize) {
    let mut due = VecDeque::new();
    let (mut n, mut upgraded, mut asked) = (0, false, 1_000);
    while n < events || !due.is_empty() {
        match client.next() {
            Incoming::Event(name, data) if name == "campaign:updated" => {
                assert_eq!(data["n"], n);
                n += 1;
                if n % plan.ask_each == 0 {
                    due.push_back(client.emit_ack("ping", Value::Null));
                }
            }
            Incoming::Event(name, _) if name == "pong" => {}
            Incoming::Answer(id, answer) => {
                assert_eq!(Some(id), due.pop_front());
                assert_eq!(answer["ok"], true);
            }
            other => panic!("after {n} events: {other:?}"),
        }
        if n >= plan.upgrade_after && !upgraded {
            upgraded = true;
            let packets: Vec<Packet> = (0..5)
                .map(|_| {
                    asked += 1;
                    due.push_back(json!(asked));
                    text(&format!(r#"42{asked}["ping"]"#))
                })
                .collect();
            client.engine().upgrade_while_posting(&packets[..3]);
            client.engine().send_all(&packets[3..]);
        }
    }
    assert!(!client.engine().is_polled());
}

/// Each of many clients upgrades at some moment while events pass as fast as the hub takes them.
fn a_crowd_upgrades(clients: usize, events: usize) {
    let settings = TestServer::builder().set("server.workers", 2).set("limits.connections_per_user", 0);
    let settings = settings.set("limits.connects_per_user_per_minute", 0);
    let server = settings.set("limits.unsent_bytes", 16 << 20).start();
    let joined: Vec<TestClient> = (0..clients).map(|n| member(&server, POLLED[n % 2])).collect();
    std::thread::scope(|scope| {
        let crowd: Vec<_> = joined
            .into_iter()
            .enumerate()
            .map(|(number, mut client)| {
                scope.spawn(move || {
                    go_through(&mut client, &Plan::of(number, events), events);
                    client
                })
            })
            .collect();
        for first in (0..events).step_by(20) {
            publish(&server, first..(first + 20).min(events));
        }
        for member in crowd {
            member.join().unwrap().close();
        }
    });
    assert_all_gone(&server, clients);
}

/// Every session has ended, and nothing of any is left.
fn assert_all_gone(server: &TestServer, clients: usize) {
    eventually_true("all are gone", || server.connections() == 0);
    assert_eq!(server.metric("websocket_connections_total", "\"connected\"") as usize, clients);
    assert_eq!(server.metric("websocket_connections_total", "\"disconnected\"") as usize, clients);
    eventually_true("their rooms are empty", || server.metric("websocket_room_members", "campaign") == 0.0);
    eventually_true("nothing is held for them", || server.metric("roomcast_unsent_bytes", "") == 0.0);
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order_while_two_hundred_upgrade() {
    a_crowd_upgrades(200, 1_000);
}

// ── upgrades that come to nothing ───────────────────────────────────────────────────────────────────────────

/// The hub gives the websocket up.
fn assert_given_up(mut ws: WebSocket<TcpStream>) {
    let read = eventually("it is given up", || read_websocket(&mut ws, Duration::from_millis(200)));
    assert!(read.is_err(), "{read:?}");
}

fn probe(ws: &mut WebSocket<TcpStream>) {
    ws.send(Message::text("2probe")).unwrap();
    assert_eq!(ws.read().unwrap(), Message::text("3probe"));
}

/// One way of an upgrade to fail. Events are published before it, during it and after it: the client has to
/// get all of them, in order, by polling, and may upgrade later.
fn survives(fail: impl Fn(&mut TestClient, WebSocket<TcpStream>) + Sync) {
    std::thread::scope(|scope| {
        for protocol in POLLED {
            let fail = &fail;
            scope.spawn(move || survives_by(protocol, fail));
        }
    });
}

fn survives_by(protocol: Protocol, fail: impl Fn(&mut TestClient, WebSocket<TcpStream>)) {
    let server = TestServer::builder().set("server.workers", 2).start();
    let mut client = member(&server, protocol);
    publish(&server, 0..3);
    client.engine().begin_poll();
    let ws = client.engine().candidate();
    publish(&server, 3..6);
    fail(&mut client, ws);
    publish(&server, 6..9);
    for n in 0..9 {
        assert_eq!(client.expect_event("campaign:updated")["n"], n);
    }
    assert_eq!(client.request("ping", Value::Null)["ok"], true);
    client.expect_event("pong");
    client.engine().upgrade();
    publish(&server, 9..12);
    for n in 9..12 {
        assert_eq!(client.expect_event("campaign:updated")["n"], n);
    }
    client.close();
    assert_all_gone(&server, 1);
}

#[test]
fn a_probe_that_is_answered_and_then_reset_leaves_the_session_polled() {
    survives(|_, mut ws| {
        probe(&mut ws);
        socket2::SockRef::from(ws.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    });
}

#[test]
fn a_websocket_that_is_reset_before_its_probe_leaves_the_session_polled() {
    survives(|_, ws| socket2::SockRef::from(ws.get_ref()).set_linger(Some(Duration::ZERO)).unwrap());
}

#[test]
fn a_websocket_that_closes_during_its_probe_leaves_the_session_polled() {
    survives(|_, mut ws| {
        probe(&mut ws);
        ws.close(None).unwrap();
        assert_given_up(ws);
    });
}

#[test]
fn a_websocket_that_says_nothing_more_is_given_up_and_the_session_stays_polled() {
    survives(|_, mut ws| {
        probe(&mut ws);
        assert_given_up(ws);
    });
}

#[test]
fn a_websocket_that_says_nothing_at_all_is_given_up_and_the_session_stays_polled() {
    survives(|_, ws| assert_given_up(ws));
}

#[test]
fn anything_but_a_probe_ends_the_websocket_and_nothing_else() {
    let garbage: [Message; 7] = [
        Message::text("4hello"),
        Message::text("2"),
        Message::text("2prob"),
        Message::text("5"),
        Message::text(""),
        Message::text("40"),
        Message::binary(b"2probe".to_vec()),
    ];
    survives(|client, first| {
        let mut ws = first;
        for message in &garbage {
            ws.send(message.clone()).unwrap();
            assert_given_up(ws);
            ws = client.engine().candidate();
        }
        // and after a probe that was one
        probe(&mut ws);
        ws.send(Message::text("4hello")).unwrap();
        assert_given_up(ws);
    });
}

#[test]
fn bytes_that_are_no_websocket_end_it_and_nothing_else() {
    survives(|client, first| {
        let mut ws = first;
        // a frame without a mask, a reserved bit, a frame of 2^62 bytes
        for bytes in [&b"\x81\x06\x32probe"[..], b"\xc1\x80\0\0\0\0", b"\x81\xff\x40\0\0\0\0\0\0\0\0\0\0\0"] {
            ws.get_mut().write_all(bytes).unwrap();
            assert_given_up(ws);
            ws = client.engine().candidate();
        }
    });
}

#[test]
fn an_upgrade_that_a_proxy_has_stripped_of_its_headers_is_a_bad_request() {
    survives(|client, _| {
        let engine = client.engine();
        let target = engine.polls().target().replace("polling", "websocket");
        let port = engine.port();
        Line::open(port).get(&target).assert_refused(400, 3, "Bad request");
        for missing in ["Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
            let headers = [
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ];
            let headers: Vec<_> = headers.into_iter().filter(|(name, _)| *name != missing).collect();
            let answer = Line::open(port).request("GET", &target, &headers, b"");
            assert_eq!((answer.status, answer.json()["code"].clone()), (400, json!(3)), "without {missing}");
        }
    });
}

#[test]
fn of_two_that_probe_at_once_one_wins_and_the_other_is_closed() {
    for protocol in POLLED {
        let server = TestServer::builder().set("server.workers", 2).start();
        let mut client = member(&server, protocol);
        client.engine().begin_poll();
        let mut pair = [client.engine().candidate(), client.engine().candidate()];
        for ws in &mut pair {
            let _ = ws.send(Message::text("2probe")); // the loser may be closed already
        }
        let answers: Vec<_> = pair
            .iter_mut()
            .map(|ws| eventually("an answer or the end", || read_websocket(ws, Duration::from_millis(50))))
            .collect();
        let winners: Vec<bool> =
            answers.iter().map(|answer| *answer == Ok(Message::text("3probe"))).collect();
        assert_eq!(winners.iter().filter(|won| **won).count(), 1, "{answers:?}");
        let winner = pair.into_iter().zip(winners).find(|(_, won)| *won).unwrap().0;
        client.engine().finish_upgrade(winner);
        publish(&server, 0..3);
        for n in 0..3 {
            assert_eq!(client.expect_event("campaign:updated")["n"], n);
        }
        client.close();
        assert_all_gone(&server, 1);
    }
}

#[test]
fn a_session_that_ends_during_the_probe_closes_the_websocket() {
    for protocol in POLLED {
        let server = TestServer::start();
        let mut client = member(&server, protocol);
        let mut ws = client.engine().candidate();
        probe(&mut ws);
        client.close();
        assert_given_up(ws);
        assert_all_gone(&server, 1);
    }
}

// ── the poll is released ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_client_that_goes_on_polling_after_its_probe_is_released_each_time() {
    for protocol in POLLED {
        let server = TestServer::start();
        let mut client = member(&server, protocol);
        let engine = client.engine();
        engine.begin_poll();
        let mut ws = engine.candidate();
        assert!(
            matches!(engine.polls().poll(Duration::from_millis(150)), Polled::Nothing),
            "before the probe"
        );
        probe(&mut ws);
        for _ in 0..5 {
            let polled = engine.polls().poll(PATIENCE);
            assert!(matches!(&polled, Polled::Packets(packets) if packets == &[text("6")]), "{polled:?}");
        }
        // what comes meanwhile leaves with the poll, too
        publish(&server, 0..1);
        assert_eq!(client.expect_event("campaign:updated")["n"], 0);
        client.engine().finish_upgrade(ws);
        publish(&server, 1..2);
        assert_eq!(client.expect_event("campaign:updated")["n"], 1);
    }
}

#[test]
fn what_waits_between_the_last_poll_and_the_change_leaves_by_the_websocket() {
    for protocol in POLLED {
        let server = TestServer::start();
        let mut client = member(&server, protocol);
        client.engine().begin_poll();
        let mut ws = client.engine().candidate();
        probe(&mut ws);
        let engine = client.engine();
        assert!(matches!(engine.polls().poll(PATIENCE), Polled::Packets(_)));
        publish(&server, 0..50);
        eventually_true("they wait", || server.metric("roomcast_unsent_bytes", "") > 50.0 * 60.0);
        client.engine().finish_upgrade(ws);
        for n in 0..50 {
            assert_eq!(client.expect_event("campaign:updated")["n"], n);
        }
        client.expect_nothing_but_pong();
    }
}

#[test]
fn clients_may_send_and_upgrade_before_they_are_let_in() {
    let server = TestServer::start();
    for _ in 0..20 {
        let mut client = TestClient::open(&server, Protocol::Polling);
        let connect = text(&format!("40{}", json!({"token": admin("a")})));
        let subscribe = text(r#"42["subscribe:campaign",{"campaignId":"c1"}]"#);
        client.engine().upgrade_while_posting(&[connect, subscribe]);
        client.expect_connected();
        client.wait_for("subscribed");
    }
}
