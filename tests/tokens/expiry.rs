//! A token that runs out.

use crate::common::*;
use crate::hub::*;
use crate::over_every_transport;

over_every_transport! {
    fn auth_expiring_comes_once_before_the_end_and_then_token_expired(protocol: Protocol) {
        let server = TestServer::builder().set("auth.expiry_warning_ms", 2_000).set("auth.leeway_ms", 1_000).start();
        let exp = tokens::now() + 4;
        let mut client = server.connect(protocol, &Claims::of("u1").with("exp", json!(exp)).token());
        assert_eq!(client.expect_event("auth:expiring"), json!({"expiresAt": stamp(exp)}));
        assert!(roomcast::clock::now_ms() >= exp as i64 * 1_000 - 2_000, "too early");
        client.expect_error("token_expired", "Token expired");
        assert!(roomcast::clock::now_ms() >= exp as i64 * 1_000 + 1_000, "within the leeway");
        assert_eq!(client.expect_close(), protocol.close(4401, "token_expired"));
    }

    fn auth_expiring_comes_at_once_behind_the_first_words_where_less_is_left(protocol: Protocol) {
        let server = TestServer::start();
        let exp = tokens::now() + 50;
        let mut client = server.connect(protocol, &Claims::of("u1").with("exp", json!(exp)).token());
        assert_eq!(client.expect_event("auth:expiring"), json!({"expiresAt": stamp(exp)}));
        client.expect_nothing_but_pong();
        let mut other = server.connect(protocol, &user("u1"));
        other.expect_nothing_but_pong();
    }
}

#[test]
fn auth_expiring_is_switched_off_by_0() {
    let server = TestServer::builder().set("auth.expiry_warning_ms", 0).set("auth.leeway_ms", 0).start();
    let mut client = server.connect(Protocol::Plain, &expiring_in("u1", 2).token());
    client.expect_error("token_expired", "Token expired");
}
