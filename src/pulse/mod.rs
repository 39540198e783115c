//! How the hub is: its health, and what operators in the system room see of it each second.
//!
//! | file | what |
//! |---|---|
//! | [`health`] | the hub and its parts: operational, degraded, draining; ready or not |
//! | [`beat`] | the `Pulse` actor: `system:service_status` each second while anyone listens |

pub mod beat;
pub mod health;

pub use beat::Pulse;
pub use health::Health;
