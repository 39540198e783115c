//! The hub's database, seen from outside: rows put in beforehand, rows looked at afterwards.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

/// A connection of our own to the hub's database.
pub struct Store(Conn);

enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// What every hub that writes to PostgreSQL holds until its commit (`store/connection.rs`).
const WRITER_LOCK: i64 = 0x726f_6f6d_6361_7301;

/// Runs a query on whichever connection it is.
macro_rules! on_each {
    ($store:expr, $c:ident => $query:expr) => {
        match &mut $store.0 {
            Conn::Sqlite($c) => $query,
            Conn::Postgres($c) => $query,
        }
    };
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

/// A text as SQL has it.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

impl Store {
    /// Opens the file, which the hub has migrated.
    pub fn open(file: &Path) -> Store {
        Store::open_url(&format!("sqlite://{}", file.display()))
    }

    /// Opens what a `DATABASE_URL` names.
    pub fn open_url(url: &str) -> Store {
        let Some(file) = url.strip_prefix("sqlite://") else {
            return Store(Conn::Postgres(PgConnection::establish(url).unwrap()));
        };
        let mut connection = SqliteConnection::establish(file).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        Store(Conn::Sqlite(connection))
    }

    /// Puts in a campaign, made at `created_at` (milliseconds).
    pub fn campaign_at(&mut self, id: &str, owner: Option<&str>, status: &str, created_at: i64) {
        let owner = owner.map_or("NULL".to_owned(), text);
        let (name, id, status) = (text(&format!("Campaign {id}")), text(id), text(status));
        self.execute(&format!(
            "INSERT INTO campaigns (id, name, owner_id, status, status_at, metadata, created_at, updated_at)
             VALUES ({id}, {name}, {owner}, {status}, {created_at}, '{{\"budget\":5}}', {created_at}, {created_at})"
        ));
    }

    /// Puts in a campaign.
    pub fn campaign(&mut self, id: &str, owner: Option<&str>, status: &str) {
        self.campaign_at(id, owner, status, 1_700_000_000_000);
    }

    /// Lets a user take part in a campaign.
    pub fn participant(&mut self, campaign: &str, user: &str) {
        let (campaign, user) = (text(campaign), text(user));
        self.execute(&format!(
            "INSERT INTO campaign_participants (campaign_id, user_id) VALUES ({campaign}, {user})"
        ));
    }

    /// A campaign's status.
    pub fn status_of(&mut self, campaign: &str) -> Option<String> {
        self.words(&format!("SELECT status AS value FROM campaigns WHERE id = {}", text(campaign))).pop()
    }

    /// Notes that a user was removed from a campaign.
    pub fn removed_participant(&mut self, campaign: &str, user: &str) {
        let (campaign, user) = (text(campaign), text(user));
        self.execute(&format!(
            "INSERT INTO campaign_participants (campaign_id, user_id, removed_at) VALUES ({campaign}, {user}, 1)"
        ));
    }

    /// Notes that he takes part again.
    pub fn add_again(&mut self, campaign: &str, user: &str) {
        let (campaign, user) = (text(campaign), text(user));
        self.execute(&format!(
            "UPDATE campaign_participants SET removed_at = NULL WHERE campaign_id = {campaign} AND user_id = {user}"
        ));
    }

    /// Puts a message into the outbox, as a publisher does.
    pub fn outbox(&mut self, channel: &str, payload: &serde_json::Value) {
        let (channel, payload) = (text(channel), text(&payload.to_string()));
        self.execute(&format!("INSERT INTO event_outbox (channel, payload) VALUES ({channel}, {payload})"));
    }

    /// Executes statements.
    pub fn execute(&mut self, statements: &str) {
        on_each!(self, c => c.batch_execute(statements)).unwrap();
    }

    /// Holds the writer's lock for a while: no hub can write, everybody can read.
    pub fn hold_lock(&mut self, time: std::time::Duration) {
        match self.0 {
            Conn::Sqlite(_) => self.execute("BEGIN IMMEDIATE"),
            Conn::Postgres(_) => self.execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({WRITER_LOCK})")),
        }
        std::thread::sleep(time); // the lock is what it is for
        self.execute("COMMIT");
    }

    /// A number that changes with each commit of somebody else that writes.
    pub fn data_version(&mut self) -> i64 {
        let query = match self.0 {
            Conn::Sqlite(_) => "SELECT data_version AS value FROM pragma_data_version",
            Conn::Postgres(_) => {
                "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS BIGINT) AS value"
            }
        };
        self.number(query)
    }

    /// How many rows a query counts.
    pub fn count(&mut self, from: &str) -> i64 {
        self.number(&format!("SELECT count(*) AS value FROM {from}"))
    }

    /// The one number of a query, named `value`.
    pub fn number(&mut self, query: &str) -> i64 {
        on_each!(self, c => diesel::sql_query(query).get_result::<Number>(c)).unwrap().value
    }

    /// The texts of a query, named `value`.
    pub fn words(&mut self, query: &str) -> Vec<String> {
        let words = on_each!(self, c => diesel::sql_query(query).get_results::<Word>(c)).unwrap();
        words.into_iter().filter_map(|row| row.value).collect()
    }

    /// Fails unless SQLite finds its file sound. (PostgreSQL looks after itself.)
    pub fn assert_sound(&mut self) {
        if matches!(self.0, Conn::Postgres(_)) {
            return;
        }
        assert_eq!(self.words("SELECT integrity_check AS value FROM pragma_integrity_check"), ["ok"]);
        assert_eq!(self.count("pragma_foreign_key_check"), 0);
    }
}
