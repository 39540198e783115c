//! Puts the layers on top of each other: defaults, file, variables, flags.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Errors, Origin, Problem};
use super::setting::{Secrecy, Spec};
use super::value::{Fault, Raw, found};
use super::{Config, Sources, suggest};

/// A configuration under way, with everything wrong so far.
pub(super) struct Loader {
    pub(super) config: Config,
    problems: Vec<Problem>,
}

/// The file's name and text, from which a position becomes a line.
struct File<'a> {
    name: String,
    text: &'a str,
}

impl File<'_> {
    fn at(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { name: self.name.clone(), line }
    }
}

impl Loader {
    pub(super) fn new(dev: bool) -> Loader {
        Loader { config: Config::defaults(dev), problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, origin: Origin, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { origin, path: path.into(), message: message.into() });
    }

    /// Reads the file; each of its settings that is good is set.
    pub(super) fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let whole = |name: &str| Origin::File { name: name.to_owned(), line: 0 };
        match std::fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => self.toml(&File { name, text: text.strip_prefix('\u{feff}').unwrap_or(&text) }),
            Ok(Err(_)) => self.problem(whole(&name), "", "is not UTF-8, which TOML is written in"),
            Err(why) => self.problem(whole(&name), "", format!("cannot be read: {why}")),
        }
    }

    fn toml(&mut self, file: &File<'_>) {
        let (root, errors) = DeTable::parse_recoverable(file.text);
        for error in &errors {
            let origin = file.at(error.span().map_or(0, |span| span.start));
            // of the error only the message: its long form quotes the line, which may hold a secret
            self.problem(origin, "", format!("is not TOML: {}", error.message()));
        }
        for (name, value) in root.get_ref() {
            self.toml_section(file, name, value);
        }
    }

    fn toml_section(
        &mut self,
        file: &File<'_>,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let section: &str = name.get_ref();
        let origin = || file.at(name.span().start);
        let known = self.config.sections().iter().any(|known| known.name() == section);
        match value.get_ref() {
            DeValue::Table(table) if known => {
                for (key, value) in table {
                    self.toml_setting(file, section, key, value);
                }
            }
            other if known => {
                let message =
                    format!("is a section: write [{section}] and its settings below; found {}", found(other));
                self.problem(origin(), section, message);
            }
            other => {
                let message = self.unknown_section(section, matches!(other, DeValue::Table(_)));
                self.problem(origin(), section, message);
            }
        }
    }

    fn toml_setting(
        &mut self,
        file: &File<'_>,
        section: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let origin = file.at(key.span().start);
        let place = |fault: &Fault| fault.span.clone().map_or(origin.clone(), |span| file.at(span.start));
        match self.config.set(section, key.get_ref(), &Raw::Toml(value)) {
            None => self.unknown_key(origin, section, key.get_ref()),
            Some(result) => self.outcome(&origin, section, key.get_ref(), result, place),
        }
    }

    /// Sets a value from the text of a variable or a flag.
    pub(super) fn text(&mut self, origin: Origin, section: &str, key: &str, text: &str) {
        match self.config.set(section, key, &Raw::Text(text)) {
            None => self.unknown_key(origin, section, key),
            Some(result) => self.outcome(&origin, section, key, result, |_| origin.clone()),
        }
    }

    /// Notes where a value came from, or what is wrong with it and what would be right.
    fn outcome(
        &mut self,
        origin: &Origin,
        section: &str,
        key: &str,
        result: Result<(), Vec<Fault>>,
        place: impl Fn(&Fault) -> Origin,
    ) {
        let Some(spec) = self.config.spec(section, key) else { return };
        let path = format!("{section}.{key}");
        match result {
            Err(faults) => {
                for fault in faults {
                    let message =
                        if spec.secrecy == Secrecy::Open { &fault.message } else { &fault.discreet };
                    // an entry of a list has told already what would be right
                    let message = match fault.part.is_empty() {
                        true => format!("{message}; for example {}", self.example(&spec, section, origin)),
                        false => message.clone(),
                    };
                    self.problem(place(&fault), format!("{path}{}", fault.part), message);
                }
            }
            Ok(()) => match self.config.value(section, key).and_then(|value| spec.refuses(&value)) {
                Some(message) => self.problem(origin.clone(), path, message),
                None => drop(self.config.origins.insert(path, origin.clone())),
            },
        }
    }

    /// A right value, in the form in which this place takes it.
    fn example(&self, spec: &Spec, section: &str, origin: &Origin) -> String {
        let default = Config::default().value(section, spec.key).map(|value| value.to_string());
        let toml = spec.example.map(String::from).or(default).unwrap_or_default();
        let bare = || as_text(&toml).unwrap_or_else(|| toml.clone());
        match origin {
            Origin::Variable(name) => format!("{name}={}", bare()),
            Origin::Flag(name) => format!("{name} {}", bare()),
            _ => format!("{} = {toml}", spec.key),
        }
    }

    fn unknown_section(&self, section: &str, is_table: bool) -> String {
        let sections = self.config.sections();
        let names = sections.iter().map(|known| known.name());
        let meant = if is_table {
            suggest::nearest(section, names).map(|near| format!("[{near}]"))
        } else {
            suggest::setting(&sections, "", section)
        };
        let what = if is_table { "unknown section" } else { "unknown key: settings stand in sections" };
        meant.map_or(what.to_owned(), |near| format!("{what}; did you mean {near}?"))
    }

    fn unknown_key(&mut self, origin: Origin, section: &str, key: &str) {
        let meant = suggest::setting(&self.config.sections(), section, key);
        let meant = meant.map(|path| match &origin {
            Origin::Variable(_) => super::env::variable_of(&path),
            _ => path,
        });
        let message = match meant {
            Some(near) => format!("unknown key; did you mean {near}?"),
            None => "unknown key; `roomcast check-config --reference` lists all".to_owned(),
        };
        self.problem(origin, format!("{section}.{key}"), message);
    }

    /// Checks the whole, once every layer is on.
    pub(super) fn finish(mut self) -> Result<Config, Errors> {
        self.config.settle_dev_secret();
        for (path, message) in self.config.broken_rules() {
            let origin = self.config.origins.get(&path).cloned().unwrap_or_default();
            self.problem(origin, path, message);
        }
        Errors::check(self.problems).map(|()| self.config)
    }
}

/// A value as a variable has it: bare, a list comma-separated.
fn as_text(toml: &str) -> Option<String> {
    // a lone value is no document, so it is parsed as that of a key
    let document: toml::Table = format!("value = {toml}").parse().ok()?;
    match document.get("value")? {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        other => Some(other.to_string()),
    }
}

/// All layers in their order.
pub(super) fn load(sources: &Sources) -> Result<Config, Errors> {
    let mut loader = Loader::new(sources.dev);
    if let Some(path) = sources.file() {
        loader.file(&path);
    }
    loader.variables(&sources.env);
    loader.flags(&sources.flags);
    loader.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;
    use crate::config::testing::given;

    #[test]
    fn every_layer_wins_over_the_one_before_it() {
        let file = "[server]\nport = 1\n[socketio]\nping_interval_ms = 100\nping_timeout_ms = 200";
        let env = [("ROOMCAST_SERVER__PORT", "2"), ("ROOMCAST_SOCKETIO__PING_TIMEOUT_MS", "300")];
        let mut given = given(file, &env);
        let config = given.loads();
        assert_eq!((config.server.port, config.server.host.as_str()), (2, "127.0.0.1"));
        assert_eq!((config.socketio.ping_interval_ms, config.socketio.ping_timeout_ms), (100, 300));
        given.sources.flags = Flags { host: Some("::1".into()), port: Some(3) };
        let config = given.loads();
        assert_eq!((config.server.port, config.server.host.as_str()), (3, "::1"));
        assert_eq!(config.origins["server.port"], Origin::Flag("--port"));
    }

    #[test]
    fn the_file_is_named_by_a_variable_where_no_flag_names_it() {
        let mut given = given("[server]\nport = 1", &[]);
        let file = given.sources.file.take().unwrap();
        assert_eq!(given.loads().server.port, 8080);
        given.sources.env.insert("ROOMCAST_CONFIG".into(), file.display().to_string());
        assert_eq!(given.loads().server.port, 1);
        given.sources.file = Some("/nowhere/r.toml".into());
        assert!(given.errors()[0].starts_with("/nowhere/r.toml: cannot be read: "), "{:?}", given.errors());
    }

    #[test]
    fn all_errors_are_told_at_once_with_file_line_and_path() {
        let file = "
[server]
port = \"http\"
workers = 5000

[servr]
prot = 80

[server.prot]
x = 1

[auth]
algorithms = [
  \"HS256\",
  \"RS265\",
  7,
]
leeway_ms = 1500
";
        let errors = given(file, &[("ROOMCAST_LOG__FORMAT", "xml"), ("ROOMCAST_SERVER__PROT", "1")]).errors();
        assert_eq!(
            errors,
            [
                "roomcast.toml:3: server.port: expected a whole number, found \"http\"; for example port = 8080",
                "roomcast.toml:4: server.workers: 5000 is out of range: it takes a whole number from 0 to 1024",
                "roomcast.toml:6: servr: unknown section; did you mean [server]?",
                "roomcast.toml:9: server.prot: unknown key; did you mean server.port?",
                "roomcast.toml:15: auth.algorithms[1]: \"RS265\" is unknown; did you mean \"RS256\"?",
                "roomcast.toml:16: auth.algorithms[2]: expected a string, found 7",
                "roomcast.toml:18: auth.leeway_ms: 1500 is not whole seconds; write 1000",
                "ROOMCAST_LOG__FORMAT: log.format: \"xml\" is unknown; known are text, json; for example \
                 ROOMCAST_LOG__FORMAT=text",
                "ROOMCAST_SERVER__PROT: server.prot: unknown key; did you mean ROOMCAST_SERVER__PORT?",
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_toml_is_told_by_line_without_quoting_it() {
        let file = "[auth]\nsecret = \"hunter2\nissuer = 1\n[server]\nport = \"x\"\n[server]\nhost = 1";
        let errors = given(file, &[]).errors();
        assert!(errors[0].starts_with("roomcast.toml:2: is not TOML: "), "{errors:?}");
        assert!(errors.iter().any(|line| line.starts_with("roomcast.toml:5: server.port: ")), "{errors:?}");
        assert!(
            errors.iter().any(|line| line.starts_with("roomcast.toml:6: is not TOML: dup")),
            "{errors:?}"
        );
        assert!(!errors.join("\n").contains("hunter2"), "{errors:?}");
    }

    #[test]
    fn a_setting_outside_its_section_is_shown_the_way() {
        let errors = given("port = 1\nserver = 2\nxyz = 1", &[]).errors();
        assert_eq!(
            errors,
            [
                "roomcast.toml:1: port: unknown key: settings stand in sections; did you mean server.port?",
                "roomcast.toml:2: server: is a section: write [server] and its settings below; found 2",
                "roomcast.toml:3: xyz: unknown key: settings stand in sections",
            ]
        );
    }
    #[test]
    fn secrets_of_any_kind_never_stand_in_an_error() {
        let file = "[auth]\nsecret = \"hunter2\"\napi_keys = \"hunter2\"\n\
                    [redis]\nurl = \"redis:/:hunter2@h\"";
        let env = [("ROOMCAST_AUTH__API_KEYS", "[hunter2")];
        let errors = given(file, &env).errors();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(!errors.join("\n").contains("hunter2"), "{errors:?}");
    }
}
