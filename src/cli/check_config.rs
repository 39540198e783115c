//! `roomcast check-config`: what is wrong and where; else the configuration in effect.

use super::{CheckConfigArgs, Failure, note, print};
use crate::auth::{AuthOptions, KeySet};
use crate::config::{Config, Sources, reference};

pub(super) fn run(args: &CheckConfigArgs, sources: &Sources) -> Result<(), Failure> {
    if args.reference {
        return print(&reference());
    }
    let config = Config::load(sources)?;
    config.require_files()?;
    config.require_served()?;
    if config.auth.has_key() {
        KeySet::load(&AuthOptions::from(&config.auth))
            .map_err(|error| Failure::Setting(error.to_string()))?;
    }
    print(&config.effective_toml())?;
    // no error here: only `serve` needs a key
    if let Err(missing) = config.require_keys() {
        note(&format!("`serve` would refuse this: {missing}"));
    }
    config.ignored_settings().iter().for_each(|line| note(line));
    Ok(())
}
