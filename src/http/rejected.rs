//! `GET /api/v1/rejected`: the last messages that were refused.

use actix_web::{HttpRequest, HttpResponse, web};

use super::error::ApiError;
use super::openapi::answers::{Down, Invalid, Unauthorised};
use super::openapi::schemas::PageInQuery;
use super::page::Listed;
use super::page::Page;
use super::{Api, query, rights};
use crate::events::RejectedMessage;

/// The last refused messages, newest first.
///
/// # Errors
/// The caller is no administrator, or the query is wrong.
#[utoipa::path(
    get,
    path = "/api/v1/rejected",
    operation_id = "listRejected",
    tag = "admin",
    params(PageInQuery),
    responses(
        (status = 200, description = "The last hundred refused messages, newest first.", body = Listed<RejectedMessage>),
        Invalid,
        Unauthorised,
        Down,
    ),
    security(("bearer" = [])),
)]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    rights::may_administrate(&api, &request)?;
    query::check(&request, &[])?;
    let page = Page::of(&request, "rejected")?;
    let before: Option<u64> = page.after(|key| key.parse().ok())?;
    let found = api.intake.with_rejected(|rejected| {
        let older = rejected.newest_first().filter(|kept| before.is_none_or(|before| kept.number < before));
        older.take(page.limit + 1).cloned().collect()
    });
    Ok(HttpResponse::Ok().json(page.answer(found, |last| last.number.to_string())))
}
