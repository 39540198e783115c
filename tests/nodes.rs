//! Several hubs on one database: what one of them is told reaches the sockets of the others.
#![cfg(feature = "hub")]

mod common;

use common::*;

/// Two hubs on one database.
struct Nodes {
    here: TestServer,
    there: TestServer,
    _dir: tempfile::TempDir,
}

impl Nodes {
    fn on(database: Database) -> Nodes {
        let dir = tempfile::tempdir().unwrap();
        let url = match database {
            Database::Sqlite => format!("sqlite://{}", dir.path().join("shared.db").display()),
            Database::Postgres => PostgresDatabase::create().url().to_owned(),
        };
        let node = || TestServer::builder().database(&url).start();
        Nodes { here: node(), there: node(), _dir: dir }
    }

    /// Calls the one node.
    fn call(&self, method: &str, path: &str, body: &Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.here.call(method, &format!("/api/v1{path}"), &common::tokens::publisher(), &body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
    }

    /// A member of a campaign's room on the other node.
    fn member(&self, token: &str, campaign: &str) -> TestClient {
        let mut client = self.there.connect(Protocol::SocketIo, token);
        let answer = client.request("subscribe:campaign", json!({"campaignId": campaign}));
        assert_eq!(answer["ok"], true, "{answer}");
        client.wait_for("subscribed");
        client
    }

    fn changed(&self, campaign: &str, to: &str) {
        let event = json!({"eventType": "status.changed", "toStatus": to, "trigger": "t"});
        self.there.publish(&format!("campaign:{campaign}"), &event);
    }
}

fn claiming(sub: &str, campaign: &str) -> String {
    Claims::of(sub).with("participatingCampaigns", json!([campaign])).token()
}

fn left(campaign: &str) -> Value {
    json!({"type": "campaign", "campaignId": campaign, "reason": "permission"})
}

on_both! {
    fn a_participant_who_is_removed_on_one_node_leaves_on_the_others(database: Database) {
        let nodes = Nodes::on(database);
        nodes.call("PUT", "/campaigns/c1", &json!({"ownerId": "o"}));
        nodes.call("PUT", "/campaigns/c1/participants/u1", &Value::Null);
        let mut client = nodes.member(&user("u1"), "c1");
        let mut claims = nodes.member(&claiming("u1", "c1"), "c1");
        let mut stays = nodes.member(&claiming("u2", "c1"), "c1");
        nodes.call("DELETE", "/campaigns/c1/participants/u1", &Value::Null);
        assert_eq!(client.expect_event("unsubscribed"), left("c1"));
        assert_eq!(claims.expect_event("unsubscribed"), left("c1"), "whatever the token claims");
        nodes.changed("c1", "X");
        assert_eq!(stays.expect_event("campaign:status_changed")["status"], "X");
        client.expect_nothing_but_pong();
        claims.expect_nothing_but_pong();
    }

    fn a_change_of_owner_moves_rights_and_copies_on_the_other_nodes(database: Database) {
        let nodes = Nodes::on(database);
        nodes.call("PUT", "/campaigns/c1", &json!({"ownerId": "old"}));
        let in_own_room = |id: &str| {
            let mut client = nodes.there.connect(Protocol::Plain, &user(id));
            client.emit_bare("subscribe:user");
            client.wait_for("subscribed");
            client
        };
        let mut member = nodes.member(&user("old"), "c1");
        let (mut old, mut new) = (in_own_room("old"), in_own_room("new"));
        nodes.changed("c1", "A");
        assert_eq!(old.expect_event("campaign:status_changed")["status"], "A");
        new.expect_nothing_but_pong();
        member.expect_event("campaign:status_changed");
        nodes.call("PUT", "/campaigns/c1", &json!({"ownerId": "new"}));
        assert_eq!(member.expect_event("unsubscribed"), left("c1"));
        // it was told after the copies were moved
        nodes.changed("c1", "B");
        assert_eq!(new.expect_event("campaign:status_changed")["status"], "B");
        old.expect_nothing_but_pong();
        member.expect_nothing_but_pong();
    }

    fn a_campaign_that_is_deleted_leaves_those_in_whom_only_the_store_let_in(database: Database) {
        let nodes = Nodes::on(database);
        nodes.call("PUT", "/campaigns/c1", &json!({"ownerId": "o"}));
        nodes.call("PUT", "/campaigns/c1/participants/u1", &Value::Null);
        let mut by_store = [nodes.member(&user("o"), "c1"), nodes.member(&user("u1"), "c1")];
        let mut by_token = nodes.member(&claiming("u2", "c1"), "c1");
        let mut boss = nodes.member(&admin("boss"), "c1");
        nodes.call("DELETE", "/campaigns/c1", &Value::Null);
        for client in &mut by_store {
            assert_eq!(client.expect_event("unsubscribed"), left("c1"));
        }
        nodes.changed("c1", "X");
        for client in [&mut by_token, &mut boss] {
            assert_eq!(client.expect_event("campaign:status_changed")["status"], "X");
        }
        by_store.iter_mut().for_each(TestClient::expect_nothing_but_pong);
    }
}
