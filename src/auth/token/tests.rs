use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};

use super::*;
use crate::auth::AuthOptions;

const NOW: Millis = 1_800_000_000_000;
const RSA: &[u8] = include_bytes!("../testdata/rsa.private.pem");
const P256: &[u8] = include_bytes!("../testdata/p256.private.pem");
const ED25519: &[u8] = include_bytes!("../testdata/ed25519.private.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("../testdata/rsa.public.pem");

fn secret() -> String {
    "0123456789abcdef".repeat(4)
}

fn options(algorithms: &[&str]) -> AuthOptions {
    let algorithms = algorithms.iter().map(|&a| a.to_owned()).collect();
    AuthOptions { algorithms, leeway_ms: 5_000, ..AuthOptions::default() }
}

fn hmac_keys(algorithms: &[&str]) -> KeySet {
    KeySet::load(&AuthOptions { secret: secret(), ..options(algorithms) }).unwrap()
}

fn pem_keys(file: &str, algorithm: &str) -> KeySet {
    let public_key_file = format!("{}/src/auth/testdata/{file}", env!("CARGO_MANIFEST_DIR"));
    KeySet::load(&AuthOptions { public_key_file, ..options(&[algorithm]) }).unwrap()
}

fn jwks_keys(jwks: &Value, algorithms: &[&str]) -> KeySet {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), jwks.to_string()).unwrap();
    let jwks_file = file.path().display().to_string();
    KeySet::load(&AuthOptions { jwks_file, ..options(algorithms) }).unwrap()
}

fn claims() -> Value {
    json!({"sub": "u1", "permissions": ["publish"], "exp": NOW / 1000 + 60, "iat": NOW / 1000})
}

fn token(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, &claims(), key).unwrap()
}

fn hmac_token(algorithm: Algorithm) -> String {
    token(algorithm, None, &EncodingKey::from_secret(secret().as_bytes()))
}

fn raw_token(header: &Value, payload: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(payload))
}

fn jwk(private: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(private, algorithm).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    serde_json::to_value(jwk).unwrap()
}

#[test]
fn each_hmac_algorithm_that_is_listed_is_accepted_and_no_other() {
    let keys = hmac_keys(&["HS384", "HS512"]);
    assert!(keys.verify(&hmac_token(Algorithm::HS384), NOW).is_ok());
    assert!(keys.verify(&hmac_token(Algorithm::HS512), NOW).is_ok());
    let other = keys.verify(&hmac_token(Algorithm::HS256), NOW);
    assert_eq!(other, Err(AuthError::Invalid("no key of that algorithm and `kid`")));
    assert!(hmac_keys(&["HS256"]).verify(&hmac_token(Algorithm::HS256), NOW).is_ok());
}

#[test]
fn rs256_es256_and_eddsa_tokens_are_checked_with_a_pem_public_key() {
    let rsa = EncodingKey::from_rsa_pem(RSA).unwrap();
    let p256 = EncodingKey::from_ec_pem(P256).unwrap();
    let ed = EncodingKey::from_ed_pem(ED25519).unwrap();
    for (file, name, algorithm, key) in [
        ("rsa.public.pem", "RS256", Algorithm::RS256, &rsa),
        ("p256.public.pem", "ES256", Algorithm::ES256, &p256),
        ("ed25519.public.pem", "EdDSA", Algorithm::EdDSA, &ed),
    ] {
        let keys = pem_keys(file, name);
        let good = token(algorithm, Some("any"), key);
        assert_eq!(&*keys.verify(&good, NOW).unwrap().id, "u1", "{name}");
        assert_eq!(keys.verify(&tampered(&good), NOW), Err(AuthError::Invalid("the signature")), "{name}");
        assert!(keys.verify(&hmac_token(Algorithm::HS256), NOW).is_err(), "{name}");
        assert!(!keys.can_sign(), "{name}");
    }
}

/// The same header and signature over another payload.
fn tampered(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut other = claims();
    other["permissions"] = json!(["admin"]);
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(other.to_string()), parts[2])
}

#[test]
fn several_keys_of_a_key_set_are_selected_by_kid() {
    let rsa = EncodingKey::from_rsa_pem(RSA).unwrap();
    let p256 = EncodingKey::from_ec_pem(P256).unwrap();
    let ed = EncodingKey::from_ed_pem(ED25519).unwrap();
    let set = json!({"keys": [
        jwk(&rsa, Algorithm::RS256, "r"), jwk(&p256, Algorithm::ES256, "e"), jwk(&ed, Algorithm::EdDSA, "d"),
    ]});
    let keys = jwks_keys(&set, &["RS256", "ES256", "EdDSA"]);
    for (algorithm, kid, key) in
        [(Algorithm::RS256, "r", &rsa), (Algorithm::ES256, "e", &p256), (Algorithm::EdDSA, "d", &ed)]
    {
        assert!(keys.verify(&token(algorithm, Some(kid), key), NOW).is_ok(), "{kid}");
        assert!(keys.verify(&token(algorithm, None, key), NOW).is_ok(), "without kid: {kid}");
        let unknown = keys.verify(&token(algorithm, Some("x"), key), NOW);
        assert_eq!(unknown, Err(AuthError::Invalid("no key of that algorithm and `kid`")), "{kid}");
    }
}

#[test]
fn without_kid_each_key_of_the_algorithm_is_tried() {
    let ours = EncodingKey::from_ed_pem(ED25519).unwrap();
    let stranger = json!({"kty": "OKP", "crv": "Ed25519", "kid": "old", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let set = json!({"keys": [stranger, jwk(&ours, Algorithm::EdDSA, "new")]});
    let keys = jwks_keys(&set, &["EdDSA"]);
    assert!(keys.verify(&token(Algorithm::EdDSA, None, &ours), NOW).is_ok());
    let misnamed = keys.verify(&token(Algorithm::EdDSA, Some("old"), &ours), NOW);
    assert_eq!(misnamed, Err(AuthError::Invalid("the signature")), "a kid selects its key alone");
}

#[test]
fn a_secret_with_a_kid_is_not_tried_for_tokens_of_another() {
    let secret_kid = Some("s1".to_owned());
    let keys = KeySet::load(&AuthOptions { secret: secret(), secret_kid, ..options(&["HS256"]) }).unwrap();
    let key = EncodingKey::from_secret(secret().as_bytes());
    assert!(keys.verify(&token(Algorithm::HS256, Some("s1"), &key), NOW).is_ok());
    assert!(keys.verify(&token(Algorithm::HS256, None, &key), NOW).is_ok());
    assert!(keys.verify(&token(Algorithm::HS256, Some("s2"), &key), NOW).is_err());
    let signed =
        keys.sign(&NewToken { sub: "u".into(), ttl_seconds: 9, ..NewToken::default() }, NOW).unwrap();
    assert_eq!(decode_header(&signed).unwrap().kid.as_deref(), Some("s1"));
}

#[test]
fn a_secret_and_a_public_key_serve_side_by_side_each_for_its_algorithm() {
    let public_key_file = format!("{}/src/auth/testdata/rsa.public.pem", env!("CARGO_MANIFEST_DIR"));
    let both = AuthOptions { secret: secret(), public_key_file, ..options(&["HS256", "RS256"]) };
    let keys = KeySet::load(&both).unwrap();
    let rsa = EncodingKey::from_rsa_pem(RSA).unwrap();
    assert!(keys.verify(&token(Algorithm::RS256, None, &rsa), NOW).is_ok());
    assert!(keys.verify(&hmac_token(Algorithm::HS256), NOW).is_ok());
    // the public key taken for an HMAC secret: the classic confusion of algorithms
    let forged = token(Algorithm::HS256, None, &EncodingKey::from_secret(RSA_PUBLIC));
    assert_eq!(keys.verify(&forged, NOW), Err(AuthError::Invalid("the signature")));
}

#[test]
fn alg_none_and_algorithms_that_are_not_ours_are_refused() {
    let keys = hmac_keys(&["HS256"]);
    for alg in ["none", "None", "NONE", "", "HS1", "ES512"] {
        for signature in ["", "AA"] {
            let token = raw_token(&json!({"alg": alg, "typ": "JWT"}), &claims(), signature);
            assert!(matches!(keys.verify(&token, NOW), Err(AuthError::Invalid(_))), "{alg}");
        }
    }
    let rsa = EncodingKey::from_rsa_pem(RSA).unwrap();
    let pss = token(Algorithm::PS256, None, &rsa);
    assert!(pem_keys("rsa.public.pem", "RS256").verify(&pss, NOW).is_err(), "a key is pinned to RS256");
}

#[test]
fn what_is_no_token_is_missing_or_invalid_and_never_in_the_error() {
    let keys = hmac_keys(&["HS256"]);
    assert_eq!(keys.verify("", NOW), Err(AuthError::Missing));
    let good = hmac_token(Algorithm::HS256);
    let (head, _) = good.rsplit_once('.').unwrap();
    let more = format!("{good}.x");
    for bad in ["x", "a.b", "a.b.c", "..", "a.b.c.d", head, more.as_str(), "\u{1F600}.\u{1F600}.\u{1F600}"] {
        let error = keys.verify(bad, NOW).unwrap_err();
        assert_eq!(error.reason(), "invalid", "{bad}");
        assert!(bad.len() < 4 || !error.to_string().contains(bad));
    }
    for end in [format!("{head}."), format!("{head}.AAAA"), format!("{good}="), format!(" {good}")] {
        assert!(keys.verify(&end, NOW).is_err(), "{end}");
    }
}

#[test]
fn a_header_that_asks_for_extensions_is_refused() {
    let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::HS256) };
    let token = encode(&header, &claims(), &EncodingKey::from_secret(secret().as_bytes())).unwrap();
    assert!(matches!(hmac_keys(&["HS256"]).verify(&token, NOW), Err(AuthError::Invalid(_))));
}

#[test]
fn a_key_inside_the_token_is_not_believed() {
    let attacker = b"attacker-attacker-attacker-attacker";
    let own = Jwk::from_decoding_key(&DecodingKey::from_secret(attacker), Some(Algorithm::HS256)).unwrap();
    let header = Header { jwk: Some(own), ..Header::new(Algorithm::HS256) };
    let token = encode(&header, &claims(), &EncodingKey::from_secret(attacker)).unwrap();
    assert_eq!(hmac_keys(&["HS256"]).verify(&token, NOW), Err(AuthError::Invalid("the signature")));
}

#[test]
fn time_is_an_argument() {
    let keys = hmac_keys(&["HS256"]);
    let token = hmac_token(Algorithm::HS256);
    assert!(keys.verify(&token, NOW + 64_999).is_ok(), "exp plus the leeway has not come yet");
    assert_eq!(keys.verify(&token, NOW + 65_000), Err(AuthError::Expired));
}

#[test]
fn a_signed_token_is_verified_with_issuer_audience_and_session() {
    let strict = AuthOptions {
        secret: secret(),
        issuer: "me".into(),
        audience: "hub".into(),
        ..options(&["HS512", "HS256"])
    };
    let keys = KeySet::load(&strict).unwrap();
    let new = NewToken {
        sub: "u|1".into(),
        permissions: vec!["admin".into()],
        owned_campaigns: vec!["c1".into()],
        participating_campaigns: vec!["c2".into()],
        ttl_seconds: 60,
    };
    let user = keys.verify(&keys.sign(&new, NOW).unwrap(), NOW).unwrap();
    assert_eq!((&*user.id, user.is_admin, user.issued_at), ("u|1", true, Some(NOW)));
    assert_eq!((&*user.owned[0], &*user.participating[0]), ("c1", "c2"));
    assert_eq!((user.expires_at, user.auth_time), (NOW + 60_000, None));
    let since = Since { auth_time: NOW - 5_000, first_issued_at: NOW - 60_000 };
    let again = keys.verify(&keys.sign_again(&new, since, NOW).unwrap(), NOW).unwrap();
    assert_eq!((again.auth_time, again.first_issued_at), (Some(NOW - 5_000), Some(NOW - 60_000)));
    assert!(again.is_revoked(NOW - 60_000), "a revocation of the first covers it");
    assert!(keys.verify(&hmac_token(Algorithm::HS256), NOW).is_err(), "iss and aud are missing there");
}

#[test]
fn nothing_is_signed_without_a_secret_or_for_what_is_no_id() {
    let new = NewToken { sub: "u1".into(), ttl_seconds: 60, ..NewToken::default() };
    assert!(pem_keys("rsa.public.pem", "RS256").sign(&new, NOW).is_err());
    let keys = hmac_keys(&["HS256"]);
    assert!(keys.sign(&NewToken { sub: "a b".into(), ..new.clone() }, NOW).is_err());
    assert!(keys.sign(&NewToken { owned_campaigns: vec![String::new()], ..new }, NOW).is_err());
}
