//! The catalogue: what comes in, what goes out, to which rooms.
