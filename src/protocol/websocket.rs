//! Websocket frames (RFC 6455).
