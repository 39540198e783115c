//! `[auth]`: whose tokens are believed, and for how long.

use super::error::Wrong;
use super::setting::{Rules, section};
use super::value::{choice, list, text};

choice! {
    /// How a token is signed.
    pub enum Algorithm {
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
        /// RSA with SHA-256.
        Rs256 = "RS256",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

impl Algorithm {
    /// Whether it takes a shared secret; else a public key.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512)
    }
}

/// Shortest secret: as long as the hash of HS256, below which it is the weakest part.
pub const LEAST_SECRET_BYTES: usize = 32;

/// The secret of `--dev`. It is published, so tokens signed with it prove nothing; that is why `--dev`
/// listens on loopback only, and why it is refused without `--dev`.
pub const DEV_SECRET: &str = "roomcast-development-secret-known-to-everyone";

section! {
    /// Whose tokens are believed, and for how long. `serve` needs `secret` or another key, save with `--dev`.
    pub struct Auth = "auth" {
        /// The secret that tokens are signed with, at least 32 bytes; the hub's own tokens (`roomcast token`,
        /// `refresh`) are signed with it too. With `--dev` a fixed, published development secret.
        secret: String = text(""), secret(), example("\"at-least-32-random-bytes-from-openssl-rand\"");
        /// The `kid` of tokens that are signed with `secret`, also of the hub's own. Empty: it is tried for every
        /// `kid`.
        secret_kid: String = text(""), example("\"2026\"");
        /// Algorithms that are accepted; `HS256`, `HS384` and `HS512` take a secret, `RS256`, `ES256` and `EdDSA` a
        /// public key. Each key is pinned to one of them, so that a public key is never taken for a secret.
        algorithms: Vec<Algorithm> = vec![Algorithm::Hs256];
        /// PEM file with the public key of whoever issues the tokens, or with several while one replaces another.
        public_key_file: String = text(""), example("\"/etc/roomcast/issuer.pem\"");
        /// JWKS file with the public keys of whoever issues the tokens; a token chooses by `kid`.
        jwks_file: String = text(""), example("\"/etc/roomcast/jwks.json\"");
        /// The `iss` that tokens must have. Empty: not checked.
        issuer: String = text(""), example("\"https://id.example.com/\"");
        /// The `aud` that tokens must have. Empty: not checked.
        audience: String = text(""), example("\"roomcast\"");
        /// How long a socket may be open without having authenticated.
        timeout_ms: u64 = 10_000, unit("ms"), range(1, 600_000);
        /// How far clocks may differ where `exp` and `nbf` are checked; whole seconds, as tokens have them.
        leeway_ms: u64 = 5_000, unit("ms"), range(0, 300_000);
        /// How long before its token ends a socket gets `auth:expiring`: time enough to fetch a fresh one.
        expiry_warning_ms: u64 = 60_000, unit("ms"), range(0, 86_400_000);
        /// Whether `POST /api/v1/auth/refresh` gives a new token for a valid one. It needs `auth.secret`.
        refresh: bool = true;
        /// How long after the first token was issued refreshing ends, so that a stolen token does not live for ever.
        max_session_ms: u64 = 86_400_000, unit("ms"), range(1_000, 31_536_000_000);
        /// Keys for the header `X-Api-Key`, with which backends publish over HTTP.
        api_keys: Vec<String> = list([]), secret(), example("[\"a-long-random-text\"]");
    }
}

impl Rules for Auth {
    fn rules(&self, wrong: &mut Wrong) {
        self.rules_of_algorithms(wrong);
        if !self.secret.is_empty() && self.secret.len() < LEAST_SECRET_BYTES {
            wrong.at("secret", too_short(self.secret.len()));
        }
        if !self.leeway_ms.is_multiple_of(1_000) {
            wrong.at(
                "leeway_ms",
                format!("{} is not whole seconds; write {}", self.leeway_ms, self.leeway_ms / 1_000 * 1_000),
            );
        }
        if self
            .api_keys
            .iter()
            .any(|key| key.is_empty() || key.chars().any(|c| c.is_whitespace() || c.is_control()))
        {
            wrong.at(
                "api_keys",
                "has a key that is empty or has white space in it, which no header can carry",
            );
        }
    }
}

impl Auth {
    /// A configured key that no accepted algorithm fits would never accept a token.
    fn rules_of_algorithms(&self, wrong: &mut Wrong) {
        if self.algorithms.is_empty() {
            wrong.at(
                "algorithms",
                "is empty, so that no token would ever be accepted; for example [\"HS256\"]",
            );
            return;
        }
        if !self.secret.is_empty() && !self.accepts(true) {
            wrong.at("secret", unfit("secret", "HS256, HS384 or HS512"));
        }
        for (key, value) in [("public_key_file", &self.public_key_file), ("jwks_file", &self.jwks_file)] {
            if !value.is_empty() && !self.accepts(false) {
                wrong.at(key, unfit(key, "RS256, ES256 or EdDSA"));
            }
        }
    }

    /// Whether an algorithm with a shared secret (else: with a public key) is accepted.
    pub(super) fn accepts(&self, symmetric: bool) -> bool {
        self.algorithms.iter().any(|algorithm| algorithm.is_symmetric() == symmetric)
    }

    /// Whether there is any key to check a token with.
    pub fn has_key(&self) -> bool {
        let single = [&self.secret, &self.public_key_file, &self.jwks_file];
        single.iter().any(|value| !value.is_empty())
    }
}

fn too_short(bytes: usize) -> String {
    format!(
        "has {bytes} bytes, and at least {LEAST_SECRET_BYTES} are needed; for example the output of \
         `openssl rand -base64 48`"
    )
}

fn unfit(key: &str, algorithms: &str) -> String {
    format!("fits none of auth.algorithms; a {key} needs {algorithms} there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(auth: Auth) -> Vec<(&'static str, String)> {
        let mut wrong = Wrong::default();
        auth.rules(&mut wrong);
        wrong.0
    }

    #[test]
    fn a_secret_has_at_least_32_bytes_and_its_value_is_not_told() {
        let short = wrong(Auth { secret: "s".repeat(31), ..Auth::default() });
        assert_eq!(short.len(), 1);
        assert!(short[0].1.starts_with("has 31 bytes") && !short[0].1.contains("sss"), "{}", short[0].1);
        assert!(wrong(Auth { secret: "s".repeat(32), ..Auth::default() }).is_empty());
    }

    #[test]
    fn a_key_that_no_algorithm_fits_is_refused() {
        let with = |algorithms: &[Algorithm], auth: Auth| {
            wrong(Auth { algorithms: algorithms.to_vec(), ..auth })
                .into_iter()
                .map(|(key, _)| key)
                .collect::<Vec<_>>()
        };
        let secret = Auth { secret: DEV_SECRET.into(), ..Auth::default() };
        let files = Auth { public_key_file: "a.pem".into(), jwks_file: "a.json".into(), ..Auth::default() };
        assert_eq!(with(&[Algorithm::Rs256], secret.clone()), ["secret"]);
        assert_eq!(with(&[Algorithm::Hs512], files.clone()), ["public_key_file", "jwks_file"]);
        assert!(with(&[Algorithm::Rs256, Algorithm::Hs256], secret).is_empty());
        assert!(with(&[Algorithm::EdDsa], files).is_empty());
        assert_eq!(with(&[], Auth::default()), ["algorithms"]);
    }

    #[test]
    fn leeway_is_whole_seconds() {
        assert_eq!(
            wrong(Auth { leeway_ms: 1_500, ..Auth::default() })[0].1,
            "1500 is not whole seconds; write 1000"
        );
    }

    #[test]
    fn the_development_secret_is_long_enough() {
        assert!(DEV_SECRET.len() >= LEAST_SECRET_BYTES);
    }
}
