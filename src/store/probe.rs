//! Whether rows can be written at all: asked where an error may be the row's own or the database's.

use diesel::prelude::*;
use diesel::result::Error;

use super::connection::{AnyConnection, on_each};
use super::schema::{campaigns, connection_events, notifications};

/// No id can be this: it has a control character.
const NOBODY: &str = "\u{1}probe";

/// Writes a row into each table that the writer fills, and takes it back.
pub(super) fn run(conn: &mut AnyConnection) -> QueryResult<()> {
    let campaign =
        (campaigns::id.eq(NOBODY), campaigns::created_at.eq(0_i64), campaigns::updated_at.eq(0_i64));
    let notification = (
        notifications::id.eq(NOBODY),
        notifications::user_id.eq(NOBODY),
        notifications::kind.eq("info"),
        notifications::title.eq(""),
        notifications::message.eq(""),
        notifications::created_at.eq(0_i64),
    );
    let event = (
        connection_events::node.eq(NOBODY),
        connection_events::socket_id.eq(NOBODY),
        connection_events::user_id.eq(NOBODY),
        connection_events::event.eq("connected"),
        connection_events::timestamp.eq(0_i64),
    );
    let written = conn.write(|conn| {
        on_each!(conn, c => {
            diesel::insert_into(campaigns::table).values(campaign).execute(c)?;
            diesel::insert_into(notifications::table).values(notification).execute(c)?;
            diesel::insert_into(connection_events::table).values(event).execute(c)?;
            Err::<(), _>(Error::RollbackTransaction)
        })
    });
    match written {
        Err(Error::RollbackTransaction) => Ok(()),
        other => other,
    }
}
