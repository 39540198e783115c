//! Pages of a list: `?limit=` and `?cursor=` in, `{items,nextCursor?}` out.

use actix_web::HttpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::error::ApiError;
use crate::transport::query::query_param;

/// Items of a page that names no limit.
const USUAL: usize = 100;
/// The most items of a page.
const MOST: usize = 1_000;
/// The longest cursor, in characters: the name of a room (128 characters of four bytes each and its kind), encoded.
const MAX_CURSOR: usize = 1_024;

const CURSOR: &str = "cursor: the nextCursor of the page before is expected";

/// The page that a call asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// At most so many items.
    pub limit: usize,
    /// The key of the last item of the page before; none is the first page.
    pub after: Option<String>,
    /// The name of the list: a cursor of another one is refused.
    list: &'static str,
}

/// A page as it is answered.
#[derive(Serialize, utoipa::ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// The same page of other items.
    pub fn map<U>(self, of: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(of).collect(), next_cursor: self.next_cursor }
    }
}

impl Page {
    /// What the query of `request` says of a page of `list`.
    ///
    /// # Errors
    /// The limit is none from 1 to 1 000, or the cursor none that this list gave.
    pub fn of(request: &HttpRequest, list: &'static str) -> Result<Page, ApiError> {
        let query = request.query_string();
        let limit = match query_param(query, "limit") {
            None => USUAL,
            Some(text) => parse_limit(&text)
                .ok_or_else(|| ApiError::invalid("limit: a number from 1 to 1000 is expected"))?,
        };
        let after = query_param(query, "cursor")
            .map(|cursor| key_of(&cursor, list).ok_or_else(|| ApiError::invalid(CURSOR)));
        Ok(Page { limit, after: after.transpose()?, list })
    }

    /// The key of the page before, read by `parse`.
    ///
    /// # Errors
    /// It is no key of this list.
    pub fn after<K>(&self, parse: impl FnOnce(&str) -> Option<K>) -> Result<Option<K>, ApiError> {
        let key = self.after.as_deref().map(|key| parse(key).ok_or_else(|| ApiError::invalid(CURSOR)));
        key.transpose()
    }

    /// The answer from what follows [`Page::after`]: there is a next page where `found` holds more than the
    /// limit, so ask for one item more. `key` names an item in the order of the list.
    pub fn answer<T>(&self, mut found: Vec<T>, key: impl FnOnce(&T) -> String) -> Listed<T> {
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let last = found.last().filter(|_| more);
        let next_cursor = last.map(|last| URL_SAFE_NO_PAD.encode(format!("{}:{}", self.list, key(last))));
        Listed { items: found, next_cursor }
    }
}

/// A flag of the query: `true` or `false`, which it is where it is left out.
///
/// # Errors
/// It is something else.
pub fn flag(request: &HttpRequest, name: &str) -> Result<bool, ApiError> {
    match query_param(request.query_string(), name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ApiError::invalid(format!("{name}: true or false is expected"))),
    }
}

fn parse_limit(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|limit| digits && (1..=MOST).contains(limit))
}

fn key_of(cursor: &str, list: &str) -> Option<String> {
    let text = Some(cursor).filter(|cursor| cursor.len() <= MAX_CURSOR)?;
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    Some(text.strip_prefix(list)?.strip_prefix(':')?.to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn page(query: &str) -> Result<Page, ApiError> {
        Page::of(&TestRequest::with_uri(&format!("/x?{query}")).to_http_request(), "numbers")
    }

    /// A list of numbers, as a call would page through it.
    fn call(query: &str, list: &[u32]) -> Listed<u32> {
        let page = page(query).unwrap();
        let after = page.after(|key| key.parse::<u32>().ok()).unwrap();
        let found =
            list.iter().copied().filter(|n| after.is_none_or(|after| *n > after)).take(page.limit + 1);
        page.answer(found.collect(), u32::to_string)
    }

    #[test]
    fn a_list_is_read_page_by_page_and_the_last_one_has_no_cursor() {
        let list: Vec<u32> = (0..7).collect();
        let (mut query, mut seen) = ("limit=3".to_owned(), Vec::new());
        loop {
            let Listed { items, next_cursor } = call(&query, &list);
            seen.push(items);
            let Some(cursor) = next_cursor else { break };
            query = format!("limit=3&cursor={cursor}");
        }
        assert_eq!(seen, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        assert_eq!(call("limit=7", &list), Listed { items: list.clone(), next_cursor: None });
        assert_eq!(call("", &(0..200).collect::<Vec<_>>()).items.len(), USUAL);
        assert_eq!(call("", &[]), Listed { items: vec![], next_cursor: None });
    }

    #[test]
    fn limits_from_1_to_1000_are_taken_and_nothing_else() {
        for (text, limit) in [("1", 1), ("1000", 1_000), ("007", 7)] {
            assert_eq!(page(&format!("limit={text}")).map(|page| page.limit), Ok(limit));
        }
        for text in ["0", "1001", "-1", "+1", "1.0", "x", "", "99999999999999999999"] {
            assert!(page(&format!("limit={text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_and_one_that_is_none_are_refused() {
        let cursor = |text: &str| URL_SAFE_NO_PAD.encode(text);
        assert_eq!(page(&format!("cursor={}", cursor("numbers:5:ü"))).unwrap().after.as_deref(), Some("5:ü"));
        let long = cursor(&format!("numbers:{}", "x".repeat(1_000)));
        for wrong in ["", "%00", "x", "====", &cursor("others:5"), &cursor("numbers"), &long] {
            assert!(page(&format!("cursor={wrong}")).is_err(), "{wrong}");
        }
        let bytes = URL_SAFE_NO_PAD.encode([b'n', 0xff]);
        assert!(page(&format!("cursor={bytes}")).is_err());
        let no_number = page(&format!("cursor={}", cursor("numbers:x"))).unwrap();
        assert!(no_number.after(|key| key.parse::<u32>().ok()).is_err());
    }

    #[test]
    fn a_flag_is_true_or_false() {
        let of = |query: &str| {
            flag(&TestRequest::with_uri(&format!("/x?{query}")).to_http_request(), "unread").ok()
        };
        assert_eq!([of(""), of("unread=false"), of("unread=true")], [Some(false), Some(false), Some(true)]);
        assert_eq!([of("unread"), of("unread=1"), of("unread=True")], [None, None, None]);
    }
}
