//! The API's description, `GET /api/v1/openapi.json`, made from the handlers: what each call takes and answers stands
//! above it. `docs/api/openapi.json` is the same text: `make api` writes it anew, a test holds it up to date.
//!
//! A new call: write `#[utoipa::path(…)]` above its handler, and name it in [`Document`].

pub mod answers;
pub mod bodies;
pub mod schemas;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    auth, campaigns, connections, error, health, notifications, one_kind, publish, rejected, rooms, stats,
};

/// Every call.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "roomcast",
        description = "The HTTP API of a realtime hub. Bodies are JSON in UTF-8, whatever `Content-Type` says. Ids in paths \
            are percent-encoded. Lists refuse query parameters that they do not know. Errors have one form, \
            `{\"error\":{\"code\",\"message\"}}`: 404 `not_found` for an unknown path, 405 `method_not_allowed` with `Allow` \
            for another method, 403 `access_denied` for a page of a foreign origin.",
        contact()
    ),
    paths(
        publish::events,
        one_kind::update,
        one_kind::timer_event,
        one_kind::alert,
        one_kind::notification,
        campaigns::get,
        campaigns::put,
        campaigns::delete,
        campaigns::add_participant,
        campaigns::remove_participant,
        notifications::list,
        notifications::read,
        auth::refresh,
        connections::list,
        connections::disconnect,
        connections::disconnect_user,
        auth::revoke,
        rooms::list,
        rooms::get,
        rejected::list,
        stats::connections,
        stats::usage,
        health::live,
        health::ready,
        health::metrics,
        document,
    ),
    components(schemas(error::ErrorBody)),
    modifiers(&Credentials, &Tidy),
    tags(
        (name = "publish", description = "For backends: a token with `publish` or `admin`, or an API key."),
        (name = "read model", description = "For backends: campaigns and who takes part. Writing sends no event."),
        (name = "users", description = "For a user and for administrators."),
        (name = "admin", description = "For administrators."),
        (name = "health", description = "For probes, Prometheus and tools."),
    ),
)]
pub struct Document;

/// How callers say who they are.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKeyValue::with_description("X-Api-Key", "One of `auth.api_keys`; for publishing alone.");
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

/// Handlers' comments name errors for readers of the code: here the answers say them.
struct Tidy;

impl Modify for Tidy {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let calls = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for call in calls.into_iter().flatten() {
                let text = call.description.take().unwrap_or_default();
                let text = text.split("# Errors").next().unwrap_or_default().trim();
                call.description = Some(text.to_owned()).filter(|text| !text.is_empty());
            }
        }
    }
}

/// The description as it is served and checked in.
pub fn text() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// This description.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "getDescription",
    tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub async fn document() -> HttpResponse {
    static TEXT: LazyLock<String> = LazyLock::new(text);
    HttpResponse::Ok().content_type("application/json").body(TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api/openapi.json");

    #[test]
    fn the_description_that_is_checked_in_is_up_to_date() {
        if std::env::var_os("ROOMCAST_WRITE_API").is_some() {
            std::fs::write(CHECKED_IN, text()).unwrap();
        }
        let there = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
        assert!(
            there == text(),
            "{CHECKED_IN} is out of date: `make api`, or ROOMCAST_WRITE_API=1 cargo test --lib up_to_date"
        );
    }

    #[test]
    fn every_call_has_a_name_of_its_own_and_says_who_may_make_it() {
        let document: serde_json::Value = serde_json::from_str(&text()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let mut names = std::collections::BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, call) in methods.as_object().unwrap() {
                assert!(names.insert(call["operationId"].as_str().unwrap()), "{method} {path}");
                let is_open = call["tags"][0] == "health";
                let says = |status: &str| call["responses"].get(status).is_some();
                assert_eq!(call.get("security").is_none(), is_open, "{method} {path}");
                assert_eq!((says("401"), says("403")), (!is_open, !is_open), "{method} {path}");
                let has_body = call.get("requestBody").is_some();
                assert_eq!((says("408"), says("413")), (has_body, has_body), "{method} {path}");
            }
        }
    }

    #[test]
    fn every_route_is_described() {
        let routes = include_str!("../mod.rs");
        let document: serde_json::Value = serde_json::from_str(&text()).unwrap();
        let described = document["paths"].as_object().unwrap();
        let paths = routes.split("(at(\"").skip(1).filter_map(|text| text.split('"').next());
        let paths: std::collections::BTreeSet<&str> = paths.collect();
        for path in &paths {
            let known = [format!("/api/v1{path}"), (*path).to_owned()];
            assert!(known.iter().any(|path| described.contains_key(path)), "{path} is not in `Document`");
        }
        assert_eq!(paths.len(), described.len(), "{paths:?}");
        let calls: usize = described.values().map(|methods| methods.as_object().unwrap().len()).sum();
        assert_eq!(routes.matches(", to(").count(), calls, "each method of a path is in `Document`");
    }
}
