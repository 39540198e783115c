//! Tokens, users and permissions. Pure: nothing here does I/O but [`KeySet::load`], which reads key files.
//!
//! | file | owns |
//! |---|---|
//! | [`ids`] | what an id is |
//! | [`keys`] | the keys: each pinned to one algorithm, read from the configuration |
//! | `public_keys` | keys in PEM and JWKS files |
//! | [`claims`] | the payload of a token, checked field by field |
//! | [`token`] | verifying and signing |
//! | [`revocations`] | users whose tokens do not count any more |
//! | [`permissions`] | who may join and publish |

pub mod claims;
pub mod ids;
pub mod keys;
pub mod permissions;
mod public_keys;
pub mod revocations;
pub mod token;

pub use claims::User;
pub use ids::{is_id, is_long_id};
pub use keys::{AuthOptions, KeyError, KeySet};
pub use permissions::Participation;
pub use revocations::Revocations;
pub use token::{AuthError, NewToken, Since};
