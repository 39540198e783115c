//! Who may join which room, and who may publish. Pure: what the store knows comes in as arguments.

use super::claims::User;

/// The permission that lets its holder join the system room.
pub const SYSTEM_READ: &str = "system:read";
/// The permission that lets its holder publish, and write the read model.
pub const PUBLISH: &str = "publish";
/// The permission that makes its holder an administrator.
pub const ADMIN: &str = "admin";

/// What the store knows of a user's part in a campaign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Participation {
    /// Nothing: the token alone decides.
    Unknown,
    /// A participant.
    Active,
    /// Was one, and has been removed: stays out whatever the token claims, until added again.
    Removed,
}

/// Whether `user` may join the room of `campaign`, which `owner` owns as far as the store knows.
///
/// A removed participant who is the owner in the store still comes in: that right is another one, and
/// it is not the token's word.
pub fn may_join_campaign(user: &User, campaign: &str, owner: Option<&str>, part: Participation) -> bool {
    let owns = owner == Some(&*user.id);
    user.is_admin || has_campaign_right(owns, part, claims_campaign(user, campaign))
}

/// Whether what the store knows, or where it knows nothing the token's claim, lets somebody see a campaign.
pub fn has_campaign_right(owns: bool, part: Participation, claimed: bool) -> bool {
    owns || match part {
        Participation::Active => true,
        Participation::Removed => false,
        Participation::Unknown => claimed,
    }
}

/// Whether the token alone says that `user` owns or takes part in `campaign`.
pub fn claims_campaign(user: &User, campaign: &str) -> bool {
    user.owned.iter().chain(&user.participating).any(|id| **id == *campaign)
}

/// Whether `user` may join the room of the user `id`.
pub fn may_join_user(user: &User, id: &str) -> bool {
    user.is_admin || *user.id == *id
}

/// Whether `user` may join the system room.
pub fn may_join_system(user: &User) -> bool {
    user.is_admin || user.has(SYSTEM_READ)
}

/// Whether `user` may publish over HTTP and use the read model.
pub fn may_publish(user: &User) -> bool {
    user.is_admin || user.has(PUBLISH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, permissions: &[&str]) -> User {
        User {
            id: id.into(),
            permissions: permissions.iter().map(|&p| p.to_owned()).collect(),
            is_admin: permissions.contains(&ADMIN),
            owned: vec!["owned".into()],
            participating: vec!["part".into()],
            issued_at: None,
            first_issued_at: None,
            auth_time: None,
            expires_at: 0,
        }
    }

    #[test]
    fn a_campaign_lets_in_its_owner_its_participants_and_whom_the_token_names() {
        let u = user("u1", &[]);
        assert!(may_join_campaign(&u, "c", Some("u1"), Participation::Unknown));
        assert!(may_join_campaign(&u, "c", Some("u2"), Participation::Active));
        assert!(may_join_campaign(&u, "owned", None, Participation::Unknown));
        assert!(may_join_campaign(&u, "part", Some("u2"), Participation::Unknown));
        assert!(!may_join_campaign(&u, "c", Some("u2"), Participation::Unknown));
        assert!(!may_join_campaign(&u, "c", None, Participation::Unknown));
    }

    #[test]
    fn a_removed_participant_stays_out_whatever_the_token_claims() {
        let u = user("u1", &[]);
        assert!(!may_join_campaign(&u, "part", None, Participation::Removed));
        assert!(!may_join_campaign(&u, "owned", Some("u2"), Participation::Removed));
        assert!(may_join_campaign(&u, "part", Some("u1"), Participation::Removed), "the store's owner");
        assert!(may_join_campaign(&user("a", &["admin"]), "part", None, Participation::Removed));
    }

    #[test]
    fn a_user_room_lets_in_that_user_and_admins() {
        assert!(may_join_user(&user("u1", &[]), "u1"));
        assert!(!may_join_user(&user("u1", &["system:read", "publish"]), "u2"));
        assert!(may_join_user(&user("u1", &["admin"]), "u2"));
    }

    #[test]
    fn the_system_room_lets_in_admins_and_holders_of_system_read() {
        assert!(may_join_system(&user("u", &["admin"])) && may_join_system(&user("u", &["system:read"])));
        assert!(!may_join_system(&user("u", &["not-admin", "publish"])));
    }

    #[test]
    fn admins_and_holders_of_publish_may_publish() {
        assert!(may_publish(&user("u", &["admin"])) && may_publish(&user("u", &["publish"])));
        assert!(!may_publish(&user("u", &["system:read"])));
    }
}
