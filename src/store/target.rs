//! Which database a URL means, and how a failed connect is explained.

use std::time::Duration;

use super::StoreError;

/// A database, as its URL names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// The path of a file.
    Sqlite(String),
    /// A libpq URL with our defaults added where it says nothing.
    Postgres(String),
}

impl Target {
    /// Reads `sqlite://path`, `sqlite:path`, `postgres://…` or `postgresql://…`; `timeout` is what an
    /// unreachable server may cost.
    pub(super) fn parse(url: &str, timeout: Duration) -> Result<Target, StoreError> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return sqlite_path(rest.strip_prefix("//").unwrap_or(rest));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Target::Postgres(with_defaults(url, timeout)));
        }
        Err(StoreError::Wrong(
            "it has to start with sqlite:// (then the path of a file), postgres:// or postgresql://".into(),
        ))
    }

    /// Explains why a connect failed.
    pub(super) fn explain(&self, message: &str) -> StoreError {
        match self {
            Target::Sqlite(path) => explain_sqlite(path, message),
            Target::Postgres(url) => explain_postgres(&without_password(message.trim(), url)),
        }
    }
}

fn sqlite_path(path: &str) -> Result<Target, StoreError> {
    if path.is_empty() {
        return Err(StoreError::Wrong(
            "sqlite:// needs the path of a file, for example sqlite://roomcast.db".into(),
        ));
    }
    if path == ":memory:" || path.starts_with("file:") {
        return Err(StoreError::Wrong(
            "the store has several connections to one file: give a plain path, for example sqlite://roomcast.db"
                .into(),
        ));
    }
    Ok(Target::Sqlite(path.to_owned()))
}

/// A frozen server never times out by itself, and a standby would answer with old snapshots.
fn with_defaults(url: &str, timeout: Duration) -> String {
    let seconds = timeout.as_secs().clamp(2, 60).to_string(); // libpq takes less than 2 for 2
    let millis = timeout.as_millis().max(1_000).to_string();
    let defaults = [
        ("connect_timeout", seconds.as_str()),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", millis.as_str()),
        ("application_name", "roomcast"),
        ("target_session_attrs", "read-write"),
    ];
    let mut out = url.to_owned();
    for (key, value) in defaults.into_iter().filter(|(key, _)| !sets(url, key)) {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(key);
        out.push('=');
        out.push_str(value);
    }
    out
}

/// Whether the URL's query sets `key`.
fn sets(url: &str, key: &str) -> bool {
    url.split_once('?')
        .is_some_and(|(_, query)| query.split('&').any(|pair| pair.split('=').next() == Some(key)))
}

/// libpq quotes what it could not read of a URL, and that may be the password.
fn without_password(message: &str, url: &str) -> String {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""));
    let userinfo = authority.rsplit_once('@').map_or("", |(userinfo, _)| userinfo);
    let in_query = url.split(['?', '&']).filter_map(|pair| pair.strip_prefix("password="));
    let secrets = userinfo.split_once(':').map(|(_, password)| password).into_iter().chain(in_query);
    secrets.filter(|secret| !secret.is_empty()).fold(message.to_owned(), |text, secret| {
        let plain = percent_encoding::percent_decode_str(secret).decode_utf8_lossy().into_owned();
        text.replace(secret, "***").replace(&plain, "***")
    })
}

fn explain_sqlite(path: &str, message: &str) -> StoreError {
    let what = format!("{path}: {message}");
    let lower = message.to_ascii_lowercase();
    if lower.contains("unable to open") {
        return StoreError::Wrong(format!("{what}: its folder has to exist and to be writable"));
    }
    if lower.contains("not a database") {
        return StoreError::Wrong(format!("{what}: the path is that of some other file"));
    }
    if lower.contains("readonly") {
        return StoreError::Refused { what, hint: "The file and its folder have to be writable.".into() };
    }
    StoreError::Unreachable { what, hint: "Another program may hold a lock on it.".into() }
}

/// libpq gives texts only. The server's own are translated but keep their severity: an answer to a
/// connect that is no refusal of ours is one of a few that pass by themselves.
fn explain_postgres(message: &str) -> StoreError {
    const WRONG: [&str; 5] =
        ["invalid URI", "invalid connection option", "invalid port", "invalid percent", "invalid integer"];
    const AWAY: [&str; 16] = [
        "Connection refused",
        "timeout expired",
        "could not translate host name",
        "No such file or directory",
        "server closed the connection",
        "could not connect",
        "Connection reset",
        "No route to host",
        "Network is unreachable",
        "Connection timed out",
        "starting up",
        "shutting down",
        "recovery",
        "too many",
        "connection slots",
        "session is read-only",
    ];
    let has = |list: &[&str]| list.iter().any(|part| message.contains(part));
    let what = message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    if has(&WRONG) || (message.contains("invalid") && message.contains("value:")) {
        return StoreError::Wrong(what);
    }
    if has(&AWAY) {
        let hint = "Start one, for example: docker run -d -p 5432:5432 -e POSTGRES_PASSWORD=secret postgres \
                    (then postgres://postgres:secret@127.0.0.1/postgres), or systemctl start postgresql; \
                    without a server, sqlite://roomcast.db keeps everything in a file.";
        return StoreError::Unreachable { what, hint: hint.into() };
    }
    let hint = "The user, password and database in the URL have to exist there (createuser, createdb), and \
                pg_hba.conf has to let them in.";
    StoreError::Refused { what, hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_scheme_chooses_the_database() {
        for (url, path) in
            [("sqlite://a/b.db", "a/b.db"), ("sqlite:b.db", "b.db"), ("sqlite:///x.db", "/x.db")]
        {
            assert_eq!(Target::parse(url, SECOND), Ok(Target::Sqlite(path.into())));
        }
        for url in ["postgres://h/d", "postgresql:///d?host=/run/postgresql"] {
            assert!(matches!(Target::parse(url, SECOND), Ok(Target::Postgres(_))));
        }
        for url in ["", "mysql://h/d", "roomcast.db", "sqlite://", "sqlite::memory:"] {
            assert!(matches!(Target::parse(url, SECOND), Err(StoreError::Wrong(_))), "{url}");
        }
    }

    #[test]
    fn what_the_url_says_itself_is_left_alone() {
        let url = with_defaults("postgres://h/d?connect_timeout=9&sslmode=require", SECOND);
        assert!(
            url.starts_with("postgres://h/d?connect_timeout=9&sslmode=require&keepalives_idle=10&"),
            "{url}"
        );
        assert_eq!(url.matches("connect_timeout").count(), 1);
        assert!(with_defaults("postgres://h", SECOND).starts_with("postgres://h?connect_timeout=2&"));
    }

    #[test]
    fn a_failed_connect_says_whether_waiting_helps_and_never_the_password() {
        let target = Target::Postgres("postgres://u:s%25cr@h/d".into());
        let wrong = target.explain("invalid percent-encoded token: \"s%25cr\"");
        assert!(matches!(&wrong, StoreError::Wrong(text) if !text.contains("s%25cr")), "{wrong}");
        let away = target.explain("connection to server at \"h\", port 5432 failed: Connection refused");
        assert!(
            matches!(&away, StoreError::Unreachable { hint, .. } if hint.contains("docker run")),
            "{away}"
        );
        let refused = target.explain("FATAL:  password authentication failed for user \"u\"");
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
        assert!(away.is_worth_waiting() && refused.is_worth_waiting() && !wrong.is_worth_waiting());
    }
}
