//! Clients that come and go in every bad way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use super::{Fault, Polling, Websocket};

/// One way takes no longer than this; a hub that does not answer is left, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// A hub, and what lets one in there.
#[derive(Clone)]
pub struct Target {
    /// Host and port.
    pub hub: String,
    pub token: String,
    pub campaign: String,
    /// Which ways are gone, one after the other.
    pub ways: &'static [Way],
}

/// How one comes and goes.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Connects, and says nothing.
    Silent,
    /// Leaves in the middle of its request.
    HalfARequest,
    /// Opens a websocket, and no more.
    Unauthenticated,
    /// Resets its connection while its subscribe is under way.
    ResetWhileSubscribing,
    /// Resets it as a member.
    Reset,
    /// Says that it closes.
    Close,
    /// Is disconnected by an operator.
    Kicked,
    /// Over the plain protocol: says everything at once and leaves without an answer.
    PlainAtOnce,
    /// The same, and resets its connection.
    PlainReset,
    /// Opens a session and never polls it.
    NeverPolls,
    /// Leaves in its poll.
    InItsPoll,
    /// Leaves between the probe of its websocket and the change.
    InItsProbe,
    /// Resets the websocket that it has changed to.
    ResetAfterUpgrade,
}

/// All ways.
pub const ALL: &[Way] = &[
    Way::Silent,
    Way::HalfARequest,
    Way::Unauthenticated,
    Way::ResetWhileSubscribing,
    Way::Reset,
    Way::Close,
    Way::Kicked,
    Way::PlainAtOnce,
    Way::PlainReset,
    Way::NeverPolls,
    Way::InItsPoll,
    Way::InItsProbe,
    Way::ResetAfterUpgrade,
];

/// Lets so many clients come and go, some at the same time; says how many did before it was over.
pub fn storm(target: &Target, connections: usize, at_once: usize, over: &Arc<AtomicBool>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let next = Arc::new(AtomicUsize::new(0));
    LocalSet::new().block_on(&runtime, async {
        let mut all = JoinSet::new();
        for _ in 0..at_once {
            let (next, over, target) = (Arc::clone(&next), Arc::clone(over), target.clone());
            all.spawn_local(async move {
                while !over.load(Ordering::SeqCst) {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= connections {
                        return;
                    }
                    // the hub may refuse, and may be gone: then this one is, too
                    let _ = tokio::time::timeout(PATIENCE, target.come_and_go(number)).await;
                }
            });
        }
        all.join_all().await;
    });
    next.load(Ordering::SeqCst).min(connections)
}

impl Target {
    /// The number chooses the way.
    async fn come_and_go(&self, number: usize) -> Result<(), Fault> {
        match self.ways[number % self.ways.len()] {
            Way::Silent => drop(TcpStream::connect(&self.hub).await?),
            Way::HalfARequest => {
                TcpStream::connect(&self.hub).await?.write_all(b"GET /socket.io/?EIO=4&tra").await?;
            }
            Way::Unauthenticated => drop(self.websocket().await?),
            Way::ResetWhileSubscribing => self.subscribed_at_once().await?.reset(),
            Way::Reset => self.member().await?.reset(),
            Way::Close => self.member().await?.send_frame(0x8, &1000_u16.to_be_bytes()).await?,
            Way::Kicked => self.kicked().await?,
            Way::PlainAtOnce => drop(self.plain().await?),
            Way::PlainReset => self.plain().await?.reset(),
            Way::NeverPolls => drop(Polling::open(&self.hub).await?),
            Way::InItsPoll => self.polling().await?.begin_poll().await?,
            Way::InItsProbe => drop(self.probe().await?),
            Way::ResetAfterUpgrade => self.polling().await?.upgrade().await?.0.reset(),
        }
        Ok(())
    }

    fn subscribe(&self) -> String {
        format!(r#"42["subscribe:campaign",{{"campaignId":"{}"}}]"#, self.campaign)
    }

    fn connect(&self) -> String {
        format!(r#"40{{"token":"{}"}}"#, self.token)
    }

    async fn websocket(&self) -> Result<Websocket, Fault> {
        Websocket::open(&self.hub, "/socket.io/?EIO=4&transport=websocket").await
    }

    /// Let in, and what it was told then.
    async fn let_in(&self) -> Result<(Websocket, String), Fault> {
        let mut socket = self.websocket().await?;
        socket.send(&self.connect()).await?;
        let told = socket.wait_for("40{").await?;
        Ok((socket, told))
    }

    /// Its subscribe is under way.
    async fn subscribed_at_once(&self) -> Result<Websocket, Fault> {
        let (mut socket, _) = self.let_in().await?;
        socket.send(&self.subscribe()).await?;
        Ok(socket)
    }

    async fn member(&self) -> Result<Websocket, Fault> {
        let mut socket = self.subscribed_at_once().await?;
        socket.wait_for(r#"42["subscribed""#).await?;
        Ok(socket)
    }

    async fn kicked(&self) -> Result<(), Fault> {
        let (mut socket, told) = self.let_in().await?;
        socket.send(&self.subscribe()).await?;
        let id = told.split('"').nth(3).ok_or("no socket id")?;
        let (hub, token) = (&self.hub, &self.token);
        let call = format!(
            "DELETE /api/v1/connections/{id} HTTP/1.1\r\nHost: {hub}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let mut operator = TcpStream::connect(hub).await?;
        operator.write_all(call.as_bytes()).await?;
        let mut answer = [0; 12];
        operator.read_exact(&mut answer).await?;
        if !answer.ends_with(b"200") {
            return Err(String::from_utf8_lossy(&answer).into_owned().into());
        }
        match socket.wait_for("41").await {
            Err(told) if !told.to_string().contains("kicked") => Err(told),
            _ => Ok(()), // the reason comes before the end
        }
    }

    /// What the plain protocol needs to be a member, without waiting for any answer.
    async fn plain(&self) -> Result<Websocket, Fault> {
        let mut socket = Websocket::open(&self.hub, "/ws").await?;
        socket.send(&format!(r#"{{"event":"auth","data":{{"token":"{}"}}}}"#, self.token)).await?;
        let campaign = &self.campaign;
        socket
            .send(&format!(r#"{{"event":"subscribe:campaign","data":{{"campaignId":"{campaign}"}}}}"#))
            .await?;
        Ok(socket)
    }

    async fn polling(&self) -> Result<Polling, Fault> {
        let mut session = Polling::open(&self.hub).await?;
        session.say(&self.connect()).await?;
        session.poll().await?;
        session.say(&self.subscribe()).await?;
        Ok(session)
    }

    /// An upgrade that stops in the middle.
    async fn probe(&self) -> Result<(Polling, Websocket), Fault> {
        let session = self.polling().await?;
        let mut socket = session.second_transport().await?;
        socket.send("2probe").await?;
        Ok((session, socket))
    }
}
