//! Notifications: stored until read, unique by user and id, numbered in the order of writing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::campaigns;
use super::connection::AnyConnection;
use super::record::{NotificationRow, Recipient};
use super::schema::notifications;
use crate::clock::{Millis, now_ms};

/// Rows of one INSERT: ten variables each.
const CHUNK: usize = 500;
/// How many a connect is told of.
const INITIAL: i64 = 10;
/// How many of the newest a subscriber is sent at once.
const UNREAD: i64 = 1_000;

/// A notification as it stands in the store.
#[derive(Clone, PartialEq, Eq, Debug, QueryableByName)]
#[diesel(table_name = notifications)]
#[allow(missing_docs, reason = "the fields of CONTRACT 5's `notification`")]
pub struct StoredNotification {
    /// Its place in the order of writing.
    pub seq: i64,
    pub id: String,
    /// `info`, `success`, `warning` or `error`.
    pub kind: String,
    pub title: String,
    pub message: String,
    pub action_url: Option<String>,
    /// JSON text.
    pub metadata: Option<String>,
    pub campaign_id: Option<String>,
    pub created_at: Millis,
    pub read_at: Option<Millis>,
}

/// What a user has not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unread {
    /// The notifications.
    pub items: Vec<StoredNotification>,
    /// The greatest `seq` of the user's notifications when they were read: where to go on.
    pub mark: i64,
}

/// A notification on its way into the store.
#[derive(Debug)]
pub(super) struct NotificationWrite {
    pub(super) ticket: u64,
    pub(super) row: Box<NotificationRow>,
    /// Where it went, once it is in the transaction; none for the owner of a campaign that names none.
    pub(super) written: Option<Written>,
}

/// Where a notification went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Written {
    pub(super) user: Arc<str>,
    pub(super) seq: i64,
    pub(super) new: bool,
}

#[derive(Insertable)]
#[diesel(table_name = notifications)]
struct New<'a> {
    id: &'a str,
    user_id: &'a str,
    kind: &'a str,
    title: &'a str,
    message: &'a str,
    action_url: Option<&'a str>,
    metadata: Option<&'a str>,
    campaign_id: Option<&'a str>,
    created_at: Millis,
}

fn new<'a>(user: &'a str, row: &'a NotificationRow) -> New<'a> {
    New {
        id: &row.id,
        user_id: user,
        kind: row.kind,
        title: &row.title,
        message: &row.message,
        action_url: row.action_url.as_deref(),
        metadata: row.metadata.as_deref(),
        campaign_id: row.campaign_id.as_deref(),
        created_at: row.created_at,
    }
}

/// Writes notifications in order and notes in each where it went.
pub(super) fn write(conn: &mut AnyConnection, list: &mut [&mut NotificationWrite]) -> QueryResult<()> {
    let users = recipients(conn, list)?;
    let rows: Vec<(Arc<str>, &NotificationRow)> =
        list.iter().zip(&users).filter_map(|(one, user)| Some((user.clone()?, &*one.row))).collect();
    let mut fresh = insert(conn, &rows)?;
    let mut known: HashMap<(Arc<str>, Arc<str>), i64> = HashMap::new();
    for (one, user) in list.iter_mut().zip(users) {
        let Some(user) = user else { continue };
        let key = (user.clone(), one.row.id.clone());
        let inserted = fresh.remove(&key);
        let seq = match inserted.or_else(|| known.get(&key).copied()) {
            Some(seq) => seq,
            None => seq_of(conn, &user, &one.row.id)?,
        };
        known.insert(key, seq);
        one.written = Some(Written { user, seq, new: inserted.is_some() });
    }
    Ok(())
}

/// Whose each one is.
fn recipients(
    conn: &mut AnyConnection,
    list: &[&mut NotificationWrite],
) -> QueryResult<Vec<Option<Arc<str>>>> {
    let asked: HashSet<Arc<str>> = list
        .iter()
        .filter_map(|one| match &one.row.to {
            Recipient::OwnerOf(campaign) => Some(campaign.clone()),
            Recipient::User(_) => None,
        })
        .collect();
    let owners = campaigns::owners(conn, &asked.into_iter().collect::<Vec<_>>())?;
    let whose = |to: &Recipient| match to {
        Recipient::User(user) => Some(user.clone()),
        Recipient::OwnerOf(campaign) => owners.get(&**campaign).map(|owner| Arc::from(owner.as_str())),
    };
    Ok(list.iter().map(|one| whose(&one.row.to)).collect())
}

type Fresh = HashMap<(Arc<str>, Arc<str>), i64>;

/// Inserts what is not there yet, and says under which numbers.
fn insert(conn: &mut AnyConnection, rows: &[(Arc<str>, &NotificationRow)]) -> QueryResult<Fresh> {
    let mut fresh = Fresh::new();
    match conn {
        AnyConnection::Sqlite(conn) => {
            for (user, row) in rows {
                let seq: Option<i64> = diesel::insert_into(notifications::table)
                    .values(new(user, row))
                    .on_conflict((notifications::user_id, notifications::id))
                    .do_nothing()
                    .returning(notifications::seq)
                    .get_result(conn)
                    .optional()?;
                fresh.extend(seq.map(|seq| ((user.clone(), row.id.clone()), seq)));
            }
        }
        AnyConnection::Postgres(conn) => {
            for chunk in rows.chunks(CHUNK) {
                let inserted: Vec<(String, String, i64)> = diesel::insert_into(notifications::table)
                    .values(chunk.iter().map(|(user, row)| new(user, row)).collect::<Vec<_>>())
                    .on_conflict((notifications::user_id, notifications::id))
                    .do_nothing()
                    .returning((notifications::user_id, notifications::id, notifications::seq))
                    .get_results(conn)?;
                fresh.extend(inserted.into_iter().map(|(user, id, seq)| ((user.into(), id.into()), seq)));
            }
        }
    }
    Ok(fresh)
}

fn seq_of(conn: &mut AnyConnection, user: &str, id: &str) -> QueryResult<i64> {
    notifications::table
        .filter(notifications::user_id.eq(user))
        .filter(notifications::id.eq(id))
        .select(notifications::seq)
        .first(conn)
}

#[derive(QueryableByName)]
struct Seq {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// User and number are compared as a pair, here and below: so the index on both is the only way to have the
/// order that is asked for. With `user_id = $1 ORDER BY seq` PostgreSQL may, by its statistics, walk through
/// the whole table from its newest row until it meets one of this user, which for somebody with old ones
/// alone is at its end.
const MARK: &str = "SELECT seq FROM notifications WHERE (user_id, seq) >= ($1, 0) \
     AND (user_id, seq) <= ($1, 9223372036854775807) ORDER BY user_id DESC, seq DESC LIMIT 1";

/// The greatest number among a user's notifications; 0 where there are none.
fn mark(conn: &mut AnyConnection, user: &str) -> QueryResult<i64> {
    let greatest = diesel::sql_query(MARK).bind::<Text, _>(user).get_result::<Seq>(conn).optional()?;
    Ok(greatest.map_or(0, |row| row.seq))
}

/// A user's notifications of a stretch, newest first.
fn stretch(of: Of) -> String {
    let which = match of {
        Of::All => "",
        Of::Unread => "read_at IS NULL AND ",
    };
    format!(
        "SELECT seq, id, type AS kind, title, message, action_url, metadata, campaign_id, created_at, read_at \
         FROM notifications WHERE {which}(user_id, seq) > ($1, $2) AND (user_id, seq) <= ($1, $3) \
         ORDER BY user_id DESC, seq DESC LIMIT $4"
    )
}

/// Which notifications are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// All that are kept.
    All,
    /// Those that were not read.
    Unread,
}

/// The newest at most `limit` with a number over `since` and up to `until`, newest first.
fn between(
    conn: &mut AnyConnection,
    user: &str,
    of: Of,
    (since, until): (i64, i64),
    limit: i64,
) -> QueryResult<Vec<StoredNotification>> {
    diesel::sql_query(stretch(of))
        .bind::<Text, _>(user)
        .bind::<BigInt, _>(since)
        .bind::<BigInt, _>(until)
        .bind::<BigInt, _>(limit)
        .load(conn)
}

/// The newest unread after `since`, newest first; the mark is read before them and bounds them, so that
/// none is both behind the mark and left out.
fn newest(conn: &mut AnyConnection, user: &str, since: i64, limit: i64) -> QueryResult<Unread> {
    let mark = mark(conn, user)?.max(since);
    let items = between(conn, user, Of::Unread, (since, mark), limit)?;
    Ok(Unread { items, mark })
}

/// The newest written before the one numbered `before`, newest first.
pub(super) fn page(
    conn: &mut AnyConnection,
    user: &str,
    of: Of,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<StoredNotification>> {
    let until = before.map_or(i64::MAX, |before| before.saturating_sub(1));
    between(conn, user, of, (0, until), limit)
}

/// What a connect is told: the newest first.
pub(super) fn initial(conn: &mut AnyConnection, user: &str) -> QueryResult<Unread> {
    newest(conn, user, 0, INITIAL)
}

/// What a subscriber has not been sent yet, oldest first; of very many the newest thousand.
pub(super) fn unread_since(conn: &mut AnyConnection, user: &str, since: i64) -> QueryResult<Unread> {
    let mut unread = newest(conn, user, since, UNREAD)?;
    unread.items.reverse();
    Ok(unread)
}

/// Marks as read; gives those of `ids` that were the user's and unread, in the order asked.
pub(super) fn mark_read(conn: &mut AnyConnection, user: &str, ids: &[String]) -> QueryResult<Vec<String>> {
    let mut unread: HashSet<String> = HashSet::new();
    for chunk in ids.chunks(CHUNK) {
        let these = notifications::table
            .filter(notifications::user_id.eq(user))
            .filter(notifications::id.eq_any(chunk))
            .filter(notifications::read_at.is_null());
        let found: Vec<String> = these.clone().select(notifications::id).load(conn)?;
        diesel::update(these).set(notifications::read_at.eq(now_ms())).execute(conn)?;
        unread.extend(found);
    }
    Ok(ids.iter().filter(|id| unread.remove(*id)).cloned().collect())
}
