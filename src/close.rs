//! Why a session ends: one list for every path, with what the client is told.

/// Why a session was closed.
///
/// The text is the `code` of the `error` event and the reason of the websocket close frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent a DISCONNECT packet or a close frame.
    ClientLeft,
    /// The connection broke.
    TransportError,
    /// No pong within the ping timeout.
    PingTimeout,
    /// Bytes that are no packet of the protocol.
    ProtocolError,
    /// A binary message on the plain websocket.
    BinaryRefused,
    /// A message over the largest size.
    TooBig,
    /// Not authenticated within the time for it.
    AuthTimeout,
    /// The token was refused.
    AuthFailed,
    /// The token has been revoked.
    Revoked,
    /// The token ran out.
    TokenExpired,
    /// The user has too many connections.
    ConnectionLimit,
    /// The user connects too often.
    ConnectRate,
    /// Messages over the limit for ten seconds on end.
    RateLimited,
    /// An administrator said so.
    Kicked,
    /// No sign of life.
    Idle,
    /// More unsent bytes than allowed.
    SlowConsumer,
    /// The server is going down.
    ShuttingDown,
    /// A handler failed.
    Internal,
}

/// How a client is sent away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Farewell {
    /// Socket.IO DISCONNECT first: its clients then stay away.
    Disconnect,
    /// The transport is closed: its clients come back.
    Close,
    /// Nothing can be said any more: the connection is dropped.
    Drop,
}

impl CloseReason {
    /// The stable code, as in the `error` event; it is also the text of the close frame.
    pub fn code(self) -> &'static str {
        match self {
            CloseReason::ClientLeft => "client_left",
            CloseReason::TransportError => "transport_error",
            CloseReason::PingTimeout => "ping_timeout",
            CloseReason::ProtocolError => "protocol_error",
            CloseReason::BinaryRefused => "binary_refused",
            CloseReason::TooBig => "too_big",
            CloseReason::AuthTimeout => "unauthenticated",
            CloseReason::AuthFailed | CloseReason::Revoked => "auth_failed",
            CloseReason::TokenExpired => "token_expired",
            CloseReason::ConnectionLimit => "connection_limit",
            CloseReason::ConnectRate | CloseReason::RateLimited => "rate_limited",
            CloseReason::Kicked => "kicked",
            CloseReason::Idle => "idle",
            CloseReason::SlowConsumer => "slow_consumer",
            CloseReason::ShuttingDown => "shutting_down",
            CloseReason::Internal => "internal",
        }
    }

    /// The message of the `error` event that goes before the close, where one does.
    pub fn message(self) -> Option<&'static str> {
        match self {
            CloseReason::AuthTimeout => Some("Authenticate first"),
            CloseReason::AuthFailed | CloseReason::Revoked => Some("Authentication failed"),
            CloseReason::TokenExpired => Some("Token expired"),
            CloseReason::ConnectionLimit => Some("Connection limit exceeded"),
            CloseReason::ConnectRate | CloseReason::RateLimited => Some("Rate limit exceeded"),
            CloseReason::Kicked => Some("Disconnected by an administrator"),
            CloseReason::Idle => Some("No sign of life"),
            CloseReason::SlowConsumer => Some("Too far behind"),
            CloseReason::ShuttingDown => Some("Server is shutting down"),
            CloseReason::Internal => Some("Internal error"),
            _ => None,
        }
    }

    /// Websocket close code of the plain protocol; Socket.IO sockets close with 1000, save for 1009.
    pub fn websocket_code(self) -> u16 {
        match self {
            CloseReason::ClientLeft => 1000,
            CloseReason::TransportError | CloseReason::ProtocolError => 1002,
            CloseReason::BinaryRefused => 1003,
            CloseReason::TooBig => 1009,
            CloseReason::Internal => 1011,
            CloseReason::ShuttingDown => 1012,
            CloseReason::SlowConsumer => 1013,
            CloseReason::AuthTimeout
            | CloseReason::AuthFailed
            | CloseReason::Revoked
            | CloseReason::TokenExpired => 4401,
            CloseReason::Kicked => 4403,
            CloseReason::PingTimeout | CloseReason::Idle => 4408,
            CloseReason::ConnectionLimit | CloseReason::ConnectRate | CloseReason::RateLimited => 4429,
        }
    }

    /// Whether the client did something that it must not.
    pub fn is_a_fault(self) -> bool {
        matches!(self, CloseReason::ProtocolError | CloseReason::BinaryRefused | CloseReason::TooBig)
    }

    /// How the client is sent away.
    pub fn farewell(self) -> Farewell {
        match self {
            CloseReason::ConnectionLimit
            | CloseReason::ConnectRate
            | CloseReason::Kicked
            | CloseReason::RateLimited => Farewell::Disconnect,
            CloseReason::SlowConsumer | CloseReason::TransportError => Farewell::Drop,
            _ => Farewell::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_must_stay_away_get_a_disconnect_and_the_others_come_back() {
        assert_eq!(CloseReason::Kicked.farewell(), Farewell::Disconnect);
        assert_eq!(CloseReason::ShuttingDown.farewell(), Farewell::Close);
        assert_eq!(CloseReason::SlowConsumer.farewell(), Farewell::Drop);
    }
}
