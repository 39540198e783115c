//! `[store]`: how long rows are kept, and how the outbox is read.

use super::setting::{Rules, section};

section! {
    /// How long rows are kept, and how the outbox table is read.
    pub struct Store = "store" {
        /// How long notifications are kept, read or not.
        notifications_days: u64 = 30, unit("days"), range(1, 36_500);
        /// How long connects and disconnects are kept, from which the connection statistics are made.
        connection_events_days: u64 = 30, unit("days"), range(1, 36_500);
        /// How long dispatched rows of the outbox are kept, to look at when something went wrong.
        outbox_days: u64 = 7, unit("days"), range(1, 36_500);
        /// How often the outbox is looked at where nothing wakes its reader up: the longest delay that it adds.
        outbox_poll_ms: u64 = 250, unit("ms"), range(1, 3_600_000);
    }
}

impl Rules for Store {}
