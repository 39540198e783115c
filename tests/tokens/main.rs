//! CONTRACT 2 on the running hub: tokens that run out, are replaced on the live socket, or are revoked.
#![cfg(feature = "hub")]

#[path = "../common/mod.rs"]
mod common;

mod expiry;
mod http_refresh;
mod hub;
mod keys;
mod refresh;
mod revocation;
