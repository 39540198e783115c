//! `[database]`: the read model and the outbox.

use super::error::Wrong;
use super::mask::mask_url;
use super::setting::{Rules, section};
use super::value::text;

section! {
    /// Where the read model (campaigns, notifications, connection statistics) and the outbox table live.
    pub struct Database = "database" {
        /// `sqlite://` with a path (`sqlite://roomcast.db` is relative, `sqlite:///var/lib/roomcast.db` is not) or
        /// `postgres://`. The default is a file that needs no server. `DATABASE_URL` sets it too.
        url: String = text("sqlite://roomcast.db"), url();
        /// Connections that read; writing has one of its own.
        pool_size: u64 = 4, range(1, 1_000);
        /// How long a client's request waits for the database until it is answered `unavailable`.
        timeout_ms: u64 = 5_000, unit("ms"), range(1, 600_000);
    }
}

impl Rules for Database {
    fn rules(&self, wrong: &mut Wrong) {
        if let Some(why) = refused_url(&self.url) {
            let shown = mask_url(&self.url);
            wrong.at(
                "url",
                format!("{shown:?} {why}; for example \"sqlite://roomcast.db\" or \"postgres://user@host/roomcast\""),
            );
        }
    }
}

fn refused_url(text: &str) -> Option<String> {
    match text.split_once("://") {
        Some(("sqlite", "")) => Some("has no path of a file".into()),
        Some(("sqlite", _)) => None,
        Some(("postgres" | "postgresql", _)) => url::Url::parse(text)
            .err()
            .map(|why| format!("is no URL ({why}); special characters of a password are percent-encoded")),
        _ => Some("is no URL of a database: it begins with sqlite://, postgres:// or postgresql://".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_sqlite_or_postgresql() {
        for good in [
            "sqlite://roomcast.db",
            "sqlite:///var/lib/r.db",
            "postgres://u:p@h:5432/db",
            "postgresql:///db?host=/run/postgresql",
        ] {
            assert_eq!(refused_url(good), None, "{good}");
        }
        for bad in ["", "roomcast.db", "sqlite://", "mysql://h/db", "postgres://u:p/w@h:x/db"] {
            assert!(refused_url(bad).is_some(), "{bad}");
        }
    }
}
