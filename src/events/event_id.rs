//! What comes beside a message is put into it, so that it travels through any bus: an `eventId` (a header, an outbox
//! row's number), by which every hub tells the same repeats, and the `eventType` of a call of one kind.

use std::borrow::Cow;

use super::fields::Fields;

/// `payload` with `"eventId":id`, unless it has one of its own, which wins. What is no message is left as
/// it is, and refused where it is read.
pub fn with_event_id<'a>(payload: &'a [u8], id: &str) -> Cow<'a, [u8]> {
    match Fields::parse(payload) {
        Ok(fields) if fields.raw("eventId").is_none() => {
            with(fields, "eventId", id).map_or(Cow::Borrowed(payload), Cow::Owned)
        }
        _ => Cow::Borrowed(payload),
    }
}

/// `payload` with `"eventType":kind`, whatever it has there. What is no message is left as it is, too.
pub fn with_event_type<'a>(payload: &'a [u8], kind: &str) -> Cow<'a, [u8]> {
    let stamped = Fields::parse(payload).ok().and_then(|fields| with(fields, "eventType", kind));
    stamped.map_or(Cow::Borrowed(payload), Cow::Owned)
}

fn with(fields: Fields<'_>, name: &str, value: &str) -> Option<Vec<u8>> {
    let mut out = format!("{{\"{name}\":{}", serde_json::to_string(value).ok()?).into_bytes();
    let rest = serde_json::to_vec(&fields.own(&[name])).ok()?;
    if rest.len() > 2 {
        out.push(b',');
    }
    out.extend_from_slice(&rest[1..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(payload: &str) -> String {
        String::from_utf8(with_event_id(payload.as_bytes(), "k:1\"").into_owned()).unwrap()
    }

    #[test]
    fn an_event_id_is_put_in_and_the_rest_stays_as_it_was() {
        assert_eq!(stamp("{}"), r#"{"eventId":"k:1\""}"#);
        assert_eq!(
            stamp(r#"{ "a" : 1.50, "b":{"c" : []} }"#),
            r#"{"eventId":"k:1\"","a":1.50,"b":{"c" : []}}"#
        );
        assert_eq!(stamp(r#"{"eventId":null,"a":1}"#), r#"{"eventId":"k:1\"","a":1}"#);
    }

    #[test]
    fn the_event_type_of_a_call_takes_the_place_of_another() {
        let update = |payload: &str| {
            String::from_utf8(with_event_type(payload.as_bytes(), "updated").into_owned()).unwrap()
        };
        assert_eq!(update(r#"{"a":1}"#), r#"{"eventType":"updated","a":1}"#);
        assert_eq!(
            update(r#"{"eventType":["x"],"eventId":"e"}"#),
            r#"{"eventType":"updated","eventId":"e"}"#
        );
        assert_eq!(update("[1]"), "[1]");
    }

    #[test]
    fn one_in_the_payload_wins_and_what_is_no_message_is_left_alone() {
        for payload in [r#"{"eventId":"own"}"#, r#"{"eventId":7}"#, "[]", "{", ""] {
            assert_eq!(stamp(payload), payload);
        }
    }
}
