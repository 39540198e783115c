//! The query of a call: a list refuses a parameter that it does not know, or a filter with a slip in its name would
//! answer with everything.

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

use super::error::ApiError;
use crate::auth::is_id;
use crate::events::route::SYSTEM_ROOM;

/// The parameters of every list.
const OF_LISTS: [&str; 2] = ["limit", "cursor"];

/// Checks that the query of a list has no other parameters than `filters` and those of every list, and each once.
///
/// # Errors
/// It has.
pub fn check(request: &HttpRequest, filters: &[&str]) -> Result<(), ApiError> {
    only(request, &[filters, &OF_LISTS].concat())
}

/// Checks that the query has no other parameters than these, and each once.
///
/// # Errors
/// It has.
pub fn only(request: &HttpRequest, known: &[&str]) -> Result<(), ApiError> {
    let mut seen = Vec::new();
    for pair in request.query_string().split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        if !known.contains(&name) || seen.contains(&name) {
            let known = known.join(", ");
            return Err(ApiError::invalid(format!("expected in the query, each at most once: {known}")));
        }
        seen.push(name);
    }
    Ok(())
}

/// A filter by an id.
///
/// # Errors
/// It is none.
pub fn id(request: &HttpRequest, name: &str) -> Result<Option<String>, ApiError> {
    let expected = "an id of 1 to 128 characters without white space is expected, percent-encoded";
    value(request, name, expected, is_id)
}

/// A filter by a room's name.
///
/// # Errors
/// It is none.
pub fn room(request: &HttpRequest, name: &str) -> Result<Option<String>, ApiError> {
    value(request, name, "campaign:<id>, user:<id> or system is expected, percent-encoded", is_room)
}

/// Decoded strictly; `+` is a plus sign, as in paths and ids.
fn value(
    request: &HttpRequest,
    name: &str,
    expected: &str,
    is_right: fn(&str) -> bool,
) -> Result<Option<String>, ApiError> {
    let mut pairs = request.query_string().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let Some((_, raw)) = pairs.find(|(given, _)| *given == name) else { return Ok(None) };
    let value = percent_decode_str(raw).decode_utf8().ok().filter(|value| is_right(value));
    value
        .map(|value| Some(value.into_owned()))
        .ok_or_else(|| ApiError::invalid(format!("{name}: {expected}")))
}

fn is_room(name: &str) -> bool {
    let id = name.strip_prefix("campaign:").or_else(|| name.strip_prefix("user:"));
    name == SYSTEM_ROOM || id.is_some_and(is_id)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(query: &str) -> HttpRequest {
        TestRequest::with_uri(&format!("/x?{query}")).to_http_request()
    }

    #[test]
    fn a_parameter_that_is_unknown_or_comes_twice_is_refused() {
        let of = |query: &str| check(&request(query), &["userId"]).is_ok();
        assert!(of("") && of("&") && of("limit=1&userId=u&cursor=x"));
        assert!(!of("userid=u") && !of("limit=1&limit=2") && !of("_=1") && !of("=") && !of("user%49d=u"));
    }

    #[test]
    fn filters_are_decoded_strictly_and_have_to_be_ids_and_rooms() {
        let user = |query: &str| id(&request(query), "userId");
        assert_eq!(user("limit=1"), Ok(None));
        assert_eq!(user("userId=auth0%7C1+2%2B%E5%9B%A2"), Ok(Some("auth0|1+2+团".into())));
        for wrong in ["userId=", "userId", "userId=%FF", "userId=a%20b", "userId=%00"] {
            assert!(user(wrong).is_err(), "{wrong}");
        }
        let in_room = |query: &str| room(&request(query), "room");
        assert_eq!(in_room("room=campaign%3Aa%2Fb"), Ok(Some("campaign:a/b".into())));
        assert_eq!(in_room("room=user:u"), Ok(Some("user:u".into())));
        assert_eq!(in_room("room=system"), Ok(Some("system".into())));
        for wrong in ["room=", "room=c1", "room=campaign:", "room=owner:c", "room=system:x", "room=user:a%20"]
        {
            assert!(in_room(wrong).is_err(), "{wrong}");
        }
    }
}
