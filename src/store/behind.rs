//! What the writer commits behind everything that waited when it came. Plain: the queue says what leaves.

use std::collections::VecDeque;

use super::item::Item;

/// Items, each with how far line and statuses had to be worked off for it. Both are taken in the order in
/// which they came, so two counters tell.
#[derive(Default)]
pub(super) struct Behind {
    items: VecDeque<After>,
    line_left: u64,
    statuses_left: u64,
}

struct After {
    item: Item,
    line: u64,
    statuses: u64,
}

impl Behind {
    /// Takes an item that goes behind `line` items in line and `statuses` statuses.
    pub(super) fn push(&mut self, item: Item, line: usize, statuses: usize) {
        let (line, statuses) = (self.line_left + line as u64, self.statuses_left + statuses as u64);
        self.items.push_back(After { item, line, statuses });
    }

    pub(super) fn left_line(&mut self) {
        self.line_left += 1;
    }

    pub(super) fn status_left(&mut self) {
        self.statuses_left += 1;
    }

    /// Those whose turn it is.
    pub(super) fn take_ready(&mut self) -> Vec<Item> {
        let (line, statuses) = (self.line_left, self.statuses_left);
        let ready =
            self.items.iter().take_while(|after| after.line <= line && after.statuses <= statuses).count();
        self.items.drain(..ready).map(|after| after.item).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
