//! Users whose tokens do not count any more, as far as this process knows. The store has them for good.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::claims::User;
use crate::clock::Millis;

/// By user, until when tokens that were issued are refused. It only ever grows, so what is known holds also
/// while the store is away; a user takes about a hundred bytes.
#[derive(Debug, Default)]
pub struct Revocations {
    until: RwLock<HashMap<Arc<str>, Millis>>,
    /// Whether all that the store has are here.
    complete: AtomicBool,
}

impl Revocations {
    /// Refuses tokens of `user` that were issued until `before`. Returns whether that was not known yet.
    pub fn add(&self, user: &str, before: Millis) -> bool {
        let mut all = self.until.write().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(user) {
            Some(known) if *known >= before => false,
            Some(known) => {
                *known = before;
                true
            }
            None => all.insert(user.into(), before).is_none(),
        }
    }

    /// All that the store has are here: who is not covered may be let in.
    pub fn know_all(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Whether all that the store has are here; until then nobody can be told from one who was revoked.
    pub fn are_known(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Whether this user's token has been revoked.
    pub fn cover(&self, user: &User) -> bool {
        let all = self.until.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&*user.id).is_some_and(|before| user.is_revoked(*before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, issued_at: Option<Millis>) -> User {
        User {
            id: id.into(),
            permissions: Vec::new(),
            is_admin: false,
            owned: Vec::new(),
            participating: Vec::new(),
            issued_at,
            first_issued_at: issued_at,
            auth_time: None,
            expires_at: Millis::MAX,
        }
    }

    #[test]
    fn tokens_issued_until_then_are_covered_and_those_without_iat() {
        let revocations = Revocations::default();
        assert!(revocations.add("u", 1_500));
        assert!(revocations.cover(&user("u", Some(1_000))) && revocations.cover(&user("u", None)));
        assert!(!revocations.cover(&user("u", Some(2_000))), "issued in the next second");
        assert!(!revocations.cover(&user("v", None)), "somebody else");
    }

    #[test]
    fn an_earlier_revocation_takes_nothing_back() {
        let revocations = Revocations::default();
        assert!(revocations.add("u", 2_000));
        assert!(!revocations.add("u", 1_000) && !revocations.add("u", 2_000));
        assert!(revocations.cover(&user("u", Some(2_000))));
        assert!(revocations.add("u", 3_000));
    }
}
