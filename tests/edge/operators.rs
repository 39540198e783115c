//! `server.admin_address`, and the headers that guard pages and answers.

use crate::common::tokens::publisher;
use crate::common::*;

/// A hub with an address of operators, and its port.
fn with_operators(builder: Builder) -> (TestServer, u16) {
    let server = builder.set("server.admin_address", "127.0.0.1:0").start();
    let port = eventually("it says where operators are served", || {
        let said = server.further_output();
        said.iter().find_map(|line| line.strip_prefix("operators on http://127.0.0.1:")?.parse().ok())
    });
    (server, port)
}

#[test]
fn what_is_for_operators_is_served_on_their_address_and_no_longer_on_the_main_one() {
    let (server, operators) = with_operators(TestServer::builder());
    let (mut main, mut theirs) = (Line::open(server.port()), Line::open(operators));
    for (path, on_main, on_theirs) in [
        ("/admin", 404, 200),
        ("/admin/dashboard.js", 404, 200),
        ("/metrics", 404, 200),
        ("/health/live", 200, 200),
        ("/health/ready", 200, 200),
        ("/socket.io/?EIO=4&transport=polling", 200, 404),
        ("/ws", 400, 400),
        ("/api/v1/campaigns/c1", 401, 404),
        ("/api/v1/reports/usage", 404, 401),
        ("/api/v1/stats/connections", 404, 401),
        ("/api/v1/connections", 404, 401),
        ("/api/v1/rejected", 404, 401),
        ("/api/v1/openapi.json", 200, 200),
        ("/nonsense", 404, 404),
    ] {
        assert_eq!((main.get(path).status, theirs.get(path).status), (on_main, on_theirs), "{path}");
    }
    let event = json!({"channel": "campaign:c1", "payload": {"eventType": "updated"}});
    assert_eq!(server.post("/api/v1/events", &publisher(), &event).status, 202);
}

#[test]
fn the_plain_websocket_is_on_both_addresses_and_sockets_of_both_are_in_one_room() {
    let (server, operators) = with_operators(TestServer::builder());
    let connect = |port| {
        let opening = TestClient::open_at(port, Protocol::Plain, &Handshake::default());
        let mut client = opening.unwrap_or_else(|refusal| panic!("{refusal:?}"));
        client.connect_with(&admin("a"));
        client.skip_initial();
        client.emit_bare("subscribe:system");
        client.wait_for("subscribed");
        client
    };
    let mut clients = [connect(server.port()), connect(operators)];
    server.publish("system:alerts", &json!({"level": "info", "title": "t", "message": "m"}));
    for client in &mut clients {
        client.wait_for("system:alert");
    }
    let refused = TestClient::open_at(operators, Protocol::SocketIo, &Handshake::default()).err();
    assert_eq!(refused.map(|(status, _)| status), Some(404));
}

#[test]
fn operators_get_in_when_the_hub_is_full() {
    let (server, port) = with_operators(TestServer::builder().set("limits.connections", 1));
    let _only = server.connect(Protocol::Plain, &user("u1"));
    assert!(TestClient::open_at(server.port(), Protocol::Plain, &Handshake::default()).is_err());
    assert!(TestClient::open_at(port, Protocol::Plain, &Handshake::default()).is_ok());
}

#[test]
fn both_addresses_are_drained_and_closed() {
    let (mut server, operators) = with_operators(TestServer::builder());
    let opening = TestClient::open_at(operators, Protocol::Plain, &Handshake::default());
    let mut client = opening.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    client.connect_with(&admin("a"));
    client.skip_initial();
    server.signal("TERM");
    client.expect_error("shutting_down", "Server is shutting down");
    assert_eq!(server.wait().code(), Some(0));
    for port in [server.port(), operators] {
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn an_address_that_is_taken_ends_it_with_its_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (code, log) = TestServer::builder().set("server.admin_address", address).run_in(&dir);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("server.admin_address"), "{log}");
}

#[test]
fn pages_answers_and_refusals_say_how_they_may_be_used() {
    let server = TestServer::start();
    let bearer = format!("Bearer {}", publisher());
    let token = [("Authorization", bearer.as_str())];
    for (path, status) in [
        ("/api/v1/campaigns/c1", 404),
        ("/api/v1/nonsense", 404),
        ("/nonsense", 404),
        ("/ws", 400),
        ("/socket.io/?EIO=4&transport=polling", 200),
        ("/socket.io/?EIO=9", 400),
        ("/health/ready", 200),
        ("/metrics", 200),
    ] {
        let answer = http::get(&server.url(path), &token);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        if path.starts_with("/api") || path.starts_with("/socket.io") {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
    }
}
