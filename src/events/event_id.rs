//! An `eventId` that comes beside a message (a header, an outbox row's number) is put into it: so it
//! travels through any bus, and every hub tells the same repeats.

use std::borrow::Cow;

use super::fields::Fields;

/// `payload` with `"eventId":id`, unless it has one of its own, which wins. What is no message is left as
/// it is, and refused where it is read.
pub fn with_event_id<'a>(payload: &'a [u8], id: &str) -> Cow<'a, [u8]> {
    match Fields::parse(payload) {
        Ok(fields) if fields.raw("eventId").is_none() => match stamped(fields, id) {
            Some(stamped) => Cow::Owned(stamped),
            None => Cow::Borrowed(payload),
        },
        _ => Cow::Borrowed(payload),
    }
}

fn stamped(fields: Fields<'_>, id: &str) -> Option<Vec<u8>> {
    let mut out = format!("{{\"eventId\":{}", serde_json::to_string(id).ok()?).into_bytes();
    let rest = serde_json::to_vec(&fields.own(&["eventId"])).ok()?;
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
    fn one_in_the_payload_wins_and_what_is_no_message_is_left_alone() {
        for payload in [r#"{"eventId":"own"}"#, r#"{"eventId":7}"#, "[]", "{", ""] {
            assert_eq!(stamp(payload), payload);
        }
    }
}
