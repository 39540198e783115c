//! Revocations, and the line of changes that every node reads.

use super::*;
use crate::auth::Participation;

async fn revoke(store: &Store, user: &str, before: i64) {
    ask(|reply| store.revoke(user, before, reply)).await.unwrap();
}

async fn behind(store: &Store, seen: i64) -> AccessChanges {
    ask(|reply| store.access_changes(seen, reply)).await.unwrap()
}

async fn set(store: &Store, campaign: &str, user: &str, present: bool) {
    ask(|reply| store.set_participant(campaign, user, present, reply)).await.unwrap();
}

fn revoked(user: &str, before: i64) -> AccessChange {
    AccessChange::Revoked { user: user.into(), before }
}

on_both! {
    async fn the_newest_revocation_of_a_user_counts_and_stays(db) {
        let (store, _) = db.store();
        for before in [500, 700, 600] {
            revoke(&store, "auth0|团", before).await;
        }
        revoke(&store, "v", 5).await;
        let all = ask(|reply| store.revocations(reply)).await.unwrap();
        let mut list = all.list.clone();
        list.sort_by_key(|change| std::cmp::Reverse(format!("{change:?}")));
        assert_eq!(list, [revoked("v", 5), revoked("auth0|团", 700)]);
        assert_eq!(behind(&store, all.seen).await.list, []);
    }

    async fn what_others_have_changed_is_found_behind_what_was_seen_and_ones_own_is_not(db) {
        let ((here, _), (there, _)) = (db.store(), db.store());
        let start = ask(|reply| there.revocations(reply)).await.unwrap();
        assert_eq!((start.list.as_slice(), start.seen), (&[][..], 0));
        revoke(&here, "u", 7).await;
        put(&here, campaign("c", Some("a"))).await;
        put(&here, campaign("c", Some("a"))).await; // moves nothing
        put(&here, campaign("c", Some("b"))).await;
        set(&here, "c", "p", true).await;
        revoke(&there, "own", 1).await;
        ask(|reply| here.delete_campaign("c", reply)).await.unwrap();
        let (c, a, b) = ("c".to_owned(), "a".to_owned(), "b".to_owned());
        let found = behind(&there, 0).await;
        assert_eq!(found.list, [
            revoked("u", 7),
            AccessChange::Owner { campaign: c.clone(), previous: None },
            AccessChange::Owner { campaign: c.clone(), previous: Some(a) },
            AccessChange::Participant { campaign: c.clone(), user: "p".into() },
            AccessChange::Deleted { campaign: c, previous: Some(b) },
        ]);
        assert!(!found.more);
        assert_eq!(behind(&there, found.seen).await, AccessChanges { seen: found.seen, ..AccessChanges::default() });
        assert_eq!(behind(&here, 0).await.list, [revoked("own", 1)]);
    }

    async fn many_changes_come_in_several_looks_and_those_of_a_later_version_are_passed_over(db) {
        let ((here, _), (there, _)) = (db.store(), db.store());
        db.sql("INSERT INTO access_changes (kind, user_id, origin, changed_at) VALUES ('of tomorrow', 'u', 0, 0)");
        (0..599).for_each(|n| here.revoke(&format!("u{n}"), n, drop));
        revoke(&here, "u599", 599).await;
        let first = behind(&there, 0).await;
        assert_eq!((first.list.len(), first.more), (499, true));
        let second = behind(&there, first.seen).await;
        assert_eq!((second.list.len(), second.more), (101, false));
        assert_eq!(second.list.last(), Some(&revoked("u599", 599)));
    }

    async fn how_things_stand_is_said_for_each_change_about_a_campaign(db) {
        let (store, _) = db.store();
        put(&store, campaign("c", Some("a"))).await;
        set(&store, "c", "p", true).await;
        set(&store, "c", "r", false).await;
        let (c, gone) = ("c".to_owned(), "gone".to_owned());
        let changes = vec![
            revoked("u", 1),
            AccessChange::Participant { campaign: c.clone(), user: "r".into() },
            AccessChange::Owner { campaign: c.clone(), previous: None },
            AccessChange::Deleted { campaign: c, previous: Some("p".into()) },
            AccessChange::Deleted { campaign: gone, previous: None },
        ];
        let now = ask(|reply| store.access_now(changes, reply)).await.unwrap();
        let of = |owner: Option<&str>, part, participants: &[&str]| {
            let participants = participants.iter().map(ToString::to_string).collect();
            Some(AccessNow { owner: owner.map(Into::into), part, participants })
        };
        assert_eq!(now, [
            None,
            of(Some("a"), Participation::Removed, &[]),
            of(Some("a"), Participation::Unknown, &[]),
            of(Some("a"), Participation::Active, &["p"]),
            of(None, Participation::Unknown, &[]),
        ]);
    }

    async fn what_a_user_is_to_each_of_many_campaigns_is_read_at_once(db) {
        let (store, _) = db.store();
        put(&store, campaign("own", Some("u"))).await;
        put(&store, campaign("other", Some("x"))).await;
        set(&store, "part", "u", true).await;
        set(&store, "out", "u", false).await;
        set(&store, "other", "x", true).await;
        let mut ids: Vec<String> = (0..600).map(|n| format!("n{n}")).collect();
        ids.extend(["own", "other", "part", "out"].map(str::to_owned));
        let parts = ask(|reply| store.campaign_parts("u", ids.clone(), reply)).await.unwrap();
        assert!(parts.iter().map(|part| &part.campaign).eq(&ids));
        let known: Vec<_> = parts[600..].iter().map(|part| (part.owns, part.participant)).collect();
        assert_eq!(known, [
            (true, Participation::Unknown), (false, Participation::Unknown),
            (false, Participation::Active), (false, Participation::Removed),
        ]);
        assert!(parts[..600].iter().all(|part| !part.owns && part.participant == Participation::Unknown));
    }
}
