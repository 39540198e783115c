//! What is wrong with the settings: everything at once, each with the place to mend it.

use std::collections::BTreeMap;
use std::fmt;

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Origin {
    /// Built in.
    #[default]
    Default,
    /// Built in, for `--dev` only.
    Dev,
    /// A line of the configuration file; line 0 is the file as a whole.
    File {
        /// The file's name, as it was given.
        name: String,
        /// Line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Dev => f.write_str("--dev"),
            Origin::File { name, line: 0 } => f.write_str(name),
            Origin::File { name, line } => write!(f, "{name}:{line}"),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// Where each value that is not a default comes from, by its path (`server.port`).
pub type Origins = BTreeMap<String, Origin>;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// Where it was set.
    pub origin: Origin,
    /// The setting (`server.port`); empty where it is none, as in a file that is not TOML.
    pub path: String,
    /// What is wrong and what would be right; never the value of a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.origin, Origin::Default | Origin::Dev) {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.path.is_empty() {
            // a quoted key of the file can hold anything, even a line break
            write!(f, "{}: ", self.path.escape_debug())?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong, one line each, in the order in which settings are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Errors(pub Vec<Problem>);

impl Errors {
    /// `Ok` where there are none; else sorted, each once.
    pub(crate) fn check(mut problems: Vec<Problem>) -> Result<(), Errors> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Errors(problems)) }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// What a section finds wrong with its final values.
#[derive(Default)]
pub(crate) struct Wrong(pub(crate) Vec<(&'static str, String)>);

impl Wrong {
    /// Notes that `key` of this section is wrong.
    pub(crate) fn at(&mut self, key: &'static str, message: impl Into<String>) {
        self.0.push((key, message.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(origin: Origin, path: &str) -> Problem {
        Problem { origin, path: path.into(), message: "is wrong".into() }
    }

    #[test]
    fn a_key_with_a_line_break_stays_on_its_line() {
        assert_eq!(problem(Origin::Default, "server.a\nb").to_string(), "server.a\\nb: is wrong");
    }

    #[test]
    fn each_problem_is_a_line_that_names_place_and_setting() {
        let file = |line| Origin::File { name: "roomcast.toml".into(), line };
        let errors = Errors::check(vec![
            problem(Origin::Variable("ROOMCAST_SERVER__PORT".into()), "server.port"),
            problem(file(12), "b.c"),
            problem(file(7), "a.b"),
            problem(file(7), "a.b"),
            problem(Origin::Default, "auth.secret"),
        ])
        .unwrap_err();
        let lines: Vec<String> = errors.to_string().lines().map(String::from).collect();
        assert_eq!(
            lines,
            [
                "auth.secret: is wrong",
                "roomcast.toml:7: a.b: is wrong",
                "roomcast.toml:12: b.c: is wrong",
                "ROOMCAST_SERVER__PORT: server.port: is wrong",
            ]
        );
    }
}
