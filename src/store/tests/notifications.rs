//! Notifications, and the tables that others read or write.

use super::*;
use crate::auth::Participation;

on_both! {
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
        assert_eq!(change.previous_owner, Some(("old".to_owned(), Participation::Unknown)));
        assert_eq!((change.existed, change.owner.as_deref()), (true, Some("new")));
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

    async fn programs_outside_insert_channel_and_payload_into_the_outbox(db) {
        use crate::store::schema::event_outbox as table;
        db.sql("INSERT INTO event_outbox (channel, payload) VALUES ('user:u', '{}'), ('user:v', '{}')");
        let rows: Vec<(i64, i64, Option<i64>, Option<String>)> = table::table.order(table::id)
            .select((table::id, table::created_at, table::dispatched_at, table::refused))
            .load(&mut db.outside()).unwrap();
        assert_eq!((rows[0].0, rows[1].0), (1, 2));
        assert!((crate::clock::now_ms() - rows[0].1).abs() < 60_000, "{rows:?}");
        assert_eq!((rows[0].2, &rows[0].3), (None, &None));
    }

    async fn confirmations_come_after_the_commit(db) {
        // whoever is told looks with a connection of his own
        let (url, missing) = (db.url.clone(), Arc::new(AtomicBool::new(false)));
        let seen = missing.clone();
        let look = move |list: Vec<Confirmed>| {
            let mut conn = crate::store::connection::Manager::new(&url, Duration::from_secs(5)).open().unwrap();
            for one in list {
                let there = match one {
                    Confirmed::Notification { user, seq, .. } => {
                        crate::store::notifications::unread_since(&mut conn, &user, seq - 1).unwrap().items.iter().any(|n| n.seq == seq)
                    }
                    Confirmed::Status { campaign_id, time, .. } => crate::store::campaigns::read(&mut conn, &campaign_id, "u")
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

    async fn a_reader_that_goes_on_from_its_mark_misses_nothing_that_two_hubs_write(db) {
        let hubs = [db.store(), db.store()];
        let (mut mark, mut seen, mut written) = (0, Vec::new(), 0u64);
        let total = 400;
        while seen.len() < total {
            for (hub, (store, _)) in hubs.iter().enumerate() {
                for _ in 0..4 {
                    if written < total as u64 {
                        store.write(written, to("u", &format!("{hub}-{written}")));
                        written += 1;
                    }
                }
            }
            let all_there = written == total as u64 && hubs.iter().all(|(store, _)| store.depth() == 0);
            let more = unread(&hubs[0].0, "u", mark).await;
            mark = more.mark;
            assert!(!(all_there && more.items.is_empty()), "{} of {total} seen", seen.len());
            seen.extend(more.items.into_iter().map(|one| one.id));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), total, "each once");
    }
}
