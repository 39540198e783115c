//! A panic in a handler takes down one socket; one of a part that all depend on ends the process.
#![cfg(feature = "hub")]

mod common;
#[path = "common/service.rs"]
mod service;

use std::process::{Command, Output};
use std::sync::Arc;

use actix::Actor;
use common::*;
use roomcast::bridge::{Bus, BusHandle, MemoryBridge, OnLink, Sink};
use roomcast::metrics::Metrics;
use roomcast::rooms::ledger::{AliasLoad, Limits, RightsRead, StateRead};
use roomcast::rooms::registry::{self, Journal};
use roomcast::rooms::{Permits, RoomRegistry};
use service::Own;

fn client(server: &Own, version: Version, way: Way) -> Engine {
    let mut client = Engine::open(server.port(), &Opening::new("/socket.io/", version, way));
    if version == Version::V4 {
        client.send("40");
    }
    assert!(client.expect_text().starts_with("40"));
    client
}

over_engine! {
    fn a_panic_in_a_handler_ends_its_own_socket_and_no_other(version: Version, way: Way) {
        let server = Own::start();
        let mut others: Vec<Engine> = (0..8).map(|_| client(&server, version, way)).collect();
        for _ in 0..3 {
            let mut unlucky = client(&server, version, way);
            unlucky.send(r#"42["panic"]"#);
            unlucky.expect_close();
            // whoever gets its slot is one like any other
            others.push(client(&server, version, way));
        }
        for other in &mut others {
            other.send(r#"42["say"]"#);
            other.expect(r#"42["said"]"#);
        }
    }
}

/// Says to this test binary, run as a child, what is to panic there.
const VICTIM: &str = "ROOMCAST_TEST_VICTIM";

/// Runs it in a process of its own; gives how that ends.
fn ends(victim: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_victim", "--nocapture"])
        .env(VICTIM, victim)
        .output()
        .unwrap()
}

#[test]
fn a_panic_of_a_central_part_ends_the_process_with_1_and_says_which() {
    for (victim, named) in [("registry", "the registry"), ("bus", "the in-process bus")] {
        let Output { status, stderr, .. } = ends(victim);
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("roomcast: {named} has failed")), "{said}");
    }
}

#[test]
#[ignore = "the child of the test above"]
fn a_victim() {
    let Ok(victim) = std::env::var(VICTIM) else { return };
    actix::System::new().block_on(async move {
        match victim.as_str() {
            "registry" => registry_panics(),
            _ => bus_panics(),
        }
        std::future::pending::<()>().await;
    });
}

fn registry_panics() {
    let limits = Limits { room_size: 0, rooms_per_socket: 0, item_patience: 0, alias_patience: 0 };
    let registry = RoomRegistry::<(), Nothing>::new(limits, Nothing, Arc::new(Metrics::new())).start();
    registry.do_send(registry::Look(Box::new(|_| panic!("it had to happen"))));
}

fn bus_panics() {
    let sink: Sink = Arc::new(|_, _| panic!("it had to happen"));
    let on_link: OnLink = Arc::new(|_| {});
    let bus = BusHandle::new(MemoryBridge::new(Permits::new(8, 1_024), sink, on_link).start().recipient());
    bus.publish("user:u".into(), "{}".into(), Box::new(|_| {}));
}

/// A journal of nothing.
struct Nothing;

impl Journal<()> for Nothing {
    fn write(&self, _: u64, (): ()) {}
    fn load_aliases(&self, _: AliasLoad) {}
    fn has_state(&self, _: &str) -> bool {
        false
    }
    fn read_state(&self, _: StateRead) {}
    fn read_rights(&self, _: RightsRead) {}
}
