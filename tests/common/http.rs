//! HTTP calls, where every status is an answer and none an error.

use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
    headers: Vec<(String, String)>,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// `GET`, with some headers.
pub fn get(url: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = agent().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(url, request.call())
}

/// `OPTIONS`, with some headers.
pub fn options(url: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = agent().options(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(url, request.call())
}

/// `POST` of a body, with some headers.
pub fn post(url: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = agent().post(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(url, request.send(body))
}

/// `POST` of bytes that need be no text, with some headers.
pub fn post_bytes(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut request = agent().post(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(url, request.send(body))
}

/// Any method, with some headers; without a body where it is empty.
pub fn call(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = match body {
        "" => agent().run(request.body(()).unwrap()),
        body => agent().run(request.header("Content-Type", "application/json").body(body).unwrap()),
    };
    read(url, answer)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}

fn read(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Response {
    let mut answer = answer.unwrap_or_else(|e| panic!("{url}: {e}"));
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = answer.body_mut().read_to_string().unwrap();
    Response { status: answer.status().as_u16(), body, headers }
}
