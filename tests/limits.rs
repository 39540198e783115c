//! What is too big, too slow or no packet at all: its socket pays, every other one is untouched.
#![cfg(feature = "hub")]

mod common;

use common::*;
use std::io::Write;
use tungstenite::Message;

fn member(server: &TestServer, protocol: Protocol, token: &str) -> TestClient {
    let mut client = server.connect(protocol, token);
    client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
    client.wait_for("subscribed");
    client
}

/// The bystander still gets answers and events, and the hub lives.
fn assert_untouched(server: &TestServer, bystander: &mut TestClient) {
    bystander.expect_nothing_but_pong();
    server.publish("campaign:c1", &json!({"eventType": "updated"}));
    bystander.expect_event("campaign:updated");
    assert_eq!(server.get("/health/ready").status, 200);
}

over_both! {
    fn a_message_that_announces_two_megabytes_is_refused_on_its_header(protocol: Protocol) {
        let server = TestServer::start();
        let mut bystander = member(&server, protocol, &admin("a"));
        let mut client = member(&server, protocol, &admin("b"));
        // a masked text frame of 2 000 000 bytes, of which no byte follows
        let mut header = vec![0x81, 0x80 | 127];
        header.extend(2_000_000_u64.to_be_bytes());
        header.extend([0; 4]);
        client.stream().write_all(&header).unwrap();
        assert_eq!(client.expect_close().code, Some(1009));
        assert_untouched(&server, &mut bystander);
    }

    fn a_message_of_two_megabytes_ends_its_socket_alone(protocol: Protocol) {
        let server = TestServer::start();
        let mut bystander = member(&server, protocol, &admin("a"));
        let mut client = member(&server, protocol, &admin("b"));
        // the hub hangs up while it is still under way, but not so that its reason gets lost
        let sent = client.try_send(Message::text("x".repeat(2_000_000)));
        assert_eq!(client.expect_close().code, Some(1009), "{sent:?}");
        eventually_true("it is gone", || server.connections() == 1);
        assert_untouched(&server, &mut bystander);
    }

    fn fragments_that_are_too_big_together_are_refused_on_the_header_that_says_so(protocol: Protocol) {
        let server = TestServer::start();
        let mut bystander = member(&server, protocol, &admin("a"));
        let mut client = member(&server, protocol, &admin("b"));
        for n in 0..3_u8 {
            // text first, then continuations; none is the last
            let mut frame = vec![u8::from(n == 0), 0x80 | 127];
            frame.extend(400_000_u64.to_be_bytes());
            frame.extend([0; 4]);
            if n < 2 {
                frame.resize(frame.len() + 400_000, b'x');
            }
            client.stream().write_all(&frame).unwrap();
        }
        assert_eq!(client.expect_close().code, Some(1009));
        assert_untouched(&server, &mut bystander);
    }

    fn a_message_just_under_the_limit_is_heard(protocol: Protocol) {
        let server = TestServer::start();
        let mut client = server.connect(protocol, &user("u1"));
        client.emit("nonsense", json!("x".repeat(999_000)));
        client.expect_error("unknown_event", "Unknown event nonsense");
        client.expect_nothing_but_pong();
    }

    fn bytes_that_are_no_websocket_end_their_socket_alone(protocol: Protocol) {
        let server = TestServer::start();
        let mut bystander = member(&server, protocol, &admin("a"));
        for bytes in [
            &b"\xff\xff\xff\xff\xff\xff"[..],       // reserved bits and opcode
            b"\x81\x05hello",                       // not masked
            b"\x89\xfe\x00\x80\x00\x00\x00\x00",    // a ping of 128 bytes
            b"\x80\x80\x00\x00\x00\x00",            // a continuation of nothing
            b"\x81\x82\x00\x00\x00\x00\xc3\x28",    // no UTF-8
        ] {
            let mut client = member(&server, protocol, &admin("b"));
            client.stream().write_all(bytes).unwrap();
            let (_, close) = client.read_to_end();
            assert!(matches!(close.code, None | Some(1002 | 1007)), "{bytes:x?}: {close:?}");
        }
        eventually_true("they are gone", || server.connections() == 1);
        assert_untouched(&server, &mut bystander);
    }

    fn a_client_that_never_reads_is_dropped_and_the_others_get_all(protocol: Protocol) {
        let server = TestServer::builder().set("limits.unsent_bytes", 65_536).start();
        let mut reader = member(&server, protocol, &admin("a"));
        let slow = Handshake { receive_buffer: Some(4_096), ..Handshake::default() };
        let mut stalled = TestClient::open_with(&server, protocol, &slow).unwrap();
        stalled.connect_with(&admin("b"));
        stalled.skip_initial();
        stalled.emit("subscribe:campaign", json!({"campaignId": "c1"}));
        stalled.wait_for("subscribed");
        // more than what the kernel keeps for a socket on both sides
        let filler = "x".repeat(50_000);
        for n in 0..400 {
            server.publish("campaign:c1", &json!({"eventType": "updated", "n": n, "filler": filler}));
            assert_eq!(reader.expect_event("campaign:updated")["n"], n);
        }
        eventually_true("it is dropped", || server.connections() == 1);
        assert_eq!(server.metric("roomcast_slow_consumers_total", "") as usize, 1);
        // what it has read is an unbroken run
        let (got, close) = stalled.read_to_end();
        let mut next = 0;
        for incoming in got {
            match incoming {
                Incoming::Event(name, data) if name == "campaign:updated" => {
                    assert_eq!(data["n"], next);
                    next += 1;
                }
                Incoming::Event(name, data) => assert_eq!((name.as_str(), &data["code"]), ("error", &json!("slow_consumer"))),
                other => panic!("{other:?}"),
            }
        }
        assert!(next < 400, "all {next} were read");
        assert!(matches!(close.code, None | Some(1000 | 1013)), "{close:?}");
        assert_untouched(&server, &mut reader);
    }

    fn a_client_that_reads_slowly_but_reads_gets_all(protocol: Protocol) {
        let server = TestServer::start();
        let slow = Handshake { receive_buffer: Some(4_096), ..Handshake::default() };
        let mut client = TestClient::open_with(&server, protocol, &slow).unwrap();
        client.connect_with(&admin("b"));
        client.skip_initial();
        client.emit("subscribe:campaign", json!({"campaignId": "c1"}));
        client.wait_for("subscribed");
        let filler = "x".repeat(100_000);
        for round in 0..20 {
            // half of what may wait unsent, read only afterwards
            for n in 0..5 {
                server.publish("campaign:c1", &json!({"eventType": "updated", "n": round * 5 + n, "filler": filler}));
            }
            for n in 0..5 {
                assert_eq!(client.expect_event("campaign:updated")["n"], round * 5 + n);
            }
        }
        client.expect_nothing_but_pong();
    }
}

#[test]
fn plain_a_binary_frame_closes_with_1003() {
    let server = TestServer::start();
    let mut bystander = member(&server, Protocol::Plain, &admin("a"));
    let mut client = server.connect(Protocol::Plain, &user("u1"));
    client.try_send(Message::binary(b"{}".to_vec())).unwrap();
    assert_eq!(client.expect_close(), Close { code: Some(1003), reason: "binary_refused".to_owned() });
    assert_untouched(&server, &mut bystander);
}

#[test]
fn socketio_a_packet_that_is_none_ends_its_socket_alone() {
    let server = TestServer::start();
    let mut bystander = member(&server, Protocol::SocketIo, &admin("a"));
    for packet in [
        "",
        "9",
        "x",
        "4",
        "49",
        "42",
        "42{",
        "42[]",
        "42[5]",
        "42{}",
        r#"42["a""#,
        r#"42["connect"]"#,
        r#"42["disconnect",{}]"#,
        "451-[\"a\"]",
        r#"4599999-["a",{"_placeholder":true,"num":0}]"#,
        "40{",
    ] {
        let mut client = member(&server, Protocol::SocketIo, &admin("b"));
        client.send_text(packet);
        if packet == "451-[\"a\"]" {
            client.send_text("42[\"ping\"]"); // text where an attachment is due
        }
        let (_, close) = client.read_to_end();
        assert!(close.code.is_none_or(|code| (1000..1010).contains(&code)), "{packet}: {close:?}");
    }
    eventually_true("they are gone", || server.connections() == 1);
    assert_untouched(&server, &mut bystander);
}

over_every_transport! {
    fn who_says_too_much_is_told_once_a_second_and_each_ack_is_answered(protocol: Protocol) {
        let server =
            TestServer::builder().set("limits.messages_per_second", 2).set("limits.messages_burst", 5).start();
        let mut bystander = member(&server, protocol, &admin("a"));
        let mut client = server.connect(protocol, &user("u1"));
        let answers: Vec<Value> = (0..30).map(|_| client.request("ping", Value::Null)).collect();
        let refused: Vec<&Value> = answers.iter().filter(|answer| answer["ok"] == false).collect();
        // the CONNECT or the token took one of the burst
        assert!((20..=26).contains(&refused.len()), "{answers:?}");
        assert_eq!(refused[0]["error"]["code"], "rate_limited");
        assert!(refused[0]["error"]["retryAfterMs"].as_u64().is_some_and(|ms| ms <= 500), "{}", refused[0]);
        assert_untouched(&server, &mut bystander);
    }
}

over_both! {
    fn of_those_who_join_at_once_never_one_too_many_is_let_in(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.room_size", 10).set("server.workers", 4);
        let server = settings.set("limits.connections_per_user", 0).start();
        let mut clients: Vec<TestClient> = (0..60).map(|_| server.connect(protocol, &admin("a"))).collect();
        let join = |client: &mut TestClient| client.emit_ack("subscribe:campaign", json!({"campaignId": "c1"}));
        for round in 0..3 {
            let ids: Vec<Value> = clients.iter_mut().map(join).collect();
            let members = |server: &TestServer| server.metric("websocket_room_members", "campaign") as usize;
            assert!(members(&server) <= 10, "{} are in", members(&server));
            let answers: Vec<Value> = clients.iter_mut().zip(&ids).map(|(client, id)| answer(client, id)).collect();
            let full = answers.iter().filter(|answer| answer["error"]["code"] == "room_full").count();
            let in_it = answers.iter().filter(|answer| answer["ok"] == true).count();
            // who is in is never refused: the same ten in every round
            assert_eq!((in_it, full), (10, 50), "round {round}: {answers:?}");
            server.publish("campaign:c1", &json!({"eventType": "updated"}));
            for (client, answer) in clients.iter_mut().zip(&answers) {
                if answer["ok"] == true {
                    client.wait_for("campaign:updated");
                }
            }
        }
        let before = server.metric("websocket_messages_total", "type=\"campaign:updated\"") as usize;
        assert!(before <= 30, "{before} copies of three events");
    }

    fn of_rooms_that_are_joined_at_once_never_one_too_many_is_let_in(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.rooms_per_socket", 20);
        let server = settings.set("limits.messages_per_second", 0).start();
        let mut client = server.connect(protocol, &admin("a"));
        for _ in 0..2 {
            let ids: Vec<Value> = (0..80)
                .map(|n| client.emit_ack("subscribe:campaign", json!({"campaignId": format!("c{n}")})))
                .collect();
            // a refusal overtakes those who wait for the store
            let answers: Vec<Value> = ids.iter().map(|_| any_answer(&mut client)).collect();
            let refused = answers.iter().filter(|answer| answer["error"]["code"] == "room_limit").count();
            let in_it = answers.iter().filter(|answer| answer["ok"] == true).count();
            assert_eq!((in_it, refused), (20, 60), "{answers:?}");
        }
    }
}

/// The next answer, to whatever request.
fn any_answer(client: &mut TestClient) -> Value {
    loop {
        match client.next() {
            Incoming::Answer(_, answer) => return answer,
            closed @ Incoming::Closed(_) => panic!("not answered: {closed:?}"),
            _ => {}
        }
    }
}

/// The answer to a request; events on the way to it are passed over.
fn answer(client: &mut TestClient, id: &Value) -> Value {
    loop {
        match client.next() {
            Incoming::Answer(of, answer) if of == *id => return answer,
            closed @ Incoming::Closed(_) => panic!("{id} was not answered: {closed:?}"),
            _ => {}
        }
    }
}

over_every_transport! {
    fn who_answers_pings_or_polls_is_not_idle(protocol: Protocol) {
        let settings = TestServer::builder().set("limits.idle_check_ms", 50).set("limits.idle_timeout_ms", 1_000);
        let server = settings.set("socketio.ping_interval_ms", 300).set("socketio.ping_timeout_ms", 10_000).start();
        let mut client = server.connect(protocol, &user("u1"));
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(3_000) {
            if protocol.is_old() {
                client.engine().send("2"); // its client pings by itself
            }
            client.expect_silence(std::time::Duration::from_millis(100));
        }
        client.expect_nothing_but_pong();
        assert_eq!(server.metric("websocket_connections_total", "\"connected\"") as usize, 1);
    }
}
