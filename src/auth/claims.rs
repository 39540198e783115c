//! The payload of a token, checked field by field.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ids::is_id;
use super::permissions::ADMIN;
use super::token::AuthError;
use crate::clock::Millis;

/// Who a socket or a caller is, as the token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The claim `sub`.
    pub id: Arc<str>,
    /// The claim `permissions`.
    pub permissions: Vec<String>,
    /// Whether `permissions` holds `admin`.
    pub is_admin: bool,
    /// Ids of campaigns that the token calls the user's own.
    pub owned: Vec<Arc<str>>,
    /// Ids of campaigns that the user takes part in by the token.
    pub participating: Vec<Arc<str>>,
    /// The claim `iat`.
    pub issued_at: Option<Millis>,
    /// When it was issued, or the first of those that were refreshed to it (claim `orig_iat`): what a revocation
    /// is held against. Never later than when it was shown: whoever shows it has had it issued. None, where the
    /// token does not say it, is older than any revocation.
    pub first_issued_at: Option<Millis>,
    /// The claim `auth_time`: when the first token of this session was issued.
    pub auth_time: Option<Millis>,
    /// The claim `exp`, without leeway.
    pub expires_at: Millis,
}

impl User {
    /// Whether the user holds exactly this permission.
    pub fn has(&self, permission: &str) -> bool {
        self.permissions.iter().any(|p| p == permission)
    }

    /// Whether a revocation of everything issued until `before` covers the user's token.
    pub fn is_revoked(&self, before: Millis) -> bool {
        self.first_issued_at.is_none_or(|at| at <= before)
    }
}

/// What is checked against each token.
#[derive(Clone, Default, Debug)]
pub(super) struct Checks {
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// In milliseconds, whole seconds.
    pub leeway: Millis,
}

/// The claims as JSON text, so that a wrong type names its claim; a claim that is null counts as absent,
/// one that comes twice is refused.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Claims<'a> {
    #[serde(borrow, default)]
    sub: Option<&'a RawValue>,
    #[serde(borrow, default)]
    permissions: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "ownedCampaigns")]
    owned: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "participatingCampaigns")]
    participating: Option<&'a RawValue>,
    #[serde(borrow, default)]
    iss: Option<&'a RawValue>,
    #[serde(borrow, default)]
    aud: Option<&'a RawValue>,
    #[serde(borrow, default)]
    exp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    nbf: Option<&'a RawValue>,
    #[serde(borrow, default)]
    iat: Option<&'a RawValue>,
    #[serde(borrow, default)]
    auth_time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    orig_iat: Option<&'a RawValue>,
}

/// Reads and checks the payload of a token whose signature has been verified.
pub(super) fn read(payload: &[u8], checks: &Checks, now: Millis) -> Result<User, AuthError> {
    let text = std::str::from_utf8(payload).map_err(|_| AuthError::Invalid("the payload is not UTF-8"))?;
    // serde_json takes an array for a struct as well
    if !text.trim_start().starts_with('{') {
        return Err(AuthError::Invalid("the payload is not a JSON object"));
    }
    let claims: Claims<'_> =
        serde_json::from_str(text).map_err(|_| AuthError::Invalid("the payload is not a JSON object"))?;
    let expires_at = check_times(&claims, checks, now)?;
    check_parties(&claims, checks)?;
    user(&claims, expires_at, now)
}

fn user(claims: &Claims<'_>, expires_at: Millis, now: Millis) -> Result<User, AuthError> {
    let permissions: Vec<String> = parse(claims.permissions, "permissions: an array of strings is required")?
        .ok_or(AuthError::Invalid("permissions: an array of strings is required"))?;
    let issued_at = date(claims.iat, "iat: seconds since 1970 are expected")?;
    let original = date(claims.orig_iat, "orig_iat: seconds since 1970 are expected")?;
    Ok(User {
        id: subject(claims)?,
        is_admin: permissions.iter().any(|p| p == ADMIN),
        permissions,
        owned: ids(claims.owned, "ownedCampaigns: an array of ids is expected")?,
        participating: ids(claims.participating, "participatingCampaigns: an array of ids is expected")?,
        issued_at,
        first_issued_at: first_issued(issued_at, original, now),
        auth_time: date(claims.auth_time, "auth_time: seconds since 1970 are expected")?,
        expires_at,
    })
}

/// What is more than a day ahead is no time of issue (milliseconds, say), and counts as none.
fn first_issued(issued_at: Option<Millis>, original: Option<Millis>, now: Millis) -> Option<Millis> {
    const DAY: Millis = 86_400_000;
    let first = issued_at?.min(original.unwrap_or(Millis::MAX));
    (first <= now.saturating_add(DAY)).then_some(first.min(now))
}

fn subject(claims: &Claims<'_>) -> Result<Arc<str>, AuthError> {
    const EXPECTED: &str = "sub: an id of 1 to 128 characters is required";
    let sub: Option<String> = parse(claims.sub, EXPECTED)?;
    sub.filter(|sub| is_id(sub)).map(Arc::from).ok_or(AuthError::Invalid(EXPECTED))
}

/// Checks `exp` and `nbf`; gives `exp`.
fn check_times(claims: &Claims<'_>, checks: &Checks, now: Millis) -> Result<Millis, AuthError> {
    const EXPECTED: &str = "exp: seconds since 1970 are required";
    let exp = date(claims.exp, EXPECTED)?.ok_or(AuthError::Invalid(EXPECTED))?;
    if now >= exp.saturating_add(checks.leeway) {
        return Err(AuthError::Expired);
    }
    match date(claims.nbf, "nbf: seconds since 1970 are expected")? {
        Some(nbf) if nbf > now.saturating_add(checks.leeway) => Err(AuthError::Invalid("nbf: not valid yet")),
        _ => Ok(exp),
    }
}

fn check_parties(claims: &Claims<'_>, checks: &Checks) -> Result<(), AuthError> {
    if let Some(issuer) = &checks.issuer
        && parse::<String>(claims.iss, "iss: another issuer")?.as_ref() != Some(issuer)
    {
        return Err(AuthError::Invalid("iss: another issuer"));
    }
    match &checks.audience {
        Some(audience) if !is_for(claims.aud, audience) => Err(AuthError::Invalid("aud: another audience")),
        _ => Ok(()),
    }
}

/// `aud` is a string or an array of strings.
fn is_for(aud: Option<&RawValue>, audience: &str) -> bool {
    let Some(aud) = aud else { return false };
    match serde_json::from_str::<String>(aud.get()) {
        Ok(one) => one == audience,
        Err(_) => {
            serde_json::from_str::<Vec<String>>(aud.get()).is_ok_and(|all| all.iter().any(|a| a == audience))
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    expected: &'static str,
) -> Result<Option<T>, AuthError> {
    raw.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(|_| AuthError::Invalid(expected))
}

fn ids(raw: Option<&RawValue>, expected: &'static str) -> Result<Vec<Arc<str>>, AuthError> {
    let list: Vec<Arc<str>> = parse(raw, expected)?.unwrap_or_default();
    if list.iter().all(|id| is_id(id)) { Ok(list) } else { Err(AuthError::Invalid(expected)) }
}

/// A NumericDate: seconds since 1970, with or without a fraction. Far ones give the end of the year 9999.
fn date(raw: Option<&RawValue>, expected: &'static str) -> Result<Option<Millis>, AuthError> {
    const END: f64 = 253_402_300_799_999.0;
    let seconds: Option<f64> = parse(raw, expected)?;
    // exact: milliseconds of every year up to 9999 fit the 53 bits of a float
    Ok(seconds.map(|s| (s * 1000.0).round().clamp(-END, END) as Millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: Millis = 1_800_000_000_000;

    fn checks() -> Checks {
        Checks { issuer: None, audience: None, leeway: 5_000 }
    }

    fn good() -> Value {
        json!({"sub": "u1", "permissions": [], "exp": 1_800_000_100})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut claims = good();
        claims[field] = value;
        claims
    }

    fn verdict(claims: &Value) -> Result<User, AuthError> {
        read(claims.to_string().as_bytes(), &checks(), NOW)
    }

    #[track_caller]
    fn refused(claims: &Value, claim: &str) {
        match verdict(claims) {
            Err(AuthError::Invalid(why)) => assert!(why.starts_with(claim), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_user_is_what_the_claims_say() {
        let claims = json!({
            "sub": "auth0|团", "permissions": ["admin", "publish"], "ownedCampaigns": ["c|1"],
            "participatingCampaigns": ["c/2"], "exp": 1_800_000_100.25, "iat": 1_799_999_999,
            "auth_time": 1_799_000_000, "unknown": {"any": "thing"},
        });
        let user = verdict(&claims).unwrap();
        assert_eq!((&*user.id, user.is_admin, user.has("publish")), ("auth0|团", true, true));
        assert_eq!((&*user.owned[0], &*user.participating[0]), ("c|1", "c/2"));
        assert_eq!(user.expires_at, 1_800_000_100_250);
        assert_eq!((user.issued_at, user.auth_time), (Some(1_799_999_999_000), Some(1_799_000_000_000)));
    }

    #[test]
    fn admin_is_a_whole_word_of_an_array_never_part_of_a_string() {
        assert!(!verdict(&with("permissions", json!(["not-admin", "Admin"]))).unwrap().is_admin);
        refused(&with("permissions", json!("admin")), "permissions");
        refused(&with("permissions", json!(["admin", 1])), "permissions");
        refused(&with("permissions", json!({"admin": true})), "permissions");
        refused(&with("permissions", Value::Null), "permissions");
    }

    #[test]
    fn sub_is_an_id() {
        for bad in [json!(""), json!("a b"), json!("a\0"), json!(7), json!(["u1"]), Value::Null] {
            refused(&with("sub", bad), "sub");
        }
        refused(&with("sub", json!("x".repeat(129))), "sub");
    }

    #[test]
    fn campaign_claims_are_arrays_of_ids_and_may_be_absent() {
        assert!(verdict(&good()).unwrap().owned.is_empty());
        assert!(verdict(&with("ownedCampaigns", Value::Null)).is_ok());
        refused(&with("ownedCampaigns", json!("c1")), "ownedCampaigns");
        refused(&with("participatingCampaigns", json!(["c1", ""])), "participatingCampaigns");
        refused(&with("participatingCampaigns", json!([1])), "participatingCampaigns");
    }

    #[test]
    fn exp_is_required_and_ends_the_token_after_the_leeway() {
        refused(&with("exp", Value::Null), "exp");
        refused(&with("exp", json!("1800000100")), "exp");
        assert!(verdict(&with("exp", json!(1_799_999_996))).is_ok(), "within the leeway");
        assert_eq!(verdict(&with("exp", json!(1_799_999_995))), Err(AuthError::Expired));
        assert_eq!(verdict(&with("exp", json!(-1))), Err(AuthError::Expired));
        assert_eq!(verdict(&with("exp", json!(1e300))).unwrap().expires_at, 253_402_300_799_999);
    }

    #[test]
    fn nbf_is_checked_with_the_leeway() {
        assert!(verdict(&with("nbf", json!(1_800_000_005))).is_ok());
        refused(&with("nbf", json!(1_800_000_006)), "nbf");
        refused(&with("nbf", json!("soon")), "nbf");
    }

    #[test]
    fn issuer_and_audience_are_checked_where_configured() {
        let strict = Checks { issuer: Some("me".into()), audience: Some("hub".into()), leeway: 0 };
        let read_with =
            |iss: Value, aud: Value| read(with2(iss, aud).to_string().as_bytes(), &strict, NOW).map(|_| ());
        assert_eq!(read_with(json!("me"), json!("hub")), Ok(()));
        assert_eq!(read_with(json!("me"), json!(["x", "hub"])), Ok(()));
        let issuer = Err(AuthError::Invalid("iss: another issuer"));
        let audience = Err(AuthError::Invalid("aud: another audience"));
        assert_eq!(read_with(json!("you"), json!("hub")), issuer);
        assert_eq!(read_with(Value::Null, json!("hub")), issuer);
        assert_eq!(read_with(json!(["me"]), json!("hub")), issuer);
        assert_eq!(read_with(json!("me"), json!("hubs")), audience);
        assert_eq!(read_with(json!("me"), json!([])), audience);
        assert_eq!(read_with(json!("me"), Value::Null), audience);
        assert!(verdict(&with("aud", json!("anyone"))).is_ok(), "not configured");
    }

    fn with2(iss: Value, aud: Value) -> Value {
        let mut claims = with("iss", iss);
        claims["aud"] = aud;
        claims
    }

    #[test]
    fn a_claim_that_comes_twice_and_a_payload_that_is_no_object_are_refused() {
        for bad in [
            r#"{"sub":"u1","sub":"u2","permissions":[],"exp":1800000100}"#,
            r#"{"sub":"\ud800","permissions":[],"exp":1800000100}"#,
            r#"["u1",[],[],[],null,null,1800000100,null,null,null]"#,
            "null",
            "{",
        ] {
            assert!(matches!(read(bad.as_bytes(), &checks(), NOW), Err(AuthError::Invalid(_))), "{bad}");
        }
        assert!(read(b"{\"sub\":\"\xff\"}", &checks(), NOW).is_err());
    }

    #[test]
    fn a_revocation_covers_what_was_issued_until_then_and_tokens_without_iat() {
        let user = verdict(&with("iat", json!(1_799_999_999))).unwrap();
        assert!(user.is_revoked(1_799_999_999_000) && !user.is_revoked(1_799_999_998_999));
        assert!(verdict(&good()).unwrap().is_revoked(0));
    }

    #[test]
    fn a_token_was_issued_with_the_first_it_was_refreshed_from_and_before_it_is_shown() {
        let first = |iat: Value, original: Value| {
            let mut claims = with("iat", iat);
            claims["orig_iat"] = original;
            verdict(&claims).unwrap().first_issued_at
        };
        assert_eq!(first(json!(1_799_999_999), json!(1_799_999_000)), Some(1_799_999_000_000));
        assert_eq!(first(json!(1_799_999_999), json!(1_899_999_000)), Some(1_799_999_999_000));
        assert_eq!(first(json!(1_800_000_090), Value::Null), Some(NOW), "an issuer whose clock is ahead");
        assert_eq!(first(json!(1_800_000_000_000_i64), Value::Null), None, "milliseconds");
        assert_eq!(first(Value::Null, json!(1_799_999_999)), None);
    }
}
