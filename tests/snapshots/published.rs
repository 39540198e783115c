//! The published order: what every history is compared with.

/// A campaign by its number.
pub type Topic = usize;

/// A published event; its number is its position among its campaign's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fact {
    /// The publisher's time in milliseconds.
    pub time: i64,
    /// A change of status, or else an update.
    pub is_status: bool,
}

/// A status that a client can see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// None: nobody has set one.
    Nothing,
    /// The one that was in the store before the first event.
    Stored,
    /// That of the event of this number.
    Status(u32),
}

/// Everything that was published.
pub struct Published {
    /// By campaign, the time of the status in the store before the first event.
    stored: Vec<Option<i64>>,
    pub(super) facts: Vec<Vec<Fact>>,
    /// By campaign and place: the newest status before it.
    pub(super) newest: Vec<Vec<Shown>>,
    /// By owner: the campaigns.
    pub(super) owned: Vec<Vec<Topic>>,
}

impl Published {
    /// `stored`: what was in the store before, `facts`: what was published, `owned`: by owner.
    pub fn new(stored: Vec<Option<i64>>, facts: Vec<Vec<Fact>>, owned: Vec<Vec<Topic>>) -> Published {
        let mut published = Published { stored, facts, newest: Vec::new(), owned };
        published.newest = (0..published.facts.len()).map(|topic| published.newest_by_place(topic)).collect();
        published
    }

    fn newest_by_place(&self, topic: Topic) -> Vec<Shown> {
        let mut newest = if self.stored[topic].is_some() { Shown::Stored } else { Shown::Nothing };
        let mut all = vec![newest];
        for (number, fact) in self.facts[topic].iter().enumerate() {
            if fact.is_status && Some(fact.time) >= self.time(topic, newest) {
                newest = Shown::Status(number as u32);
            }
            all.push(newest);
        }
        all
    }

    /// The time of a status.
    pub fn time(&self, topic: Topic, shown: Shown) -> Option<i64> {
        match shown {
            Shown::Nothing => None,
            Shown::Stored => self.stored[topic],
            Shown::Status(number) => self.facts[topic].get(number as usize).map(|fact| fact.time),
        }
    }

    /// How many events a campaign had.
    pub fn count(&self, topic: Topic) -> u32 {
        self.facts[topic].len() as u32
    }

    /// The newest status of all.
    pub fn last(&self, topic: Topic) -> Shown {
        self.newest[topic][self.facts[topic].len()]
    }

    /// The number of the first change of status from `place` on.
    pub fn next_status(&self, topic: Topic, place: u32) -> u32 {
        let rest = self.facts[topic].iter().skip(place as usize);
        place.saturating_add(rest.take_while(|fact| !fact.is_status).count() as u32)
    }
}
