//! The store from outside, on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::queue::Bounds;
use super::testing::{Db, Kind, ask, flush, on_both, until};
use super::*;

fn status(campaign: &str, status: &str, time: i64) -> Record {
    Record::Status { campaign_id: campaign.into(), status: status.into(), time }
}

fn notification(to: Recipient, id: &str) -> Record {
    Record::Notification(Box::new(NotificationRow {
        id: id.into(),
        to,
        kind: "info",
        title: "title".into(),
        message: "message".into(),
        action_url: None,
        metadata: Some(r#"{"a":1}"#.into()),
        campaign_id: Some("c|1".into()),
        created_at: 5,
    }))
}

fn to(user: &str, id: &str) -> Record {
    notification(Recipient::User(user.into()), id)
}

fn ids(list: &[StoredNotification]) -> Vec<&str> {
    list.iter().map(|one| one.id.as_str()).collect()
}

fn campaign(id: &str, owner: Option<&str>) -> CampaignWrite {
    CampaignWrite { id: id.into(), owner_id: owner.map(Into::into), ..CampaignWrite::default() }
}

async fn put(store: &Store, write: CampaignWrite) -> CampaignChange {
    ask(|reply| store.put_campaign(write, reply)).await.unwrap()
}

async fn read(store: &Store, campaign: &str, user: &str) -> CampaignRead {
    ask(|reply| store.campaign(campaign, user, reply)).await.unwrap()
}

async fn state(store: &Store, campaign: &str) -> Option<(Option<String>, Option<i64>)> {
    read(store, campaign, "nobody").await.row.map(|row| (row.status, row.status_at))
}

async fn owned(store: &Store, user: &str, claimed: &[&str]) -> Vec<String> {
    let claimed = claimed.iter().map(ToString::to_string).collect();
    let mut list = ask(|reply| store.owned(user, claimed, reply)).await.unwrap();
    list.sort();
    list
}

async fn initial(store: &Store, user: &str, owned: &[&str], participating: &[&str]) -> Initial {
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let ask_for = InitialAsk {
        user: user.into(),
        claimed_owned: strings(owned),
        claimed_participating: strings(participating),
    };
    ask(|reply| store.initial(ask_for, reply)).await.unwrap()
}

async fn unread(store: &Store, user: &str, mark: i64) -> Unread {
    ask(|reply| store.unread_since(user, mark, reply)).await.unwrap()
}

on_both! {
    async fn a_status_of_an_unknown_campaign_makes_its_row(db) {
        let (store, heard) = db.store();
        assert_eq!(read(&store, "c|1", "u").await.row, None);
        assert!(store.write(7, status("c|1", "ACTIVE", 100)));
        assert!(flush(&store).await);
        let row = CampaignState { status: Some("ACTIVE".into()), status_at: Some(100), metadata: None, owner_id: None };
        assert_eq!(read(&store, "c|1", "u").await.row, Some(row));
        assert_eq!(heard.all(), [Confirmed::Status { campaign_id: "c|1".into(), time: 100, ticket: 7 }]);
    }

    async fn an_older_status_changes_nothing_and_a_later_one_of_the_same_time_wins(db) {
        let (store, heard) = db.store();
        for (ticket, (word, time)) in [("B", 100), ("A", 99), ("C", 100)].into_iter().enumerate() {
            store.write(ticket as u64, status("c", word, time));
            assert!(flush(&store).await);
            let expected = ["B", "B", "C"][ticket];
            assert_eq!(state(&store, "c").await, Some((Some(expected.into()), Some(100))));
        }
        // the late one is confirmed too: what the store holds is not older
        assert_eq!(heard.all().len(), 3);
    }

    async fn statuses_are_coalesced_by_campaign_to_the_newest(db) {
        let (store, heard) = db.store();
        let total = 20_000u64;
        for ticket in 0..total {
            // late ones among them
            let time = if ticket % 3 == 0 { 1 } else { 1_000 + ticket as i64 };
            store.write(ticket, status(["a", "b"][(ticket % 2) as usize], &format!("s{ticket}"), time));
        }
        assert!(flush(&store).await);
        let last = |campaign: usize| (0..total).rev().find(|t| t % 3 != 0 && t % 2 == campaign as u64).unwrap();
        for (at, name) in ["a", "b"].into_iter().enumerate() {
            let expected = (Some(format!("s{}", last(at))), Some(1_000 + last(at) as i64));
            assert_eq!(state(&store, name).await, Some(expected));
        }
        let tickets: Vec<u64> = heard.all().iter().map(|one| match one {
            Confirmed::Status { ticket, .. } => *ticket,
            other => panic!("{other:?}"),
        }).collect();
        assert!(tickets.len() < 2_000, "{} writes for 20 000 statuses", tickets.len());
        assert_eq!(tickets.iter().max(), Some(&(total - 1)), "the newest tickets are covered");
    }

    async fn other_writes_do_not_wait_for_the_statuses_turn(db) {
        let (store, heard) = db.store();
        for ticket in 0..20 {
            store.write(ticket, to("u", &format!("n{ticket}")));
            until("confirmed", || heard.all().len() as u64 == ticket + 1).await;
        }
        let seqs: Vec<i64> = heard.all().iter().map(|one| match one {
            Confirmed::Notification { seq, new: true, .. } => *seq,
            other => panic!("{other:?}"),
        }).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    }

    async fn a_notification_is_stored_once_for_each_user(db) {
        let (store, heard) = db.store();
        for (ticket, user) in ["u", "u", "v"].into_iter().enumerate() {
            store.write(ticket as u64, to(user, "n1"));
        }
        assert!(flush(&store).await);
        store.write(3, to("u", "n1"));
        assert!(flush(&store).await);
        let told: Vec<_> = heard.all().into_iter().map(|one| match one {
            Confirmed::Notification { ticket, user, seq, new, .. } => (ticket, user.to_string(), seq, new),
            other => panic!("{other:?}"),
        }).collect();
        let (first, other) = (told[0].2, told[2].2);
        assert!(other > first);
        let u = || "u".to_owned();
        assert_eq!(told, [(0, u(), first, true), (1, u(), first, false), (2, "v".into(), other, true), (3, u(), first, false)]);
        assert_eq!(unread(&store, "u", 0).await.items.len(), 1);
    }

    async fn a_notification_for_the_owner_goes_to_who_owns_the_campaign_when_it_is_written(db) {
        let (store, heard) = db.store();
        put(&store, campaign("c", Some("old"))).await;
        let (tell, told) = tokio::sync::oneshot::channel();
        store.write(1, notification(Recipient::OwnerOf("c".into()), "n1"));
        store.put_campaign(campaign("c", Some("new")), move |answer| drop(tell.send(answer)));
        store.write(2, notification(Recipient::OwnerOf("c".into()), "n2"));
        store.write(3, notification(Recipient::OwnerOf("unknown".into()), "n3"));
        let change = told.await.unwrap().unwrap();
        assert_eq!(change, CampaignChange { existed: true, previous_owner: Some("old".into()), owner: Some("new".into()) });
        assert!(flush(&store).await);
        assert_eq!(ids(&unread(&store, "old", 0).await.items), ["n1"]);
        assert_eq!(ids(&unread(&store, "new", 0).await.items), ["n2"]);
        assert!(heard.all().contains(&Confirmed::NotificationWithoutRecipient { ticket: 3 }));
    }

    async fn unread_notifications_come_after_the_mark_oldest_first_and_all_fields_come_back(db) {
        let (store, _) = db.store();
        for n in 0..12 {
            store.write(n, to("u", &format!("n{n}")));
        }
        store.write(99, to("v", "other"));
        assert!(flush(&store).await);
        let first = initial(&store, "u", &[], &[]).await;
        let newest: Vec<String> = (2..12).rev().map(|n| format!("n{n}")).collect();
        assert_eq!(ids(&first.notifications), newest);
        assert_eq!(first.mark, first.notifications[0].seq);
        store.write(12, to("u", "n12"));
        assert!(flush(&store).await);
        let more = unread(&store, "u", first.mark).await;
        assert_eq!(ids(&more.items), ["n12"]);
        assert_eq!(unread(&store, "u", more.mark).await, Unread { items: vec![], mark: more.mark });
        assert_eq!(unread(&store, "nobody", 4).await.mark, 4);
        let all = unread(&store, "u", 0).await.items;
        assert_eq!(ids(&all), (0..13).map(|n| format!("n{n}")).collect::<Vec<_>>());
        let expected = StoredNotification {
            seq: all[0].seq, id: "n0".into(), kind: "info".into(), title: "title".into(), message: "message".into(),
            action_url: None, metadata: Some(r#"{"a":1}"#.into()), campaign_id: Some("c|1".into()),
            created_at: 5, read_at: None,
        };
        assert_eq!(all[0], expected);
    }

    async fn of_very_many_unread_the_newest_thousand_come(db) {
        let (store, _) = db.store();
        for n in 0..1_200 {
            store.write(n, to("u", &format!("n{n}")));
        }
        assert!(flush(&store).await);
        let unread = unread(&store, "u", 0).await;
        assert_eq!(unread.items.len(), 1_000);
        assert_eq!(unread.items[0].id, "n200");
        assert_eq!(unread.items[999].id, "n1199");
    }

    async fn marking_read_answers_with_what_was_the_users_and_unread_in_the_order_asked(db) {
        let (store, _) = db.store();
        for (n, (user, id)) in [("u", "a"), ("u", "b"), ("v", "c"), ("u", "d")].into_iter().enumerate() {
            store.write(n as u64, to(user, id));
        }
        // not flushed: the writer's line keeps the order
        let asked: Vec<String> = ["d", "c", "x", "a", "d"].map(Into::into).to_vec();
        let read = ask(|reply| store.mark_read("u", asked.clone(), reply)).await;
        assert_eq!(read.unwrap(), ["d", "a"]);
        assert!(ask(|reply| store.mark_read("u", asked, reply)).await.unwrap().is_empty());
        assert_eq!(ids(&unread(&store, "u", 0).await.items), ["b"]);
        assert_eq!(ids(&unread(&store, "v", 0).await.items), ["c"]);
    }

    async fn a_connect_is_told_of_active_campaigns_newest_first_with_its_role(db) {
        db.sql("INSERT INTO campaigns (id, name, owner_id, status, metadata, created_at, updated_at) VALUES
            ('own', 'Mine', 'u', 'ACTIVE', '{}', 10, 0), ('ended', NULL, 'u', 'COMPLETED', NULL, 11, 0),
            ('part', NULL, 'x', NULL, NULL, 12, 0), ('removed', NULL, NULL, 'ACTIVE', NULL, 13, 0),
            ('claimed', NULL, NULL, 'ACTIVE', NULL, 14, 0), ('taken', NULL, 'x', 'ACTIVE', NULL, 15, 0),
            ('others', NULL, 'x', 'ACTIVE', NULL, 16, 0), ('seen', NULL, 'x', 'ACTIVE', NULL, 17, 0)");
        db.sql("INSERT INTO campaign_participants (campaign_id, user_id, removed_at) VALUES
            ('part', 'u', NULL), ('own', 'u', NULL), ('removed', 'u', 5), ('others', 'x', NULL)");
        let (store, _) = db.store();
        let told = initial(&store, "u", &["claimed", "taken", "removed", "unknown"], &["seen", "own"]).await;
        let list: Vec<_> = told.campaigns.iter().map(|one| (one.id.as_str(), one.role)).collect();
        assert_eq!(list, [
            ("seen", Role::Participant), ("taken", Role::Participant), ("claimed", Role::Owner),
            ("part", Role::Participant), ("own", Role::Owner),
        ]);
        let own = CampaignRow {
            id: "own".into(), name: Some("Mine".into()), status: Some("ACTIVE".into()), role: Role::Owner,
            metadata: Some("{}".into()),
        };
        assert_eq!(told.campaigns[4], own);
        assert_eq!(told.mark, 0);
    }

    async fn a_connect_with_many_claims_is_told_of_the_newest_five_hundred(db) {
        let rows: Vec<String> = (0..1_300).map(|n| format!("('c{n}', NULL, NULL, 'ACTIVE', NULL, {n}, 0)")).collect();
        db.sql(&format!("INSERT INTO campaigns (id, name, owner_id, status, metadata, created_at, updated_at) VALUES {}",
            rows.join(",")));
        let (store, _) = db.store();
        let claims: Vec<String> = (0..1_300).map(|n| format!("c{n}")).collect();
        let claims: Vec<&str> = claims.iter().map(String::as_str).collect();
        let told = initial(&store, "u", &[], &claims).await.campaigns;
        assert_eq!(told.len(), 500);
        assert_eq!((told[0].id.as_str(), told[499].id.as_str()), ("c1299", "c800"));
    }

    async fn a_read_of_a_campaign_says_what_the_user_is_to_it(db) {
        let (store, _) = db.store();
        let id = "c/ü 活动'--";
        let set = |present| { let store = store.clone(); async move {
            ask(|reply| store.set_participant(id, "u", present, reply)).await.unwrap();
        }};
        assert_eq!(read(&store, id, "u").await, CampaignRead { row: None, participant: Participation::Never });
        set(true).await;
        assert_eq!(read(&store, id, "u").await.participant, Participation::Yes);
        set(false).await;
        assert_eq!(read(&store, id, "u").await.participant, Participation::Removed);
        ask(|reply| store.delete_campaign(id, reply)).await.unwrap();
        assert_eq!(read(&store, id, "u").await.participant, Participation::Removed, "outlives the campaign");
        set(true).await;
        ask(|reply| store.delete_campaign(id, reply)).await.unwrap();
        assert_eq!(read(&store, id, "u").await.participant, Participation::Never);
        assert_eq!(read(&store, id, "v").await.participant, Participation::Never);
    }

    async fn a_put_replaces_all_but_an_older_status(db) {
        let (store, _) = db.store();
        let full = CampaignWrite {
            id: "c".into(), name: Some("N".into()), status: Some("A".into()), status_at: Some(50),
            owner_id: Some("o".into()), metadata: Some("{}".into()),
        };
        assert!(!put(&store, full.clone()).await.existed);
        put(&store, CampaignWrite { status: Some("OLD".into()), status_at: Some(49), metadata: None, ..full.clone() }).await;
        let row = read(&store, "c", "u").await.row.unwrap();
        assert_eq!((row.status.as_deref(), row.status_at, row.metadata), (Some("A"), Some(50), None));
        put(&store, CampaignWrite { status: Some("NEW".into()), status_at: None, ..full }).await;
        let row = read(&store, "c", "u").await.row.unwrap();
        assert_eq!(row.status.as_deref(), Some("NEW"));
        assert!(row.status_at.unwrap() > 50, "now");
    }

    async fn a_change_of_a_campaign_keeps_its_place_among_statuses(db) {
        let (store, heard) = db.store();
        for round in 0..30 {
            let id = format!("c{round}");
            store.write(1, status(&id, "A", 10));
            ask(|reply| store.delete_campaign(&id, reply)).await.unwrap();
            assert_eq!(state(&store, &id).await, None, "the status came before the delete");
            store.delete_campaign(&id, |_| ());
            store.write(2, status(&id, "B", 5));
            assert!(flush(&store).await);
            assert_eq!(state(&store, &id).await, Some((Some("B".into()), Some(5))), "and this one after it");
        }
        assert_eq!(heard.all().len(), 60);
    }

    async fn owner_copies_are_those_the_store_names_and_those_claimed_that_it_leaves_open(db) {
        let (store, _) = db.store();
        put(&store, campaign("mine", Some("u"))).await;
        put(&store, campaign("his", Some("x"))).await;
        put(&store, campaign("open", None)).await;
        ask(|reply| store.set_participant("out", "u", false, reply)).await.unwrap();
        let claims = ["his", "open", "unknown", "mine", "out"];
        assert_eq!(owned(&store, "u", &claims).await, ["mine", "open", "unknown"]);
        // in the writer's line: a change asked for before is seen, one asked for later is not
        let (tell, told) = tokio::sync::oneshot::channel();
        store.put_campaign(campaign("his", Some("u")), |_| ());
        store.owned("u", vec![], move |answer| drop(tell.send(answer)));
        store.put_campaign(campaign("mine", Some("x")), |_| ());
        let mut then = told.await.unwrap().unwrap();
        then.sort();
        assert_eq!(then, ["his", "mine"]);
        assert_eq!(owned(&store, "u", &[]).await, ["his"]);
    }

    async fn connection_events_are_written(db) {
        use super::schema::connection_events as table;
        let (store, _) = db.store();
        for kind in [ConnectionEventKind::Connected, ConnectionEventKind::Disconnected] {
            store.connection_event(ConnectionEvent {
                node: "n".into(), socket_id: "s".into(), user_id: "u".into(), kind, timestamp: 9, metadata: None,
            });
        }
        assert!(flush(&store).await);
        let rows: Vec<(String, i64)> = table::table.order(table::id).select((table::event, table::timestamp))
            .load(&mut db.outside()).unwrap();
        assert_eq!(rows, [("connected".to_owned(), 9), ("disconnected".to_owned(), 9)]);
    }

    async fn programs_outside_insert_channel_and_payload_into_the_outbox(db) {
        use super::schema::event_outbox as table;
        db.sql("INSERT INTO event_outbox (channel, payload) VALUES ('user:u', '{}'), ('user:v', '{}')");
        let rows: Vec<(i64, i64, Option<i64>, Option<String>)> = table::table.order(table::id)
            .select((table::id, table::created_at, table::dispatched_at, table::refused))
            .load(&mut db.outside()).unwrap();
        assert_eq!((rows[0].0, rows[1].0), (1, 2));
        assert!((crate::clock::now_ms() - rows[0].1).abs() < 60_000, "{rows:?}");
        assert_eq!((rows[0].2, &rows[0].3), (None, &None));
    }

    async fn a_row_that_can_never_be_stored_is_left_out_and_the_rest_is_written(db) {
        let (store, heard) = db.store();
        let Record::Notification(mut bad) = to("u", "bad") else { unreachable!() };
        bad.kind = "bogus"; // against the table's constraint
        store.write(0, to("u", "a"));
        store.write(1, Record::Notification(bad));
        store.write(2, to("u", "b"));
        assert!(flush(&store).await);
        assert_eq!(ids(&unread(&store, "u", 0).await.items), ["a", "b"]);
        assert!(heard.all().contains(&Confirmed::Dropped { ticket: 1 }));
        assert_eq!((store.dropped(), store.overflowed(), heard.all().len()), (1, 0, 3));
        assert!(store.is_up());
    }

    async fn text_with_a_zero_character_blocks_nothing(db) {
        let (store, heard) = db.store();
        store.write(0, to("u", "a\0"));
        store.write(1, status("c\0", "S", 1));
        store.write(2, to("u", "b"));
        assert!(flush(&store).await);
        assert!(unread(&store, "u", 0).await.items.iter().any(|one| one.id == "b"));
        assert_eq!(heard.all().len(), 3, "each is answered for");
        // SQLite can hold it, PostgreSQL cannot: neither panics
        assert_eq!(store.dropped(), if db.kind == Kind::Postgres { 2 } else { 0 });
        let read = ask(|reply| store.campaign("c\0", "u", reply)).await;
        assert_eq!(read.is_ok(), db.kind == Kind::Sqlite);
        assert_eq!(state(&store, "d").await, None, "the reader lives on");
    }

    async fn confirmations_come_after_the_commit(db) {
        // whoever is told looks with a connection of his own
        let (url, missing) = (db.url.clone(), Arc::new(AtomicBool::new(false)));
        let seen = missing.clone();
        let look = move |list: Vec<Confirmed>| {
            let mut conn = super::connection::Manager::new(&url, Duration::from_secs(5)).open().unwrap();
            for one in list {
                let there = match one {
                    Confirmed::Notification { user, seq, .. } => {
                        super::notifications::unread_since(&mut conn, &user, seq - 1).unwrap().items.iter().any(|n| n.seq == seq)
                    }
                    Confirmed::Status { campaign_id, time, .. } => super::campaigns::read(&mut conn, &campaign_id, "u")
                        .unwrap().row.is_some_and(|row| row.status_at >= Some(time)),
                    _ => false,
                };
                seen.fetch_or(!there, Ordering::SeqCst);
            }
        };
        let store = Store::start(db.options(), look);
        for n in 0..200 {
            store.write(n, to("u", &format!("n{n}")));
            store.write(n, status(&format!("c{}", n % 7), "S", n as i64));
        }
        assert!(flush(&store).await);
        assert!(!missing.load(Ordering::SeqCst), "something was confirmed before it was there");
    }

    async fn what_finds_no_room_is_refused_and_counted_while_statuses_go_on_being_coalesced(db) {
        let blocker = Blocker::lock(db);
        let bounds = Bounds { items: 10, bytes: 1 << 20 };
        let options = StoreOptions { timeout: Duration::from_millis(200), ..db.options() };
        let (store, heard) = db.store_with(options, bounds);
        store.write(0, to("u", "first"));
        until("down", || !store.is_up()).await;
        let taken = (1..=30).filter(|n| store.write(*n, to("u", &format!("n{n}")))).count();
        assert_eq!((taken, store.overflowed()), (10, 20));
        for n in 0..1_000 {
            assert!(store.write(100 + n, status("c", &format!("s{n}"), n as i64)));
        }
        assert_eq!(ask(|reply| store.mark_read("u", vec![], reply)).await, Err(StoreError::Busy));
        assert_eq!(store.depth(), 12);
        assert!(heard.all().is_empty(), "nothing is committed");
        drop(blocker);
        assert!(flush(&store).await);
        assert!(store.is_up());
        let expected: Vec<String> = ["first".to_owned()].into_iter().chain((1..=10).map(|n| format!("n{n}"))).collect();
        assert_eq!(ids(&unread(&store, "u", 0).await.items), expected);
        assert_eq!(state(&store, "c").await, Some((Some("s999".into()), Some(999))));
    }

    async fn a_database_that_another_program_locks_for_a_while_loses_nothing(db) {
        let options = StoreOptions { timeout: Duration::from_millis(150), ..db.options() };
        let (store, heard) = db.store_with(options, Bounds::default());
        let blocker = Blocker::lock(db);
        for n in 0..500 {
            store.write(n, to("u", &format!("n{n}")));
        }
        until("down", || !store.is_up()).await;
        let start = Instant::now();
        if db.kind == Kind::Sqlite {
            assert_eq!(state(&store, "c").await, None, "reads go on");
        }
        assert!(!tokio::task::spawn_blocking({
            let store = store.clone();
            move || store.flush(Duration::from_millis(50))
        }).await.unwrap(), "a flush ends with its limit");
        assert!(start.elapsed() < Duration::from_secs(5));
        drop(blocker);
        assert!(flush(&store).await);
        assert_eq!(unread(&store, "u", 0).await.items.len(), 500);
        assert_eq!((heard.all().len(), store.dropped(), store.overflowed()), (500, 0, 0));
        assert!(store.is_up());
    }

    async fn dropping_the_last_handle_writes_what_waits(db) {
        let (store, heard) = db.store();
        for n in 0..100 {
            store.write(n, to("u", &format!("n{n}")));
        }
        store.write(100, status("c", "S", 1));
        drop(store);
        until("all confirmed", || heard.all().len() == 101).await;
    }
}

/// Another program that holds a lock on what the writer writes.
struct Blocker {
    _conn: connection::AnyConnection,
}

impl Blocker {
    fn lock(db: &Db) -> Blocker {
        use diesel::connection::SimpleConnection;
        let mut conn = db.outside();
        let sql = match db.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => {
                "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE notifications, campaigns IN SHARE MODE"
            }
        };
        conn.batch_execute(sql).unwrap();
        Blocker { _conn: conn }
    }
}
