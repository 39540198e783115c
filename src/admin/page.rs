//! The live page's files and the headers they go out with.

use actix_web::http::header;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// No script, style or image but our own; nobody may frame the page. `ws:` and `wss:` are named because
/// some browsers take `'self'` for HTTP only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Where `index.html` says on which path the websocket is.
const WS_PATH: &str = "{{ws_path}}";

struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const FILES: &[File] = &[
    File { path: "/", kind: HTML, text: include_str!("live/index.html") },
    File { path: "/live.css", kind: CSS, text: include_str!("live/live.css") },
    File { path: "/live.js", kind: SCRIPT, text: include_str!("live/live.js") },
    File { path: "/live/connection.js", kind: SCRIPT, text: include_str!("live/connection.js") },
    File { path: "/live/dom.js", kind: SCRIPT, text: include_str!("live/dom.js") },
    File { path: "/live/events.js", kind: SCRIPT, text: include_str!("live/events.js") },
    File { path: "/live/pane.js", kind: SCRIPT, text: include_str!("live/pane.js") },
    File { path: "/live/publish.js", kind: SCRIPT, text: include_str!("live/publish.js") },
    File { path: "/live/rooms.js", kind: SCRIPT, text: include_str!("live/rooms.js") },
    File { path: "/live/stream.js", kind: SCRIPT, text: include_str!("live/stream.js") },
    File { path: "/live/totals.js", kind: SCRIPT, text: include_str!("live/totals.js") },
    File { path: "/live/icon.svg", kind: SVG, text: include_str!("live/icon.svg") },
];

/// The routes of the page.
pub(super) fn routes(config: &mut ServiceConfig, ws_path: &str) {
    for file in FILES {
        let body = Bytes::from(file.text.replace(WS_PATH, &escaped(ws_path)));
        let answer = move || {
            let body = body.clone();
            async move { hardened(HttpResponse::Ok()).content_type(file.kind).body(body) }
        };
        let resource = web::resource(file.path).route(web::get().to(answer.clone()));
        config.service(resource.route(web::head().to(answer)));
    }
}

/// Adds what a page of ours, and what it loads, always says.
pub(super) fn hardened(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

/// Text as the value of an HTML attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::Method;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    #[actix_web::test]
    async fn every_file_says_that_only_the_hubs_own_run_and_that_nobody_may_frame_it() {
        let app = init_service(App::new().configure(|config| routes(config, "/ws"))).await;
        for file in FILES {
            let response = call_service(&app, TestRequest::get().uri(file.path).to_request()).await;
            let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
            assert_eq!(
                (response.status().as_u16(), header("content-type")),
                (200, file.kind),
                "{}",
                file.path
            );
            let policy = header("content-security-policy");
            assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"));
            assert!(!policy.contains("unsafe"));
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "no-referrer");
        }
    }

    #[actix_web::test]
    async fn head_is_answered_and_other_methods_are_not() {
        let app = init_service(App::new().configure(|config| routes(config, "/ws"))).await;
        for (method, status) in [(Method::HEAD, 200), (Method::POST, 405)] {
            let request = TestRequest::default().method(method).uri("/").to_request();
            assert_eq!(call_service(&app, request).await.status(), status);
        }
    }

    #[actix_web::test]
    async fn the_page_is_told_where_the_websocket_is() {
        let app = init_service(App::new().configure(|config| routes(config, "/a\"<&/ws"))).await;
        let page = read_body(call_service(&app, TestRequest::get().uri("/").to_request()).await).await;
        let page = std::str::from_utf8(&page).unwrap();
        assert!(page.contains(r#"<meta name="roomcast-ws" content="/a&quot;&lt;&amp;/ws">"#));
        assert!(!page.contains(WS_PATH));
    }

    /// What comes after each `before` in `text`, up to the next quotation mark.
    fn quoted_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn what_the_files_load_is_there_and_is_all_of_our_own() {
        let has = |path: &str| FILES.iter().any(|file| file.path == path);
        let html = FILES[0].text;
        let linked: Vec<&str> =
            ["src=\"", "href=\""].into_iter().flat_map(|before| quoted_after(html, before)).collect();
        assert!(linked.len() > 3);
        for path in linked {
            assert!(path.starts_with('#') || has(path), "index.html: {path}");
        }
        for file in FILES.iter().filter(|file| file.kind == SCRIPT) {
            for path in quoted_after(file.text, "from \"./") {
                let path =
                    if path.starts_with("live/") { format!("/{path}") } else { format!("/live/{path}") };
                assert!(has(&path), "{}: {path}", file.path);
            }
        }
    }

    #[test]
    fn nothing_in_the_page_is_inline_and_no_script_writes_markup() {
        let html = FILES[0].text;
        assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick="));
        assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=\"").count());
        for file in FILES.iter().filter(|file| file.kind == SCRIPT) {
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!file.text.contains(markup), "{}: {markup}", file.path);
            }
        }
    }
}
