//! `GET /dev/token`: tokens for the live page. Served with `--dev` only, where the secret is published anyway.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::page::hardened;
use crate::auth::{NewToken, is_id};
use crate::clock;

/// Signs a token, or says why it cannot.
pub type Sign = dyn Fn(&NewToken) -> Result<String, String> + Send + Sync;

/// How long a token lives unless the caller says otherwise.
const LIFETIME: Duration = Duration::from_secs(3600);
/// The longest life of a token.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What a token is to say; lists are comma-separated.
#[derive(Deserialize, Debug)]
struct Wanted {
    sub: String,
    #[serde(default)]
    permissions: String,
    #[serde(default)]
    owned: String,
    #[serde(default)]
    participating: String,
    /// Its life in seconds.
    ttl: Option<u64>,
}

/// The answer of `GET /dev/token`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    token: String,
    /// RFC 3339, the token's `exp`.
    expires_at: String,
}

/// `GET /dev/token?sub=<id>&permissions=a,b&owned=c,d&participating=e&ttl=60` → `{token, expiresAt}`; all but
/// `sub` may be left out. 400 says what was expected.
pub async fn token(request: HttpRequest, sign: web::Data<Sign>) -> HttpResponse {
    match issue(request.query_string(), &**sign) {
        Ok(issued) => hardened(HttpResponse::Ok()).json(issued),
        Err(message) => {
            let error = json!({ "error": { "code": "invalid_payload", "message": message } });
            hardened(HttpResponse::BadRequest()).json(error)
        }
    }
}

fn issue(query: &str, sign: &Sign) -> Result<Issued, String> {
    let wanted = web::Query::<Wanted>::from_query(query).map_err(|error| error.to_string())?.into_inner();
    let token = sign(&wanted.claims()?)?;
    let expires_at = expiry(&token).ok_or("the token that was signed has no exp")?;
    Ok(Issued { token, expires_at })
}

impl Wanted {
    fn claims(self) -> Result<NewToken, String> {
        let ttl_seconds = self.ttl.unwrap_or(LIFETIME.as_secs());
        if !(1..=LONGEST.as_secs()).contains(&ttl_seconds) {
            return Err(format!("ttl: expected 1 to {} seconds", LONGEST.as_secs()));
        }
        let claims = NewToken {
            permissions: list(&self.permissions),
            owned_campaigns: list(&self.owned),
            participating_campaigns: list(&self.participating),
            sub: self.sub,
            ttl_seconds,
        };
        let mut ids = claims.owned_campaigns.iter().chain(&claims.participating_campaigns);
        if !is_id(&claims.sub) || !ids.all(|id| is_id(id)) {
            return Err(
                "sub, owned, participating: expected ids of 1 to 128 characters without white space".into()
            );
        }
        Ok(claims)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(String::from).collect()
}

/// When a token says that it runs out.
fn expiry(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Some(clock::rfc3339(claims.exp.saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AuthOptions, KeySet};

    const NOW: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z

    fn keys() -> KeySet {
        let options = AuthOptions {
            secret: "a secret for tests, of some length".into(),
            secret_kid: None,
            algorithms: vec!["HS256".into()],
            public_key_file: String::new(),
            jwks_file: String::new(),
            issuer: String::new(),
            audience: String::new(),
            leeway_ms: 0,
        };
        KeySet::load(&options).unwrap()
    }

    fn issued(query: &str) -> Result<Issued, String> {
        issue(query, &|claims| keys().sign(claims, NOW).map_err(|error| error.to_string()))
    }

    #[test]
    fn a_token_says_what_the_query_asked_for_and_when_it_runs_out() {
        let query = "sub=auth0%7Cada&permissions=admin,publish&owned=c1,c2&participating=c3&ttl=60";
        let issued = issued(query).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(issued.expires_at, "2026-01-01T00:01:00.000Z");
        let user = keys().verify(&issued.token, NOW).unwrap();
        assert_eq!(&*user.id, "auth0|ada");
        assert!(user.is_admin && user.has("publish"));
        assert_eq!(user.owned.iter().map(|id| &**id).collect::<Vec<_>>(), ["c1", "c2"]);
        assert_eq!(user.participating.iter().map(|id| &**id).collect::<Vec<_>>(), ["c3"]);
    }

    #[test]
    fn without_more_than_a_name_it_is_a_user_without_rights_for_an_hour() {
        let issued = issued("sub=ada&permissions=").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(issued.expires_at, "2026-01-01T01:00:00.000Z");
        assert!(!keys().verify(&issued.token, NOW).unwrap().is_admin);
    }

    #[test]
    fn what_is_no_id_or_no_lifetime_is_refused_with_what_was_expected() {
        for bad in
            ["", "sub=", "sub=a%20b", "sub=a&owned=b%09c", "sub=a&ttl=0", "sub=a&ttl=86401", "sub=a&ttl=x"]
        {
            assert!(issued(bad).is_err(), "{bad}");
        }
    }
}
