//! A process that has few descriptors, and more connections than it has room for.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::line::Answer;
use crate::common::*;
use crate::gauge;
use crate::ways::{Entry, behind_a_proxy};

/// What the hub may open.
const LIMIT: usize = 160;
/// What of it is for clients, with one worker: see `app/descriptors.rs`.
const FOR_CLIENTS: usize = LIMIT - 96 - 4 - 16;
/// What is left for files, Redis and the database even when clients take all of that.
const KEPT_BACK: usize = 40;

fn scarce() -> Builder {
    behind_a_proxy()
        .set("server.workers", 1)
        .set("socketio.ping_interval_ms", 300)
        .set("limits.handshake_timeout_ms", 60_000)
        .after(&format!("ulimit -n {LIMIT}"))
}

/// More connections than there is room for; none says anything. When this returns, those that there is no room for
/// have been turned away.
fn flood(server: &TestServer) -> Vec<Line> {
    let mut silent: Vec<Line> = (0..3 * LIMIT).map(|_| Line::open(server.port())).collect();
    let too_many = silent.len() - FOR_CLIENTS;
    let mut turned_away = 0;
    eventually_true("those that there is no room for are turned away", || {
        silent.retain_mut(|line| match line.hear(Duration::from_millis(1)) {
            Heard::Nothing => true,
            Heard::End => panic!("closed without a word"),
            Heard::Answer(answer) => {
                assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
                turned_away += 1;
                false
            }
        });
        turned_away >= too_many
    });
    silent
}

/// A handshake where the hub has a descriptor to spare for a whole answer.
fn knock_until_answered(entry: Entry, server: &TestServer) -> Answer {
    eventually("it is answered with all that belongs to it", || {
        let mut line = Line::open(server.port());
        line.send("GET", "/health/live", &[], b"");
        match line.hear(PATIENCE) {
            Heard::Answer(answer) if answer.status == 200 => {
                Some(entry.knock(server.port(), "203.0.113.7").0)
            }
            _ => None,
        }
    })
}

/// How much of a processor the hub takes while a client of it is sent some pings.
fn load(server: &TestServer, client: &mut TestClient) -> f64 {
    let (begin, before) = (Instant::now(), gauge::processor_time(server));
    let pings = client.engine().pings + 6;
    eventually_true("the client is pinged", || {
        assert_eq!(client.next_within(Duration::from_millis(50)), None);
        client.engine().pings >= pings
    });
    let taken = Duration::from_millis((gauge::processor_time(server) - before) * 10);
    taken.as_secs_f64() / begin.elapsed().as_secs_f64()
}

#[test]
fn a_flood_of_connections_is_turned_away_and_the_hub_goes_on() {
    let redis = RedisServer::start();
    let server = scarce().redis(&redis).start();
    let mut client = server.connect(Protocol::SocketIo, &admin("a"));
    client.emit_bare("subscribe:system");
    client.wait_for("subscribed");
    let silent = flood(&server);

    let open = gauge::descriptors(&server);
    assert!(open <= LIMIT - KEPT_BACK, "{open} descriptors are open");
    for entry in Entry::ALL {
        let answer = knock_until_answered(entry, &server);
        entry.assert_refused(&answer, 503, "unavailable", "Connection limit exceeded");
    }
    assert!(server.metric("roomcast_refused_requests_total", r#"reason="descriptors""#) >= 3.0);
    // the link to Redis breaks, and finds descriptors for a new one
    let _: i64 =
        ::redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query(&mut redis.connection()).unwrap();
    let alert = json!({"level": "info", "title": "t", "message": "m"});
    eventually_true("the hub has subscribed again", || redis.publish("system:alerts", &alert) == 1);
    client.wait_for("system:alert");

    let idle = |client: &mut TestClient| while client.next_within(Duration::from_millis(100)).is_some() {};
    client.emit_bare("unsubscribe:system"); // whose room has events of its own each second
    client.wait_for("unsubscribed");
    idle(&mut client);
    let load = load(&server, &mut client);
    assert!(load < 0.5, "it takes {load} of a processor");

    drop(silent);
    let mut another = eventually("there is room again", || {
        let open = TestClient::open_with(&server, Protocol::Plain, &Handshake::default());
        open.ok()
    });
    another.connect_with(&user("u2"));
    another.skip_initial();
    another.expect_nothing_but_pong();
}

/// Sets what a running hub may open.
fn limit_descriptors(server: &TestServer, limit: usize) {
    let pid = server.id().to_string();
    let limit = format!("--nofile={limit}:{LIMIT}");
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
}

#[test]
fn without_any_descriptor_accept_rests_and_those_who_wait_are_served_later() {
    let server = scarce().start();
    let mut client = server.connect(Protocol::SocketIo, &admin("a"));
    limit_descriptors(&server, 10);
    let mut waiting: Vec<Line> = (0..20).map(|_| Line::open(server.port())).collect();
    eventually_true("accept has failed", || server.log().contains("Error accepting connection"));
    let load = load(&server, &mut client);
    assert!(load < 0.5, "it takes {load} of a processor");
    limit_descriptors(&server, LIMIT);
    for line in &mut waiting {
        assert_eq!(line.get("/health/live").status, 200);
    }
}
