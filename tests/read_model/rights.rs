//! Who is put out of which room by a change, and whose copies follow it.

use crate::common::*;
use crate::hub::*;
use crate::over_and_on_both;

over_and_on_both! {
    fn a_removed_participant_leaves_at_once_with_all_his_sockets_and_stays_out_until_added_again(
        protocol: Protocol, database: Database
    ) {
        let server = start(database);
        put(&server, "c%7C1", json!({"status": "A", "ownerId": "o"}));
        add(&server, "c%7C1", "u1");
        add(&server, "c%7C1", "u2");
        let claims = Claims::of("u1").with("participatingCampaigns", json!(["c|1"])).with("ownedCampaigns", json!(["c|1"]));
        let mut gone = [
            member(&server, protocol, &user("u1"), "c|1"),
            member(&server, protocol, &user("u1"), "c|1"),
            member(&server, protocol, &claims.token(), "c|1"),
        ];
        let mut stays = member(&server, protocol, &user("u2"), "c|1");
        remove(&server, "c%7C1", "u1");
        server.publish("campaign:c|1", &changed("B"));
        for client in &mut gone {
            assert_eq!(client.expect_event("unsubscribed"), lost("c|1"));
            expect_nothing(client);
            is_denied(client, "c|1");
        }
        assert_eq!(stays.expect_event("campaign:status_changed")["status"], "B");
        add(&server, "c%7C1", "u1");
        for client in &mut gone {
            assert_eq!(snapshot(client, "c|1"), "B");
        }
    }

    fn an_admin_and_the_owner_stay_when_they_are_removed_as_participants(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({"ownerId": "owner"}));
        let mut clients =
            [member(&server, protocol, &user("owner"), "c1"), member(&server, protocol, &admin("boss"), "c1")];
        for user in ["owner", "boss"] {
            add(&server, "c1", user);
            remove(&server, "c1", user);
        }
        server.publish("campaign:c1", &changed("B"));
        for client in &mut clients {
            assert_eq!(client.expect_event("campaign:status_changed")["status"], "B");
        }
        // the owner's other right is gone, and now his last one
        put(&server, "c1", json!({"ownerId": "next"}));
        assert_eq!(clients[0].expect_event("unsubscribed"), lost("c1"));
        is_denied(&mut clients[0], "c1");
        expect_nothing(&mut clients[1]);
    }

    fn a_change_of_owner_puts_the_old_one_out_unless_another_right_holds(protocol: Protocol, database: Database) {
        let server = start(database);
        for (campaign, owner) in [("c1", "plain"), ("c2", "part"), ("c3", "claims"), ("c4", "barred")] {
            put(&server, campaign, json!({"ownerId": owner, "status": "A"}));
        }
        add(&server, "c2", "part");
        remove(&server, "c4", "barred");
        let claims = |sub: &str, campaign: &str| Claims::of(sub).with("participatingCampaigns", json!([campaign])).token();
        let mut plain = member(&server, protocol, &user("plain"), "c1");
        let mut part = member(&server, protocol, &user("part"), "c2");
        let mut claimant = member(&server, protocol, &claims("claims", "c3"), "c3");
        let mut barred = member(&server, protocol, &claims("barred", "c4"), "c4");
        for campaign in ["c1", "c2", "c3", "c4"] {
            put(&server, campaign, json!({"ownerId": "next", "status": "A"}));
            server.publish(&format!("campaign:{campaign}"), &json!({"eventType": "updated"}));
        }
        assert_eq!(plain.expect_event("unsubscribed"), lost("c1"));
        expect_nothing(&mut plain);
        part.expect_event("campaign:updated");
        claimant.expect_event("campaign:updated");
        assert_eq!(barred.expect_event("unsubscribed"), lost("c4"));
        expect_nothing(&mut barred);
        for campaign in ["c1", "c2", "c3", "c4"] {
            assert_eq!(snapshot(&mut server.connect(protocol, &user("next")), campaign), "A");
        }
    }

    fn a_deleted_campaign_leaves_only_those_whose_right_is_not_the_stores(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({"ownerId": "owner", "status": "A"}));
        add(&server, "c1", "part");
        let claims = Claims::of("claims").with("participatingCampaigns", json!(["c1"])).token();
        let mut out = [member(&server, protocol, &user("owner"), "c1"), member(&server, protocol, &user("part"), "c1")];
        let mut stay = [member(&server, protocol, &claims, "c1"), member(&server, protocol, &admin("boss"), "c1")];
        delete(&server, "c1");
        server.publish("campaign:c1", &json!({"eventType": "updated"}));
        for client in &mut out {
            assert_eq!(client.expect_event("unsubscribed"), lost("c1"));
            expect_nothing(client);
            is_denied(client, "c1");
        }
        for client in &mut stay {
            client.expect_event("campaign:updated");
            assert_eq!(snapshot(client, "c1"), Value::Null);
        }
    }

    fn nobody_gets_in_by_a_subscribe_that_was_under_way_when_he_was_removed(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({"status": "A"}));
        let claims = Claims::of("u1").with("participatingCampaigns", json!(["c1"])).token();
        let mut client = server.connect(protocol, &claims);
        let mut witness = member(&server, protocol, &admin("a"), "c1");
        for round in 0..40 {
            add(&server, "c1", "u1");
            let removal = server.url(&part("c1", "u1"));
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(call_url("DELETE", &removal, "").status, 204));
                client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
            });
            server.publish("campaign:c1", &json!({"eventType": "updated", "round": round}));
            // let in and put out again, denied at once, or asked too late: but never an event
            match client.next_event() {
                (name, _) if name == "error" => {}
                (name, data) => {
                    assert_eq!((name.as_str(), &data["status"]), ("campaign:status", &json!("A")));
                    client.expect_event("subscribed");
                    assert_eq!(client.expect_event("unsubscribed"), lost("c1"));
                }
            }
            expect_nothing(&mut client);
            assert_eq!(witness.expect_event("campaign:updated")["round"], round);
        }
    }

    fn what_comes_before_the_removal_comes_and_nothing_after_it(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({}));
        add(&server, "c1", "u1");
        let mut client = member(&server, protocol, &user("u1"), "c1");
        let events = server.url("/api/v1/events");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for batch in 0..20 {
                    let item = |n| json!({"channel": "campaign:c1", "payload": {"eventType": "updated", "n": batch * 20 + n}});
                    let items: Value = (0..20).map(item).collect();
                    assert_eq!(call_url("POST", &events, &items.to_string()).status, 202);
                }
            });
            assert_eq!(client.expect_event("campaign:updated")["n"], 0);
            remove(&server, "c1", "u1");
        });
        let mut next = 1;
        let last = loop {
            match client.next_event() {
                (name, data) if name == "campaign:updated" => {
                    assert_eq!(data["n"], next);
                    next += 1;
                }
                other => break other,
            }
        };
        assert_eq!(last, ("unsubscribed".to_owned(), lost("c1")));
        expect_nothing(&mut client);
    }
}

// ── owner copies ───────────────────────────────────────────────────────────────────────────────────────────────

over_and_on_both! {
    fn owner_copies_follow_a_new_campaign_a_change_of_owner_and_a_delete_at_once(protocol: Protocol, database: Database) {
        let server = start(database);
        let mut one = in_user_room(&server, protocol, &user("one"));
        let mut two = in_user_room(&server, protocol, &user("two"));
        put(&server, "new", json!({"ownerId": "one"}));
        server.publish("campaign:new", &changed("A"));
        assert_eq!(one.expect_event("campaign:status_changed")["status"], "A");
        put(&server, "new", json!({"ownerId": "two"}));
        server.publish("campaign:new", &changed("B"));
        assert_eq!(two.expect_event("campaign:status_changed")["status"], "B");
        put(&server, "new", json!({}));
        server.publish("campaign:new", &changed("C"));
        put(&server, "new", json!({"ownerId": "one"}));
        delete(&server, "new");
        server.publish("campaign:new", &changed("D"));
        expect_nothing(&mut one);
        expect_nothing(&mut two);
    }

    fn a_claimed_owners_copies_end_with_his_removal_and_come_back_with_him(protocol: Protocol, database: Database) {
        let server = start(database);
        put(&server, "c1", json!({}));
        let token = Claims::of("u1").with("ownedCampaigns", json!(["c1"])).token();
        let mut client = in_user_room(&server, protocol, &token);
        server.publish("campaign:c1", &changed("A"));
        assert_eq!(client.expect_event("campaign:status_changed")["status"], "A");
        remove(&server, "c1", "u1");
        server.publish("campaign:c1", &changed("B"));
        expect_nothing(&mut client);
        add(&server, "c1", "u1");
        copies_come(&server, &mut client, "C");
        // an owner that the store names takes them, and one that it names no more gives them back
        put(&server, "c1", json!({"ownerId": "other"}));
        server.publish("campaign:c1", &changed("D"));
        expect_nothing(&mut client);
        put(&server, "c1", json!({}));
        copies_come(&server, &mut client, "E");
    }
}
