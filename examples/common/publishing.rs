//! What is sent to publish, as bytes.

/// A command of Redis.
pub fn to_redis(channel: &str, payload: &str) -> String {
    let (c, p) = (channel.len(), payload.len());
    format!("*3\r\n$7\r\nPUBLISH\r\n${c}\r\n{channel}\r\n${p}\r\n{payload}\r\n")
}

/// A call of `POST /api/v1/events`.
pub fn over_http(hub: &str, token: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: {hub}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A publication of such a call.
pub fn item(channel: &str, payload: &str) -> String {
    format!(r#"{{"channel":"{channel}","payload":{payload}}}"#)
}

/// Whether all of an HTTP answer is here.
pub fn is_whole_answer(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}
