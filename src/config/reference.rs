//! The reference of every setting, made from the table: `docs/configuration.md`.

use std::fmt::Write as _;

use super::Config;
use super::env::variable_of;
use super::setting::{Section, Spec};

const INTRO: &str = "# Configuration

<!-- Made by `roomcast check-config --reference > docs/configuration.md`; a test holds it up to date. -->

`roomcast serve --dev` needs none of this. Layers, the later winning:

1. the defaults below; `--dev` gives `auth.secret` a published one, and refuses a host that is not loopback
2. a TOML file, named by `--config` or `ROOMCAST_CONFIG`
3. `REDIS_URL`, or `REDIS_HOST`, `REDIS_PORT` and `REDIS_PASSWORD` (the URL wins over its parts; a host makes a
   new URL, port and password alone change the one that is configured; `REDIS_PORT=tcp://…`, which Kubernetes
   sets, is passed over); `DATABASE_URL`; `SERVICE_VERSION`, the version that is shown
4. `ROOMCAST_SECTION__KEY`, as `ROOMCAST_SERVER__PORT=8080` for `server.port`
5. flags: `--host`, `--port`

An empty variable counts as not set. Values of variables are taken as they stand; a list is comma-separated or
a JSON array. A `ROOMCAST_` variable without a double underscore is not ours, save `ROOMCAST_CONFIG`: Kubernetes
sets such for every service. The level of the log is that of `RUST_LOG` (default `info`).

Unknown keys are refused, and everything that is wrong is told at once with file, line and path:
`roomcast check-config` does that and prints the configuration in effect, with secrets masked. Exit codes: 2
for a wrong setting, 1 for other failures.
";

/// The reference as Markdown.
pub fn reference() -> String {
    let mut out = INTRO.to_owned();
    for section in Config::default().sections() {
        let _ = write!(out, "\n## `[{}]`\n\n{}\n\n", section.name(), section.about());
        out.push_str("| key | takes | default | what and why |\n|---|---|---|---|\n");
        for spec in section.specs() {
            out.push_str(&row(section, &spec));
        }
        let first =
            section.specs().first().map(|spec| variable_of(&format!("{}.{}", section.name(), spec.key)));
        let _ = writeln!(out, "\nAs a variable: `{}` and so on.", first.unwrap_or_default());
    }
    out
}

fn row(section: &dyn Section, spec: &Spec) -> String {
    let default = section.get(spec.key).map(|value| value.to_string()).unwrap_or_default();
    let example = spec.example.map(|toml| format!(" Example: `{toml}`.")).unwrap_or_default();
    let help = spec.help.replace('|', "\\|");
    format!("| `{}` | {} | `{default}` | {help}{example} |\n", spec.key, spec.takes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_that_is_checked_in_is_the_one_made_from_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == super::reference(),
            "{path} is out of date: cargo run -- check-config --reference > docs/configuration.md"
        );
    }
}
