//! Who does not read: what waits for it stays bounded, it is let go at once, and nobody else notices.
#![cfg(feature = "hub")]

mod common;

use common::*;

/// A member that reads nothing unless it is told to, through a narrow window.
fn stalled(server: &TestServer, protocol: Protocol, campaigns: &[&str]) -> TestClient {
    let token = admin("slow");
    let mut slow = Handshake { receive_buffer: Some(4_096), ..Handshake::default() };
    if protocol.is_old() {
        slow.path = Handshake::query(protocol, &format!("token={token}")).path;
    }
    let mut client = TestClient::open_with(server, protocol, &slow).unwrap();
    if protocol.is_old() {
        drop(client.expect_connected())
    } else {
        drop(client.connect_with(&token))
    }
    client.skip_initial();
    for campaign in campaigns {
        client.emit("subscribe:campaign", json!({"campaignId": campaign}));
        client.wait_for("subscribed");
    }
    client
}

/// Publishes numbered events of some size.
fn publish(server: &TestServer, campaign: &str, n: usize, size: usize) {
    let event = json!({"eventType": "updated", "n": n, "filler": "x".repeat(size)});
    server.publish(&format!("campaign:{campaign}"), &event);
}

fn unsent(server: &TestServer) -> f64 {
    server.metric("roomcast_unsent_bytes", "")
}

fn slow_consumers(server: &TestServer) -> usize {
    server.metric("roomcast_slow_consumers_total", "") as usize
}

/// Publishes into the room of a client that does not read until something waits for it.
fn fill(server: &TestServer, campaign: &str, until: f64) -> usize {
    for n in 0.. {
        if unsent(server) >= until {
            return n;
        }
        publish(server, campaign, n, 20_000);
    }
    unreachable!()
}

/// How many connections of the hub there are to this port, in whatever state the kernel keeps them.
fn kernel_holds(server: &TestServer, port: u16) -> usize {
    let ends = format!("0100007F:{:04X} 0100007F:{port:04X}", server.port());
    std::fs::read_to_string("/proc/net/tcp").unwrap().lines().filter(|line| line.contains(&ends)).count()
}

/// The port of the connection that events come by.
fn port_of(client: &mut TestClient, protocol: Protocol) -> u16 {
    let polled = matches!(protocol, Protocol::Polling | Protocol::OldPolling);
    let stream = if polled { client.engine().polls().get_line().stream() } else { client.stream() };
    stream.local_addr().unwrap().port()
}

over_every_transport! {
    fn who_reads_nothing_is_let_go_with_all_that_the_kernel_holds_for_it(protocol: Protocol) {
        let server = TestServer::builder().set("limits.unsent_bytes", 100_000).start();
        let mut client = stalled(&server, protocol, &["c1"]);
        let mut reader = server.connect(Protocol::Plain, &admin("reader"));
        reader.emit("subscribe:campaign", json!({"campaignId": "c1"}));
        reader.wait_for("subscribed");
        let port = port_of(&mut client, protocol);
        if matches!(protocol, Protocol::Polling | Protocol::OldPolling) {
            client.engine().begin_poll(); // its answer is not read
        }
        let mut n = 0;
        while slow_consumers(&server) == 0 {
            publish(&server, "c1", n, 50_000);
            assert_eq!(reader.expect_event("campaign:updated")["n"], n);
            assert!(unsent(&server) <= 160_000.0, "{}", unsent(&server)); // a message always fits in an answer
            n += 1;
        }
        eventually_true("it is out", || server.connections() == 1);
        // its window stays shut: an orderly end would wait for minutes
        eventually_true("nothing of it is left", || kernel_holds(&server, port) == 0);
        assert_eq!(unsent(&server), 0.0);
        assert_eq!(slow_consumers(&server), 1);
        reader.expect_nothing_but_pong();
    }

    fn of_an_event_that_only_counts_when_it_is_new_the_newest_is_read(protocol: Protocol) {
        let settings = TestServer::builder().set("delivery.latest", "campaign:metrics_updated");
        let server = settings.set("limits.unsent_bytes", 64 << 20).start();
        let mut client = stalled(&server, protocol, &["c1", "c2"]);
        let filled = fill(&server, "c1", 100_000.0);
        let metrics = |campaign: &str, n: usize| {
            let metrics = json!({"participants": n, "engagements": 0, "rewards": 0});
            server.publish(&format!("campaign:{campaign}"), &json!({"eventType": "metrics.updated", "metrics": metrics}));
        };
        metrics("c2", 7);
        for n in 0..50 {
            metrics("c1", n);
            publish(&server, "c1", filled + n, 10);
        }
        let waits = unsent(&server);
        (50..150).for_each(|n| metrics("c1", n));
        // an event of before may have got there only now; a hundred that stayed would be ten thousand bytes and more
        assert!(unsent(&server) <= waits + 1_000.0, "the newest takes the place of the one before");
        let of_metrics = |client: &mut TestClient| {
            let data = client.expect_event("campaign:metrics_updated");
            (data["campaignId"].as_str().unwrap().to_owned(), data["metrics"]["participants"].as_u64().unwrap())
        };
        for n in 0..filled {
            assert_eq!(client.expect_event("campaign:updated")["n"], n);
        }
        assert_eq!(of_metrics(&mut client), ("c2".to_owned(), 7));
        for n in filled..filled + 50 {
            assert_eq!(client.expect_event("campaign:updated")["n"], n);
        }
        assert_eq!(of_metrics(&mut client), ("c1".to_owned(), 149));
        client.expect_nothing_but_pong();
        // who reads gets each of them
        for n in 0..20 {
            metrics("c1", n);
            assert_eq!(of_metrics(&mut client), ("c1".to_owned(), n as u64));
        }
    }
}

#[test]
fn without_the_setting_every_event_is_read() {
    let server = TestServer::builder().set("limits.unsent_bytes", 64 << 20).start();
    let mut client = stalled(&server, Protocol::Plain, &["c1"]);
    fill(&server, "c1", 50_000.0);
    for n in 0..20 {
        let metrics = json!({"participants": n, "engagements": 0, "rewards": 0});
        server.publish("campaign:c1", &json!({"eventType": "metrics.updated", "metrics": metrics}));
    }
    for n in 0..20 {
        assert_eq!(client.wait_for("campaign:metrics_updated")["metrics"]["participants"], n);
    }
}

over_both! {
    fn where_too_much_waits_for_all_who_is_furthest_behind_goes(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.unsent_bytes", 3_000_000).set("server.workers", 3);
        let server = settings.set("limits.unsent_bytes_total", 4_000_000).start();
        let mut little = stalled(&server, protocol, &["c1"]);
        let mut n = fill(&server, "c1", 600_000.0);
        let mut much = stalled(&server, protocol, &["c2"]);
        let mut more = 0;
        while slow_consumers(&server) == 0 {
            publish(&server, "c2", more, 50_000);
            more += 1;
            assert!(unsent(&server) <= 4_000_000.0, "{}", unsent(&server));
            if unsent(&server) > 3_000_000.0 && n < 1_000 {
                // both are behind; the limit of one is not reached by either
                publish(&server, "c1", n, 20_000);
                n += 1;
            }
        }
        eventually_true("one is out", || server.connections() == 1);
        let (_, close) = much.read_to_end();
        assert!(matches!(close.code, None | Some(1013)), "{close:?}");
        for n in 0..n {
            assert_eq!(little.expect_event("campaign:updated")["n"], n);
        }
        little.expect_nothing_but_pong();
        eventually_true("nothing waits", || unsent(&server) == 0.0);
        assert_eq!(slow_consumers(&server), 1);
    }

    fn whatever_clients_do_what_waits_for_all_stays_bounded(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.unsent_bytes", 0).set("server.workers", 3);
        let settings = settings.set("limits.connections_per_user", 0);
        let server = settings.set("limits.unsent_bytes_total", 2_000_000).start();
        let stalled: Vec<TestClient> = (0..12).map(|_| stalled(&server, protocol, &["c1"])).collect();
        let mut reader = server.connect(protocol, &admin("reader"));
        reader.emit("subscribe:campaign", json!({"campaignId": "c1"}));
        reader.wait_for("subscribed");
        let mut n = 0;
        while server.connections() > 1 {
            publish(&server, "c1", n, 100_000);
            assert_eq!(reader.expect_event("campaign:updated")["n"], n);
            assert!(unsent(&server) <= 2_000_000.0, "{}", unsent(&server));
            n += 1;
            assert!(n < 2_000, "{} are left", server.connections());
        }
        reader.expect_nothing_but_pong();
        assert_eq!(slow_consumers(&server), stalled.len());
    }
}
