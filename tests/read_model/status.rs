//! A status that is set here.

use crate::common::*;
use crate::hub::*;
use crate::over_and_on_both;

over_and_on_both! {
    fn a_status_that_is_put_is_ordered_like_an_event_without_a_message(protocol: Protocol, database: Database) {
        let server = start(database);
        let mut watching = member(&server, protocol, &admin("a"), "c1");
        let mut asking = server.connect(protocol, &admin("b"));
        let now = roomcast::clock::now_ms();
        server.publish("campaign:c1", &changed_at("EVENT", now - 1_000));
        put(&server, "c1", json!({"status": "PUT", "statusAt": now - 500}));
        assert_eq!(snapshot(&mut asking, "c1"), "PUT");
        // a late event is delivered like any other, and changes no snapshot
        server.publish("campaign:c1", &changed_at("LATE", now - 700));
        assert_eq!(asking.expect_event("campaign:status_changed")["status"], "LATE");
        assert_eq!(snapshot(&mut asking, "c1"), "PUT");
        server.publish("campaign:c1", &changed_at("NEW", now - 400));
        asking.expect_event("campaign:status_changed");
        put(&server, "c1", json!({"status": "OLD PUT", "statusAt": now - 450}));
        assert_eq!(snapshot(&mut asking, "c1"), "NEW");
        for status in ["EVENT", "LATE", "NEW"] {
            assert_eq!(watching.expect_event("campaign:status_changed")["status"], status);
        }
        expect_nothing(&mut watching);
    }

    fn no_snapshot_is_older_than_a_status_that_was_put_before_it(protocol: Protocol, database: Database) {
        let server = start(database);
        let mut client = server.connect(protocol, &admin("a"));
        let start = roomcast::clock::now_ms() - 100_000;
        for round in 0..40 {
            // an older event is still on its way to the store when the status is put
            server.publish("campaign:c1", &changed_at("EVENT", start + 10 * round));
            let put_as = format!("PUT {round}");
            put(&server, "c1", json!({"status": put_as, "statusAt": start + 10 * round + 1}));
            server.publish("campaign:c1", &changed_at("LATE", start + 10 * round));
            client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
            assert_eq!(client.wait_for("campaign:status")["status"], put_as);
            client.emit("unsubscribe:campaign", json!({"campaignId": "c1"}));
            client.wait_for("unsubscribed");
        }
    }
}
