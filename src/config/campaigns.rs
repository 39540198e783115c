//! `[campaigns]`: what a campaign's status means.

use super::error::Wrong;
use super::setting::{Rules, section};
use super::value::list;

section! {
    /// What a campaign's status means to the hub.
    pub struct Campaigns = "campaigns" {
        /// Statuses in which a campaign is over: it is then left out of `initial:campaigns`. Otherwise a status is
        /// a text that the hub does not interpret.
        ended_statuses: Vec<String> = list(["COMPLETED", "CANCELLED", "ARCHIVED"]);
    }
}

impl Rules for Campaigns {
    fn rules(&self, wrong: &mut Wrong) {
        if self.ended_statuses.iter().any(|status| status.trim().is_empty()) {
            wrong.at("ended_statuses", "has an empty status; for example [\"COMPLETED\", \"CANCELLED\"]");
        }
    }
}
