//! What the query of a request says.

use crate::ids::Sid;
use crate::protocol::engineio::{Dialog, HandshakeError, Version};

/// The first value of a query parameter, decoded.
pub fn query_param(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })?;
    let value = value.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// A transport of Engine.IO's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// `transport=websocket`.
    Websocket,
    /// `transport=polling`.
    Polling,
}

/// What Engine.IO says in the query of each request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineQuery {
    /// Version, and how binary is wanted.
    pub dialog: Dialog,
    /// The transport.
    pub carrier: Carrier,
    /// The session; none is a handshake.
    pub sid: Option<Sid>,
}

impl EngineQuery {
    /// Reads it, in any order: the version is judged first, then the transport, then the session.
    ///
    /// # Errors
    /// Engine.IO's reasons.
    pub fn parse(query: &str, allow_eio3: bool) -> Result<EngineQuery, HandshakeError> {
        let version = match query_param(query, "EIO").as_deref() {
            Some("4") => Version::V4,
            Some("3") if allow_eio3 => Version::V3,
            _ => return Err(HandshakeError::UnsupportedVersion),
        };
        let carrier = match query_param(query, "transport").as_deref() {
            Some("websocket") => Carrier::Websocket,
            Some("polling") => Carrier::Polling,
            _ => return Err(HandshakeError::TransportUnknown),
        };
        let sid = query_param(query, "sid").map(|sid| Sid::parse(&sid).ok_or(HandshakeError::SessionUnknown));
        let base64 = version == Version::V3
            && query_param(query, "b64").is_some_and(|b64| b64 == "1" || b64 == "true");
        Ok(EngineQuery { dialog: Dialog { version, base64 }, carrier, sid: sid.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_decoded_and_the_first_counts() {
        let query = "EIO=4&token=a%2Bb+c&token=other&flag";
        assert_eq!(query_param(query, "token").as_deref(), Some("a+b c"));
        assert_eq!(query_param(query, "flag").as_deref(), Some(""));
        assert_eq!(query_param(query, "tok"), None);
    }

    #[test]
    fn engine_io_asks_for_its_version_before_its_transport() {
        let parse = |query| EngineQuery::parse(query, true);
        assert_eq!(parse("transport=nonsense"), Err(HandshakeError::UnsupportedVersion));
        assert_eq!(parse("EIO=4&transport=nonsense"), Err(HandshakeError::TransportUnknown));
        assert_eq!(parse("EIO=4&transport=websocket&sid=x"), Err(HandshakeError::SessionUnknown));
        let good = EngineQuery { dialog: Dialog::V4, carrier: Carrier::Websocket, sid: None };
        assert_eq!(parse("transport=websocket&EIO=4&b64=1"), Ok(good));
        let sid = Sid::new(0, 3);
        let polling = EngineQuery { carrier: Carrier::Polling, sid: Some(sid), ..good };
        assert_eq!(parse(&format!("sid={sid}&EIO=4&transport=polling")), Ok(polling));
    }

    #[test]
    fn version_3_is_served_unless_it_is_switched_off() {
        let query = "EIO=3&transport=polling&b64=1";
        let dialog = Dialog { version: Version::V3, base64: true };
        assert_eq!(EngineQuery::parse(query, true).map(|query| query.dialog), Ok(dialog));
        assert_eq!(EngineQuery::parse(query, false), Err(HandshakeError::UnsupportedVersion));
    }
}
