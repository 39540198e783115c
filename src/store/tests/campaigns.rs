//! Campaigns: statuses, rights, owners, the read model's changes.

use super::*;
use crate::auth::Participation;

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
        assert_eq!(read(&store, id, "u").await, CampaignRead { row: None, participant: Participation::Unknown });
        set(true).await;
        assert_eq!(read(&store, id, "u").await.participant, Participation::Active);
        set(false).await;
        assert_eq!(read(&store, id, "u").await.participant, Participation::Removed);
        ask(|reply| store.delete_campaign(id, reply)).await.unwrap();
        assert_eq!(read(&store, id, "u").await.participant, Participation::Removed, "outlives the campaign");
        set(true).await;
        ask(|reply| store.delete_campaign(id, reply)).await.unwrap();
        assert_eq!(read(&store, id, "u").await.participant, Participation::Unknown);
        assert_eq!(read(&store, id, "v").await.participant, Participation::Unknown);
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
}
