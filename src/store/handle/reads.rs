//! Reads: each on a connection of the pool, of one moment, and answered from there.

use std::sync::Arc;

use diesel::Connection as _;

use super::Store;
use crate::clock::Millis;
use crate::store::StoreError;
use crate::store::access::{self, AccessChanges};
use crate::store::campaigns::{self, CampaignPart, CampaignRead, CampaignRow};
use crate::store::connection::AnyConnection;
use crate::store::notifications::{self, Of, StoredNotification, Unread};
use crate::store::read_model::{self, Campaign};
use crate::store::statistics::{self, ConnectionStatistics};

/// Who asks for his first data.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct InitialAsk {
    /// The user.
    pub user: Arc<str>,
    /// The token's `ownedCampaigns`.
    pub claimed_owned: Vec<String>,
    /// The token's `participatingCampaigns`.
    pub claimed_participating: Vec<String>,
}

/// What a connect is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initial {
    /// The active campaigns of the user, newest first, at most 500.
    pub campaigns: Vec<CampaignRow>,
    /// Unread notifications, newest first, at most 10.
    pub notifications: Vec<StoredNotification>,
    /// The greatest `seq` of the user's notifications at that moment.
    pub mark: i64,
}

impl Store {
    /// Reads what a connect is told. One that waits is shared by who asks the same.
    pub fn initial(&self, ask: InitialAsk, reply: impl FnOnce(Result<Initial, StoreError>) + Send + 'static) {
        let ended = self.0.ended.clone();
        let query = move |conn: &mut AnyConnection, ask: &InitialAsk| {
            let unread = notifications::initial(conn, &ask.user)?;
            let campaigns =
                campaigns::initial(conn, &ask.user, &ask.claimed_owned, &ask.claimed_participating, &ended)?;
            Ok(Initial { campaigns, notifications: unread.items, mark: unread.mark })
        };
        self.0.initials.read(&self.0.readers, ask, query, reply);
    }

    /// Reads a campaign's state and what `user` is to it, of one moment after this call.
    pub fn campaign(
        &self,
        campaign: &str,
        user: &str,
        reply: impl FnOnce(Result<CampaignRead, StoreError>) + Send + 'static,
    ) {
        let (campaign, user) = (campaign.to_owned(), user.to_owned());
        self.0.readers.read(move |conn| campaigns::read(conn, &campaign, &user), reply);
    }

    /// Reads what `user` is to each of these campaigns, of one moment after this call on SQLite.
    pub fn campaign_parts(
        &self,
        user: &str,
        campaigns: Vec<String>,
        reply: impl FnOnce(Result<Vec<CampaignPart>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        let query = move |conn: &mut AnyConnection| {
            conn.transaction(|conn| campaigns::parts(conn, &user, &campaigns))
        };
        self.0.readers.read(query, reply);
    }

    /// Reads a campaign as a whole, with who takes part; none where the store does not know it.
    pub fn whole_campaign(
        &self,
        campaign: &str,
        reply: impl FnOnce(Result<Option<Campaign>, StoreError>) + Send + 'static,
    ) {
        let id = campaign.to_owned();
        let query = move |conn: &mut AnyConnection| conn.transaction(|conn| read_model::get(conn, &id));
        self.0.readers.read(query, reply);
    }

    /// Reads all revocations, and from where on the line of changes has to be read.
    pub fn revocations(&self, reply: impl FnOnce(Result<AccessChanges, StoreError>) + Send + 'static) {
        self.0.readers.read(access::revocations, reply);
    }

    /// Reads the line of changes behind what was seen of it.
    pub fn access_changes(
        &self,
        seen: i64,
        reply: impl FnOnce(Result<AccessChanges, StoreError>) + Send + 'static,
    ) {
        let origin = self.0.origin;
        self.0.readers.read(move |conn| access::changes(conn, origin, seen), reply);
    }

    /// Reads the unread notifications after `mark`, oldest first; of very many the newest thousand.
    pub fn unread_since(
        &self,
        user: &str,
        mark: i64,
        reply: impl FnOnce(Result<Unread, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        self.0.readers.read(move |conn| notifications::unread_since(conn, &user, mark), reply);
    }

    /// Reads a user's notifications, newest first: those numbered below `before`, or the newest.
    pub fn notifications(
        &self,
        user: &str,
        of: Of,
        before: Option<i64>,
        limit: i64,
        reply: impl FnOnce(Result<Vec<StoredNotification>, StoreError>) + Send + 'static,
    ) {
        let user = user.to_owned();
        self.0.readers.read(move |conn| notifications::page(conn, &user, of, before, limit), reply);
    }

    /// Reads the statistics of connections of a time, both ends included.
    pub fn connection_statistics(
        &self,
        from: Millis,
        to: Millis,
        reply: impl FnOnce(Result<ConnectionStatistics, StoreError>) + Send + 'static,
    ) {
        self.0.readers.read(move |conn| statistics::read(conn, from, to), reply);
    }
}
