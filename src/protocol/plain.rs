//! The plain JSON websocket: one object a text frame.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::json::{self, JsonFault};

/// Longest name of an event, in bytes.
pub const MAX_EVENT_NAME: usize = 256;
/// Longest `id`, in characters (of a string) or digits (of a number).
pub const MAX_ID: usize = 64;

/// What a client named its request: the JSON text of a number or a string, as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    fn of(value: &'a RawValue) -> Option<Id<'a>> {
        let text = value.get();
        let good = match text.as_bytes()[0] {
            b'"' => json::as_str(value)?.chars().count() <= MAX_ID,
            b'-' | b'0'..=b'9' => text.len() <= MAX_ID,
            _ => false,
        };
        good.then_some(Id(text))
    }

    /// The JSON text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// A request of a client.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The event's name.
    pub event: Cow<'a, str>,
    /// Its data, checked but unread; `None` where it is missing or `null`.
    pub data: Option<&'a RawValue>,
    /// Set where the client wants a reply.
    pub id: Option<Id<'a>>,
}

/// Why a frame is no request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// Bad JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// JSON, but no object (an array too), or one that names a field twice.
    #[error("expected one JSON object {{event, data?, id?}}")]
    NotAnObject,
    /// `id` is neither a number nor a string of at most [`MAX_ID`] characters.
    #[error("expected id to be a number or a string of at most 64 characters")]
    Id,
    /// `event` is missing, no string, or longer than [`MAX_EVENT_NAME`].
    #[error("expected event to be a string of at most 256 bytes")]
    Event,
}

/// A frame that is no request, and the id by which it can still be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{fault}")]
pub struct Refused<'a> {
    /// What is wrong.
    pub fault: Fault,
    /// The id, where it could be read.
    pub id: Option<Id<'a>>,
}

impl<F: Into<Fault>> From<F> for Refused<'_> {
    fn from(fault: F) -> Self {
        Refused { fault: fault.into(), id: None }
    }
}

impl<'a> Id<'a> {
    /// The id of a frame that is refused for something else in it, so that it can be answered.
    fn find(text: &'a str) -> Option<Id<'a>> {
        serde_json::from_str::<Fields<'a>>(text).ok()?.id.and_then(Id::of)
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// Reads a text frame. Fields of other names are ignored, `null` counts as absent.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn parse(text: &'a str) -> Result<Request<'a>, Refused<'a>> {
        let object = match json::raw(text) {
            Ok(object) => object.get(),
            Err(fault) => return Err(Refused { fault: fault.into(), id: Id::find(text) }),
        };
        if !object.starts_with('{') {
            return Err(Fault::NotAnObject.into()); // serde would take an array for a struct
        }
        let fields: Fields<'a> = serde_json::from_str(object).map_err(|_| Fault::NotAnObject)?;
        let id = fields.id.map(|id| Id::of(id).ok_or(Fault::Id)).transpose()?;
        let event = fields.event.and_then(json::as_str).filter(|event| event.len() <= MAX_EVENT_NAME);
        let event = event.ok_or(Refused { fault: Fault::Event, id })?;
        Ok(Request { event, data: fields.data, id })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ack::{AckRef, Outcome, ack_frame};
    use super::super::frame::Dialect;
    use super::super::write::payload;
    use super::*;

    fn fault(text: &str) -> Fault {
        Request::parse(text).unwrap_err().fault
    }

    #[test]
    fn a_request_has_an_event_and_perhaps_data_and_an_id() {
        let full = r#" {"id":7,"more":[1],"data":{"roomId":"c"},"event":"subscribe:room"} "#;
        let request = Request::parse(full).unwrap();
        assert_eq!(request.event, "subscribe:room");
        assert_eq!(request.data.unwrap().get(), r#"{"roomId":"c"}"#);
        assert_eq!(request.id.map(Id::as_str), Some("7"));
        let bare = Request::parse(r#"{"event":"ping","data":null,"id":null}"#).unwrap();
        assert!(bare.data.is_none() && bare.id.is_none());
        assert_eq!(Request::parse(r#"{"event":"p\u0069ng"}"#).unwrap().event, "ping");
    }

    #[test]
    fn an_id_is_a_number_or_a_short_string_and_comes_back_as_it_came() {
        for id in ["0", "-1", "1.50", "1e3", r#""""#, r#""a\u0062\n""#, "12345678901234567890"] {
            let text = format!("{{\"event\":\"ping\",\"id\":{id}}}");
            let request = Request::parse(&text).unwrap();
            let ack = AckRef::from(request.id.unwrap());
            let frame = ack_frame(Dialect::Plain, &ack, &Outcome::Ok(None));
            assert_eq!(payload(&frame), format!("{{\"reply\":{id},\"ok\":true}}"));
        }
        let string = |n| format!("{{\"event\":\"ping\",\"id\":\"{}\"}}", "é".repeat(n));
        assert!(Request::parse(&string(64)).is_ok());
        assert_eq!(fault(&string(65)), Fault::Id);
        for id in ["true", "{}", "[1]", &"1".repeat(65)] {
            assert_eq!(fault(&format!("{{\"event\":\"ping\",\"id\":{id}}}")), Fault::Id, "{id}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in ["[\"ping\",null,1]", "[{\"event\":\"ping\"}]", "5", "\"ping\"", "null"] {
            assert_eq!(fault(bad), Fault::NotAnObject, "{bad}");
        }
        assert_eq!(fault(r#"{"event":"a","event":"b"}"#), Fault::NotAnObject);
        for bad in ["", "{", "{\"event\":\"a\"}{}", "nonsense"] {
            assert_eq!(fault(bad), Fault::Json(JsonFault::Grammar), "{bad}");
        }
        assert_eq!(fault(r#"{"event":"a","data":"\udc00"}"#), Fault::Json(JsonFault::LoneSurrogate));
        assert_eq!(fault(&"{\"x\":".repeat(5_000)), Fault::Json(JsonFault::TooDeep));
    }

    #[test]
    fn a_request_without_a_name_is_refused_by_its_id() {
        let bad = Request::parse(r#"{"id":7}"#).unwrap_err();
        assert_eq!((bad.fault, bad.id.map(Id::as_str)), (Fault::Event, Some("7")));
        assert_eq!(fault(r#"{"event":5}"#), Fault::Event);
        assert_eq!(fault(r#"{"event":null}"#), Fault::Event);
        assert_eq!(fault(&format!("{{\"event\":\"{}\"}}", "n".repeat(257))), Fault::Event);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\{(\"(event|id|data)\":[\"a0-9{}\\[\\]\\\\u,:é-]{0,10},?){0,4}\\}?") {
            let _ = Request::parse(&text);
        }

        #[test]
        fn any_text_at_all_is_survived(text in ".{0,40}") {
            let _ = Request::parse(&text);
        }
    }
}
