//! **roomcast**: a standalone realtime hub, and under it a Socket.IO server for actix.
//!
//! Browsers and phones hold a socket to the hub (Socket.IO or plain JSON over a websocket), prove who
//! they are with a JWT and join rooms. Backends publish JSON to Redis channels or over HTTP. The hub
//! turns each message into a typed event and fans it out to everyone who may see it: once, in order.
//!
//! ```text
//!          in                                                        out
//!  socket ──bytes──► transport ──packets──► socket ──events──► client ──join/leave──► rooms
//!                                             ▲                  │                      ▲
//!                                             │                  └──reads──► store      │ publications
//!                                             │                                ▲        │
//!                          frames, one write a socket                  writes  │   events (catalogue)
//!                                             │                                │        ▲
//!                                            lane ◄── batches ── registry ─────┘        │ messages
//!                                          (one a worker)      (the one order)       bridge ◄── Redis, HTTP
//! ```
//!
//! Imports point down this list only (`tests/house.rs` holds it):
//!
//! | module | what lives there |
//! |---|---|
//! | [`cli`] | one file a command: serve, token, publish, migrate, check-config, demo |
//! | [`app`] | all wiring on one page: store, bus, actors, HTTP server; start and end beside it |
//! | [`http`], [`admin`] | the REST API, health, metrics; pages |
//! | [`pulse`] | how the hub is: health, and what operators see each second |
//! | [`client`] | what a client may say: one file a kind of event; permissions; answers |
//! | [`bridge`] | the `RedisBridge` actor and the other sources of messages |
//! | [`events`] | the catalogue: what comes in, what goes out, to which rooms |
//! | [`store`] | the database: pool, schema, queries, the one writer |
//! | [`auth`] | tokens, users, permissions |
//! | *the line* | *below it nothing knows of campaigns: a Socket.IO server for actix (feature `server`)* |
//! | [`transport`] | bytes ↔ packets: handshake, origin, websocket |
//! | [`rooms`] | `RoomRegistry`, `ConnectionManager`, `Lane`: order, members, fan-out |
//! | [`socket`] | the socket actor: outbox, heartbeat, acks, close; calls a `Namespace` |
//! | [`protocol`] | pure: Engine.IO, Socket.IO, plain JSON and websocket framing |
//! | [`config`] | settings, one file a section |
//! | [`close`], [`ids`], [`clock`], [`metrics`], [`network`], [`vital`] | small things everyone uses |

// the hub
#[cfg(feature = "hub")]
pub mod admin;
#[cfg(feature = "hub")]
pub mod app;
#[cfg(feature = "hub")]
pub mod auth;
#[cfg(feature = "hub")]
pub mod bridge;
#[cfg(feature = "hub")]
pub mod cli;
#[cfg(feature = "hub")]
pub mod client;
#[cfg(feature = "hub")]
pub mod events;
#[cfg(feature = "hub")]
pub mod http;
#[cfg(feature = "hub")]
pub mod pulse;
#[cfg(feature = "hub")]
pub mod store;

// the server
#[cfg(feature = "server")]
pub mod protocol;
#[cfg(feature = "server")]
pub mod rooms;
#[cfg(feature = "server")]
pub mod socket;
#[cfg(feature = "server")]
pub mod transport;

// everyone
pub mod clock;
pub mod close;
#[cfg(feature = "hub")]
pub mod config;
pub mod ids;
pub mod metrics;
pub mod network;
pub mod vital;
