//! `roomcast demo`: example campaigns, and live events so that something moves.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::publish::{Publisher, hub_header};
use super::{DemoArgs, Failure, PublishArgs, note, print};
use crate::app::options;
use crate::clock;
use crate::config::Config;
use crate::store::{CampaignWrite, Store};

const OWNERS: [&str; 3] = ["ada", "grace", "linus"];
const STATUSES: [&str; 4] = ["DRAFT", "SCHEDULED", "ACTIVE", "PAUSED"];
const NAMES: [&str; 5] =
    ["Spring launch", "Summer raffle", "Loyalty week", "Referral sprint", "Winter finale"];

pub(super) fn run(config: &Config, args: &DemoArgs) -> Result<(), Failure> {
    Store::migrate(&options::store(config)).map_err(anyhow::Error::from)?;
    let store = actix::System::new().block_on(async { Store::start(options::store(config), |_| {}) });
    fill(&store, args.campaigns)?;
    print(&format!("{} campaigns: demo-1 … demo-{}\n", args.campaigns, args.campaigns))?;
    let mut publisher = Publisher::choose(config, &PublishArgs::default())?;
    let events = if args.once { Some(u64::from(args.campaigns)) } else { None };
    publish_events(&mut publisher, args.campaigns, args.events_per_second, events)?;
    Ok(())
}

/// A demo beside a hub that runs in this process.
pub(super) struct Plan {
    url: String,
    header: Result<(&'static str, String), Failure>,
}

impl Plan {
    /// For the hub of this configuration at this address.
    pub(super) fn for_hub(config: &Config, address: SocketAddr) -> Plan {
        Plan { url: format!("http://{address}"), header: hub_header(config) }
    }

    /// Fills the store and publishes for as long as the process lives.
    pub(super) fn begin(self, store: &Store) {
        const CAMPAIGNS: u32 = 10;
        const EVENTS_PER_SECOND: u32 = 5;
        let store = store.clone();
        let demo = move || -> Result<(), Failure> {
            fill(&store, CAMPAIGNS)?;
            drop(store);
            let mut publisher = Publisher::http(&self.url, self.header?);
            Ok(publish_events(&mut publisher, CAMPAIGNS, EVENTS_PER_SECOND, None)?)
        };
        let thread = std::thread::Builder::new().name("demo".into()).spawn(move || {
            if let Err(failure) = demo() {
                failure.lines().iter().for_each(|line| note(&format!("the demo ended: {line}")));
            }
        });
        if let Err(error) = thread {
            note(&format!("the demo could not be started: {error}"));
        }
    }
}

/// Writes the example campaigns, and waits until they are written.
fn fill(store: &Store, campaigns: u32) -> anyhow::Result<()> {
    let (done, written) = mpsc::channel();
    for n in 1..=campaigns {
        let done = done.clone();
        store.put_campaign(campaign(n), move |result| {
            let _ = done.send(result); // the demo may have ended
        });
    }
    for _ in 0..campaigns {
        written.recv_timeout(Duration::from_secs(10)).context("the store does not answer")??;
    }
    Ok(())
}

fn campaign(n: u32) -> CampaignWrite {
    let at = n as usize;
    CampaignWrite {
        id: format!("demo-{n}"),
        name: Some(format!("{} {n}", NAMES[at % NAMES.len()])),
        status: Some(STATUSES[at % STATUSES.len()].to_owned()),
        status_at: None,
        owner_id: Some(OWNERS[(at - 1) % OWNERS.len()].to_owned()),
        metadata: Some(json!({ "budget": 1_000 * n }).to_string()),
    }
}

fn publish_events(
    publisher: &mut Publisher,
    campaigns: u32,
    per_second: u32,
    limit: Option<u64>,
) -> anyhow::Result<()> {
    let pause = Duration::from_secs(1) / per_second;
    let mut away = false;
    for n in (0..).take_while(|n| limit.is_none_or(|limit| *n < limit)) {
        let (channel, payload) = event(n, campaigns);
        match publisher.publish(&channel, &payload) {
            Ok(()) => away = false,
            Err(error) if limit.is_some() => return Err(error),
            Err(error) => {
                // an outage passes: the demo goes on when it has
                if !std::mem::replace(&mut away, true) {
                    note(&format!("the demo waits: {error:#}"));
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        std::thread::sleep(pause);
    }
    Ok(())
}

/// The n-th event: campaigns in turn, each sort now and then.
fn event(n: u64, campaigns: u32) -> (String, Value) {
    let id = format!("demo-{}", n % u64::from(campaigns) + 1);
    let round = n / u64::from(campaigns) + n;
    let channel = format!("campaign:{id}");
    match n % 12 {
        0..6 => {
            let metrics =
                json!({ "participants": 100 + round, "engagements": 3 * round, "rewards": round / 5 });
            (channel, json!({ "eventType": "metrics.updated", "campaignId": id, "metrics": metrics }))
        }
        6..9 => {
            let status = STATUSES[(round % STATUSES.len() as u64) as usize];
            let payload = json!({
                "eventType": "status.changed", "campaignId": id, "toStatus": status, "trigger": "demo",
            });
            (channel, payload)
        }
        9 => {
            let timer = format!("t-{n}");
            let now = clock::rfc3339(clock::now_ms());
            let payload = json!({
                "eventType": "executed", "timerId": timer, "campaignId": id, "timerType": "START",
                "status": "COMPLETED", "executionTime": now, "processingTimeMs": round % 40,
            });
            (format!("timer:{timer}"), payload)
        }
        10 => {
            let user = OWNERS[(n / 12 % OWNERS.len() as u64) as usize];
            let payload = json!({
                "userId": user, "type": "info", "title": "Goal reached",
                "message": format!("{id} has {} participants", 100 + round), "campaignId": id,
            });
            (format!("user:{user}"), payload)
        }
        _ => {
            let payload =
                json!({ "level": "info", "title": "Demo", "message": format!("{n} events so far") });
            ("system:alerts".to_owned(), payload)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Campaigns, Catalogue as _};

    #[test]
    fn every_event_of_the_demo_is_one_that_the_hub_takes() {
        for n in 0..240 {
            let (channel, payload) = event(n, 10);
            let routed =
                Campaigns::default().route(&channel, payload.to_string().as_bytes(), clock::now_ms());
            assert!(routed.is_ok(), "{channel} {payload}: {routed:?}");
        }
    }
}
