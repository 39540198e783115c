//! Reading a packet: `<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_ARGS, MAX_ATTACHMENTS, MAX_EVENT_NAME, MAX_NAMESPACE, RESERVED, SocketIoError};
use crate::protocol::json;

/// The type of a packet that a client may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `0`: with an optional object, the client's `auth`.
    Connect,
    /// `1`.
    Disconnect,
    /// `2`.
    Event,
    /// `3`.
    Ack,
    /// `5`: an event with attachments.
    BinaryEvent,
    /// `6`: an ack with attachments.
    BinaryAck,
}

impl Kind {
    fn of(byte: Option<&u8>) -> Result<Kind, SocketIoError> {
        Ok(match byte {
            Some(b'0') => Kind::Connect,
            Some(b'1') => Kind::Disconnect,
            Some(b'2') => Kind::Event,
            Some(b'3') => Kind::Ack,
            Some(b'4') => return Err(SocketIoError::ServerOnly),
            Some(b'5') => Kind::BinaryEvent,
            Some(b'6') => Kind::BinaryAck,
            _ => return Err(SocketIoError::UnknownType),
        })
    }

    /// Whether binary messages may follow.
    pub fn is_binary(self) -> bool {
        matches!(self, Kind::BinaryEvent | Kind::BinaryAck)
    }
}

/// The digits by which a peer names its ack callback, given back as they came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckId<'a>(&'a str);

impl<'a> AckId<'a> {
    /// 1 to 19 digits (what a `u64` certainly holds).
    ///
    /// # Errors
    /// [`SocketIoError::AckId`] for anything else.
    pub fn new(digits: &'a str) -> Result<AckId<'a>, SocketIoError> {
        let good = (1..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        good.then_some(AckId(digits)).ok_or(SocketIoError::AckId)
    }

    /// The digits.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The digits as a number.
    pub fn number(self) -> u64 {
        self.0.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    }
}

/// A packet of a client, its payload checked but unread.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its type.
    pub kind: Kind,
    /// The namespace, `/` where none is named, without its query.
    pub nsp: &'a str,
    /// What stood behind a `?` in the namespace.
    pub query: Option<&'a str>,
    /// Asks for an ack (events), or says which one this is (acks).
    pub id: Option<AckId<'a>>,
    /// How many binary messages follow, at most [`MAX_ATTACHMENTS`].
    pub attachments: u8,
    /// An object (CONNECT, optional), nothing (DISCONNECT), an array (all others).
    pub data: Option<&'a RawValue>,
}

impl<'a> Packet<'a> {
    /// Reads the text behind Engine.IO's `4`.
    ///
    /// # Errors
    /// See [`SocketIoError`]; an event's name is looked at by [`Packet::event`] only.
    pub fn parse(text: &'a str) -> Result<Packet<'a>, SocketIoError> {
        let kind = Kind::of(text.as_bytes().first())?;
        let rest = text.get(1..).unwrap_or_default();
        let (attachments, rest) = if kind.is_binary() { attachments(rest)? } else { (0, rest) };
        let (nsp, query, rest) = namespace(rest)?;
        let (id, rest) = ack_id(rest)?;
        let data = if rest.is_empty() { None } else { Some(json::raw(rest)?) };
        let packet = Packet { kind, nsp, query, id, attachments, data };
        packet.check_payload()?;
        Ok(packet)
    }

    /// The namespace that this text is meant for, and the ack that the event in it asks for, where only
    /// the event's JSON is refused.
    pub fn address_of(text: &'a str) -> Option<(&'a str, Option<AckId<'a>>)> {
        let rest = text.strip_prefix('2')?;
        let (nsp, _, rest) = namespace(rest).ok()?;
        Some((nsp, ack_id(rest).ok()?.0))
    }

    fn check_payload(&self) -> Result<(), SocketIoError> {
        let first = self.data.map(|data| data.get().as_bytes()[0]);
        match (self.kind, first) {
            (Kind::Ack | Kind::BinaryAck, Some(b'[')) if self.id.is_none() => Err(SocketIoError::AckId),
            (Kind::Connect, None | Some(b'{')) | (Kind::Disconnect, None) => Ok(()),
            (Kind::Event | Kind::BinaryEvent | Kind::Ack | Kind::BinaryAck, Some(b'[')) => Ok(()),
            _ => Err(SocketIoError::Payload),
        }
    }

    /// Name and arguments of an event.
    ///
    /// # Errors
    /// A packet that is no event; a name that is no string, too long or reserved; too many arguments.
    pub fn event(&self) -> Result<Event<'a>, SocketIoError> {
        if !matches!(self.kind, Kind::Event | Kind::BinaryEvent) {
            return Err(SocketIoError::Payload);
        }
        Event::parse(self.data.ok_or(SocketIoError::Payload)?)
    }

    /// The arguments of an ack.
    ///
    /// # Errors
    /// A packet that is no ack; too many arguments.
    pub fn ack_args(&self) -> Result<Vec<&'a RawValue>, SocketIoError> {
        if !matches!(self.kind, Kind::Ack | Kind::BinaryAck) {
            return Err(SocketIoError::Payload);
        }
        elements(self.data.ok_or(SocketIoError::Payload)?)
    }
}

/// An event of a client.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Its name, at most [`MAX_EVENT_NAME`] bytes and not one of [`RESERVED`].
    pub name: Cow<'a, str>,
    /// Its arguments, each JSON text that has been checked.
    pub args: Vec<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// Takes a payload (an array) apart.
    ///
    /// # Errors
    /// As [`Packet::event`].
    pub fn parse(data: &'a RawValue) -> Result<Event<'a>, SocketIoError> {
        let mut args = elements(data)?;
        let name = args.first().and_then(|name| json::as_str(name)).ok_or(SocketIoError::EventName)?;
        if name.len() > MAX_EVENT_NAME {
            return Err(SocketIoError::EventName);
        }
        if RESERVED.contains(&&*name) {
            return Err(SocketIoError::ReservedName);
        }
        args.remove(0);
        Ok(Event { name, args })
    }
}

fn attachments(text: &str) -> Result<(u8, &str), SocketIoError> {
    let (digits, rest) = text.split_once('-').ok_or(SocketIoError::Attachments)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SocketIoError::Attachments);
    }
    match digits.parse::<u8>() {
        Ok(count) if count <= MAX_ATTACHMENTS => Ok((count, rest)),
        _ => Err(SocketIoError::TooManyAttachments),
    }
}

/// Namespace, query, and what is left. A namespace may end with the packet instead of a comma.
fn namespace(text: &str) -> Result<(&str, Option<&str>, &str), SocketIoError> {
    if !text.starts_with('/') {
        return Ok(("/", None, text));
    }
    let (whole, rest) = text.split_once(',').unwrap_or((text, ""));
    let (nsp, query) = match whole.split_once('?') {
        Some((nsp, query)) => (nsp, Some(query)),
        None => (whole, None),
    };
    // a control character would be taken for a separator where packets wait for a poll
    if nsp.len() > MAX_NAMESPACE || nsp.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(SocketIoError::Namespace);
    }
    Ok((nsp, query, rest))
}

fn ack_id(text: &str) -> Result<(Option<AckId<'_>>, &str), SocketIoError> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let id = if digits.is_empty() { None } else { Some(AckId::new(digits)?) };
    Ok((id, rest))
}

/// The elements of a checked array, at most one more than [`MAX_ARGS`] (the name of an event).
///
/// # Errors
/// More than that.
pub fn elements(array: &RawValue) -> Result<Vec<&RawValue>, SocketIoError> {
    let elements = serde_json::Deserializer::from_str(array.get())
        .deserialize_seq(Elements)
        .map_err(|_| SocketIoError::Payload)?;
    if elements.len() > MAX_ARGS + 1 { Err(SocketIoError::TooManyArgs) } else { Ok(elements) }
}

/// Collects the first elements of an array: a megabyte of `0,0,0` must not become eight of pointers.
struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            if elements.len() <= MAX_ARGS + 1 {
                elements.push(element);
            }
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::JsonFault;
    use SocketIoError as E;

    fn error(text: &str) -> SocketIoError {
        Packet::parse(text).and_then(|packet| packet.event()).unwrap_err()
    }

    #[test]
    fn connect_may_carry_an_object_and_nothing_else() {
        let bare = Packet::parse("0").unwrap();
        assert_eq!((bare.kind, bare.nsp, bare.data.is_none()), (Kind::Connect, "/", true));
        let auth = Packet::parse(r#"0{"token":"a"}"#).unwrap();
        assert_eq!(auth.data.unwrap().get(), r#"{"token":"a"}"#);
        let custom = Packet::parse("0/custom?token=a,b,{}").map(|packet| packet.nsp);
        assert!(custom.is_err(), "a comma ends the namespace");
        let custom = Packet::parse("0/custom?token=a,{}").unwrap();
        assert_eq!((custom.nsp, custom.query), ("/custom", Some("token=a")));
        assert_eq!(Packet::parse("0/custom").unwrap().nsp, "/custom");
        for bad in ["0[]", "0null", "0\"a\"", "0/custom,[]"] {
            assert_eq!(Packet::parse(bad).unwrap_err(), E::Payload, "{bad}");
        }
    }

    #[test]
    fn an_event_has_a_name_arguments_and_perhaps_an_ack_id() {
        let packet = Packet::parse(r#"2/custom,007["subscribe:room",{"roomId":"c|1"},null]"#).unwrap();
        assert_eq!((packet.kind, packet.nsp), (Kind::Event, "/custom"));
        assert_eq!(packet.id.map(AckId::as_str), Some("007"));
        assert_eq!(packet.id.map(AckId::number), Some(7));
        let event = packet.event().unwrap();
        assert_eq!(event.name, "subscribe:room");
        let args: Vec<_> = event.args.iter().map(|arg| arg.get()).collect();
        assert_eq!(args, [r#"{"roomId":"c|1"}"#, "null"]);
        let spaced = Packet::parse(" 2[\"a\"]").unwrap_err();
        assert_eq!(spaced, E::UnknownType);
        assert_eq!(Packet::parse("2 [ \"a\" , 1 ] ").unwrap().event().unwrap().args[0].get(), "1");
    }

    #[test]
    fn a_name_that_is_no_string_or_is_reserved_or_too_long_is_refused() {
        for bad in ["2[]", "2[5]", "2[null]", "2[{\"toString\":\"x\"}]", "2[[\"a\"]]"] {
            assert_eq!(error(bad), E::EventName, "{bad}");
        }
        for name in RESERVED {
            assert_eq!(error(&format!("2[\"{name}\"]")), E::ReservedName, "{name}");
        }
        assert_eq!(error(r#"2["\u0063onnect"]"#), E::ReservedName, "escapes hide nothing");
        assert!(Packet::parse("2[\"error\"]").unwrap().event().is_ok());
        assert!(Packet::parse(&format!("2[\"{}\"]", "n".repeat(256))).unwrap().event().is_ok());
        assert_eq!(error(&format!("2[\"{}\"]", "n".repeat(257))), E::EventName);
    }

    #[test]
    fn an_event_without_an_array_or_with_bad_json_is_refused() {
        for bad in ["2", "2{}", "2\"a\"", "23", "2/custom,"] {
            assert_eq!(error(bad), E::Payload, "{bad}");
        }
        for bad in ["2[", "2[\"a\",]", "2[\"a\"]x", "2a", "2-1[\"a\"]", "2[\"a\"][\"b\"]"] {
            assert_eq!(error(bad), E::Json(JsonFault::Grammar), "{bad}");
        }
        assert_eq!(error(r#"2["a","\ud800"]"#), E::Json(JsonFault::LoneSurrogate));
        assert_eq!(error(&format!("2[\"a\",{}", "[".repeat(1_000_000))), E::Json(JsonFault::TooDeep));
    }

    #[test]
    fn arguments_are_bounded_in_number() {
        let event = |n| format!("2[\"a\"{}]", ",0".repeat(n));
        assert_eq!(Packet::parse(&event(MAX_ARGS)).unwrap().event().unwrap().args.len(), MAX_ARGS);
        assert_eq!(error(&event(MAX_ARGS + 1)), E::TooManyArgs);
        assert_eq!(error(&event(400_000)), E::TooManyArgs);
    }

    #[test]
    fn an_ack_names_what_it_answers_and_carries_an_array() {
        let ack = Packet::parse("312[\"ok\",1]").unwrap();
        assert_eq!((ack.kind, ack.id.map(AckId::as_str)), (Kind::Ack, Some("12")));
        assert_eq!(ack.ack_args().unwrap()[1].get(), "1");
        assert!(ack.event().is_err());
        assert!(Packet::parse("31[]").unwrap().ack_args().unwrap().is_empty());
        assert_eq!(Packet::parse("3[]").unwrap_err(), E::AckId);
        assert_eq!(Packet::parse("31").unwrap_err(), E::Payload);
        assert_eq!(Packet::parse("31{}").unwrap_err(), E::Payload);
    }

    #[test]
    fn ids_are_kept_digit_for_digit_up_to_nineteen() {
        let id = "9".repeat(19);
        let text = format!("2{id}[\"a\"]");
        assert_eq!(Packet::parse(&text).unwrap().id.unwrap().number(), 9_999_999_999_999_999_999);
        assert_eq!(error(&format!("2{id}9[\"a\"]")), E::AckId);
        assert!(AckId::new("").is_err() && AckId::new("1a").is_err() && AckId::new("٣").is_err());
    }

    #[test]
    fn attachments_are_counted_before_anything_is_kept() {
        let packet = Packet::parse("52-/custom,3[\"a\",{\"_placeholder\":true,\"num\":0}]").unwrap();
        assert_eq!((packet.kind, packet.attachments, packet.nsp), (Kind::BinaryEvent, 2, "/custom"));
        assert_eq!(packet.id.map(AckId::as_str), Some("3"));
        assert_eq!(Packet::parse("60-1[]").unwrap().kind, Kind::BinaryAck);
        assert_eq!(Packet::parse("510-[\"a\"]").unwrap().attachments, 10);
        for bad in ["511-[\"a\"]", "5256-[\"a\"]", "599999999999999999999-[\"a\"]"] {
            assert_eq!(Packet::parse(bad).unwrap_err(), E::TooManyAttachments, "{bad}");
        }
        for bad in ["5[\"a\"]", "5-[\"a\"]", "5a-[\"a\"]", "51.5-[\"a\"]", "5+1-[\"a\"]", "5"] {
            assert_eq!(Packet::parse(bad).unwrap_err(), E::Attachments, "{bad}");
        }
        assert_eq!(Packet::parse("21-[\"a\"]").unwrap_err(), E::Json(JsonFault::Grammar));
    }

    #[test]
    fn what_only_a_server_sends_or_nobody_knows_is_refused() {
        assert_eq!(Packet::parse(r#"4{"message":"x"}"#).unwrap_err(), E::ServerOnly);
        for bad in ["", "7", "é", "b"] {
            assert_eq!(Packet::parse(bad).unwrap_err(), E::UnknownType, "{bad}");
        }
        assert!(Packet::parse("1").is_ok() && Packet::parse("1/custom,").is_ok());
        assert_eq!(Packet::parse("1{}").unwrap_err(), E::Payload);
        let long = format!("0/{}", "n".repeat(MAX_NAMESPACE));
        assert_eq!(Packet::parse(&long).unwrap_err(), E::Namespace);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-7]{0,2}[-/,?0-9é]{0,8}[\\[\\]{}\",:\\\\ua0-9é ]{0,30}") {
            if let Ok(packet) = Packet::parse(&text) {
                let _ = (packet.event(), packet.ack_args());
            }
        }

        #[test]
        fn any_text_at_all_is_survived(text in ".{0,40}") {
            let _ = Packet::parse(&text);
        }

        #[test]
        fn a_name_comes_out_as_it_went_in(name in ".{1,40}", id in 0u64..1_000_000) {
            let text = format!("2{id}[{}]", serde_json::to_string(&name).unwrap());
            let packet = Packet::parse(&text).unwrap();
            proptest::prop_assert_eq!(packet.id.unwrap().number(), id);
            match packet.event() {
                Ok(event) => proptest::prop_assert_eq!(&*event.name, &name),
                Err(error) => proptest::prop_assert_eq!(error, E::ReservedName),
            }
        }
    }
}
