//! Counters that everyone adds to; `/metrics` shows them.
