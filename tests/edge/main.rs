//! What anyone outside is held to before there is a socket: each limit with what it lets in and what it refuses.
#![cfg(feature = "hub")]

#[path = "../common/mod.rs"]
mod common;

mod descriptors;
mod gauge;
mod handshakes;
mod operators;
mod requests;
mod sessions;
mod ways;
