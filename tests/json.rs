//! JSON as it comes, from clients and publishers: an answer, or a refusal by a stated rule (docs/plain-websocket.md,
//! docs/publishers.md), and never another value than the one that was sent.
#![cfg(feature = "hub")]

mod common;

use common::hub::Hub;
use common::raw::{FIN, TEXT};
use common::*;

/// An event as a client of either protocol writes it, `args` as they stand.
fn event(protocol: Protocol, name: &str, data: &str) -> String {
    match protocol {
        Protocol::Plain => format!(r#"{{"event":{name},"data":{data}}}"#),
        _ => format!("42[{name},{data}]"),
    }
}

const SUBSCRIBE: &str = r#""subscribe:campaign""#;

over_both! {
    fn a_lone_surrogate_is_refused_and_a_pair_is_not(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        for data in [r#"{"campaignId":"\ud800"}"#, r#"{"campaignId":"c","x":"\udfff\ud800"}"#, r#"{"\udc00":1}"#] {
            client.send_text(&event(protocol, SUBSCRIBE, data));
            client.expect_error("invalid_payload", "a lone surrogate");
        }
        client.send_text(&event(protocol, r#""\ud83d""#, "{}"));
        client.expect_error("invalid_payload", "a lone surrogate");
        client.send_text(&event(protocol, SUBSCRIBE, r#"{"campaignId":"\ud83d\ude00"}"#));
        assert_eq!(client.wait_for("subscribed")["campaignId"], "😀");
    }

    fn a_field_that_comes_twice_is_refused_where_it_is_read_and_ignored_where_it_is_not(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        for data in [r#"{"campaignId":"a","campaignId":"b"}"#, r#"{"campaignId":"a","campaign\u0049d":"a"}"#] {
            client.send_text(&event(protocol, SUBSCRIBE, data));
            assert_eq!(client.expect_event("error")["code"], "invalid_payload", "{data}");
        }
        client.send_text(&event(protocol, SUBSCRIBE, r#"{"x":1,"campaignId":"a","x":2}"#));
        assert_eq!(client.wait_for("subscribed")["campaignId"], "a");
        eventually_true("it is in one room", || server.metric("websocket_room_members", "campaign") == 1.0);
    }

    fn nesting_is_counted_to_64_wherever_it_stands(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        // the packet, or the object around, is the first of them; the data's own object the second
        let nested = |n: usize| format!(r#"{{"campaignId":"c","x":{}{}}}"#, "[".repeat(n), "]".repeat(n));
        client.send_text(&event(protocol, SUBSCRIBE, &nested(63)));
        client.expect_error("invalid_payload", "nested too deep");
        client.send_text(&event(protocol, SUBSCRIBE, &nested(62)));
        client.wait_for("subscribed");
    }

    fn a_name_may_be_empty_or_have_256_bytes_and_is_then_one_that_there_is_not(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        let longest = "é".repeat(128);
        for name in ["", " ", "\u{feff}ping", "__proto__", "Ping", &longest] {
            client.emit(name, json!({}));
            let error = client.expect_error("unknown_event", &format!("Unknown event {name}"));
            assert_eq!(error["event"], name);
        }
        client.expect_nothing_but_pong();
    }

    fn a_name_that_is_too_long_or_no_string_is_refused(protocol: Protocol) {
        let server = TestServer::start();
        let long = format!("\"{}\"", "n".repeat(257));
        for name in [&*long, "5", "null", "[]", "{\"toString\":1}", "true"] {
            let mut client = server.connect(protocol, &admin("a"));
            client.send_text(&event(protocol, name, "{}"));
            match protocol {
                Protocol::Plain => {
                    client.expect_error("invalid_payload", "expected event to be a string of at most 256 bytes");
                    client.expect_nothing_but_pong();
                }
                _ => assert_eq!(client.expect_close().code, Some(1000), "{name}"),
            }
        }
    }

    fn a_byte_order_mark_is_no_json(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &admin("a"));
        match protocol {
            Protocol::Plain => {
                client.send_text("\u{feff}{\"event\":\"ping\"}");
                client.expect_error("invalid_payload", "not JSON");
                client.expect_nothing_but_pong();
            }
            _ => {
                client.send_text("42\u{feff}[\"ping\"]");
                assert_eq!(client.expect_close().code, Some(1000));
            }
        }
        let mut client = server.connect(protocol, &admin("a"));
        // within a text it is a character like any other
        client.send_text(&event(protocol, SUBSCRIBE, "{\"campaignId\":\"a\u{feff}\"}"));
        assert_eq!(client.wait_for("subscribed")["campaignId"], "a\u{feff}");
    }
}

#[test]
fn ids_beyond_2_to_the_53_come_back_digit_by_digit() {
    let server = TestServer::start();
    let mut plain = raw_plain(&server, "c1");
    for id in ["9007199254740993", "123456789012345678901234567890", "-0", "1.10", "1e400", r#""\u00e9""#] {
        plain.send(FIN | TEXT, format!(r#"{{"event":"ping","id":{id}}}"#).as_bytes());
        assert!(next_text(&mut plain).starts_with(r#"{"event":"pong""#));
        let answer = next_text(&mut plain);
        assert!(answer.starts_with(&format!(r#"{{"reply":{id},"ok":true"#)), "{answer}");
    }
    let mut client =
        Raw::open(server.port(), &format!("/socket.io/?EIO=4&transport=websocket&token={}", admin("a")));
    client.send(FIN | TEXT, b"40");
    client.send(FIN | TEXT, br#"429007199254740993["ping"]"#);
    while !next_text(&mut client).starts_with("439007199254740993[") {}
}

fn next_text(raw: &mut Raw) -> String {
    let (first, payload) = raw.frame();
    assert_eq!(first, FIN | TEXT, "{payload:?}");
    String::from_utf8(payload).unwrap()
}

/// A client of the plain protocol that reads bytes, in the room of a campaign.
fn raw_plain(server: &TestServer, campaign: &str) -> Raw {
    let mut raw = Raw::open(server.port(), &format!("/ws?token={}", admin("a")));
    raw.send(
        FIN | TEXT,
        json!({"event": "subscribe:campaign", "data": {"campaignId": campaign}}).to_string().as_bytes(),
    );
    let (mut subscribed, mut initial) = (false, false);
    while !subscribed || !initial {
        let text = next_text(&mut raw);
        subscribed |= text.starts_with(r#"{"event":"subscribed""#);
        initial |= text.starts_with(r#"{"event":"initial:system_status""#);
    }
    raw
}

/// Publishes a payload as it stands. Over HTTP gives the status.
fn publish(hub: &Hub, payload: &str) -> Option<u16> {
    if let Some(redis) = &hub.redis {
        assert_eq!(redis.publish_text("campaign:c1", payload.as_bytes()), 1);
        return None;
    }
    let authorization = format!("Bearer {}", common::tokens::publisher());
    let body = format!(r#"{{"channel":"campaign:c1","payload":{payload}}}"#);
    Some(http::post(&hub.server.url("/api/v1/events"), &[("Authorization", &authorization)], &body).status)
}

fn what_is_published_goes_on_as_it_was_sent(hub: &Hub) {
    let mut raw = raw_plain(&hub.server, "c1");
    let own = r#""n":9007199254740993,"more":123456789012345678901234567890,"exact":1.10,"zero":-0,"huge":1e400,"text":"\u00e9\ud83d\ude00","deep":[[[{"a":1,"a":2}]]],"":0,"__proto__":{}"#;
    assert!(publish(hub, &format!(r#"{{"eventType":"updated",{own}}}"#)).is_none_or(|status| status == 202));
    let text = next_text(&mut raw);
    assert!(
        text.starts_with(r#"{"event":"campaign:updated","#) && text.ends_with(&format!("{own}}}}}")),
        "{text}"
    );
    let metadata = r#"{"n":9007199254740993,"exact":1.10,"more":123456789012345678901234567890}"#;
    let status =
        format!(r#"{{"eventType":"status.changed","toStatus":"LIVE","trigger":"t","metadata":{metadata}}}"#);
    assert!(publish(hub, &status).is_none_or(|status| status == 202));
    assert!(next_text(&mut raw).contains(metadata));
}

fn what_is_no_good_json_is_refused_and_nothing_of_it_goes_on(hub: &Hub) {
    let mut raw = raw_plain(&hub.server, "c1");
    let deep = format!(r#"{{"eventType":"updated","x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let bad = [
        r#"{"eventType":"updated","x":"\ud800"}"#,
        r#"{"eventType":"updated","\udc00":1}"#,
        r#"{"eventType":"updated","x":1,"x":2}"#,
        r#"{"eventType":"updated","eventType":"status.changed","toStatus":"A","trigger":"t"}"#,
        r#"{"eventType":"updated","x":01}"#,
        r#"{"eventType":"updated","x":NaN}"#,
        r#"{"eventType":"updated","x":.5}"#,
        r#"{"eventType":"","x":1}"#,
        "\u{feff}{\"eventType\":\"updated\"}",
        &deep,
    ];
    let before = hub.server.metric("roomcast_refused_messages_total", "");
    for payload in bad {
        let status = publish(hub, payload);
        assert!(status.is_none_or(|status| matches!(status, 400 | 422)), "{payload:.60}: {status:?}");
    }
    if hub.redis.is_some() {
        let refused = || hub.server.metric("roomcast_refused_messages_total", "") - before;
        eventually_true("all are refused", || refused() as usize == bad.len());
    }
    assert!(publish(hub, r#"{"eventType":"updated","last":true}"#).is_none_or(|status| status == 202));
    assert!(next_text(&mut raw).contains(r#""last":true"#));
}

#[test]
fn what_is_stored_of_a_campaign_comes_back_as_it_was_sent() {
    let server = TestServer::start();
    let metadata =
        r#"{"n":9007199254740993,"exact":1.10,"more":123456789012345678901234567890,"text":"\u00e9"}"#;
    let answer =
        server.call("PUT", "/api/v1/campaigns/c1", &admin("a"), &format!(r#"{{"metadata":{metadata}}}"#));
    assert!(matches!(answer.status, 200 | 201) && answer.body.contains(metadata), "{answer:?}");
    let mut raw = Raw::open(server.port(), &format!("/ws?token={}", admin("b")));
    raw.send(FIN | TEXT, br#"{"event":"subscribe:campaign","data":{"campaignId":"c1"}}"#);
    let snapshot =
        std::iter::from_fn(|| Some(next_text(&mut raw))).find(|text| text.contains("campaign:status"));
    assert!(snapshot.as_ref().is_some_and(|text| text.contains(metadata)), "{snapshot:?}");
}

#[test]
fn what_is_published_over_http_goes_on_as_it_was_sent() {
    what_is_published_goes_on_as_it_was_sent(&Hub::over_http());
}

#[test]
fn what_is_published_over_redis_goes_on_as_it_was_sent() {
    what_is_published_goes_on_as_it_was_sent(&Hub::over_redis());
}

#[test]
fn no_good_json_over_http_is_refused_and_nothing_of_it_goes_on() {
    what_is_no_good_json_is_refused_and_nothing_of_it_goes_on(&Hub::over_http());
}

#[test]
fn no_good_json_over_redis_is_refused_and_nothing_of_it_goes_on() {
    what_is_no_good_json_is_refused_and_nothing_of_it_goes_on(&Hub::over_redis());
}
