//! Each kind of bad input, from Redis and over HTTP: two messages that are refused, counted and listed, and one beside
//! them that is taken.
#![cfg(feature = "hub")]

mod common;

use common::tokens::publisher;
use common::*;
use roomcast::events::Reason;

/// A message: channel and payload.
type Sent = (String, Vec<u8>);

/// What is refused for a reason, and what is not.
struct Row {
    reason: Reason,
    refused: [Sent; 2],
    taken: Sent,
    /// The event that the last one becomes.
    event: &'static str,
}

fn sent(channel: &str, payload: impl AsRef<[u8]>) -> Sent {
    (channel.to_owned(), payload.as_ref().to_vec())
}

fn row(reason: Reason, refused: [Sent; 2], taken: Sent, event: &'static str) -> Row {
    Row { reason, refused, taken, event }
}

/// An update of the campaign that the listener is in.
fn update(more: &str) -> Sent {
    sent("campaign:c1", format!(r#"{{"eventType":"updated"{more}}}"#))
}

/// A notification of the listener.
fn notice(more: &str) -> Sent {
    sent("user:a", format!(r#"{{"type":"info","title":"t","message":"m"{more}}}"#))
}

/// An update of this many bytes.
fn of_size(bytes: usize) -> Sent {
    let empty = update(r#","x":"""#).1.len();
    update(&format!(r#","x":"{}""#, "y".repeat(bytes - empty)))
}

/// An update that is this deep.
fn of_depth(levels: usize) -> Sent {
    update(&format!(r#","x":{}{}"#, "[".repeat(levels - 1), "]".repeat(levels - 1)))
}

fn table() -> Vec<Row> {
    let updated = "campaign:updated";
    let minutes_ahead =
        |minutes: i64| update(&format!(r#","timestamp":{}"#, roomcast::clock::now_ms() + minutes * 60_000));
    let long = "x".repeat(129);
    vec![
        row(Reason::NotJson, [update("} {"), sent("campaign:c1", b"\"\xff\"")], update(""), updated),
        row(
            Reason::WrongType,
            [notice(r#","actionUrl":7"#), sent("campaign:c1", "[]")],
            update(r#","x":[]"#),
            updated,
        ),
        row(
            Reason::MissingField,
            [
                sent("system:x", r#"{"level":"info","title":"t"}"#),
                sent("user:a", r#"{"type":"info","title":null,"message":"m"}"#),
            ],
            sent("system:x", r#"{"level":"info","title":"t","message":"m","metadata":null}"#),
            "system:alert",
        ),
        row(
            Reason::DuplicateField,
            [update(r#","x":1,"x":1"#), update(r#","\u0078":1,"x":2"#)],
            update(r#","x":{"x":1}"#),
            updated,
        ),
        // 126, for the tests read the event with its envelope, and no deeper than 127
        row(Reason::TooDeep, [of_depth(128), of_depth(2_000)], of_depth(126), updated),
        row(Reason::TooLarge, [of_size(1_000_001), of_size(1_100_000)], of_size(1_000_000), updated),
        row(
            Reason::UnknownChannel,
            [sent("system:", "{}"), sent("system:", r#"{"level":"info","title":"t","message":"m"}"#)],
            sent("system:anything", r#"{"level":"info","title":"t","message":"m"}"#),
            "system:alert",
        ),
        row(
            Reason::UnknownEvent,
            [sent("campaign:c1", "{}"), sent("campaign:c1", r#"{"eventType":"exploded"}"#)],
            sent("timer:t1", r#"{"eventType":"exploded","campaignId":"c1"}"#),
            "timer:event",
        ),
        row(
            Reason::IdMismatch,
            [update(r#","campaignId":"c2""#), notice(r#","userId":"A""#)],
            update(r#","campaignId":"c1""#),
            updated,
        ),
        row(
            Reason::BadId,
            [
                sent("campaign:c 1", r#"{"eventType":"updated"}"#),
                sent("timer:t1", format!(r#"{{"campaignId":"{long}"}}"#)),
            ],
            sent(&format!("timer:{}", &long[1..]), r#"{"campaignId":"c1"}"#),
            "timer:event",
        ),
        row(
            Reason::BadTimestamp,
            [update(r#","timestamp":"yesterday""#), update(r#","timestamp":1.5"#)],
            update(r#","timestamp":"2026-05-04T12:20:30+02:00""#),
            updated,
        ),
        row(Reason::TimestampAhead, [minutes_ahead(6), minutes_ahead(60)], minutes_ahead(4), updated),
        row(
            Reason::BadUrl,
            [notice(r#","actionUrl":"javascript:alert(1)""#), notice(r#","actionUrl":"ftp://x""#)],
            notice(r#","actionUrl":"/inbox?x=1""#),
            "notification",
        ),
        row(
            Reason::Nul,
            [update(r#","x":"\u0000""#), update(r#","x":{"a\u0000":1}"#)],
            update(r#","x":"\\u0000""#),
            updated,
        ),
        row(
            Reason::Duplicate,
            [update(r#","eventId":"e1""#), update(r#","eventId":"e1","x":2"#)],
            update(r#","eventId":"e2""#),
            updated,
        ),
    ]
}

/// A client in every room that the table's messages go to.
fn listener(server: &TestServer) -> TestClient {
    let mut client = server.connect(Protocol::Plain, &admin("a"));
    client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    client.wait_for("subscribed");
    for event in ["subscribe:user", "subscribe:system"] {
        client.emit_bare(event);
        client.wait_for("subscribed");
    }
    client
}

/// Runs the table; `publish` is told whether the message is to be refused.
fn run(server: &TestServer, source: &str, publish: impl Fn(&Sent, bool)) {
    let mut client = listener(server);
    let rows = table();
    assert_eq!(rows.iter().map(|row| row.reason).collect::<Vec<_>>(), Reason::ALL, "a row for each reason");
    publish(&update(r#","eventId":"e1""#), false); // what the last row repeats
    client.wait_for("campaign:updated");
    for Row { reason, refused, taken, event } in &rows {
        println!("{}", reason.as_str());
        let is_repeat = *reason == Reason::Duplicate;
        let before = listed(server);
        refused.iter().for_each(|bad| publish(bad, !is_repeat));
        publish(taken, false);
        // the listener has had nothing of those that were refused
        let data = client.wait_for(event);
        let has = |field: &str| String::from_utf8_lossy(&taken.1).contains(&format!("\"{field}\":"));
        assert!(
            ["x", "actionUrl"].iter().all(|field| !has(field) || data.get(field).is_some()),
            "{data:.200}"
        );
        let label = format!("reason=\"{}\"", reason.as_str());
        assert_eq!(server.metric("roomcast_refused_messages_total", &label), 2.0, "{label}");
        let now = listed(server);
        if is_repeat {
            assert_eq!(now, before, "a repeat is nobody's fault: it is counted, and not listed");
            continue;
        }
        assert_eq!(now.len(), before.len() + 2);
        for (item, (channel, payload)) in now.iter().zip(refused.iter().rev()) {
            assert_eq!(
                (&item["source"], &item["reason"]),
                (&json!(source), &json!(reason.as_str())),
                "{item}"
            );
            assert_eq!(&item["channel"], channel);
            let text = String::from_utf8_lossy(&payload[..payload.len().min(1_024)]).into_owned();
            assert_eq!(item["message"], text);
            assert!(item["at"].is_string() && item["expected"].is_string(), "{item}");
        }
    }
    let refused = rows.len() as f64 * 2.0;
    assert_eq!(server.metric("roomcast_refused_messages_total", ""), refused, "no other message was");
}

fn listed(server: &TestServer) -> Vec<Value> {
    let answer = server.call("GET", "/api/v1/rejected", &admin("boss"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

#[test]
fn get_rejected_shows_two_refused_messages_of_each_kind_from_redis_and_one_beside_them_is_taken() {
    let redis = RedisServer::start();
    let server = TestServer::builder().redis(&redis).start();
    run(&server, "redis", |(channel, payload), _| {
        assert_eq!(redis.publish_text(channel, payload), 1, "{channel} is listened to");
    });
}

#[test]
fn get_rejected_shows_two_refused_messages_of_each_kind_over_http_and_one_beside_them_is_taken() {
    let server = TestServer::builder().set("limits.body_bytes", 2_000_000).start();
    let bearer = format!("Bearer {}", publisher());
    run(&server, "http", |(channel, payload), is_refused| {
        let body =
            [format!("{{\"channel\":{},\"payload\":", json!(channel)).as_bytes(), payload, b"}"].concat();
        let headers = [("Authorization", bearer.as_str())];
        // a list of messages has to be JSON: what is none comes by itself
        let is_json = serde_json::from_slice::<Box<serde_json::value::RawValue>>(&body).is_ok();
        let answer = if is_json && payload != b"{\"eventType\":\"updated\"} {}" {
            http::post_bytes(&server.url("/api/v1/events"), &headers, &body)
        } else {
            http::post_bytes(&server.url("/api/v1/campaigns/c1/updates"), &headers, payload)
        };
        let expected = match (is_refused, is_json) {
            (false, _) => 202,
            (true, true) => 422,
            (true, false) => 400,
        };
        assert_eq!(answer.status, expected, "{channel}: {answer:?}");
    });
}

#[test]
fn get_rejected_keeps_the_last_hundred_newest_first_in_pages() {
    let server = TestServer::start();
    let batch: Vec<Value> = (0..150).map(|n| json!({"channel": "nowhere:c", "payload": {"n": n}})).collect();
    assert_eq!(server.post("/api/v1/events", &publisher(), &json!(batch)).status, 422);
    let get =
        |query: &str| server.call("GET", &format!("/api/v1/rejected{query}"), &admin("boss"), "").json();
    let numbers = |page: &Value| -> Vec<u64> {
        let items = page["items"].as_array().unwrap().iter();
        let number = |item: &Value| {
            serde_json::from_str::<Value>(item["message"].as_str().unwrap()).unwrap()["n"].as_u64()
        };
        items.map(|item| number(item).unwrap()).collect()
    };
    let all = get("");
    assert_eq!(numbers(&all), (50..150).rev().collect::<Vec<_>>());
    assert!(all.get("nextCursor").is_none());
    let first = get("?limit=60");
    // more come between two pages: the next page goes on where this one ended
    assert_eq!(server.post("/api/v1/events", &publisher(), &json!(batch[..10])).status, 422);
    let second = get(&format!("?limit=60&cursor={}", first["nextCursor"].as_str().unwrap()));
    assert_eq!(numbers(&first), (90..150).rev().collect::<Vec<_>>());
    assert_eq!(numbers(&second), (60..90).rev().collect::<Vec<_>>(), "the ten oldest have gone");
}
