//! A client of Socket.IO that polls, and may change to a websocket in the middle of it.

use std::cell::RefCell;
use std::rc::Rc;

use super::Options;
use super::client::Client;
use super::common::polling::packets;
use super::common::{Fault, Polling, STALLED};
use super::tally::Tally;

/// A subscribed client that polls.
pub struct Polled {
    session: Polling,
    /// After how many events a websocket takes over; none is never.
    upgrade_after: Option<usize>,
}

impl Polled {
    pub async fn subscribed(options: &Options, upgrade_after: Option<usize>) -> Result<Polled, Fault> {
        let mut client = Polled { session: Polling::open(&options.hub).await?, upgrade_after };
        client.session.say(&format!(r#"40{{"token":"{}"}}"#, options.token)).await?;
        client.wait_for("40{").await?;
        let subscribe = format!(r#"42["subscribe:campaign",{{"campaignId":"{}"}}]"#, options.campaign);
        client.session.say(&subscribe).await?;
        client.wait_for(r#"42["subscribed""#).await?;
        Ok(client)
    }

    /// Passes over packets up to one that starts like this.
    async fn wait_for(&mut self, start: &str) -> Result<(), Fault> {
        loop {
            let body = tokio::time::timeout(STALLED, self.session.poll()).await??;
            for packet in packets(&body)? {
                if packet.starts_with(start.as_bytes()) {
                    return Ok(());
                }
                if packet.starts_with(b"44") || packet.starts_with(br#"42["error""#) {
                    return Err(String::from_utf8_lossy(packet).into_owned().into());
                }
            }
        }
    }

    /// Counts what comes until the session ends.
    pub async fn read(mut self, number: usize, tally: Rc<RefCell<Tally>>) {
        let ended = match self.read_polls(number, &tally).await {
            Ok(websocket) => return websocket.read(number, tally).await,
            Err(ended) => ended,
        };
        if tally.borrow_mut().lose_connection() == 1 {
            eprintln!("client {number}: {ended}");
        }
    }

    /// Polls; gives the websocket that takes over, if one does.
    async fn read_polls(&mut self, number: usize, tally: &RefCell<Tally>) -> Result<Client, Fault> {
        loop {
            if count(&self.session.poll().await?, number, tally)? {
                self.session.say("3").await?;
            }
            let seen = tally.borrow().seen_by(number);
            if self.upgrade_after.is_some_and(|after| seen >= after) {
                return self.upgrade(number, tally).await;
            }
        }
    }

    async fn upgrade(&mut self, number: usize, tally: &RefCell<Tally>) -> Result<Client, Fault> {
        let (mut websocket, last) = self.session.upgrade().await?;
        if count(&last, number, tally)? {
            websocket.send("3").await?;
        }
        tally.borrow_mut().upgrade();
        Ok(Client(websocket))
    }
}

/// Counts the packets of a poll's answer; says whether a ping was among them.
fn count(body: &[u8], number: usize, tally: &RefCell<Tally>) -> Result<bool, Fault> {
    let mut tally = tally.borrow_mut();
    Ok(packets(body)?.fold(false, |pinged, packet| pinged | tally.packet(number, packet)))
}
