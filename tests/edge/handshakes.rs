//! `limits.handshakes_per_address_per_minute`.

use crate::common::*;
use crate::gauge;
use crate::ways::{Entry, behind_a_proxy};

const KEY: &str = "limits.handshakes_per_address_per_minute";
const REASON: &str = r#"reason="handshake_rate""#;

#[test]
fn one_handshake_too_many_gets_429_whatever_it_is_and_other_addresses_none() {
    for entry in Entry::ALL {
        let server = behind_a_proxy().set(KEY, 3).start();
        let knock = |address| entry.knock(server.port(), address);
        let open: Vec<_> = (0..3).map(|_| knock("203.0.113.7")).collect();
        assert!(open.iter().all(|(answer, _)| answer.status == entry.welcome()), "{entry:?}");
        let before = server.metric("roomcast_refused_requests_total", REASON);
        let (refused, _) = knock("203.0.113.7");
        let seconds = entry.assert_refused(&refused, 429, "rate_limited", "Rate limit exceeded");
        assert!((1..=20).contains(&seconds), "{seconds}");
        assert_eq!(server.metric("roomcast_refused_requests_total", REASON), before + 1.0);
        assert_eq!(knock("203.0.113.8").0.status, entry.welcome());
    }
}

#[test]
fn the_ways_in_share_one_limit_and_so_does_an_ipv6_network() {
    let server = behind_a_proxy().set(KEY, 3).start();
    let addresses = ["2001:db8:1:1::1", "2001:db8:1:1:2::", "2001:db8:1:1::f"];
    for (entry, address) in Entry::ALL.into_iter().zip(addresses) {
        assert_eq!(entry.knock(server.port(), address).0.status, entry.welcome());
    }
    assert_eq!(Entry::Plain.knock(server.port(), "2001:db8:1:1::9").0.status, 429);
    assert_eq!(Entry::Plain.knock(server.port(), "2001:db8:1:2::1").0.status, 101);
}

#[test]
fn polls_and_posts_of_a_session_are_no_handshakes_nor_is_its_upgrade() {
    let server = behind_a_proxy().set(KEY, 2).start();
    let mut polled = server.connect(Protocol::Polling, &user("u1"));
    (0..20).for_each(|_| polled.expect_nothing_but_pong());
    let mut upgraded = server.connect(Protocol::Upgraded, &user("u1"));
    upgraded.expect_nothing_but_pong();
    assert_eq!(Entry::Poll.knock(server.port(), "ignored").0.status, 429);
}

#[test]
fn who_is_no_proxy_cannot_choose_its_address() {
    let server =
        TestServer::builder().set(KEY, 2).set("cors.origins", "*").set("cors.credentials", "false").start();
    let statuses = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
        .map(|address| Entry::Poll.knock(server.port(), address).0.status);
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn zero_switches_it_off() {
    let server = behind_a_proxy().set(KEY, 0).start();
    let mut line = Line::open(server.port());
    for _ in 0..200 {
        assert_eq!(Entry::Poll.knock_on(&mut line, "203.0.113.7").status, 200);
    }
}

#[test]
fn twenty_thousand_addresses_take_little_memory_and_no_series() {
    // one may come in, so that the others leave nothing but their address
    let server = behind_a_proxy().set(KEY, 5).set("limits.connections", 1).start();
    let (_, _inside) = Entry::Plain.knock(server.port(), "203.0.113.7");
    let mut line = Line::open(server.port());
    let mut knock =
        |n: u32| Entry::Poll.knock_on(&mut line, &std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string());
    assert_eq!(knock(0).status, 503);
    let (memory, series) = (gauge::memory(&server), gauge::series(&server));
    for n in 1..20_000 {
        assert_eq!(knock(n).status, 503);
    }
    let grown = gauge::memory(&server).saturating_sub(memory);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    let more = gauge::series(&server).saturating_sub(series);
    assert!(more < 10, "{more} series more"); // what counts something else may begin meanwhile
    // and each has still its own limit
    let statuses: Vec<u16> = (0..6).map(|_| knock(77).status).collect();
    assert_eq!(statuses, [503, 503, 503, 503, 429, 429]);
}
