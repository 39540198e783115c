//! What the tests of loading share.

use std::collections::BTreeMap;

use super::{Config, Sources};

/// A file and variables to load from; the file is called `roomcast.toml` in errors.
pub(super) struct Given {
    pub(super) sources: Sources,
    dir: tempfile::TempDir,
}

pub(super) fn given(toml: &str, env: &[(&str, &str)]) -> Given {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("roomcast.toml");
    std::fs::write(&file, toml).unwrap();
    let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Given { sources: Sources { file: Some(file), env, ..Sources::default() }, dir }
}

impl Given {
    #[track_caller]
    pub(super) fn loads(&self) -> Config {
        Config::load(&self.sources).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The lines of the errors.
    #[track_caller]
    pub(super) fn errors(&self) -> Vec<String> {
        let errors = Config::load(&self.sources).err().unwrap().to_string();
        errors.replace(&format!("{}/", self.dir.path().display()), "").lines().map(String::from).collect()
    }
}
