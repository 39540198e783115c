//! `[health]`: what the hub needs to be ready.

use super::setting::{Rules, section};
use super::value::choice;

choice! {
    /// A part outside the hub that it can need.
    pub enum Part {
        /// The bus.
        Redis = "redis",
        /// The store.
        Database = "database",
    }
}

section! {
    /// What the hub needs to be ready.
    pub struct Health = "health" {
        /// Parts without which `/health/ready` turns 503, five seconds after they went missing. None by default: if
        /// Redis goes, every node loses it at once, and taking them all out of the load balancer helps nobody.
        required: Vec<Part> = Vec::new(), example("[\"database\"]");
    }
}

impl Rules for Health {}
