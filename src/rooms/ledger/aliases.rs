//! Other names of rooms: `owner:<x>` is one of the room of whoever owns x, while anyone is in it.

use std::collections::HashSet;

use super::super::RoomId;
use super::super::publication::RoomName;
use super::super::request::Join;
use super::{Ledger, Outputs};
use crate::ids::Uid;

/// Milliseconds until a store that has been asked again and has not answered is asked once more.
const AGAIN_LATER: u64 = 5_000;

/// What the members of a room claim as another name of theirs, and whether that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The name.
    pub alias: RoomName,
    /// The room.
    pub room: RoomName,
    /// Whether the claim counts from now on.
    pub counts: bool,
}

/// Asks the layer above for the other names of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AliasLoad {
    /// The room.
    pub room: RoomName,
    /// Names that its members claim.
    pub claims: Vec<RoomName>,
    /// To be given back with the answer: an older one is ignored.
    pub generation: u64,
}

/// What is known of a room's other names.
#[derive(Default)]
pub(super) enum AliasState {
    /// Nobody has asked for them.
    #[default]
    None,
    /// They are being loaded; these joins wait for it until then. `names` stand meanwhile.
    Loading {
        generation: u64,
        names: Vec<RoomName>,
        claims: Vec<RoomName>,
        parked: Vec<(u64, Join)>,
        until: u64,
    },
    /// They are known. `complete` is false where the store could not say: it is asked again.
    Loaded { generation: u64, names: Vec<RoomName>, claims: Vec<RoomName>, complete: bool, again: u64 },
}

impl AliasState {
    /// The names that stand now.
    pub(super) fn names(&self) -> &[RoomName] {
        match self {
            AliasState::None => &[],
            AliasState::Loading { names, .. } | AliasState::Loaded { names, .. } => names,
        }
    }

    pub(super) fn names_mut(&mut self) -> Option<&mut Vec<RoomName>> {
        match self {
            AliasState::None => None,
            AliasState::Loading { names, .. } | AliasState::Loaded { names, .. } => Some(names),
        }
    }

    fn claims_mut(&mut self) -> Option<&mut Vec<RoomName>> {
        match self {
            AliasState::None => None,
            AliasState::Loading { claims, .. } | AliasState::Loaded { claims, .. } => Some(claims),
        }
    }
}

impl<R> Ledger<R> {
    /// Whether a room's other names are not known yet, or not all that this client claims were looked at.
    pub(super) fn must_load(&self, id: RoomId, wanted: &[RoomName]) -> bool {
        match self.rooms[id.0 as usize].as_ref().map(|room| &room.alias) {
            Some(AliasState::Loaded { claims, .. }) => wanted.iter().any(|name| !claims.contains(name)),
            _ => true,
        }
    }

    /// Lets a join wait until the room's other names are loaded.
    pub(super) fn park(
        &mut self,
        id: RoomId,
        request: u64,
        join: Join,
        mut wanted: Vec<RoomName>,
        now: u64,
        out: &mut Outputs<R>,
    ) {
        let patience = now + self.limits.alias_patience;
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        let (names, claims, mut parked, until) = match std::mem::take(&mut room.alias) {
            AliasState::Loading { generation, names, claims, mut parked, until }
                if wanted.iter().all(|name| claims.contains(name)) =>
            {
                parked.push((request, join));
                room.alias = AliasState::Loading { generation, names, claims, parked, until };
                return;
            }
            AliasState::Loading { names, claims, parked, until, .. } => (names, claims, parked, until),
            AliasState::Loaded { names, claims, .. } => (names, claims, Vec::new(), patience),
            AliasState::None => (Vec::new(), Vec::new(), Vec::new(), patience),
        };
        wanted.extend(claims);
        wanted.sort();
        wanted.dedup();
        parked.push((request, join));
        self.unsettled.insert(id);
        self.generation += 1;
        let generation = self.generation;
        out.loads.push(AliasLoad { room: room.name.clone(), claims: wanted.clone(), generation });
        room.alias = AliasState::Loading { generation, names, claims: wanted, parked, until };
    }

    /// Notes what a socket claims as other names of its room.
    pub(super) fn note_claims(&mut self, id: RoomId, uid: Uid, claims: &[RoomName]) {
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        if claims.is_empty() {
            room.claimants.remove(&uid);
        } else {
            room.claimants.insert(uid, claims.to_vec());
        }
    }

    /// A socket claims other names from now on. What nobody claims any more counts only where the store says so:
    /// it is asked, and what stands does so until it answers.
    pub(super) fn reclaim(
        &mut self,
        id: RoomId,
        uid: Uid,
        claims: Vec<RoomName>,
        now: u64,
        out: &mut Outputs<R>,
    ) {
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        let before = room.claimants.remove(&uid).unwrap_or_default();
        self.note_claims(id, uid, &claims);
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        let still: HashSet<&RoomName> = room.claimants.values().flatten().collect();
        let lost: HashSet<RoomName> = before.iter().filter(|name| !still.contains(name)).cloned().collect();
        let known: HashSet<RoomName> = before.into_iter().collect();
        let added: Vec<RoomName> = claims.into_iter().filter(|name| !known.contains(name)).collect();
        if lost.is_empty() && added.is_empty() {
            return;
        }
        if let Some(claims) = room.alias.claims_mut() {
            claims.retain(|name| !lost.contains(name));
            claims.extend(added);
            claims.sort();
            claims.dedup();
        }
        self.load_again(id, now, out);
    }

    /// Asks for all names of a room again; those that stand do so meanwhile.
    fn load_again(&mut self, id: RoomId, now: u64, out: &mut Outputs<R>) {
        self.generation += 1;
        let number = self.generation;
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        let claims = match &mut room.alias {
            AliasState::None => return,
            AliasState::Loading { generation, claims, .. } => {
                *generation = number;
                claims.clone()
            }
            AliasState::Loaded { generation, claims, complete, again, .. } => {
                (*generation, *complete, *again) = (number, false, now + AGAIN_LATER);
                claims.clone()
            }
        };
        out.loads.push(AliasLoad { room: room.name.clone(), claims, generation: number });
        self.unsettled.insert(id);
    }

    /// The other names of a room have been loaded; none where the store could not say.
    pub fn loaded(
        &mut self,
        name: &RoomName,
        generation: u64,
        names: Option<Vec<RoomName>>,
        now: u64,
        out: &mut Outputs<R>,
    ) {
        let Some(&id) = self.names.get(name) else { return };
        let Some(room) = &mut self.rooms[id.0 as usize] else { return };
        match std::mem::take(&mut room.alias) {
            AliasState::Loading { generation: current, names: old, claims, parked, .. }
                if current == generation =>
            {
                self.settle_aliases(id, generation, old, names, claims, now);
                for (request, join) in parked {
                    self.pass_on(id, request, join, out);
                }
            }
            AliasState::Loaded { generation: current, names: old, claims, complete: false, .. }
                if current == generation =>
            {
                self.settle_aliases(id, generation, old, names, claims, now);
            }
            other => room.alias = other,
        }
    }

    /// Where the store could not say, what stands goes on, and the clients' claims are believed.
    fn settle_aliases(
        &mut self,
        id: RoomId,
        generation: u64,
        old: Vec<RoomName>,
        names: Option<Vec<RoomName>>,
        claims: Vec<RoomName>,
        now: u64,
    ) {
        /// Milliseconds until a store that could not say is asked again.
        const AGAIN: u64 = 1_000;
        let complete = names.is_some();
        self.remove_aliases(id, &old);
        let names = names.unwrap_or_else(|| {
            let claimed = claims.iter().filter(|name| !old.contains(name));
            old.iter().chain(claimed).cloned().collect()
        });
        self.add_aliases(id, &names);
        if let Some(room) = &mut self.rooms[id.0 as usize] {
            room.alias = AliasState::Loaded { generation, names, claims, complete, again: now + AGAIN };
        }
        if complete {
            self.unsettled.remove(&id);
        }
    }

    /// Ends waits that are over and asks again where the store could not say.
    pub(super) fn tick_aliases(&mut self, now: u64, out: &mut Outputs<R>) {
        let mut overdue = Vec::new();
        for id in &self.unsettled {
            let Some(room) = &mut self.rooms[id.0 as usize] else { continue };
            match &mut room.alias {
                AliasState::Loading { generation, until, .. } if *until <= now => {
                    overdue.push((room.name.clone(), *generation));
                }
                AliasState::Loaded { complete: false, generation, claims, again, .. } if *again <= now => {
                    *again = now + AGAIN_LATER;
                    let (room, claims) = (room.name.clone(), claims.clone());
                    out.loads.push(AliasLoad { room, claims, generation: *generation });
                }
                _ => {}
            }
        }
        for (name, generation) in overdue {
            self.loaded(&name, generation, None, now, out);
        }
    }

    /// The owner of something has changed: its alias is this room now, if that has members. Whoever claims
    /// it elsewhere is not believed any more; where it belongs to nobody, the store is asked whose claim
    /// counts.
    pub fn move_alias(&mut self, alias: &RoomName, to: Option<&RoomName>, now: u64, out: &mut Outputs<R>) {
        for id in self.unsettled.iter().filter(|_| to.is_some()) {
            if let Some(claims) = self.rooms[id.0 as usize].as_mut().and_then(|room| room.alias.claims_mut())
            {
                claims.retain(|name| name != alias);
            }
        }
        for id in self.aliases.remove(alias).unwrap_or_default() {
            self.drop_name(id, alias);
        }
        if to.is_none() {
            self.reload_claimants(alias, now, out);
        }
        let Some(&id) = to.and_then(|name| self.names.get(name)) else { return };
        if let Some(names) = self.rooms[id.0 as usize].as_mut().and_then(|room| room.alias.names_mut()) {
            names.push(alias.clone());
            self.add_aliases(id, std::slice::from_ref(alias));
        }
    }

    fn drop_name(&mut self, id: RoomId, alias: &RoomName) {
        if let Some(names) = self.rooms[id.0 as usize].as_mut().and_then(|room| room.alias.names_mut()) {
            names.retain(|name| name != alias);
        }
    }

    /// What the members of a room claim counts again, or not any more, for one alias that nobody else has.
    pub fn judge_claim(&mut self, claim: &Claim, now: u64, out: &mut Outputs<R>) {
        let Some(&id) = self.names.get(&claim.room) else { return };
        if claim.counts {
            return self.reload_claims(id, &claim.alias, now, out);
        }
        self.remove_aliases(id, std::slice::from_ref(&claim.alias));
        self.drop_name(id, &claim.alias);
        if let Some(room) = self.rooms[id.0 as usize].as_mut().filter(|_| self.unsettled.contains(&id))
            && let Some(claims) = room.alias.claims_mut()
        {
            claims.retain(|name| *name != claim.alias);
        }
    }

    fn reload_claimants(&mut self, alias: &RoomName, now: u64, out: &mut Outputs<R>) {
        for id in 0..self.rooms.len() as u32 {
            self.reload_claims(RoomId(id), alias, now, out);
        }
    }

    /// Asks again for the names of a room whose members claim this one; those that stand do so meanwhile.
    /// A load that is under way will see the change: the store answers in the order of its commits.
    fn reload_claims(&mut self, id: RoomId, alias: &RoomName, now: u64, out: &mut Outputs<R>) {
        let room = self.rooms[id.0 as usize].as_ref();
        let is_claimed = |alias_state: &AliasState| match alias_state {
            AliasState::Loaded { claims, .. } => claims.contains(alias),
            _ => false,
        };
        if room.is_some_and(|room| is_claimed(&room.alias)) {
            self.load_again(id, now, out);
        }
    }

    fn add_aliases(&mut self, id: RoomId, names: &[RoomName]) {
        for name in names {
            let ids = self.aliases.entry(name.clone()).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }

    pub(super) fn remove_aliases(&mut self, id: RoomId, names: &[RoomName]) {
        for name in names {
            if let Some(ids) = self.aliases.get_mut(name) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.aliases.remove(name);
                }
            }
        }
    }

    /// Takes out what a socket waits for here.
    pub(super) fn take_parked(&mut self, id: RoomId, uid: Uid) -> Vec<(u64, Join)> {
        match self.rooms[id.0 as usize].as_mut().map(|room| &mut room.alias) {
            Some(AliasState::Loading { parked, .. }) => {
                parked.extract_if(.., |(_, join)| join.place.uid == uid).collect()
            }
            _ => Vec::new(),
        }
    }
}
