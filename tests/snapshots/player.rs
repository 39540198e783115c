//! One socket: it comes, does what chance says, and writes down what happened.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::check::{Entry, Fact, Room, Shown, Topic};
use super::common::{Claims, Incoming, Protocol};
use super::plan::{Dice, OWNERS, Phase, STORED, TOPICS, World, name, owned, owner_name};
use super::wire::{End, Wire};

/// How long anything may take that has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is at a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Sees everything.
    Admin,
    /// Owns some campaigns, and takes part in the others.
    Owner(usize),
    /// Takes part in every campaign.
    Participant,
}

/// A socket and what has happened at it.
pub struct Player {
    world: Rc<World>,
    wire: Wire,
    dice: Dice,
    number: usize,
    who: Who,
    history: Vec<Entry>,
    last_id: u64,
    /// The `ping` whose answer is waited for.
    ping: Option<u64>,
    /// One more than the number of the newest notification that came.
    notices: u32,
}

impl Player {
    /// Comes in, and reads what everybody gets first.
    pub async fn enter(world: &Rc<World>, number: usize, who: Who, mut dice: Dice) -> Player {
        let _entering = world.entrance.acquire().await.unwrap();
        let protocol = if dice.percent(50) { Protocol::SocketIo } else { Protocol::Plain };
        let wire = Wire::open(world.port, protocol).await.unwrap_or_else(|e| panic!("socket {number}: {e}"));
        let mut player = Player {
            world: Rc::clone(world),
            wire,
            dice,
            number,
            who,
            history: Vec::new(),
            last_id: 0,
            ping: None,
            notices: 0,
        };
        let token = player.wire.token(&who.token(number));
        player.wire.send(&[token]).await.unwrap();
        while !player.is_in(Instant::now() + PATIENCE).await {}
        player
    }

    /// Reads one thing of those that come first; says whether it was the last.
    async fn is_in(&mut self, deadline: Instant) -> bool {
        let next = timeout_at(deadline, self.wire.next()).await.expect("the initial events come").unwrap();
        match (next, self.who) {
            (Some(Incoming::Event(name, data)), Who::Owner(owner)) if name == "initial:notifications" => {
                let items = data.as_array().unwrap().iter();
                let numbers = items.map(|item| notice_number(&item["id"]).unwrap()).collect();
                self.history.push(Entry::FirstNotices { owner, numbers });
                self.notices = self.notices_of(&self.history);
                false
            }
            (Some(Incoming::Event(name, _)), _) => name == "initial:system_status",
            (Some(Incoming::Open(_) | Incoming::Connected(_)), _) => false,
            (other, _) => panic!("socket {}: before it was in came {other:?}", self.number),
        }
    }

    /// How many notifications of the own ones there are up to the newest that it has had.
    fn notices_of(&self, history: &[Entry]) -> u32 {
        match history.last() {
            Some(Entry::FirstNotices { numbers, .. }) => numbers.first().map_or(0, |newest| newest + 1),
            Some(Entry::Notice { number, .. }) => number + 1,
            _ => self.notices,
        }
    }

    /// Does what chance says until its time is over, and vanishes without an answer to its last words.
    pub async fn come_and_go(mut self) -> Vec<Entry> {
        for _ in 0..2 + self.dice.below(12) {
            self.act().await;
            let pause = self.dice.below(500);
            self.listen(Duration::from_millis(pause)).await;
        }
        if self.dice.percent(30) {
            self.act().await; // its answers find nobody
        }
        let how = [End::Closed, End::Dropped, End::Reset][self.dice.below(3) as usize];
        self.wire.end(how).await;
        self.history
    }

    /// Stays until everything has been published, leaves every room, and hears nothing more.
    pub async fn stay(mut self) -> Vec<Entry> {
        while self.world.phase.get() == Phase::Running {
            if self.dice.percent(30) {
                self.act().await;
            }
            let pause = self.dice.below(300);
            self.listen(Duration::from_millis(pause)).await;
        }
        if self.dice.percent(50) {
            self.ask(true, self.all_rooms()).await;
        }
        self.wait_for_notices().await;
        self.leave_all().await;
        self.world.left.set(self.world.left.get() + 1);
        while self.world.phase.get() < Phase::After {
            self.listen(Duration::from_millis(50)).await;
        }
        self.round_trip().await;
        self.history.push(Entry::Done);
        self.wire.end(End::Closed).await;
        self.history
    }

    /// An owner stays in its room until all its notifications have come.
    async fn wait_for_notices(&mut self) {
        let Who::Owner(owner) = self.who else { return };
        let (all, deadline) = (self.world.log.notices(owner), Instant::now() + PATIENCE);
        self.ask(true, vec![Room::User(owner)]).await;
        while self.notices < all {
            if !self.read(deadline).await {
                self.history.push(Entry::Strange(format!("{} of {all} notifications came", self.notices)));
                return;
            }
        }
    }

    /// Is in every room of a campaign all the time.
    pub async fn monitor(mut self) -> Vec<Entry> {
        self.ask(true, (0..TOPICS).map(Room::Campaign).collect()).await;
        while self.world.phase.get() < Phase::Over {
            self.listen(Duration::from_millis(50)).await;
        }
        self.leave_all().await;
        self.history.push(Entry::Done);
        self.history
    }

    async fn leave_all(&mut self) {
        self.ask(false, self.all_rooms()).await;
        self.round_trip().await;
    }

    fn all_rooms(&self) -> Vec<Room> {
        (0..TOPICS).map(Room::Campaign).chain(self.user_room()).collect()
    }

    /// Everything that was said before has been answered when this comes back.
    async fn round_trip(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        self.last_id += 1;
        self.ping = Some(self.last_id);
        let text = self.wire.request(self.last_id, "ping", &Value::Null);
        self.wire.send(&[text]).await.unwrap();
        while self.ping.is_some() || self.is_owed() {
            if !self.read(deadline).await {
                self.history.push(Entry::Strange(format!("no answer within {PATIENCE:?}, or an end")));
                return;
            }
        }
    }

    /// Whether an ack has not come: a subscribe may be answered after the ping.
    fn is_owed(&self) -> bool {
        let count = |wanted: fn(&Entry) -> bool| self.history.iter().filter(|entry| wanted(entry)).count();
        count(|entry| matches!(entry, Entry::Ask { .. }))
            > count(|entry| matches!(entry, Entry::Answer { .. }))
    }

    /// One or a few requests in one go.
    async fn act(&mut self) {
        let room = self.any_room();
        match self.dice.below(100) {
            0..45 => self.ask(true, vec![room]).await,
            45..60 => self.ask(false, vec![room]).await,
            60..68 => self.ask(true, vec![room, room]).await,
            68..76 => self.ask_turns(&[(true, room), (false, room)]).await,
            76..84 => self.ask_turns(&[(false, room), (true, room)]).await,
            84..90 => self.ask_turns(&[(true, room), (false, room), (true, room)]).await,
            90..95 => self.ask(true, self.all_rooms()).await,
            // deaf for a while
            _ => tokio::time::sleep(Duration::from_millis(self.dice.below(400))).await,
        }
    }

    fn any_room(&mut self) -> Room {
        let user_room = self.user_room();
        match user_room {
            Some(room) if self.dice.percent(35) => room,
            _ => Room::Campaign(self.dice.below(TOPICS as u64) as Topic),
        }
    }

    /// An owner's own; an admin looks into that of the owner who stands in the store.
    fn user_room(&self) -> Option<Room> {
        match self.who {
            Who::Owner(owner) => Some(Room::User(owner)),
            Who::Admin => Some(Room::User(0)),
            Who::Participant => None,
        }
    }

    async fn ask(&mut self, join: bool, rooms: Vec<Room>) {
        let turns: Vec<(bool, Room)> = rooms.into_iter().map(|room| (join, room)).collect();
        self.ask_turns(&turns).await;
    }

    async fn ask_turns(&mut self, turns: &[(bool, Room)]) {
        let mut texts = Vec::new();
        for &(join, room) in turns {
            self.last_id += 1;
            let (id, seen) = (self.last_id, self.world.seen.borrow().clone());
            self.history.push(Entry::Ask { id, join, room, seen });
            let verb = if join { "subscribe" } else { "unsubscribe" };
            let (kind, data) = match room {
                Room::Campaign(topic) => ("campaign", json!({"campaignId": name(topic)})),
                Room::User(owner) => ("user", json!({"userId": owner_name(owner)})),
            };
            texts.push(self.wire.request(id, &format!("{verb}:{kind}"), &data));
        }
        if let Err(e) = self.wire.send(&texts).await {
            self.history.push(Entry::Strange(format!("it could not be sent: {e}")));
        }
    }

    async fn listen(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while self.read(until).await {}
    }

    /// Reads one thing and writes it down; false when the time is over.
    async fn read(&mut self, until: Instant) -> bool {
        match timeout_at(until, self.wire.next()).await {
            Ok(Ok(Some(incoming))) => {
                self.write_down(incoming);
                true
            }
            Ok(end) => {
                // once is enough, and it fails the test
                self.history.push(Entry::Strange(format!("the hub ended the connection: {end:?}")));
                tokio::time::sleep_until(until).await;
                false
            }
            Err(_) => false,
        }
    }

    fn write_down(&mut self, incoming: Incoming) {
        let entry = match &incoming {
            Incoming::Event(name, data) => self.event(name, data),
            Incoming::Answer(id, answer) => self.answer(id, answer),
            _ => None,
        };
        match entry {
            Some(entry) => {
                self.history.push(entry);
                self.notices = self.notices_of(&self.history);
            }
            None if matches!(&incoming, Incoming::Event(name, _) if name == "pong") => {}
            None if matches!(&incoming, Incoming::Answer(id, _) if id.as_u64() == self.ping) => {
                self.ping = None
            }
            None => self.history.push(Entry::Strange(format!("{incoming:?}"))),
        }
    }

    fn event(&self, name: &str, data: &Value) -> Option<Entry> {
        match name {
            "campaign:status" => snapshot(data),
            "subscribed" => Some(Entry::Subscribed { room: room(data)?, published: self.world.log.counts() }),
            "unsubscribed" => Some(Entry::Unsubscribed { room: room(data)? }),
            "notification" => {
                let Some(Room::User(owner)) = self.user_room() else { return None };
                Some(Entry::Notice { owner, number: notice_number(&data["id"])? })
            }
            "campaign:updated" => self.live(data, u32::try_from(data["n"].as_u64()?).ok()?, false),
            "campaign:status_changed" => self.live(data, status_number(&data["status"])?, true),
            _ => None,
        }
    }

    fn live(&self, data: &Value, number: u32, is_status: bool) -> Option<Entry> {
        let topic = topic(&data["campaignId"])?;
        let fact = Fact { time: time(&data["timestamp"])?, is_status };
        let seen = &mut self.world.seen.borrow_mut()[topic];
        *seen = (*seen).max(number + 1);
        Some(Entry::Event { topic, number, fact })
    }

    fn answer(&self, id: &Value, answer: &Value) -> Option<Entry> {
        let id = id.as_u64().filter(|id| Some(*id) != self.ping)?;
        let room = room(&answer["data"]).filter(|_| answer["ok"] == true)?;
        Some(Entry::Answer { id, room })
    }
}

impl Who {
    /// A mixture of all kinds.
    pub fn any(dice: &mut Dice) -> Who {
        match dice.below(10) {
            0..3 => Who::Admin,
            3..7 => Who::Owner(dice.below(OWNERS as u64) as usize),
            _ => Who::Participant,
        }
    }

    fn token(self, number: usize) -> String {
        let all: Vec<String> = (0..TOPICS).map(name).collect();
        match self {
            Who::Admin => Claims::of(&format!("admin-{number}")).with("permissions", json!(["admin"])),
            Who::Participant => {
                Claims::of(&format!("user-{number}")).with("participatingCampaigns", json!(all))
            }
            Who::Owner(owner) => {
                let claims = Claims::of(&owner_name(owner)).with("participatingCampaigns", json!(all));
                // the first one's are in the store
                let claimed: Vec<String> = owned(owner).into_iter().filter(|_| owner > 0).map(name).collect();
                claims.with("ownedCampaigns", json!(claimed))
            }
        }
        .token()
    }
}

fn snapshot(data: &Value) -> Option<Entry> {
    let topic = topic(&data["campaignId"])?;
    let shown = match &data["status"] {
        Value::Null => Shown::Nothing,
        Value::String(status) if status == "STORED" => Shown::Stored,
        status => Shown::Status(status_number(status)?),
    };
    let metadata = if topic < STORED { json!({"budget": 5}) } else { Value::Null };
    let whole = data["metadata"] == metadata && data.as_object()?.len() == 4;
    whole.then(|| Entry::Snapshot { topic, shown, time: time(&data["timestamp"]) })
}

fn room(data: &Value) -> Option<Room> {
    match data["type"].as_str()? {
        "campaign" => topic(&data["campaignId"]).map(Room::Campaign),
        "user" => Some(Room::User(data["userId"].as_str()?.strip_prefix("owner-")?.parse().ok()?)),
        _ => None,
    }
}

fn topic(id: &Value) -> Option<Topic> {
    id.as_str()?.strip_prefix("snap-")?.parse().ok().filter(|topic| *topic < TOPICS)
}

fn status_number(status: &Value) -> Option<u32> {
    status.as_str()?.strip_prefix('S')?.parse().ok()
}

fn notice_number(id: &Value) -> Option<u32> {
    id.as_str()?.strip_prefix('N')?.parse().ok()
}

fn time(timestamp: &Value) -> Option<i64> {
    roomcast::clock::parse_rfc3339(timestamp.as_str()?)
}
