//! Ids in the path of a call, percent-encoded.

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

use super::error::ApiError;
use crate::auth::is_id;

/// Where in `/api/v1/campaigns/{id}/participants/{userId}` an id stands.
#[derive(Clone, Copy, Debug)]
pub enum Segment {
    /// The campaign's.
    Campaign = 4,
    /// The participant's.
    Participant = 6,
}

impl Segment {
    /// The user's, in `/api/v1/users/{id}/…`.
    pub const USER: Segment = Segment::Campaign;
}

/// The id in this segment. It is decoded here, once and strictly: the router leaves `%2F` as it is, and its
/// own decoding puts other characters in the place of what is no UTF-8.
///
/// # Errors
/// It is no id.
pub fn id_in_path(request: &HttpRequest, segment: Segment) -> Result<String, ApiError> {
    let id = text_in_path(request, segment).filter(|id| is_id(id));
    let expected = "expected ids in the path: 1 to 128 characters without white space, percent-encoded";
    id.ok_or_else(|| ApiError::invalid(expected))
}

/// What this segment says, decoded in the same way; none where it is no text.
pub fn text_in_path(request: &HttpRequest, segment: Segment) -> Option<String> {
    let raw = request.uri().path().split('/').nth(segment as usize).unwrap_or_default();
    percent_decode_str(raw).decode_utf8().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn ids(campaign: &str, user: &str) -> (Option<String>, Option<String>) {
        let uri = format!("/api/v1/campaigns/{campaign}/participants/{user}?x=/y");
        let request = TestRequest::with_uri(&uri).to_http_request();
        let id = |segment| id_in_path(&request, segment).ok();
        (id(Segment::Campaign), id(Segment::Participant))
    }

    #[test]
    fn ids_of_every_kind_come_out_as_they_are() {
        for (raw, id) in [
            ("c1", "c1"),
            ("auth0%7C64af", "auth0|64af"),
            ("a%2Fb", "a/b"),
            ("a+b%2Bc", "a+b+c"),
            ("%25%32%46", "%2F"),
            ("%E5%9B%A2%E9%98%9F", "团队"),
            ("%F0%9F%98%80", "\u{1F600}"),
        ] {
            assert_eq!(ids(raw, "u"), (Some(id.to_owned()), Some("u".to_owned())), "{raw}");
            assert_eq!(ids("c", raw), (Some("c".to_owned()), Some(id.to_owned())), "{raw}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for raw in ["", "%20", "a%00", "%FF", "a%0Ab", &"x".repeat(129)] {
            assert_eq!(ids(raw, "u").0, None, "{raw}");
        }
    }
}
