//! A client of Socket.IO on a websocket.

use std::cell::RefCell;
use std::rc::Rc;

use super::Options;
use super::common::{Fault, Websocket};
use super::tally::Tally;

/// A subscribed client.
pub struct Client(pub Websocket);

impl Client {
    pub async fn subscribed(options: &Options) -> Result<Client, Fault> {
        let mut client = Websocket::open(&options.hub, "/socket.io/?EIO=4&transport=websocket").await?;
        client.wait_for("0{").await?;
        client.send(&format!(r#"40{{"token":"{}"}}"#, options.token)).await?;
        client.wait_for("40{").await?;
        client.send(&format!(r#"42["subscribe:campaign",{{"campaignId":"{}"}}]"#, options.campaign)).await?;
        client.wait_for(r#"42["subscribed""#).await?;
        Ok(Client(client))
    }

    /// Counts what comes until the connection ends.
    pub async fn read(self, number: usize, tally: Rc<RefCell<Tally>>) {
        let Client(mut socket) = self;
        loop {
            let (used, ping) = tally.borrow_mut().count(number, &socket.pending);
            socket.pending.drain(..used);
            if (ping && socket.send("3").await.is_err()) || socket.more().await.is_err() {
                tally.borrow_mut().lose_connection();
                return;
            }
        }
    }
}
