//! Keys that change while the hub runs.

use crate::common::*;
use crate::hub::*;

/// A key pair of the tests, as a JWKS has it and as it signs.
struct Issuer {
    kid: &'static str,
    algorithm: jsonwebtoken::Algorithm,
    key: jsonwebtoken::EncodingKey,
}

impl Issuer {
    fn of(kid: &'static str, algorithm: jsonwebtoken::Algorithm, file: &str) -> Issuer {
        let pem = std::fs::read(format!("{}/src/auth/testdata/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let key = match algorithm {
            jsonwebtoken::Algorithm::EdDSA => jsonwebtoken::EncodingKey::from_ed_pem(&pem),
            _ => jsonwebtoken::EncodingKey::from_ec_pem(&pem),
        };
        Issuer { kid, algorithm, key: key.unwrap() }
    }

    fn jwk(&self) -> Value {
        let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn token(&self, sub: &str) -> String {
        let header = jsonwebtoken::Header {
            kid: Some(self.kid.to_owned()),
            ..jsonwebtoken::Header::new(self.algorithm)
        };
        let claims = json!({"sub": sub, "permissions": [], "exp": tokens::now() + 600});
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

/// Sends SIGHUP and waits until the log has said this so many times.
fn reload(server: &TestServer, says: &str, times: usize) {
    server.signal("HUP");
    eventually_true(says, || server.log().matches(says).count() == times);
}

#[test]
fn sighup_reads_a_rotated_key_set_anew_and_a_broken_one_keeps_the_old_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let old = Issuer::of("2025", jsonwebtoken::Algorithm::EdDSA, "ed25519.private.pem");
    let new = Issuer::of("2026", jsonwebtoken::Algorithm::ES256, "p256.private.pem");
    let write = |keys: &[&Issuer]| {
        let keys: Vec<Value> = keys.iter().map(|issuer| issuer.jwk()).collect();
        std::fs::write(&file, json!({"keys": keys}).to_string()).unwrap();
    };
    write(&[&old]);
    let settings = TestServer::builder().set("auth.algorithms", "HS256,EdDSA,ES256");
    let mut server = settings.set("auth.jwks_file", file.display()).start();
    let lets_in = |server: &TestServer, issuer: &Issuer| {
        !TestClient::open(server, Protocol::Plain).refused_or_not(&issuer.token("u1"))
    };
    let mut connected = server.connect(Protocol::SocketIo, &old.token("u1"));
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (true, false));
    write(&[&old, &new]);
    reload(&server, "keys were read anew", 1);
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (true, true));
    write(&[&new]);
    reload(&server, "keys were read anew", 2);
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (false, true));
    for (broken, named) in [("{\"keys\":[]}", "holds no key"), ("{\"keys\":[{", "not a JSON Web Key Set")] {
        std::fs::write(&file, broken).unwrap();
        reload(&server, named, 1);
        assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (false, true), "{broken}");
    }
    std::fs::remove_file(&file).unwrap();
    reload(&server, "keys stay as they are: auth.jwks_file: cannot read", 1);
    assert_eq!((lets_in(&server, &old), lets_in(&server, &new)), (false, true));
    // who is connected stays; a fresh token is judged by the keys as they are now
    let id = connected.emit_ack("auth:refresh", json!({"token": old.token("u1")}));
    assert_eq!(connected.expect_error("auth_failed", "Authentication failed")["reason"], "invalid");
    assert_eq!(connected.expect_answer(&id)["ok"], false);
    refresh(&mut connected, &new.token("u1"));
    refresh(&mut connected, &user("u1")); // the secret is still there
    assert!(server.is_running());
}

#[test]
fn a_key_file_that_never_answers_makes_the_hub_deaf_to_no_signal() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let issuer = Issuer::of("2026", jsonwebtoken::Algorithm::ES256, "p256.private.pem");
    std::fs::write(&file, json!({"keys": [issuer.jwk()]}).to_string()).unwrap();
    let settings = TestServer::builder().set("auth.algorithms", "HS256,ES256");
    let mut server = settings.set("auth.jwks_file", file.display()).start();
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    server.signal("HUP");
    server.connect(Protocol::Plain, &user("u1")).expect_nothing_but_pong();
    server.signal("TERM");
    assert!(server.wait().success());
}
