//! `POST /api/v1/auth/refresh`.

use crate::common::*;
use crate::hub::*;

fn refresh_over_http(server: &TestServer, token: &str) -> Response {
    server.call("POST", "/api/v1/auth/refresh", token, "")
}

/// The claims of a token that the hub made.
fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn http_refresh_gives_a_token_of_the_same_subject_permissions_and_lifetime() {
    let server = TestServer::builder().set("auth.issuer", "me").set("auth.audience", "hub").start();
    let now = tokens::now();
    let old = Claims::of("auth0|u1")
        .with("permissions", json!(["system:read", "x"]))
        .with("ownedCampaigns", json!(["c1"]))
        .with("participatingCampaigns", json!(["c2"]))
        .with("iss", json!("me"))
        .with("aud", json!(["hub", "other"]))
        .with("iat", json!(now - 100))
        .with("exp", json!(now + 500));
    let answer = refresh_over_http(&server, &old.token());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let body = answer.json();
    let claims = claims_of(body["token"].as_str().unwrap());
    let iat = claims["iat"].as_u64().unwrap();
    assert!(iat >= now, "{claims}");
    assert_eq!(
        claims,
        json!({
            "sub": "auth0|u1", "permissions": ["system:read", "x"], "ownedCampaigns": ["c1"],
            "participatingCampaigns": ["c2"], "iss": "me", "aud": "hub", "iat": iat, "exp": iat + 600,
            "auth_time": now - 100, "orig_iat": now - 100,
        })
    );
    assert_eq!(body["expiresAt"], stamp(iat + 600));
    let mut client = server.connect(Protocol::Plain, body["token"].as_str().unwrap());
    assert_eq!(client.request("subscribe:system", json!({}))["ok"], true);
    let again = refresh_over_http(&server, body["token"].as_str().unwrap()).json();
    assert_eq!(
        claims_of(again["token"].as_str().unwrap())["auth_time"],
        now - 100,
        "the session is the same"
    );
}

#[test]
fn http_refresh_ends_with_the_session_and_needs_its_beginning() {
    let server = TestServer::builder().set("auth.max_session_ms", 600_000).start();
    let now = tokens::now();
    let of = |began: u64| Claims::of("u1").with("auth_time", json!(now - began)).token();
    let cut = refresh_over_http(&server, &of(500)).json();
    assert_eq!(claims_of(cut["token"].as_str().unwrap())["exp"], now + 100, "an hour is cut to what is left");
    for token in [
        of(600),
        of(10_000),
        Claims::of("u1").without("iat").token(),
        Claims::of("u1").with("exp", json!(1)).token(),
        "x".into(),
    ] {
        let answer = refresh_over_http(&server, &token);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("auth_failed")));
    }
    assert_eq!(server.call("GET", "/api/v1/auth/refresh", &of(1), "").status, 405);
    assert_eq!(http::post(&server.url("/api/v1/auth/refresh"), &[], "").json()["error"]["reason"], "missing");
}

#[test]
fn http_refresh_is_not_there_where_it_is_off_or_the_hub_has_nothing_to_sign_with() {
    let off = TestServer::builder().set("auth.refresh", false).start();
    assert_eq!(refresh_over_http(&off, &user("u1")).status, 404);
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/testdata");
    let signed_elsewhere = TestServer::builder()
        .env("ROOMCAST_AUTH__SECRET", "")
        .set("auth.algorithms", "RS256")
        .set("auth.public_key_file", format!("{keys}/rsa.public.pem"))
        .start();
    let key =
        jsonwebtoken::EncodingKey::from_rsa_pem(&std::fs::read(format!("{keys}/rsa.private.pem")).unwrap());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    let claims = json!({"sub": "u1", "permissions": [], "exp": tokens::now() + 60, "iat": tokens::now()});
    let token = jsonwebtoken::encode(&header, &claims, &key.unwrap()).unwrap();
    signed_elsewhere.connect(Protocol::Plain, &token);
    assert_eq!(refresh_over_http(&signed_elsewhere, &token).status, 404);
}
