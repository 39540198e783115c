//! How a session that is polled lives and ends: polls that are aborted, answers that are read slowly or not
//! at all, what waits for it, its last words.
#![cfg(feature = "hub")]

mod common;

use std::io::Read as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use common::*;

/// Runs a test for both protocols by polling, side by side.
fn over_both_versions(test: impl Fn(Protocol) + Sync) {
    std::thread::scope(|scope| {
        for protocol in [Protocol::Polling, Protocol::OldPolling] {
            let test = &test;
            scope.spawn(move || test(protocol));
        }
    });
}

/// A client in the room of `c1`.
fn member(server: &TestServer, protocol: Protocol, handshake: &Handshake) -> TestClient {
    let token = admin("a");
    let query = format!("token={token}");
    let handshake = Handshake { path: Handshake::query(protocol, &query).path, ..handshake.clone() };
    let mut client = TestClient::open_with(server, protocol, &handshake).unwrap();
    if !protocol.is_old() {
        client.send_text("40");
    }
    client.expect_connected();
    client.skip_initial();
    client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    client.wait_for("subscribed");
    client
}

/// Publishes numbered events, each of about this many bytes.
fn publish(server: &TestServer, numbers: std::ops::Range<usize>, bytes: usize) {
    let text = "x".repeat(bytes);
    for n in numbers {
        server.publish("campaign:c1", &json!({"eventType": "updated", "n": n, "text": text}));
    }
}

fn assert_numbers(client: &mut TestClient, numbers: std::ops::Range<usize>) {
    for n in numbers {
        assert_eq!(client.expect_event("campaign:updated")["n"], n);
    }
}

/// A hub whose heartbeat would notice nothing for a long time.
fn patient() -> TestServer {
    TestServer::builder().set("server.workers", 2).start()
}

/// A member whose poll is outstanding.
fn polling(server: &TestServer, protocol: Protocol) -> TestClient {
    let mut client = member(server, protocol, &Handshake::default());
    assert_eq!(server.connections(), 1);
    client.expect_silence(Duration::from_millis(50));
    assert!(client.engine().polls().is_polling());
    client
}

// ── aborted polls ───────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_poll_whose_connection_is_closed_ends_the_session_at_once() {
    over_both_versions(|protocol| {
        let server = patient();
        drop(polling(&server, protocol));
        eventually_true("it is noticed", || server.connections() == 0);
    });
}

#[test]
fn a_poll_whose_connection_is_half_closed_ends_the_session_at_once() {
    over_both_versions(|protocol| {
        let server = patient();
        let mut client = polling(&server, protocol);
        client.engine().polls().get_line().stream().shutdown(Shutdown::Write).unwrap();
        eventually_true("it is noticed", || server.connections() == 0);
    });
}

#[test]
fn a_poll_whose_connection_is_reset_ends_the_session_at_once() {
    over_both_versions(|protocol| {
        let server = patient();
        let mut client = polling(&server, protocol);
        let stream = client.engine().polls().get_line().stream().try_clone().unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop((client, stream));
        eventually_true("it is noticed", || server.connections() == 0);
    });
}

#[test]
fn between_two_polls_a_client_has_time_to_come_again() {
    over_both_versions(|protocol| {
        let server = patient();
        let mut client = member(&server, protocol, &Handshake::default());
        publish(&server, 0..3, 10);
        // what waits leaves with the next poll, on whatever connection it comes
        let target = client.engine().polls().target().to_owned();
        let answer = Line::open(server.port()).get(&target);
        assert_eq!(answer.text().matches("campaign:updated").count(), 3, "{answer:?}");
        publish(&server, 3..5, 10);
        assert_numbers(&mut client, 3..5);
        assert_eq!(server.connections(), 1);
    });
}

// ── answers that are read slowly ────────────────────────────────────────────────────────────────────────────

/// Heartbeats of 1.5 s in all, and room for what a slow reader has not read.
fn hasty() -> TestServer {
    let settings =
        TestServer::builder().set("socketio.ping_interval_ms", 500).set("socketio.ping_timeout_ms", 1_000);
    settings.set("limits.unsent_bytes", 64 << 20).start()
}

/// A member that reads through a narrow window, what was published while it was not looking waiting for it.
fn narrow(server: &TestServer, protocol: Protocol, events: usize) -> TestClient {
    let handshake = Handshake { receive_buffer: Some(4096), ..Handshake::default() };
    let mut client = member(server, protocol, &handshake);
    let batch: Vec<Value> = (0..events)
        .map(|n| {
            let payload = json!({"eventType": "updated", "n": n, "text": "x".repeat(20_000)});
            json!({"channel": "campaign:c1", "payload": payload})
        })
        .collect();
    for some in batch.chunks(40) {
        let answer = server.post("/api/v1/events", &common::tokens::publisher(), &json!(some));
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    client.engine().begin_poll();
    client
}

#[test]
fn an_answer_that_is_read_slowly_is_a_sign_of_life_while_it_drips() {
    over_both_versions(|protocol| {
        let server = hasty();
        let mut client = narrow(&server, protocol, 100);
        let engine = client.engine();
        let stream = engine.polls().get_line().stream();
        let mut bytes = Vec::new();
        let mut piece = vec![0; 4096];
        let begun = Instant::now();
        // much longer than silence would be given
        while begun.elapsed() < Duration::from_millis(4_000) {
            let n = stream.read(&mut piece).unwrap();
            assert!(n > 0, "closed after {:?} and {} bytes", begun.elapsed(), bytes.len());
            bytes.extend_from_slice(&piece[..n]);
            std::thread::sleep(Duration::from_millis(10)); // that is what slow means
        }
        assert!(bytes.len() < 1_900_000, "all was read before the time was over");
        engine.polls().get_line().unread(&bytes);
        assert_numbers(&mut client, 0..100);
        publish(&server, 100..105, 10);
        assert_numbers(&mut client, 100..105);
        assert_eq!(server.metric("websocket_connections_total", "\"disconnected\"") as usize, 0);
    });
}

#[test]
fn an_answer_that_is_not_read_keeps_neither_its_session_nor_its_connection() {
    over_both_versions(|protocol| {
        let server = hasty();
        let mut client = narrow(&server, protocol, 400);
        eventually_true("the session is closed", || server.connections() == 0);
        eventually_true("nothing is held for it", || server.metric("roomcast_unsent_bytes", "") == 0.0);
        // what is left in the kernel's buffers comes, and then the end, without the rest
        let stream = client.engine().polls().get_line().stream();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // a reset is an end, too
        assert!(rest.len() < 7_000_000, "{} bytes came", rest.len());
    });
}

// ── what waits for a client that does not come ──────────────────────────────────────────────────────────────

#[test]
fn who_never_polls_falls_behind_and_is_dropped() {
    over_both_versions(|protocol| {
        let server = TestServer::builder().set("limits.unsent_bytes", 20_000).start();
        let mut other = member(&server, Protocol::SocketIo, &Handshake::default());
        let mut client = member(&server, protocol, &Handshake::default());
        let mut n = 0;
        eventually_true("it is dropped", || {
            publish(&server, n..n + 1, 1_000);
            n += 1;
            server.connections() == 1
        });
        assert!((18..60).contains(&n), "after {n} events");
        assert_eq!(server.metric("roomcast_slow_consumers_total", "") as usize, 1);
        let target = client.engine().polls().target().to_owned();
        Line::open(server.port()).get(&target).assert_refused(400, 1, "Session ID unknown");
        assert_numbers(&mut other, 0..n);
        eventually_true("nothing is held for it", || server.metric("roomcast_unsent_bytes", "") == 0.0);
    });
}

#[test]
fn who_never_polls_again_is_closed_for_its_silence() {
    over_both_versions(|protocol| {
        let server = hasty();
        let mut client = member(&server, protocol, &Handshake::default());
        eventually_true("it is closed", || server.connections() == 0);
        let target = client.engine().polls().target().to_owned();
        eventually_true("it is forgotten", || Line::open(server.port()).get(&target).status == 400);
    });
}

#[test]
fn one_message_always_fits() {
    over_both_versions(|protocol| {
        let server = TestServer::builder().set("limits.unsent_bytes", 20_000).start();
        let mut client = member(&server, protocol, &Handshake::default());
        publish(&server, 0..1, 100_000);
        assert_numbers(&mut client, 0..1);
        assert_eq!(server.connections(), 1);
    });
}

// ── last words ──────────────────────────────────────────────────────────────────────────────────────────────

fn words(version: Version, answer: &Answer) -> Vec<Packet> {
    payload::decode(version, answer.header("content-type").unwrap(), &answer.body)
}

#[test]
fn who_is_disconnected_is_told_when_it_polls_again() {
    over_both_versions(|protocol| {
        for outstanding in [true, false] {
            let server = TestServer::builder().set("limits.connections_per_user", 1).start();
            let mut first = member(&server, protocol, &Handshake::default());
            let target = first.engine().polls().target().to_owned();
            let mut line = Line::open(server.port());
            if outstanding {
                assert!(line.send("GET", &target, &[], b""));
                assert!(matches!(line.hear(Duration::from_millis(50)), Heard::Nothing));
            }
            let mut second = member(&server, protocol, &Handshake::default());
            // before the second one was let in, the first was asked for a sign of life
            let asked = text(if protocol.is_old() { "6" } else { "2" });
            let mut expected = vec![asked];
            if outstanding {
                assert_eq!(words(protocol.version(), &line.answer()), expected);
                expected.clear();
            }
            let answer = line.get(&target);
            let error = r#"42["error",{"code":"connection_limit","message":"Connection limit exceeded"}]"#;
            expected.extend([text(error), text("41"), text("6")]);
            assert_eq!(words(protocol.version(), &answer), expected);
            line.get(&target).assert_refused(400, 1, "Session ID unknown");
            second.expect_nothing_but_pong();
        }
    });
}

#[test]
fn a_shutdown_is_told_in_the_poll_and_the_client_may_come_back() {
    over_both_versions(|protocol| {
        let mut server = TestServer::start();
        let mut client = member(&server, protocol, &Handshake::default());
        let target = client.engine().polls().target().to_owned();
        let mut line = Line::open(server.port());
        assert!(line.send("GET", &target, &[], b""));
        assert!(matches!(line.hear(Duration::from_millis(50)), Heard::Nothing));
        server.signal("TERM");
        let error = r#"42["error",{"code":"shutting_down","message":"Server is shutting down"}]"#;
        assert_eq!(words(protocol.version(), &line.answer()), [text(error), text("6")]);
        assert_eq!(server.wait().code(), Some(0));
    });
}

#[test]
fn a_client_that_leaves_releases_its_own_poll() {
    over_both_versions(|protocol| {
        let server = patient();
        let mut client = polling(&server, protocol);
        assert_eq!(client.engine().polls().post(&[text("1")]), Some(200));
        assert!(
            matches!(client.engine().polls().poll(PATIENCE), Polled::Packets(last) if last == [text("6")])
        );
        eventually_true("it is gone", || server.connections() == 0);
    });
}
