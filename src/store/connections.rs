//! Who was connected when: rows for statistics.

use std::sync::Arc;

use diesel::prelude::*;

use super::connection::AnyConnection;
use super::schema::connection_events as table;
use crate::clock::Millis;

/// A socket came or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionEventKind {
    /// It has authenticated.
    Connected,
    /// It is gone.
    Disconnected,
}

/// A row of `connection_events`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionEvent {
    /// The node that held the socket.
    pub node: Arc<str>,
    /// The socket's id, as clients see it.
    pub socket_id: String,
    /// Whose it was.
    pub user_id: Arc<str>,
    /// Came or went.
    pub kind: ConnectionEventKind,
    /// When.
    pub timestamp: Millis,
    /// JSON text: `{userAgent, ip, version, transport, reason, durationMs}`.
    pub metadata: Option<String>,
}

#[derive(Insertable)]
#[diesel(table_name = table)]
struct New<'a> {
    node: &'a str,
    socket_id: &'a str,
    user_id: &'a str,
    event: &'a str,
    timestamp: Millis,
    metadata: Option<&'a str>,
}

fn new(event: &ConnectionEvent) -> New<'_> {
    New {
        node: &event.node,
        socket_id: &event.socket_id,
        user_id: &event.user_id,
        event: match event.kind {
            ConnectionEventKind::Connected => "connected",
            ConnectionEventKind::Disconnected => "disconnected",
        },
        timestamp: event.timestamp,
        metadata: event.metadata.as_deref(),
    }
}

/// Writes what happened, in order.
pub(super) fn write(conn: &mut AnyConnection, list: &[&ConnectionEvent]) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            for event in list {
                diesel::insert_into(table::table).values(new(event)).execute(conn)?;
            }
        }
        AnyConnection::Postgres(conn) => {
            for chunk in list.chunks(500) {
                let rows: Vec<_> = chunk.iter().map(|event| new(event)).collect();
                diesel::insert_into(table::table).values(rows).execute(conn)?;
            }
        }
    }
    Ok(())
}
