//! `roomcast token`: a token signed with the configured secret.

use anyhow::Context as _;

use super::{Failure, TokenArgs, print};
use crate::auth::{AuthOptions, KeySet, NewToken};
use crate::clock;
use crate::config::Config;

pub(super) fn run(config: &Config, args: &TokenArgs) -> Result<(), Failure> {
    if config.auth.secret.is_empty() {
        return Err(Failure::Setting(
            "auth.secret: is not set, so that no token can be signed; set it (also as ROOMCAST_AUTH__SECRET), \
             or take the development secret with --dev"
                .into(),
        ));
    }
    let claims = NewToken {
        sub: args.sub.clone(),
        permissions: args.permissions.clone(),
        owned_campaigns: args.owned.clone(),
        participating_campaigns: args.participating.clone(),
        ttl_seconds: args.ttl,
    };
    let keys = KeySet::load(&AuthOptions::from(&config.auth))
        .map_err(|error| Failure::Setting(error.to_string()))?;
    let token = keys.sign(&claims, clock::now_ms()).context("cannot sign a token")?;
    print(&format!("{token}\n"))
}
