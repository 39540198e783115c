//! Paths and their methods: what is served, 404 for another path, 405 for another method.

use actix_web::guard::fn_guard;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError as _, Route, web};

use super::error::ApiError;

/// A path with its methods. Where `GET` is served, `HEAD` is, too; other methods are answered with 405 and those
/// that there are.
pub fn at<const N: usize>(path: &str, calls: [(Method, Route); N]) -> Resource {
    let mut allowed: Vec<String> = calls.iter().map(|(method, _)| method.to_string()).collect();
    if calls.iter().any(|(method, _)| method == Method::GET) {
        allowed.push(Method::HEAD.to_string());
    }
    let allowed = allowed.join(", ");
    let resource = calls.into_iter().fold(web::resource(path.to_owned()), |resource, (method, route)| {
        resource.route(route.guard(fn_guard(move |context| {
            let asked = &context.head().method;
            *asked == method || (method == Method::GET && *asked == Method::HEAD)
        })))
    });
    resource.default_service(web::to(move || std::future::ready(not_allowed(&allowed))))
}

fn not_allowed(allowed: &str) -> HttpResponse {
    let mut response = ApiError::MethodNotAllowed.error_response();
    if let Ok(allowed) = header::HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// What is answered for every other path.
pub async fn not_found(_: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}
