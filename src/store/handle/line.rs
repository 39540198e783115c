//! What goes through the writer's line: changes, and the reads that have to have their place among them.

use std::sync::Arc;

use diesel::result::QueryResult;

use super::Store;
use super::tasks::{Asked, Put, put};
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::access::{self, AccessChange, AccessNow};
use crate::store::campaigns;
use crate::store::connection::AnyConnection;
use crate::store::connections::{self, ConnectionEvent};
use crate::store::item::{Item, Task};
use crate::store::nodes;
use crate::store::notifications::{self, NotificationWrite};
use crate::store::outbox::{self, OutboxMark};
use crate::store::read_model::{self, CampaignChange, CampaignWrite, ParticipantChange};
use crate::store::record::Record;
use crate::store::statuses::StatusWrite;

impl Store {
    /// Hands a record to the writer. Never blocks. False where the queue was full: the record is refused
    /// and counted, those before it stay, and no confirmation will come.
    pub fn write(&self, ticket: u64, record: Record) -> bool {
        match record {
            Record::Status { campaign_id, status, time } => {
                self.0.queue.status(StatusWrite { campaign: campaign_id, status, time, ticket })
            }
            Record::Notification(row) => self
                .0
                .queue
                .push(Item::Notification(NotificationWrite { ticket, row, written: None }))
                .is_ok(),
            Record::Campaign(put) => {
                let id = put.write.id.clone();
                self.try_line_up(Some(&id), Put::new(ticket, *put, self.0.origin))
            }
        }
    }

    /// Replaces all of a campaign but its participants; an older status stays out.
    pub fn put_campaign(
        &self,
        campaign: CampaignWrite,
        reply: impl FnOnce(Result<CampaignChange, StoreError>) + Send + 'static,
    ) {
        let (id, origin) = (campaign.id.clone(), self.0.origin);
        self.change(Some(&id), move |conn| put(conn, origin, &campaign), reply);
    }

    /// Deletes a campaign and who takes part; who was removed from it stays removed.
    pub fn delete_campaign(
        &self,
        campaign: &str,
        reply: impl FnOnce(Result<CampaignChange, StoreError>) + Send + 'static,
    ) {
        let (id, origin) = (campaign.to_owned(), self.0.origin);
        let query = move |conn: &mut AnyConnection| {
            let change = read_model::delete(conn, &id)?;
            access::note_deleted(conn, origin, &id, &change)?;
            Ok(change)
        };
        self.change(Some(campaign), query, reply);
    }

    /// Adds a participant (again), or removes him for good.
    pub fn set_participant(
        &self,
        campaign: &str,
        user: &str,
        present: bool,
        reply: impl FnOnce(Result<ParticipantChange, StoreError>) + Send + 'static,
    ) {
        let (campaign, user, origin) = (campaign.to_owned(), user.to_owned(), self.0.origin);
        let query = move |conn: &mut AnyConnection| {
            access::note_participant(conn, origin, &campaign, &user)?;
            read_model::set_participant(conn, &campaign, &user, present)
        };
        self.change(None, query, reply);
    }

    /// Marks notifications as read; answers with those of `ids` that were the user's and unread, in the
    /// order asked.
    pub fn mark_read(
        &self,
        user: &str,
        ids: Vec<String>,
        reply: impl FnOnce(Result<Vec<String>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        self.change(None, move |conn| notifications::mark_read(conn, &user, &ids), reply);
    }

    /// Refuses tokens of `user` that were issued until `before`, for good; every node will hear of it.
    pub fn revoke(
        &self,
        user: &str,
        before: Millis,
        reply: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let (user, origin) = (user.to_owned(), self.0.origin);
        self.change(None, move |conn| access::revoke(conn, origin, &user, before), reply);
    }

    /// Writes that sockets came and went, in this order, in one transaction.
    pub fn connection_events(
        &self,
        events: Arc<[ConnectionEvent]>,
        reply: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        self.change(None, move |conn| connections::write(conn, &events), reply);
    }

    /// Notes that the hub of this name begins, and closes as `unknown` the connections that one of this name
    /// left open: what it writes later is not among them. Answers how many there were.
    pub fn node_begins(&self, name: &str, reply: impl FnOnce(Result<usize, StoreError>) + Send + 'static) {
        let name = name.to_owned();
        self.change(None, move |conn| nodes::begin(conn, &name), reply);
    }

    /// Notes that the hub of this name is there, and closes the connections of hubs that have not said so for
    /// three minutes. Answers how many there were.
    pub fn node_beats(&self, name: &str, reply: impl FnOnce(Result<usize, StoreError>) + Send + 'static) {
        let name = name.to_owned();
        self.change(None, move |conn| nodes::beat(conn, &name), reply);
    }

    /// Marks rows of the outbox, in the commit of everything that was asked for before, or a later one: so no
    /// row is marked while what it led to may still be lost.
    pub fn mark_outbox(
        &self,
        marks: Vec<OutboxMark>,
        now: Millis,
        reply: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let query = move |conn: &mut AnyConnection| outbox::mark(conn, &marks, now);
        let task = Asked::writing(query, reply);
        if let Err(Item::Task(task)) = self.0.queue.push_last(Item::Task(Box::new(task))) {
            task.finish(Err(StoreError::Busy));
        }
    }

    /// Reads, in the writer's line, which campaigns' owner copies a user gets: those that name him as
    /// owner, and those of `claimed` whose row names nobody (or that have none) and from which he was not
    /// removed. Changes of owner that were asked for before are in it, and answered before it.
    pub fn owned(
        &self,
        user: &str,
        claimed: Vec<String>,
        reply: impl FnOnce(Result<Vec<String>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        let query = move |conn: &mut AnyConnection| campaigns::owned(conn, &user, &claimed);
        self.line_up(None, Asked::reading(query, reply));
    }

    /// Reads, in the writer's line, what the store says now of the campaigns that these changes were about:
    /// what this process changes afterwards is told afterwards.
    pub fn access_now(
        &self,
        changes: Vec<AccessChange>,
        reply: impl FnOnce(Result<Vec<Option<AccessNow>>, StoreError>) + Send + 'static,
    ) {
        let query = move |conn: &mut AnyConnection| access::now(conn, &changes);
        self.line_up(None, Asked::reading(query, reply));
    }

    fn change<T: Send + 'static>(
        &self,
        campaign: Option<&str>,
        query: impl FnMut(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.line_up(campaign, Asked::writing(query, reply));
    }

    fn line_up(&self, campaign: Option<&str>, task: impl Task + 'static) {
        self.try_line_up(campaign, task);
    }

    /// False where there was no room: who waits for it has been told.
    fn try_line_up(&self, campaign: Option<&str>, task: impl Task + 'static) -> bool {
        match self.0.queue.push_behind(Item::Task(Box::new(task)), campaign) {
            Ok(()) => true,
            Err(Item::Task(task)) => {
                task.finish(Err(StoreError::Busy));
                false
            }
            Err(_) => false,
        }
    }
}
