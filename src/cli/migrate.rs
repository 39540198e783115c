//! `roomcast migrate`: brings the database's schema up to date.

use super::{Failure, print};
use crate::app::options;
use crate::config::Config;
use crate::store::{Store, StoreError};

pub(super) fn run(config: &Config) -> Result<(), Failure> {
    let done = Store::migrate(&options::store(config)).map_err(|error| match error {
        StoreError::Wrong(_) | StoreError::NewerSchema(_) => Failure::Setting(error.to_string()),
        other => Failure::Other(other.into()),
    })?;
    match done.as_slice() {
        [] => print("the schema is up to date\n"),
        names => print(&format!("migrated: {}\n", names.join(", "))),
    }
}
