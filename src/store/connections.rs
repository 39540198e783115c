//! Who was connected when: rows for statistics, and who still is.

use std::collections::HashSet;
use std::sync::Arc;

use diesel::prelude::*;

use super::connection::AnyConnection;
use super::schema::connection_events as table;
use super::schema::open_connections as open;
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
    /// Where it went: how long it was there, in milliseconds.
    pub duration_ms: Option<Millis>,
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
    duration_ms: Option<Millis>,
}

#[derive(Insertable)]
#[diesel(table_name = open)]
struct Open<'a> {
    socket_id: &'a str,
    node: &'a str,
    user_id: &'a str,
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
        duration_ms: event.duration_ms,
    }
}

/// Rows of one statement.
const CHUNK: usize = 500;

/// Writes what happened, in order, and keeps who has come and not gone.
pub(super) fn write(conn: &mut AnyConnection, list: &[ConnectionEvent]) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            for event in list {
                diesel::insert_into(table::table).values(new(event)).execute(conn)?;
            }
        }
        AnyConnection::Postgres(conn) => {
            for chunk in list.chunks(CHUNK) {
                let rows: Vec<_> = chunk.iter().map(new).collect();
                diesel::insert_into(table::table).values(rows).execute(conn)?;
            }
        }
    }
    keep_open(conn, list)
}

fn keep_open(conn: &mut AnyConnection, list: &[ConnectionEvent]) -> QueryResult<()> {
    let of = |kind| list.iter().filter(move |event| event.kind == kind);
    let ids = |kind| of(kind).map(|event| event.socket_id.as_str()).collect::<HashSet<&str>>();
    let (came, gone) = (ids(ConnectionEventKind::Connected), ids(ConnectionEventKind::Disconnected));
    let opened: Vec<Open<'_>> = of(ConnectionEventKind::Connected)
        .filter(|event| !gone.contains(event.socket_id.as_str()))
        .map(|event| Open { socket_id: &event.socket_id, node: &event.node, user_id: &event.user_id })
        .collect();
    insert_open(conn, opened)?;
    let ended: Vec<&str> = gone.difference(&came).copied().collect();
    for chunk in ended.chunks(CHUNK) {
        diesel::delete(open::table.filter(open::socket_id.eq_any(chunk))).execute(conn)?;
    }
    Ok(())
}

/// A batch whose commit was not answered is written again: what stands there already is left.
fn insert_open(conn: &mut AnyConnection, opened: Vec<Open<'_>>) -> QueryResult<()> {
    match conn {
        AnyConnection::Sqlite(conn) => {
            for row in opened {
                diesel::insert_or_ignore_into(open::table).values(row).execute(conn)?;
            }
        }
        AnyConnection::Postgres(conn) => {
            for chunk in opened.chunks(CHUNK) {
                diesel::insert_into(open::table).values(chunk).on_conflict_do_nothing().execute(conn)?;
            }
        }
    }
    Ok(())
}
