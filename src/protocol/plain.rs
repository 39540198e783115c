//! The plain JSON websocket.
