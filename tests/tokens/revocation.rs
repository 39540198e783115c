//! Tokens that are revoked.

use crate::common::*;
use crate::hub::*;
use crate::{on_both, over_every_transport};

fn issued(sub: &str, at: u64) -> Claims {
    Claims::of(sub).with("iat", json!(at))
}

fn revoke(server: &TestServer, user: &str) -> u64 {
    let answer = server.call("POST", &format!("/api/v1/users/{user}/revoke"), &admin("boss"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["disconnected"].as_u64().unwrap()
}

fn assert_revoked(client: &mut TestClient, protocol: Protocol) {
    let error = client.expect_event("error");
    assert_eq!(
        error,
        json!({"code": "auth_failed", "message": "Authentication failed", "reason": "revoked"})
    );
    assert_eq!(client.expect_close(), protocol.close(4401, "auth_failed"));
}

/// The token does not let in any more, and the client is told why.
fn assert_refused_as_revoked(server: &TestServer, protocol: Protocol, token: &str) {
    let mut client = TestClient::open(server, protocol);
    client.send_token(token);
    if protocol == Protocol::Plain {
        assert_eq!(client.expect_event("error")["reason"], "revoked");
        return;
    }
    let Incoming::Refused(body) = client.next() else { panic!("no CONNECT_ERROR") };
    if !protocol.is_old() {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["data"], json!({"code": "auth_failed", "reason": "revoked"}));
    }
}

over_every_transport! {
    fn revoking_a_user_closes_the_sockets_with_older_tokens_and_refuses_those_tokens(protocol: Protocol) {
        let server = TestServer::start();
        let now = tokens::now();
        let old = issued("u1", now - 10).token();
        let without = Claims::of("u1").without("iat").token();
        let ahead = issued("u1", now + 100).token(); // an issuer whose clock is fast
        let mut clients = [&old, &without, &ahead].map(|token| server.connect(protocol, token));
        let mut other = server.connect(protocol, &issued("u2", now - 10).token());
        assert_eq!(revoke(&server, "u1"), 3);
        clients.iter_mut().for_each(|client| assert_revoked(client, protocol));
        other.expect_nothing_but_pong();
        let mut stays = server.connect(protocol, &issued("u1", tokens::now() + 2).token());
        for token in [&old, &without] {
            assert_refused_as_revoked(&server, protocol, token);
        }
        let id = stays.emit_ack("auth:refresh", json!({"token": old}));
        assert_eq!(stays.expect_error("auth_failed", "Authentication failed")["reason"], "revoked");
        assert_eq!(stays.expect_answer(&id)["ok"], false);
        stays.expect_nothing_but_pong();
    }
}

#[test]
fn a_token_of_the_second_of_the_revocation_is_refused_and_one_of_the_next_is_not() {
    let server = TestServer::start();
    revoke(&server, "u1");
    let before = server.store().number("SELECT \"before\" AS value FROM token_revocations") as u64;
    let of = |second: u64| {
        TestClient::open(&server, Protocol::Plain).refused_or_not(&issued("u1", second).token())
    };
    assert_eq!((of(before / 1_000), of(before / 1_000 + 1)), (true, false));
}

#[test]
fn http_calls_with_a_revoked_token_are_refused_and_only_admins_revoke() {
    let server = TestServer::start();
    let publisher = issued("backend", tokens::now() - 5).with("permissions", json!(["publish"])).token();
    let publish = || {
        server.post(
            "/api/v1/events",
            &publisher,
            &json!({"channel": "campaign:c", "payload": {"eventType": "updated"}}),
        )
    };
    assert_eq!(publish().status, 202);
    for (token, status, code) in
        [(publisher.as_str(), 403, "admin_required"), ("nonsense", 401, "auth_failed")]
    {
        let answer = server.call("POST", "/api/v1/users/backend/revoke", token, "");
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)));
    }
    let key = http::post(&server.url("/api/v1/users/backend/revoke"), &[("X-Api-Key", "k")], "");
    assert_eq!(key.status, 401, "{key:?}");
    assert_eq!(server.call("POST", "/api/v1/users/a%20b/revoke", &admin("boss"), "").status, 400);
    assert_eq!(publish().status, 202);
    assert_eq!(revoke(&server, "backend"), 0);
    let answer = publish();
    assert_eq!((answer.status, &answer.json()["error"]["reason"]), (401, &json!("revoked")));
    assert_eq!(server.call("POST", "/api/v1/auth/refresh", &publisher, "").status, 401);
}

#[test]
fn ids_of_every_kind_can_be_revoked() {
    let server = TestServer::start();
    let mut client = server.connect(Protocol::Plain, &issued("auth0|a/b+团", 5).token());
    assert_eq!(revoke(&server, "auth0%7Ca%2Fb%2B%E5%9B%A2"), 1);
    assert_revoked(&mut client, Protocol::Plain);
}

on_both! {
    fn a_revocation_holds_on_every_node_and_after_a_restart(database: Database) {
        let dir = tempfile::tempdir().unwrap();
        let url = match database {
            Database::Sqlite => format!("sqlite://{}", dir.path().join("shared.db").display()),
            Database::Postgres => PostgresDatabase::create().url().to_owned(),
        };
        let node = || TestServer::builder().database(&url).start();
        let (here, mut there) = (node(), node());
        let old = issued("u1", tokens::now() - 5).token();
        let mut socket = there.connect(Protocol::SocketIo, &old);
        let mut other = there.connect(Protocol::Plain, &user("u2"));
        assert_eq!(revoke(&here, "u1"), 0, "none here");
        assert_revoked(&mut socket, Protocol::SocketIo);
        assert_refused_as_revoked(&there, Protocol::Plain, &old);
        other.expect_nothing_but_pong();
        there.kill_and_start_again();
        assert_refused_as_revoked(&there, Protocol::Plain, &old);
        let later = node(); // it was not there then
        assert_refused_as_revoked(&later, Protocol::Plain, &old);
    }
}

#[test]
fn a_revocation_holds_here_at_once_though_the_store_cannot_take_it_and_the_call_says_so() {
    let server = TestServer::builder().set("database.timeout_ms", 300).start();
    let old = issued("u1", tokens::now() - 5).token();
    let mut client = server.connect(Protocol::Plain, &old);
    let mut store = server.store();
    store.execute("BEGIN IMMEDIATE"); // nobody else writes
    let answer = server.call("POST", "/api/v1/users/u1/revoke", &admin("boss"), "");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("unavailable")));
    assert_revoked(&mut client, Protocol::Plain);
    assert_refused_as_revoked(&server, Protocol::Plain, &old);
    store.execute("COMMIT");
    eventually_true("it is written later all the same", || store.count("token_revocations") == 1);
}
