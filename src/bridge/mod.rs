//! Where messages come from: Redis, this process, the HTTP API.
