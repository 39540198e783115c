//! `limits.connections` and `limits.connections_per_address`.

use std::time::Duration;

use crate::common::*;
use crate::ways::{Entry, behind_a_proxy};

const MESSAGE: &str = "Connection limit exceeded";

fn refused(server: &TestServer, reason: &str) -> f64 {
    server.metric("roomcast_refused_requests_total", &format!("reason=\"{reason}\""))
}

#[test]
fn one_connection_too_many_gets_503_and_comes_in_when_another_has_left() {
    for entry in Entry::ALL {
        let server = behind_a_proxy().set("limits.connections", 2).start();
        let first = server.connect(Protocol::Plain, &user("u1"));
        let _second = server.connect(Protocol::Polling, &user("u2"));
        let (answer, _) = entry.knock(server.port(), "203.0.113.7");
        let seconds = entry.assert_refused(&answer, 503, "unavailable", MESSAGE);
        assert!(seconds > 0);
        assert_eq!(refused(&server, "connections"), 1.0);
        assert_eq!(server.get("/health/ready").status, 200);
        first.close();
        let welcome = |status: u16| status == entry.welcome();
        let _third = eventually("there is room again", || {
            let (answer, line) = entry.knock(server.port(), "203.0.113.7");
            welcome(answer.status).then_some(line)
        });
    }
}

#[test]
fn a_session_that_changes_its_transport_is_counted_once() {
    let server = TestServer::builder().set("limits.connections", 1).start();
    let mut upgraded = server.connect(Protocol::Upgraded, &user("u1"));
    upgraded.expect_nothing_but_pong();
    assert_eq!(Entry::Plain.knock(server.port(), "").0.status, 403, "a page of elsewhere");
    assert!(TestClient::open_with(&server, Protocol::Plain, &Handshake::default()).is_err());
    upgraded.close();
    eventually_true("there is room again", || {
        TestClient::open_with(&server, Protocol::Plain, &Handshake::default()).is_ok()
    });
}

#[test]
fn an_address_may_have_so_many_connections_and_another_as_many_again() {
    for entry in Entry::ALL {
        let server = behind_a_proxy().set("limits.connections_per_address", 2).start();
        let knock = |address| entry.knock(server.port(), address);
        let mut open: Vec<_> = (0..2).map(|_| knock("203.0.113.7")).collect();
        assert!(open.iter().all(|(answer, _)| answer.status == entry.welcome()), "{entry:?}");
        entry.assert_refused(&knock("203.0.113.7").0, 503, "unavailable", MESSAGE);
        assert_eq!(refused(&server, "connections_per_address"), 1.0);
        let _other = knock("203.0.113.8");
        assert_eq!(_other.0.status, entry.welcome());
        if entry != Entry::Poll {
            open.pop(); // a session that is polled does not end with a connection
            eventually_true("there is room again", || knock("203.0.113.7").0.status == entry.welcome());
        }
    }
}

#[test]
fn an_address_may_have_some_connections_that_say_nothing_for_each_that_does() {
    let server = TestServer::builder().set("limits.connections_per_address", 2).start();
    let mut client = server.connect(Protocol::Plain, &user("u1"));
    let mut silent: Vec<Line> = (0..12).map(|_| Line::open(server.port())).collect();
    eventually_true("the next one is closed unasked, with a few words", || {
        silent.push(Line::open(server.port()));
        let refused = silent.iter_mut().find_map(|line| match line.hear(Duration::from_millis(1)) {
            Heard::Answer(answer) => Some(answer),
            _ => None,
        });
        let Some(answer) = refused else { return false };
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        true
    });
    assert!((12..20).contains(&silent.len()), "{} were let in", silent.len());
    client.expect_nothing_but_pong();
}

#[test]
fn connections_are_counted_and_the_count_goes_back() {
    let server = TestServer::start();
    let open = || server.metric("roomcast_tcp_connections", "") as usize;
    eventually_true("the one that asks is alone", || open() == 1);
    let clients: Vec<_> = (0..5).map(|n| server.connect(Protocol::Plain, &user(&format!("u{n}")))).collect();
    let silent: Vec<Line> = (0..5).map(|_| Line::open(server.port())).collect();
    eventually_true("they are counted", || open() == 11);
    drop((clients, silent));
    eventually_true("they are gone", || open() == 1);
}
