//! What clients send with their events. What an event does not know is ignored; `null` counts as absent.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::auth::is_id;

/// An id: 1 to 128 characters without white space or control characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Id(pub Box<str>);

#[cfg(test)]
impl schemars::JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An id: 1 to 128 characters without white space or control characters.",
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "pattern": "^[^\\s\\p{Cc}]+$",
        })
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        if is_id(&text) { Ok(Id(text)) } else { Err(serde::de::Error::custom("no id")) }
    }
}

/// `subscribe:campaign`, `unsubscribe:campaign`
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CampaignRequest {
    /// Which campaign.
    pub campaign_id: Id,
}

/// `subscribe:user`, `unsubscribe:user`
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserRequest {
    /// Whose room; the client's own where it is left out.
    #[serde(default)]
    pub user_id: Option<Id>,
}

/// `notifications:read`
#[derive(Deserialize, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NotificationsReadRequest {
    /// Which notifications have been read: at most 500.
    #[cfg_attr(test, schemars(length(max = 500)))]
    pub ids: Vec<String>,
}

impl NotificationsReadRequest {
    /// How many notifications one request may mark.
    const MAX: usize = 500;
    /// What is expected, in words.
    pub const EXPECTED: &str = "expected {ids}: an array of at most 500 strings";

    /// The ids, unless they are too many or one holds what no id can (U+0000, of which PostgreSQL makes an
    /// error).
    pub fn checked(self) -> Option<Vec<String>> {
        let fits = self.ids.len() <= Self::MAX && !self.ids.iter().any(|id| id.contains('\0'));
        fits.then_some(self.ids)
    }
}

/// The CONNECT payload (`auth` in the client); the data of `auth` on the plain websocket and of
/// `auth:refresh`.
#[derive(Deserialize, Default, Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenRequest<'a> {
    /// The JWT.
    #[serde(borrow, default)]
    #[cfg_attr(test, schemars(required))]
    pub token: Option<Cow<'a, str>>,
}

/// Reads an event's data; none, or `null`, is `Ok(None)`.
///
/// # Errors
/// They are no object, or not one of this type.
pub fn read<'a, T: Deserialize<'a>>(data: Option<&'a RawValue>) -> Result<Option<T>, serde_json::Error> {
    let Some(text) = data.map(RawValue::get).filter(|text| *text != "null") else { return Ok(None) };
    if !text.starts_with('{') {
        // serde_json takes an array for a struct as well
        return Err(serde::de::Error::custom("an object is expected"));
    }
    serde_json::from_str(text).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask<'a, T: Deserialize<'a>>(text: &'a str) -> Result<Option<T>, serde_json::Error> {
        read(Some(serde_json::from_str(text).unwrap()))
    }

    #[test]
    fn an_id_is_read_and_what_is_none_is_refused() {
        let campaign = ask::<CampaignRequest>(r#"{"campaignId":"a|b","more":[1]}"#).unwrap().unwrap();
        assert_eq!(&*campaign.campaign_id.0, "a|b");
        for bad in [
            r#"{}"#,
            r#"{"campaignId":null}"#,
            r#"{"campaignId":7}"#,
            r#"{"campaignId":"a b"}"#,
            r#"["c1"]"#,
            r#""c1""#,
        ] {
            assert!(ask::<CampaignRequest>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn null_counts_as_absent() {
        assert!(ask::<UserRequest>("null").unwrap().is_none());
        assert!(ask::<UserRequest>(r#"{"userId":null}"#).unwrap().unwrap().user_id.is_none());
        assert!(read::<UserRequest>(None).unwrap().is_none());
    }

    #[test]
    fn an_array_is_no_object() {
        assert!(ask::<NotificationsReadRequest>(r#"[["n1"]]"#).is_err());
        assert_eq!(ask::<NotificationsReadRequest>(r#"{"ids":["n1"]}"#).unwrap().unwrap().ids, ["n1"]);
    }
}
