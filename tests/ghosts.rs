//! How many connections a user may have and how often it may connect: who goes, who is refused, and that nobody
//! alive is taken for a ghost.
#![cfg(feature = "hub")]

mod common;

use common::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A client that answers what it is asked, on a thread of its own, until it is let go.
struct Alive {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<TestClient>,
}

impl Alive {
    fn new(mut client: TestClient) -> Alive {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let reader = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(closed @ Incoming::Closed(_)) = client.next_within(Duration::from_millis(20)) {
                    panic!("a client that is alive was closed: {closed:?}");
                }
            }
            client
        });
        Alive { stop, reader }
    }

    /// Fails where it was closed.
    fn stop(self) -> TestClient {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().unwrap()
    }
}

/// Connects, and says what becomes of it; its `initial:*` are read where it is let in.
fn try_connect(
    server: &TestServer,
    protocol: Protocol,
    token: &str,
) -> Result<TestClient, (Value, Option<Close>)> {
    let mut client = if protocol.is_old() {
        TestClient::open_with(server, protocol, &Handshake::query(protocol, &format!("token={token}")))
            .unwrap()
    } else {
        let mut client = TestClient::open(server, protocol);
        client.send_token(token);
        client
    };
    match client.next() {
        Incoming::Refused(error) => Err((serde_json::from_str(&error).unwrap(), None)),
        Incoming::Event(name, error) if name == "error" => Err((error, Some(client.expect_close()))),
        Incoming::Connected(_) | Incoming::Event(..) => {
            client.skip_initial();
            Ok(client)
        }
        other => panic!("{other:?}"),
    }
}

/// Connects where it must be let in.
#[track_caller]
fn come(server: &TestServer, protocol: Protocol, token: &str) -> TestClient {
    try_connect(server, protocol, token).unwrap_or_else(|refused| panic!("refused: {refused:?}"))
}

/// As `code` is told: to clients of Socket.IO 2 only in words.
fn assert_refused(
    refused: Result<TestClient, (Value, Option<Close>)>,
    protocol: Protocol,
    code: &str,
    message: &str,
) -> Value {
    let Err((error, close)) = refused else { panic!("it was let in") };
    match protocol {
        Protocol::Plain => {
            assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)), "{error}");
            assert_eq!(close, Some(Close { code: Some(4429), reason: code.to_owned() }));
            error
        }
        _ if protocol.is_old() => {
            assert_eq!(error, json!(message));
            json!({})
        }
        _ => {
            assert_eq!(
                (&error["message"], &error["data"]["code"]),
                (&json!(message), &json!(code)),
                "{error}"
            );
            error["data"].clone()
        }
    }
}

fn server(per_user: usize, policy: &str) -> TestServer {
    let settings = TestServer::builder().set("limits.connections_per_user", per_user);
    settings.set("limits.on_connection_limit", policy).set("server.workers", 3).start()
}

over_every_transport! {
    fn who_connects_too_often_is_told_when_to_come_again(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.connects_per_user_per_minute", 3);
        let server = settings.set("server.workers", 3).start();
        for _ in 0..3 {
            come(&server, protocol, &user("u1")).close();
        }
        let refused = try_connect(&server, protocol, &user("u1"));
        let told = assert_refused(refused, protocol, "rate_limited", "Rate limit exceeded");
        if !protocol.is_old() {
            let after = told["retryAfterMs"].as_u64().unwrap();
            assert!((1..=20_000).contains(&after), "{told}");
        }
        assert!(try_connect(&server, protocol, &user("u2")).is_ok(), "another user has a bucket of its own");
    }

    fn a_newcomer_is_refused_while_all_are_alive(protocol: Protocol) {
        let server = server(2, "reject_new");
        let token = user("u1");
        let alive: Vec<Alive> =
            (0..2).map(|_| Alive::new(come(&server, protocol, &token))).collect();
        for _ in 0..3 {
            let refused = try_connect(&server, protocol, &token);
            let told = assert_refused(refused, protocol, "connection_limit", "Connection limit exceeded");
            assert_eq!(told.get("retryAfterMs"), None);
        }
        // the owner was not pushed out
        for alive in alive {
            alive.stop().expect_nothing_but_pong();
        }
        assert_eq!(server.metric("websocket_connections_total", "\"connected\"") as usize, 2);
    }

    fn a_ghost_makes_room_and_who_is_alive_stays(protocol: Protocol) {
        for policy in ["reject_new", "evict_oldest"] {
            let server = server(2, policy);
            let token = user("u1");
            let alive = Alive::new(come(&server, protocol, &token));
            let mut ghost = come(&server, protocol, &token);
            let begun = Instant::now();
            let mut newcomer = come(&server, protocol, &token);
            assert!(begun.elapsed() >= Duration::from_millis(1_900), "{:?}", begun.elapsed());
            newcomer.expect_nothing_but_pong();
            alive.stop().expect_nothing_but_pong();
            let (before, _) = ghost.read_to_end();
            let told = before.iter().any(|incoming| {
                matches!(incoming, Incoming::Event(name, error) if name == "error" && error["code"] == "connection_limit")
            });
            // one that was only slow may come back where nobody is to be pushed out
            assert_eq!(told, policy == "evict_oldest", "{before:?}");
        }
    }
}

over_both! {
    fn a_phone_that_changed_networks_fifteen_times_is_let_in(protocol: Protocol) {
        let server = server(10, "reject_new");
        let token = user("u1");
        // the connections that it lost stay open as far as the hub knows
        let lost: Vec<TestClient> =
            (0..15).map(|_| come(&server, protocol, &token)).collect();
        assert_eq!(server.connections(), 10);
        drop(lost);
    }

    fn of_those_who_come_at_once_never_one_too_many_is_let_in(protocol: Protocol) {
        let server = server(5, "reject_new");
        let mut clients: Vec<(TestClient, Option<bool>)> =
            (0..24).map(|_| (TestClient::open(&server, protocol), None)).collect();
        for (client, _) in &mut clients {
            client.send_token(&user("u1"));
        }
        // all of them answer pings meanwhile
        while clients.iter().any(|(_, let_in)| let_in.is_none()) {
            for (client, let_in) in &mut clients {
                match client.next_within(Duration::from_millis(5)) {
                    Some(Incoming::Connected(_)) => *let_in = Some(true),
                    Some(Incoming::Event(name, _)) if name == "connected" => *let_in = Some(true),
                    Some(Incoming::Refused(_) | Incoming::Closed(_)) if let_in.is_none() => *let_in = Some(false),
                    Some(Incoming::Closed(_)) if *let_in == Some(true) => panic!("one that was in was closed"),
                    _ => {}
                }
            }
            assert!(server.connections() <= 5, "{} are in", server.connections());
        }
        assert_eq!(clients.iter().filter(|(_, let_in)| *let_in == Some(true)).count(), 5);
        assert_eq!(server.metric("websocket_connections_total", "\"connected\"") as usize, 5);
    }

    fn who_gives_up_while_it_waits_leaves_nothing_behind(protocol: Protocol) {
        let server = server(1, "reject_new");
        let _ghost = come(&server, protocol, &user("u1"));
        for _ in 0..5 {
            let mut waiting = TestClient::open(&server, protocol);
            waiting.send_token(&user("u1"));
            drop(waiting);
        }
        eventually_true("nobody waits", || server.metric("roomcast_queue_depth", "admissions") == 0.0);
        let mut last = eventually("there is room", || try_connect(&server, protocol, &user("u1")).ok());
        last.expect_nothing_but_pong();
        eventually_true("it alone is in", || server.connections() == 1);
    }
}
