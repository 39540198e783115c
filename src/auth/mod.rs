//! Tokens, users and permissions.
