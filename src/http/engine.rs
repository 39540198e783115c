//! Socket.IO's path without a websocket handshake: Engine.IO's own answers, which a page may read.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::Api;
use crate::protocol::engineio::HandshakeError;
use crate::transport::handshake::{Refusal, check_engine_query, check_origin, cors_headers};
use crate::transport::peer_ip;

/// Long-polling is not served; a client that asks for websocket without an upgrade has a proxy in between
/// that strips it.
pub async fn without_upgrade(api: web::Data<Api>, request: HttpRequest) -> HttpResponse {
    let peer = peer_ip(request.peer_addr());
    let origin = check_origin(&api.options, request.headers(), peer);
    let refusal = match (origin, request.method()) {
        (Err(refusal), _) => refusal,
        (_, &Method::OPTIONS) => {
            return with_cors(&api, &request, peer, StatusCode::NO_CONTENT, String::new());
        }
        _ => Refusal::Engine(match check_engine_query(request.query_string()) {
            Err(error) => error,
            Ok(()) if request.method() != Method::GET => HandshakeError::BadMethod,
            Ok(()) => HandshakeError::BadRequest,
        }),
    };
    with_cors(&api, &request, peer, refusal.status(), refusal.body(true))
}

/// The plain websocket's path without a handshake.
pub async fn plain_without_upgrade(api: web::Data<Api>, request: HttpRequest) -> HttpResponse {
    let peer = peer_ip(request.peer_addr());
    let refusal = check_origin(&api.options, request.headers(), peer).err().unwrap_or(Refusal::NotWebsocket);
    with_cors(&api, &request, peer, refusal.status(), refusal.body(false))
}

fn with_cors(
    api: &Api,
    request: &HttpRequest,
    peer: std::net::IpAddr,
    status: StatusCode,
    body: String,
) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    for header in cors_headers(&api.options, request.headers(), peer) {
        response.append_header(header);
    }
    response.content_type("application/json").body(body)
}
