//! Tokens, signed here and not by the hub, so that a fault of its own cannot hide.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

/// The secret that every test hub is started with.
pub const SECRET: &str = "a secret of the tests, thirty-two bytes and more";

/// The claims of a token, to be changed before it is signed.
#[derive(Clone)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// A user without any permission, for an hour.
    pub fn of(sub: &str) -> Claims {
        let claims = json!({"sub": sub, "permissions": [], "iat": now(), "exp": now() + 3600});
        let Value::Object(claims) = claims else { unreachable!() };
        Claims(claims)
    }

    /// Sets a claim.
    pub fn with(mut self, name: &str, value: Value) -> Claims {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Takes a claim away.
    pub fn without(mut self, name: &str) -> Claims {
        self.0.remove(name);
        self
    }

    /// Signed with the hub's secret.
    pub fn token(&self) -> String {
        self.signed(Algorithm::HS256, SECRET)
    }

    /// Signed in another way.
    pub fn signed(&self, algorithm: Algorithm, secret: &str) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), &self.0, &key).unwrap()
    }

    /// With the algorithm `none` and no signature.
    pub fn unsigned(&self) -> String {
        use base64::Engine as _;
        let part = |json: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
        let claims = Value::Object(self.0.clone()).to_string();
        format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"}).to_string()), part(claims))
    }
}

/// A token of `sub` without permissions.
pub fn user(sub: &str) -> String {
    Claims::of(sub).token()
}

/// A token of an administrator.
pub fn admin(sub: &str) -> String {
    Claims::of(sub).with("permissions", json!(["admin"])).token()
}

/// A token of a backend that may publish.
pub fn publisher() -> String {
    Claims::of("backend").with("permissions", json!(["publish"])).token()
}

/// Seconds since 1970, as tokens count.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
