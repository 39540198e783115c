//! A socket: outbox, heartbeat, acks, close.
