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
    let all = known.iter().map(AsRef::as_ref);
    Ok(all.filter(|one| !applied.contains(&one.name().version())).collect())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Failed(format!("migration: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::super::testing::{Db, Kind};
    use super::super::{Store, StoreError, StoreOptions};
    use super::*;

    const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

    fn revert_all(db: &Db) {
        let mut conn = db.outside();
        let source = if conn.is_sqlite() { SQLITE } else { POSTGRES };
        conn.revert_all_migrations(source).unwrap();
    }

    fn tables(db: &Db) -> Vec<String> {
        let query = match db.kind {
            Kind::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Kind::Postgres => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
        };
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            name: String,
        }
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut db.outside()).unwrap();
        let own = |name: &String| !name.starts_with("__diesel") && !name.starts_with("sqlite_");
        rows.into_iter().map(|row| row.name).filter(own).collect()
    }

    #[test]
    fn several_that_start_at_once_on_an_empty_database_migrate_it_once() {
        for kind in BOTH {
            for _ in 0..5 {
                let db = Db::empty(kind);
                let start = Barrier::new(6);
                let ran: Vec<String> = std::thread::scope(|scope| {
                    let one = || {
                        start.wait();
                        Store::migrate(&db.options()).unwrap()
                    };
                    let threads: Vec<_> = (0..6).map(|_| scope.spawn(one)).collect();
                    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
                });
                assert_eq!(ran.len(), known(&db.outside()).unwrap().len(), "{ran:?}");
                assert_eq!(tables(&db).len(), 9);
            }
        }
    }

    #[test]
    fn a_schema_newer_than_the_binary_is_refused_and_left_alone() {
        for kind in BOTH {
            let db = Db::empty(kind);
            Store::migrate(&db.options()).unwrap();
            assert_eq!(Store::migrate(&db.options()), Ok(vec![]));
            db.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
            let refused = Store::migrate(&db.options());
            assert_eq!(refused, Err(StoreError::NewerSchema(vec!["99990101000000".into()])));
            assert!(!refused.unwrap_err().is_worth_waiting());
            assert_eq!(tables(&db).len(), 9);
        }
    }

    #[test]
    fn migrations_can_be_taken_back_and_run_again() {
        for kind in BOTH {
            let db = Db::empty(kind);
            let first = Store::migrate(&db.options()).unwrap();
            revert_all(&db);
            assert_eq!(tables(&db), Vec::<String>::new());
            assert_eq!(Store::migrate(&db.options()).unwrap(), first);
        }
    }

    #[test]
    fn a_database_that_cannot_be_had_says_what_to_do() {
        let of = |url: String| StoreOptions {
            url,
            timeout: Duration::from_secs(2),
            ..Db::empty(Kind::Sqlite).options()
        };
        let missing = Store::migrate(&of("sqlite:///no/such/folder/x.db".into())).unwrap_err();
        assert!(matches!(missing, StoreError::Wrong(_)), "{missing}");

        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let away = Store::migrate(&of(format!("postgres://u:hunter2@{free}/d"))).unwrap_err();
        assert!(
            matches!(away, StoreError::Unreachable { .. }) && !away.to_string().contains("hunter2"),
            "{away}"
        );

        let nobody = Db::empty(Kind::Postgres).url.replace("postgres@", "nobody:hunter2@");
        let refused = Store::migrate(&of(nobody)).unwrap_err();
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
        let typo = Store::migrate(&of("postgres://127.0.0.1/d?sslmde=require".into())).unwrap_err();
        assert!(matches!(typo, StoreError::Wrong(_)), "{typo}");
    }
}
