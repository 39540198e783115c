//! Files of a page, embedded as they stand, and the headers they go out with.

use actix_web::http::header;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// No script, style or image but our own; nobody may frame the page. `ws:` and `wss:` are named because
/// some browsers take `'self'` for HTTP only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Where a page says on which path the websocket is.
pub(super) const WS_PATH: &str = "{{ws_path}}";

/// A file of a page.
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const CSS: &str = "text/css; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const SVG: &str = "image/svg+xml";

/// The live page: the document first.
pub(super) const LIVE: &[File] = &[
    File { path: "/", kind: HTML, text: include_str!("live/index.html") },
    File { path: "/live/base.css", kind: CSS, text: include_str!("live/base.css") },
    File { path: "/live.css", kind: CSS, text: include_str!("live/live.css") },
    File { path: "/live.js", kind: SCRIPT, text: include_str!("live/live.js") },
    File { path: "/live/connection.js", kind: SCRIPT, text: include_str!("live/connection.js") },
    File { path: "/live/dom.js", kind: SCRIPT, text: include_str!("live/dom.js") },
    File { path: "/live/events.js", kind: SCRIPT, text: include_str!("live/events.js") },
    File { path: "/live/pane.js", kind: SCRIPT, text: include_str!("live/pane.js") },
    File { path: "/live/publish.js", kind: SCRIPT, text: include_str!("live/publish.js") },
    File { path: "/live/rooms.js", kind: SCRIPT, text: include_str!("live/rooms.js") },
    File { path: "/live/stream.js", kind: SCRIPT, text: include_str!("live/stream.js") },
    File { path: "/live/token.js", kind: SCRIPT, text: include_str!("live/token.js") },
    File { path: "/live/totals.js", kind: SCRIPT, text: include_str!("live/totals.js") },
    File { path: "/live/icon.svg", kind: SVG, text: include_str!("live/icon.svg") },
];

/// The routes of a page; `blanks` are names in its files and what stands in their place.
pub(super) fn routes(config: &mut ServiceConfig, files: &'static [File], blanks: &[(&str, &str)]) {
    for file in files {
        let fill = |text: String, (blank, value): &(&str, &str)| text.replace(blank, &escaped(value));
        let body = Bytes::from(blanks.iter().fold(file.text.to_owned(), fill));
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
    use crate::admin::dashboard::DASHBOARD;

    const PAGES: [&[File]; 2] = [LIVE, DASHBOARD];

    fn both(config: &mut ServiceConfig) {
        PAGES.iter().for_each(|files| routes(config, files, &[(WS_PATH, "/a\"<&/ws")]));
    }

    fn all() -> impl Iterator<Item = &'static File> {
        PAGES.into_iter().flatten()
    }

    #[actix_web::test]
    async fn every_file_says_that_only_the_hubs_own_run_and_that_nobody_may_frame_it() {
        let app = init_service(App::new().configure(both)).await;
        for file in all() {
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
        let app = init_service(App::new().configure(both)).await;
        for path in ["/", "/admin"] {
            for (method, status) in [(Method::HEAD, 200), (Method::POST, 405)] {
                let request = TestRequest::default().method(method).uri(path).to_request();
                assert_eq!(call_service(&app, request).await.status(), status, "{path}");
            }
        }
    }

    #[actix_web::test]
    async fn the_pages_are_told_where_the_websocket_is() {
        let app = init_service(App::new().configure(both)).await;
        for path in ["/", "/admin"] {
            let page = read_body(call_service(&app, TestRequest::get().uri(path).to_request()).await).await;
            let page = std::str::from_utf8(&page).unwrap();
            assert!(page.contains(r#"<meta name="roomcast-ws" content="/a&quot;&lt;&amp;/ws">"#), "{path}");
            assert!(!page.contains(WS_PATH));
        }
    }

    /// What comes after each `before` in `text`, up to the next quotation mark.
    fn quoted_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn what_the_files_load_is_there_and_is_all_of_our_own() {
        for files in PAGES {
            let has = |path: &str| files.iter().any(|file| file.path == path);
            let html = &files[0];
            let linked: Vec<&str> = ["src=\"", "href=\""]
                .into_iter()
                .flat_map(|before| quoted_after(html.text, before))
                .collect();
            assert!(linked.len() > 3);
            for path in linked {
                assert!(path.starts_with('#') || has(path), "{}: {path}", html.path);
            }
            for file in files.iter().filter(|file| file.kind == SCRIPT) {
                let (folder, _) = file.path.rsplit_once('/').unwrap();
                for path in quoted_after(file.text, "from \"./") {
                    assert!(has(&format!("{folder}/{path}")), "{}: {path}", file.path);
                }
            }
        }
    }

    #[test]
    fn nothing_in_a_page_is_inline_and_no_script_writes_markup() {
        for html in PAGES.map(|files| files[0].text) {
            assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick="));
            assert_eq!(
                html.matches("<script").count(),
                html.matches("<script type=\"module\" src=\"").count()
            );
        }
        for file in all().filter(|file| file.kind == SCRIPT) {
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!file.text.contains(markup), "{}: {markup}", file.path);
            }
        }
    }
}
