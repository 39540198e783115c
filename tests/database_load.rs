//! What connects cost the database.
#![cfg(feature = "hub")]

mod common;

use std::time::{Duration, Instant};

use common::*;

fn statements(server: &TestServer) -> f64 {
    server.metric("roomcast_database_statements_total", "")
}

fn all_written(server: &TestServer) {
    eventually_true("all is written", || server.metric("roomcast_queue_depth", "store_writes") == 0.0);
}

/// What a client does when it comes: it asks for its own room and for one campaign, and goes.
fn come_and_go(server: &TestServer, user: &str) {
    let token = Claims::of(user).with("participatingCampaigns", json!(["c1", "c2", "c3"])).token();
    let mut client = server.connect(Protocol::SocketIo, &token);
    assert_eq!(client.request("subscribe:user", json!({}))["ok"], true);
    assert_eq!(client.request("subscribe:campaign", json!({"campaignId": "c1"}))["ok"], true);
    client.close();
}

/// Five to show it what there is (one for its claims), two for what it missed meanwhile, one for the campaign and
/// its right, three for owner copies (a transaction), and its rows of `connection_events`: on SQLite a statement
/// each, on PostgreSQL shared, and their transactions shared on both. One that comes while others wait shares theirs.
const MOST: f64 = 16.0;

on_both! {
    fn a_connect_asks_a_bounded_number_of_statements_whatever_the_store_holds(database: Database) {
        let server = TestServer::builder().on(database).start();
        let mut costs = Vec::new();
        for more in [0, 300] {
            for n in 0..more {
                let note = json!({"id": format!("n{n}"), "type": "info", "title": "t", "message": "m"});
                server.publish(&format!("user:u{}", n % 10), &note);
                server.publish(&format!("campaign:c{n}"), &json!({"eventType": "status.changed", "toStatus": "A", "trigger": "t"}));
            }
            all_written(&server);
            come_and_go(&server, "warm"); // connections are opened
            all_written(&server);
            let before = statements(&server);
            for n in 0..50 {
                come_and_go(&server, &format!("u{}", n % 10));
            }
            eventually_true("all have gone", || server.connections() == 0);
            all_written(&server);
            costs.push((statements(&server) - before) / 50.0);
        }
        println!("{database:?}: {costs:?} statements a connect");
        assert!(costs.iter().all(|cost| *cost <= MOST), "{costs:?} statements a connect");
    }
}

fn ten_thousand_connects(database: Database) {
    let server = TestServer::builder().on(database).start();
    come_and_go(&server, "warm");
    all_written(&server);
    let (before, start) = (statements(&server), Instant::now());
    for n in 0..10_000u32 {
        come_and_go(&server, &format!("u{}", n % 500));
        let due = start + Duration::from_millis(6) * (n + 1);
        std::thread::sleep(due.saturating_duration_since(Instant::now())); // ten thousand a minute
    }
    let took = start.elapsed();
    all_written(&server);
    let a_connect = (statements(&server) - before) / 10_000.0;
    println!("{database:?}: 10 000 connects of 500 users in {took:?}: {a_connect} statements a connect");
    assert!(a_connect <= MOST);
}

#[test]
#[ignore = "long"]
fn ten_thousand_connects_of_five_hundred_users_on_sqlite() {
    ten_thousand_connects(Database::Sqlite);
}

#[test]
#[ignore = "long"]
fn ten_thousand_connects_of_five_hundred_users_on_postgres() {
    ten_thousand_connects(Database::Postgres);
}
