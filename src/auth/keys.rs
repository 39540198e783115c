//! The keys that tokens are checked with: each pinned to one algorithm, read from the configuration.

use std::fmt;
use std::path::Path;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use thiserror::Error;

use super::claims::Checks;
use super::public_keys::{is_for_signatures, jwk_key, pem_key};
use crate::clock::Millis;
use crate::config::auth::{Auth, LEAST_SECRET_BYTES};

/// The setting of the HMAC secret.
pub const SECRET: &str = "auth.secret";
/// The setting of the file of PEM public keys.
pub const PUBLIC_KEY_FILE: &str = "auth.public_key_file";
/// The setting of the JWKS file.
pub const JWKS_FILE: &str = "auth.jwks_file";
/// The setting that lists what is accepted.
pub const ALGORITHMS: &str = "auth.algorithms";

const SUPPORTED: [(&str, Algorithm); 6] = [
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

/// What the configuration says of tokens. An empty text means: not set.
#[derive(Clone, Default)]
pub struct AuthOptions {
    /// The HMAC secret, at least [`LEAST_SECRET_BYTES`] bytes.
    pub secret: String,
    /// The `kid` that the secret goes by; without one it is tried for tokens of every `kid`.
    pub secret_kid: Option<String>,
    /// Names of the accepted algorithms.
    pub algorithms: Vec<String>,
    /// A file of one or more PEM public keys (`PUBLIC KEY` or `RSA PUBLIC KEY`).
    pub public_key_file: String,
    /// A file that holds a JSON Web Key Set.
    pub jwks_file: String,
    /// The `iss` that tokens must have.
    pub issuer: String,
    /// What the `aud` of tokens must be or hold.
    pub audience: String,
    /// How far `exp` and `nbf` may be off, in milliseconds, cut to whole seconds.
    pub leeway_ms: u64,
}

impl From<&Auth> for AuthOptions {
    fn from(auth: &Auth) -> AuthOptions {
        AuthOptions {
            secret: auth.secret.clone(),
            secret_kid: Some(auth.secret_kid.clone()).filter(|kid| !kid.is_empty()),
            algorithms: auth.algorithms.iter().map(|algorithm| algorithm.as_str().to_owned()).collect(),
            public_key_file: auth.public_key_file.clone(),
            jwks_file: auth.jwks_file.clone(),
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            leeway_ms: auth.leeway_ms,
        }
    }
}

impl fmt::Debug for AuthOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.secret.is_empty() { "" } else { "***" };
        f.debug_struct("AuthOptions")
            .field("secret", &secret)
            .field("secret_kid", &self.secret_kid)
            .field("algorithms", &self.algorithms)
            .field("public_key_file", &self.public_key_file)
            .field("jwks_file", &self.jwks_file)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("leeway_ms", &self.leeway_ms)
            .finish()
    }
}

/// A setting that cannot be used: its key, what is wrong, and a right value.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{key}: {message}")]
pub struct KeyError {
    /// The setting, such as `auth.secret`.
    pub key: &'static str,
    /// What is wrong and what would be right. Never holds a secret.
    pub message: String,
}

fn error<T>(key: &'static str, message: impl Into<String>) -> Result<T, KeyError> {
    Err(KeyError { key, message: message.into() })
}

pub(super) struct Key {
    pub kid: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

pub(super) struct Signer {
    pub kid: Option<String>,
    pub algorithm: Algorithm,
    pub key: EncodingKey,
}

/// The keys, and what else is checked against each token. Reloading is loading another one.
pub struct KeySet {
    pub(super) keys: Vec<Key>,
    pub(super) signer: Option<Signer>,
    pub(super) checks: Checks,
    accepted: Vec<Algorithm>,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(|key| (key.algorithm, key.kid.as_deref())).collect();
        f.debug_struct("KeySet").field("keys", &keys).field("checks", &self.checks).finish_non_exhaustive()
    }
}

impl KeySet {
    /// Reads the keys that `options` name.
    ///
    /// # Errors
    /// Names the setting that is wrong: a short secret, a file that cannot be read, a key that no
    /// accepted algorithm fits, an unknown algorithm, or no key at all.
    pub fn load(options: &AuthOptions) -> Result<KeySet, KeyError> {
        let set = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let leeway = Millis::try_from(options.leeway_ms / 1000 * 1000).unwrap_or(Millis::MAX);
        let checks = Checks { issuer: set(&options.issuer), audience: set(&options.audience), leeway };
        let accepted = accepted(&options.algorithms)?;
        let mut keys = KeySet { keys: Vec::new(), signer: None, checks, accepted };
        if !options.secret.is_empty() {
            keys.add_secret(&options.secret, options.secret_kid.clone().filter(|kid| !kid.is_empty()))?;
        }
        if !options.public_key_file.is_empty() {
            keys.add_pem(Path::new(&options.public_key_file))?;
        }
        if !options.jwks_file.is_empty() {
            keys.add_jwks(Path::new(&options.jwks_file))?;
        }
        if keys.keys.is_empty() {
            return error(
                SECRET,
                "no key is configured: set a secret of at least 32 bytes (such as the output of `openssl rand \
                 -base64 48`), or auth.public_key_file, or auth.jwks_file",
            );
        }
        Ok(keys)
    }

    /// How far `exp` may be off, in milliseconds: a token lives until `exp` plus this.
    pub fn leeway(&self) -> Millis {
        self.checks.leeway
    }

    /// Whether the hub holds a key that it can sign with.
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// One secret serves every accepted HMAC algorithm, as one pinned key each; it signs with the first.
    fn add_secret(&mut self, secret: &str, kid: Option<String>) -> Result<(), KeyError> {
        if secret.len() < LEAST_SECRET_BYTES {
            let found = secret.len();
            return error(
                SECRET,
                format!(
                    "{found} bytes are too few: at least {LEAST_SECRET_BYTES} are needed, such as the output of \
                     `openssl rand -base64 48`"
                ),
            );
        }
        let hmac: Vec<Algorithm> =
            self.accepted.iter().copied().filter(|a| a.family() == AlgorithmFamily::Hmac).collect();
        let Some(&first) = hmac.first() else { return self.unfit(SECRET, "the secret", "HS256") };
        for algorithm in hmac {
            let key = DecodingKey::from_secret(secret.as_bytes());
            self.keys.push(Key { kid: kid.clone(), algorithm, key });
        }
        self.signer =
            Some(Signer { kid, algorithm: first, key: EncodingKey::from_secret(secret.as_bytes()) });
        Ok(())
    }

    fn add_pem(&mut self, path: &Path) -> Result<(), KeyError> {
        let text = read(PUBLIC_KEY_FILE, path)?;
        let mut any = false;
        for block in text.split("-----BEGIN ").skip(1) {
            let (key, algorithm) = pem_key(block).map_err(|why| KeyError {
                key: PUBLIC_KEY_FILE,
                message: format!("{}: {why}", path.display()),
            })?;
            self.add(PUBLIC_KEY_FILE, Key { kid: None, algorithm, key })?;
            any = true;
        }
        if any {
            return Ok(());
        }
        error(
            PUBLIC_KEY_FILE,
            format!("{}: no PEM key, one begins with `-----BEGIN PUBLIC KEY-----`", path.display()),
        )
    }

    fn add_jwks(&mut self, path: &Path) -> Result<(), KeyError> {
        let text = read(JWKS_FILE, path)?;
        let fault = |why: String| KeyError { key: JWKS_FILE, message: format!("{}: {why}", path.display()) };
        let set: JwkSet = serde_json::from_str(&text).map_err(|err| {
            fault(format!("not a JSON Web Key Set, `{{\"keys\":[…]}}` is expected ({err})"))
        })?;
        let mut any = false;
        for jwk in set.keys.iter().filter(|jwk| is_for_signatures(jwk)) {
            let kid = jwk.common.key_id.clone();
            let (key, algorithm) = jwk_key(jwk)
                .map_err(|why| fault(format!("key {}: {why}", kid.as_deref().unwrap_or("without kid"))))?;
            self.add(JWKS_FILE, Key { kid, algorithm, key })?;
            any = true;
        }
        if any { Ok(()) } else { Err(fault("holds no key for signatures".to_owned())) }
    }

    fn add(&mut self, setting: &'static str, key: Key) -> Result<(), KeyError> {
        if !self.accepted.contains(&key.algorithm) {
            let name = name(key.algorithm);
            let what = match &key.kid {
                Some(kid) => format!("the {name} key {kid:?}"),
                None => format!("the {name} key"),
            };
            return self.unfit(setting, &what, name);
        }
        self.keys.push(key);
        Ok(())
    }

    fn unfit(&self, setting: &'static str, what: &str, needed: &str) -> Result<(), KeyError> {
        let accepted: Vec<&str> = self.accepted.iter().map(|&a| name(a)).collect();
        let accepted = accepted.join(", ");
        error(
            setting,
            format!(
                "{what} fits none of {ALGORITHMS} ({accepted}): add \"{needed}\" there or leave the key out"
            ),
        )
    }
}

fn accepted(names: &[String]) -> Result<Vec<Algorithm>, KeyError> {
    let list = names.iter().map(|wanted| {
        let found = SUPPORTED.iter().find(|(name, _)| name == wanted).map(|&(_, algorithm)| algorithm);
        found.ok_or_else(|| KeyError {
            key: ALGORITHMS,
            message: format!("{wanted:?} is not supported: HS256, HS384, HS512, RS256, ES256 and EdDSA are"),
        })
    });
    let list: Vec<Algorithm> = list.collect::<Result<_, _>>()?;
    if list.is_empty() {
        error(ALGORITHMS, "nothing would be accepted: [\"HS256\"] is the default")
    } else {
        Ok(list)
    }
}

/// The name by which `auth.algorithms` calls it.
pub(super) fn name(algorithm: Algorithm) -> &'static str {
    SUPPORTED.iter().find(|&&(_, a)| a == algorithm).map_or("unsupported", |&(name, _)| name)
}

fn read(setting: &'static str, path: &Path) -> Result<String, KeyError> {
    std::fs::read_to_string(path).or_else(|err| {
        error(
            setting,
            format!("cannot read {}: {err}; the path of a readable text file is expected", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/testdata");

    fn options(algorithms: &[&str]) -> AuthOptions {
        let algorithms = algorithms.iter().map(|&a| a.to_owned()).collect();
        AuthOptions { algorithms, ..AuthOptions::default() }
    }

    fn with_pem(file: &str, algorithms: &[&str]) -> Result<KeySet, KeyError> {
        let public_key_file = format!("{TESTDATA}/{file}");
        KeySet::load(&AuthOptions { public_key_file, ..options(algorithms) })
    }

    fn with_jwks(jwks: &str, algorithms: &[&str]) -> Result<KeySet, KeyError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), jwks).unwrap();
        let jwks_file = file.path().display().to_string();
        KeySet::load(&AuthOptions { jwks_file, ..options(algorithms) })
    }

    fn with_secret(secret: &str, algorithms: &[&str]) -> Result<KeySet, KeyError> {
        KeySet::load(&AuthOptions { secret: secret.into(), ..options(algorithms) })
    }

    #[track_caller]
    fn refused(result: Result<KeySet, KeyError>, key: &str, hint: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.key, key);
        assert!(error.to_string().contains(hint), "{error}");
    }

    #[test]
    fn a_secret_has_at_least_32_bytes_and_never_shows_in_the_error() {
        assert!(with_secret(&"s".repeat(32), &["HS256"]).is_ok());
        let short = "hunter2-hunter2-hunter2-hunter2";
        let error = with_secret(short, &["HS256"]).unwrap_err();
        assert!(
            error.to_string().starts_with("auth.secret: 31 bytes") && !error.to_string().contains("hunter2")
        );
    }

    #[test]
    fn a_missing_key_names_the_settings_that_would_be_right() {
        refused(KeySet::load(&options(&["HS256"])), "auth.secret", "openssl rand -base64 48");
    }

    #[test]
    fn a_key_that_no_accepted_algorithm_fits_is_refused_with_its_setting() {
        refused(with_secret(&"s".repeat(32), &["RS256"]), "auth.secret", "add \"HS256\"");
        refused(with_pem("rsa.public.pem", &["HS256", "ES256"]), "auth.public_key_file", "add \"RS256\"");
        refused(with_pem("p256.public.pem", &["RS256"]), "auth.public_key_file", "add \"ES256\"");
        refused(with_pem("ed25519.public.pem", &["RS256"]), "auth.public_key_file", "add \"EdDSA\"");
        let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"bKJD_K9v8CFR44ShGVMkZh-lqAdmLgikpOxnS72uFDY"}]}"#;
        refused(with_jwks(jwks, &["RS256"]), "auth.jwks_file", "\"k1\"");
        assert!(with_jwks(jwks, &["EdDSA"]).is_ok());
    }

    #[test]
    fn unknown_algorithms_and_none_are_refused() {
        for bad in ["none", "RS512", "hs256", ""] {
            refused(with_secret(&"s".repeat(32), &["HS256", bad]), "auth.algorithms", "EdDSA");
        }
        refused(with_secret(&"s".repeat(32), &[]), "auth.algorithms", "HS256");
    }

    #[test]
    fn keys_that_could_never_verify_a_token_are_refused() {
        refused(with_pem("rsa1024.public.pem", &["RS256"]), "auth.public_key_file", "2048");
        refused(with_pem("secp256k1.public.pem", &["ES256"]), "auth.public_key_file", "P-256");
        refused(with_pem("rsa.private.pem", &["RS256"]), "auth.public_key_file", "openssl pkey -pubout");
        refused(with_pem("README.md", &["RS256"]), "auth.public_key_file", "BEGIN PUBLIC KEY");
        refused(with_pem("missing.pem", &["RS256"]), "auth.public_key_file", "missing.pem");
    }

    #[test]
    fn key_sets_with_nothing_to_use_are_refused() {
        refused(with_jwks("nonsense", &["RS256"]), "auth.jwks_file", "{\"keys\":[…]}");
        refused(with_jwks(r#"{"keys":[]}"#, &["RS256"]), "auth.jwks_file", "no key");
        let secret = r#"{"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0"}]}"#;
        refused(with_jwks(secret, &["HS256"]), "auth.jwks_file", "auth.secret");
        let short = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
        refused(with_jwks(short, &["RS256"]), "auth.jwks_file", "2048");
        let curve = r#"{"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}]}"#;
        refused(with_jwks(curve, &["ES256"]), "auth.jwks_file", "P-256");
        let alg = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"ES256","x":"bKJD_K9v8CFR44ShGVMkZh-lqAdmLgikpOxnS72uFDY"}]}"#;
        refused(with_jwks(alg, &["ES256", "EdDSA"]), "auth.jwks_file", "alg");
    }

    #[test]
    fn keys_for_encryption_are_passed_over() {
        let jwks = r#"{"keys":[
            {"kty":"RSA","use":"enc","alg":"RSA-OAEP","kid":"e","n":"AQAB","e":"AQAB"},
            {"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","x":"bKJD_K9v8CFR44ShGVMkZh-lqAdmLgikpOxnS72uFDY"}
        ]}"#;
        assert_eq!(with_jwks(jwks, &["EdDSA"]).unwrap().keys.len(), 1);
    }

    #[test]
    fn nothing_secret_shows_when_options_or_keys_are_printed() {
        let options = AuthOptions { secret: "hunter2!".repeat(4), ..options(&["HS256"]) };
        let keys = KeySet::load(&options).unwrap();
        let shown = format!("{options:?} {keys:?}");
        assert!(!shown.contains("hunter2") && shown.contains("HS256"), "{shown}");
    }

    #[test]
    fn the_leeway_is_whole_seconds() {
        let keys =
            KeySet::load(&AuthOptions { secret: "s".repeat(32), leeway_ms: 5_999, ..options(&["HS256"]) });
        assert_eq!(keys.unwrap().leeway(), 5_000);
    }
}
