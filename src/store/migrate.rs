//! Brings the schema up to date: embedded migrations, one at a time however many start at once.

use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::StoreError;
use super::connection::{AnyConnection, Manager, MultiBackend};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

type Migrations = Vec<Box<dyn Migration<MultiBackend>>>;

/// Runs what is pending and names it; `Ok` with an empty list where nothing was.
pub(super) fn run(manager: &Manager) -> Result<Vec<String>, StoreError> {
    let mut conn = manager.open_for_migration()?;
    let known = known(&conn)?;
    // first without a lock and without the right to create anything: the usual case
    if let Some(applied) = applied(&mut conn)
        && pending(&known, &applied)?.is_empty()
    {
        return Ok(Vec::new());
    }
    conn.migrate(|conn| {
        let applied = conn.applied_migrations().map_err(failed)?;
        let pending = pending(&known, &applied)?;
        pending.into_iter().map(|migration| apply(conn, migration)).collect()
    })
}

fn apply(conn: &mut AnyConnection, migration: &dyn Migration<MultiBackend>) -> Result<String, StoreError> {
    conn.run_migration(migration).map_err(failed)?;
    Ok(migration.name().to_string())
}

/// The migrations that this binary knows for the connection's database, oldest first.
fn known(conn: &AnyConnection) -> Result<Migrations, StoreError> {
    let source = if conn.is_sqlite() { SQLITE } else { POSTGRES };
    let mut list: Migrations = source.migrations().map_err(failed)?;
    list.sort_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(list)
}

/// The versions that the database has had; `None` where it has had none yet.
fn applied(conn: &mut AnyConnection) -> Option<Vec<MigrationVersion<'static>>> {
    diesel::table! {
        __diesel_schema_migrations (version) {
            version -> Text,
        }
    }
    let versions: Vec<String> =
        __diesel_schema_migrations::table.select(__diesel_schema_migrations::version).load(conn).ok()?;
    Some(versions.into_iter().map(MigrationVersion::from).collect())
}

fn pending<'a>(
    known: &'a Migrations,
    applied: &[MigrationVersion<'_>],
) -> Result<Vec<&'a dyn Migration<MultiBackend>>, StoreError> {
    let is_known = |version: &MigrationVersion<'_>| known.iter().any(|one| one.name().version() == *version);
    let newer: Vec<String> = applied.iter().filter(|v| !is_known(v)).map(ToString::to_string).collect();
    if !newer.is_empty() {
        return Err(StoreError::NewerSchema(newer));
    }
    let waits = |one: &&Box<dyn Migration<MultiBackend>>| !applied.contains(&one.name().version());
    Ok(known.iter().filter(waits).map(AsRef::as_ref).collect())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Failed(format!("migration: {error}"))
}
