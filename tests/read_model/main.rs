//! The read model over HTTP: campaigns and participants, and whose rights a change moves.
#![cfg(feature = "hub")]

#[path = "../common/mod.rs"]
mod common;

mod away;
mod calls;
mod hub;
mod rights;
mod status;
