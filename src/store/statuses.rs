//! Campaign statuses: the newest one a campaign, by the publisher's time.

use std::sync::Arc;

use diesel::query_dsl::methods::FilterDsl;
use diesel::upsert::excluded;
use diesel::{BoolExpressionMethods, ExpressionMethods, QueryResult, RunQueryDsl};

use super::connection::AnyConnection;
use super::schema::campaigns;
use crate::clock::{Millis, now_ms};

/// Rows of one INSERT: five variables each.
const CHUNK: usize = 500;

/// A status on its way into the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StatusWrite {
    pub(super) campaign: Arc<str>,
    pub(super) status: Arc<str>,
    pub(super) time: Millis,
    /// The newest ticket that this write covers.
    pub(super) ticket: u64,
}

/// Writes statuses of different campaigns; older ones than the rows hold change nothing.
pub(super) fn write(conn: &mut AnyConnection, list: &[&StatusWrite]) -> QueryResult<()> {
    let now = now_ms();
    let row = |one: &&StatusWrite| {
        (
            campaigns::id.eq(one.campaign.to_string()),
            campaigns::status.eq(one.status.to_string()),
            campaigns::status_at.eq(one.time),
            campaigns::created_at.eq(now),
            campaigns::updated_at.eq(now),
        )
    };
    // the same value again is no write: with several nodes each of them writes every status
    macro_rules! upsert {
        ($conn:expr, $values:expr) => {
            FilterDsl::filter(
                diesel::insert_into(campaigns::table)
                    .values($values)
                    .on_conflict(campaigns::id)
                    .do_update()
                    .set((
                        campaigns::status.eq(excluded(campaigns::status)),
                        campaigns::status_at.eq(excluded(campaigns::status_at)),
                        campaigns::updated_at.eq(excluded(campaigns::updated_at)),
                    )),
                campaigns::status_at
                    .is_null()
                    .or(campaigns::status_at.lt(excluded(campaigns::status_at)))
                    .or(campaigns::status_at.eq(excluded(campaigns::status_at)).and(
                        campaigns::status.is_null().or(campaigns::status.ne(excluded(campaigns::status))),
                    )),
            )
            .execute($conn)?
        };
    }
    match conn {
        AnyConnection::Sqlite(conn) => {
            for one in list {
                upsert!(conn, row(one));
            }
        }
        AnyConnection::Postgres(conn) => {
            for chunk in list.chunks(CHUNK) {
                upsert!(conn, chunk.iter().map(row).collect::<Vec<_>>());
            }
        }
    }
    Ok(())
}

impl StatusWrite {
    /// Takes in a later write of the same campaign: the greater time wins, of equal ones the later.
    pub(super) fn coalesce(&mut self, later: StatusWrite) {
        self.ticket = self.ticket.max(later.ticket);
        if later.time >= self.time {
            self.time = later.time;
            self.status = later.status;
        }
    }
}
