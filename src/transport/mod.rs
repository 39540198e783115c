//! Bytes to packets and back: handshake, origin, websocket.
