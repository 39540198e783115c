//! The hub's SQLite file, seen from outside: rows put in beforehand, rows looked at afterwards.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

/// A connection of our own to the hub's file.
pub struct Store(SqliteConnection);

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

impl Store {
    /// Opens the file, which the hub has migrated.
    pub fn open(file: &Path) -> Store {
        let mut connection = SqliteConnection::establish(&file.display().to_string()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        Store(connection)
    }

    /// Puts in a campaign, made at `created_at` (milliseconds).
    pub fn campaign_at(&mut self, id: &str, owner: Option<&str>, status: &str, created_at: i64) {
        diesel::sql_query(
            "INSERT INTO campaigns (id, name, owner_id, status, status_at, metadata, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind::<Text, _>(id)
        .bind::<Text, _>(format!("Campaign {id}"))
        .bind::<Nullable<Text>, _>(owner)
        .bind::<Text, _>(status)
        .bind::<BigInt, _>(created_at)
        .bind::<Text, _>(r#"{"budget":5}"#)
        .bind::<BigInt, _>(created_at)
        .bind::<BigInt, _>(created_at)
        .execute(&mut self.0)
        .unwrap();
    }

    /// Puts in a campaign.
    pub fn campaign(&mut self, id: &str, owner: Option<&str>, status: &str) {
        self.campaign_at(id, owner, status, 1_700_000_000_000);
    }

    /// Lets a user take part in a campaign.
    pub fn participant(&mut self, campaign: &str, user: &str) {
        diesel::sql_query("INSERT INTO campaign_participants (campaign_id, user_id) VALUES (?, ?)")
            .bind::<Text, _>(campaign)
            .bind::<Text, _>(user)
            .execute(&mut self.0)
            .unwrap();
    }

    /// A campaign's status.
    pub fn status_of(&mut self, campaign: &str) -> Option<String> {
        diesel::sql_query("SELECT status AS value FROM campaigns WHERE id = ?")
            .bind::<Text, _>(campaign)
            .get_result::<Word>(&mut self.0)
            .optional()
            .unwrap()
            .and_then(|row| row.value)
    }

    /// Notes that a user was removed from a campaign.
    pub fn removed_participant(&mut self, campaign: &str, user: &str) {
        diesel::sql_query(
            "INSERT INTO campaign_participants (campaign_id, user_id, removed_at) VALUES (?, ?, 1)",
        )
        .bind::<Text, _>(campaign)
        .bind::<Text, _>(user)
        .execute(&mut self.0)
        .unwrap();
    }

    /// Notes that he takes part again.
    pub fn add_again(&mut self, campaign: &str, user: &str) {
        diesel::sql_query(
            "UPDATE campaign_participants SET removed_at = NULL WHERE campaign_id = ? AND user_id = ?",
        )
        .bind::<Text, _>(campaign)
        .bind::<Text, _>(user)
        .execute(&mut self.0)
        .unwrap();
    }

    /// Executes statements.
    pub fn execute(&mut self, statements: &str) {
        self.0.batch_execute(statements).unwrap();
    }

    /// Holds the lock on the file for a while: nobody else can write, everybody can read.
    pub fn hold_lock(&mut self, time: std::time::Duration) {
        self.0.batch_execute("BEGIN IMMEDIATE").unwrap();
        std::thread::sleep(time); // the lock is what it is for
        self.0.batch_execute("COMMIT").unwrap();
    }

    /// A number that changes with each commit of somebody else.
    pub fn data_version(&mut self) -> i64 {
        let query = diesel::sql_query("SELECT data_version AS value FROM pragma_data_version");
        query.get_result::<Number>(&mut self.0).unwrap().value
    }

    /// How many rows a query counts.
    pub fn count(&mut self, from: &str) -> i64 {
        let query = format!("SELECT count(*) AS value FROM {from}");
        diesel::sql_query(query).get_result::<Number>(&mut self.0).unwrap().value
    }

    /// Fails unless SQLite finds its file sound.
    pub fn assert_sound(&mut self) {
        let query = diesel::sql_query("SELECT integrity_check AS value FROM pragma_integrity_check");
        let found = query.get_results::<Word>(&mut self.0).unwrap();
        let found: Vec<String> = found.into_iter().filter_map(|row| row.value).collect();
        assert_eq!(found, ["ok"]);
        assert_eq!(self.count("pragma_foreign_key_check"), 0);
    }
}
