//! What the writer is given to do beside statuses and notifications, and who waits for it.

use diesel::result::QueryResult;

use super::Confirmed;
use crate::store::StoreError;
use crate::store::access;
use crate::store::connection::AnyConnection;
use crate::store::item::Task;
use crate::store::read_model::{self, CampaignChange, CampaignWrite};
use crate::store::record::CampaignPut;

/// Writes a campaign, and lets the other nodes know where that moves rights.
pub(super) fn put(
    conn: &mut AnyConnection,
    origin: i64,
    write: &CampaignWrite,
) -> QueryResult<CampaignChange> {
    let change = read_model::put(conn, write)?;
    access::note_put(conn, origin, &write.id, &change)?;
    Ok(change)
}

/// A campaign in the writer's line, in its place among the statuses.
pub(super) struct Put {
    ticket: u64,
    put: CampaignPut,
    origin: i64,
    answer: Option<CampaignChange>,
}

impl Put {
    pub(super) fn new(ticket: u64, put: CampaignPut, origin: i64) -> Put {
        Put { ticket, put, origin, answer: None }
    }
}

impl Task for Put {
    fn apply(&mut self, conn: &mut AnyConnection) -> QueryResult<()> {
        self.answer = Some(put(conn, self.origin, &self.put.write)?);
        Ok(())
    }

    fn finish(self: Box<Self>, end: Result<(), StoreError>) {
        let Put { put, answer, .. } = *self;
        put.reply.send(end.and_then(|()| answer.ok_or_else(no_answer)));
    }

    fn writes(&self) -> bool {
        true
    }

    fn bytes(&self) -> usize {
        self.put.write.bytes()
    }

    fn ticket(&self) -> Option<u64> {
        Some(self.ticket)
    }

    fn confirmation(&self) -> Option<Confirmed> {
        self.put.write.confirmation(self.ticket)
    }
}

fn no_answer() -> StoreError {
    StoreError::Failed("no answer".into())
}

/// A query in the writer's line, and who waits for its answer.
pub(super) struct Asked<T, Q, R> {
    query: Q,
    answer: Option<T>,
    reply: R,
    writes: bool,
}

impl<T, Q, R> Asked<T, Q, R> {
    pub(super) fn reading(query: Q, reply: R) -> Self {
        Asked { query, answer: None, reply, writes: false }
    }

    pub(super) fn writing(query: Q, reply: R) -> Self {
        Asked { query, answer: None, reply, writes: true }
    }
}

impl<T, Q, R> Task for Asked<T, Q, R>
where
    T: Send,
    Q: FnMut(&mut AnyConnection) -> QueryResult<T> + Send,
    R: FnOnce(Result<T, StoreError>) + Send,
{
    fn apply(&mut self, conn: &mut AnyConnection) -> QueryResult<()> {
        self.answer = Some((self.query)(conn)?);
        Ok(())
    }

    fn finish(self: Box<Self>, end: Result<(), StoreError>) {
        let Asked { answer, reply, .. } = *self;
        reply(end.and_then(|()| answer.ok_or_else(no_answer)));
    }

    fn writes(&self) -> bool {
        self.writes
    }
}
