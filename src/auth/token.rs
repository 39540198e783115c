//! Verifying and signing. jsonwebtoken does the signatures; dates and claims are checked here, because
//! it takes the time from the system's clock and we take it as an argument.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, crypto, decode_header, encode};
use serde::Serialize;
use thiserror::Error;

use super::claims::{self, User};
use super::ids::is_id;
use super::keys::{Key, KeySet};
use crate::clock::Millis;

/// Why a token was refused. The texts are ours: nothing of the token is ever in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AuthError {
    /// `exp` plus the leeway has passed.
    #[error("the token has expired")]
    Expired,
    /// The token is not one, or not one of ours; says what was expected. For the log: a client is told
    /// only the [`reason`](AuthError::reason).
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// There is no token.
    #[error("a token is missing")]
    Missing,
    /// The token was issued before its user was revoked. Never comes from [`KeySet::verify`]: revocations
    /// are the store's.
    #[error("the token has been revoked")]
    Revoked,
}

impl AuthError {
    /// What the client is told: the `reason` of `auth_failed`.
    pub fn reason(self) -> &'static str {
        match self {
            AuthError::Expired => "expired",
            AuthError::Invalid(_) => "invalid",
            AuthError::Missing => "missing",
            AuthError::Revoked => "revoked",
        }
    }
}

/// What a new token is to say.
#[derive(Clone, Default, Debug)]
pub struct NewToken {
    /// Whose it is, an id.
    pub sub: String,
    /// What its holder may do.
    pub permissions: Vec<String>,
    /// Campaigns that the holder owns.
    pub owned_campaigns: Vec<String>,
    /// Campaigns that the holder takes part in.
    pub participating_campaigns: Vec<String>,
    /// How long it lives, in seconds.
    pub ttl_seconds: u64,
}

#[derive(Serialize)]
struct ClaimsOut<'a> {
    sub: &'a str,
    permissions: &'a [String],
    #[serde(rename = "ownedCampaigns", skip_serializing_if = "<[_]>::is_empty")]
    owned: &'a [String],
    #[serde(rename = "participatingCampaigns", skip_serializing_if = "<[_]>::is_empty")]
    participating: &'a [String],
    iat: Millis,
    exp: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orig_iat: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// What a token keeps of the one whose place it takes; milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// When the session began: claim `auth_time`.
    pub auth_time: Millis,
    /// When its first token was issued: claim `orig_iat`. A revocation of that one covers this one.
    pub first_issued_at: Millis,
}

impl KeySet {
    /// Checks `token` at the time `now` and says whose it is.
    ///
    /// # Errors
    /// Whatever is wrong with it; whether the user was revoked is not known here.
    pub fn verify(&self, token: &str, now: Millis) -> Result<User, AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        let header = decode_header(token)
            .map_err(|_| AuthError::Invalid("not three parts with a header of a supported algorithm"))?;
        if header.crit.is_some() {
            return Err(AuthError::Invalid("the header asks for extensions (`crit`)"));
        }
        let (message, signature) = token.rsplit_once('.').unwrap_or_default();
        self.check_signature(&header, message, signature)?;
        let payload = message.rsplit_once('.').map_or("", |(_, payload)| payload);
        let payload = URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| AuthError::Invalid("the payload is not base64url"))?;
        claims::read(&payload, &self.checks, now)
    }

    /// A token of `claims`, issued at `now`, signed with the HMAC secret.
    ///
    /// # Errors
    /// Where there is no secret, or `sub` or a campaign is no id.
    pub fn sign(&self, claims: &NewToken, now: Millis) -> Result<String, AuthError> {
        self.sign_claims(claims, now, None)
    }

    /// As [`KeySet::sign`], for a token that takes the place of another.
    ///
    /// # Errors
    /// As [`KeySet::sign`].
    pub fn sign_again(&self, claims: &NewToken, since: Since, now: Millis) -> Result<String, AuthError> {
        self.sign_claims(claims, now, Some(since))
    }

    fn sign_claims(&self, new: &NewToken, now: Millis, since: Option<Since>) -> Result<String, AuthError> {
        let signer =
            self.signer.as_ref().ok_or(AuthError::Invalid("auth.secret is not set: nothing to sign with"))?;
        let campaigns = || new.owned_campaigns.iter().chain(&new.participating_campaigns);
        if !is_id(&new.sub) || !campaigns().all(|id| is_id(id)) {
            return Err(AuthError::Invalid("sub and campaigns have to be ids of 1 to 128 characters"));
        }
        let iat = now.div_euclid(1000);
        let claims = ClaimsOut {
            sub: &new.sub,
            permissions: &new.permissions,
            owned: &new.owned_campaigns,
            participating: &new.participating_campaigns,
            iat,
            exp: iat.saturating_add_unsigned(new.ttl_seconds),
            auth_time: since.map(|since| since.auth_time.div_euclid(1000)),
            orig_iat: since.map(|since| since.first_issued_at.div_euclid(1000)),
            iss: self.checks.issuer.as_deref(),
            aud: self.checks.audience.as_deref(),
        };
        let header = Header { kid: signer.kid.clone(), ..Header::new(signer.algorithm) };
        encode(&header, &claims, &signer.key).map_err(|_| AuthError::Invalid("it could not be signed"))
    }

    fn check_signature(&self, header: &Header, message: &str, signature: &str) -> Result<(), AuthError> {
        let mut tried = false;
        for key in self.keys.iter().filter(|key| key.is_for(header.alg, header.kid.as_deref())) {
            tried = true;
            if crypto::verify(signature, message.as_bytes(), &key.key, key.algorithm).unwrap_or(false) {
                return Ok(());
            }
        }
        Err(AuthError::Invalid(if tried { "the signature" } else { "no key of that algorithm and `kid`" }))
    }
}

impl Key {
    /// A key with a name is not tried for tokens that name another; one without is tried for all.
    fn is_for(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        self.algorithm == algorithm && (kid.is_none() || self.kid.is_none() || self.kid.as_deref() == kid)
    }
}

#[cfg(test)]
mod tests;
