//! Socket.IO 4 and 5 against the example `echo_server`: namespaces, events, acks, attachments.
#![cfg(feature = "hub")]

mod common;

use std::time::Duration;

use common::*;

const PATH: &str = "/socket.io/";
/// Stands in a payload for the attachment of this number.
const FIRST: &str = r#"{"_placeholder":true,"num":0}"#;
const SECOND: &str = r#"{"_placeholder":true,"num":1}"#;

fn begin(server: &EchoServer, version: Version, way: Way) -> Engine {
    Engine::open(server.port(), &Opening::new(PATH, version, way))
}

/// A client that is in `/`.
fn connected(server: &EchoServer, version: Version, way: Way) -> Engine {
    let mut client = begin(server, version, way);
    if version == Version::V4 {
        client.send("40");
    }
    expect_connected(&mut client, version, "");
    client.expect(r#"42["auth",{}]"#);
    client
}

/// The next packet is the CONNECT of a namespace (with a comma; empty is `/`); gives the socket's id there.
fn expect_connected(client: &mut Engine, version: Version, nsp: &str) -> String {
    let packet = client.expect_text();
    let data = packet.strip_prefix(&format!("40{nsp}")).unwrap_or_else(|| panic!("no CONNECT: {packet}"));
    if version == Version::V3 {
        assert_eq!(data, "", "old clients are told no id");
        return client.sid().to_owned();
    }
    let data = wire::parse(data);
    let sid = data["sid"].as_str().unwrap().to_owned();
    assert_eq!(data, json!({"sid": sid}));
    assert_ne!(sid, client.sid(), "the session's name is a secret");
    sid
}

/// The connection is alive, and nothing waits before the answer.
fn assert_alive(client: &mut Engine) {
    client.send(r#"42["message","alive"]"#);
    client.expect(r#"42["message-back","alive"]"#);
}

/// An event with attachments as it is sent.
fn with_attachments(packet: &str, attachments: &[&[u8]]) -> Vec<Packet> {
    let binary = attachments.iter().map(|bytes| binary(bytes));
    std::iter::once(text(packet)).chain(binary).collect()
}

over_engine! {
    fn the_main_namespace_is_joined(version: Version, way: Way) {
        let server = EchoServer::start();
        assert_alive(&mut connected(&server, version, way));
    }

    fn what_a_client_says_when_it_connects_is_its_auth(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = begin(&server, version, way);
        // old clients are in `/` already, and can say nothing
        let (packet, auth) = match version {
            Version::V4 => (r#"40{"token":"123","n":[1,{}]}"#, r#"42["auth",{"token":"123","n":[1,{}]}]"#),
            Version::V3 => ("40", r#"42["auth",{}]"#),
        };
        if version == Version::V4 {
            client.send(packet);
        }
        expect_connected(&mut client, version, "");
        client.expect(auth);
    }

    fn another_namespace_is_joined_beside_it(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        let (packet, auth) = match version {
            Version::V4 => (r#"40/custom,{"token":"abc"}"#, r#"42/custom,["auth",{"token":"abc"}]"#),
            Version::V3 => ("40/custom?token=abc,", r#"42/custom,["auth",{}]"#),
        };
        client.send(packet);
        let sid = expect_connected(&mut client, version, "/custom,");
        if version == Version::V4 {
            assert!(sid.len() >= 20);
        }
        client.expect(auth);
        client.send(r#"42/custom,["message",1]"#);
        client.expect(r#"42/custom,["message-back",1]"#);
        client.send(r#"42/custom,7["message-with-ack","a",2]"#);
        client.expect(r#"43/custom,7["a",2]"#);
        assert_alive(&mut client);
    }

    fn a_namespace_may_be_named_without_its_comma(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send("40/custom");
        expect_connected(&mut client, version, "/custom,");
    }

    fn a_namespace_that_there_is_not_is_refused_and_nothing_else_is_touched(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send("40/random,");
        client.expect(match version {
            Version::V4 => r#"44/random,{"message":"Invalid namespace"}"#,
            Version::V3 => r#"44/random,"Invalid namespace""#,
        });
        client.send(r#"42/random,["message",1]"#);
        client.send(r#"42/random,3["message-with-ack",1]"#);
        assert_alive(&mut client);
    }

    fn a_second_connect_changes_nothing(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send("40");
        client.send(r#"40{"token":"other"}"#);
        assert_alive(&mut client);
    }

    fn who_leaves_a_namespace_hears_no_more_of_it_and_may_come_again(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send("41");
        client.send(r#"42["message","late"]"#);
        client.send("40");
        expect_connected(&mut client, version, "");
        client.expect(r#"42["auth",{}]"#);
        assert_alive(&mut client);
    }

    fn who_leaves_one_namespace_stays_in_the_others(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send("40/custom,");
        expect_connected(&mut client, version, "/custom,");
        client.expect(r#"42/custom,["auth",{}]"#);
        client.send("41/custom,");
        client.send(r#"42/custom,["message","late"]"#);
        assert_alive(&mut client);
        client.send("40/custom,");
        expect_connected(&mut client, version, "/custom,");
        client.expect(r#"42/custom,["auth",{}]"#);
        client.send("41");
        client.send(r#"42/custom,["message",2]"#);
        client.expect(r#"42/custom,["message-back",2]"#);
    }

    fn arguments_come_back_as_they_were(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        for args in ["", r#","a""#, r#",1,"2",{"3":[true,null]},[]"#, ",1.50,1e400,12345678901234567890", r#","\u0000é😀""#] {
            client.send(&format!(r#"42["message"{args}]"#));
            client.expect(&format!(r#"42["message-back"{args}]"#));
        }
    }

    fn an_ack_has_the_digits_that_it_was_asked_with(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        for id in ["0", "456", "007", "9007199254740993", "9999999999999999999"] {
            client.send(&format!(r#"42{id}["message-with-ack",1,"2",{{"3":[false]}}]"#));
            client.expect(&format!(r#"43{id}[1,"2",{{"3":[false]}}]"#));
        }
        client.send(r#"4299999999999999999999["message-with-ack",1]"#);
        client.expect_close();
    }

    fn attachments_come_back(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send_all(&with_attachments(&format!(r#"452-["message",{FIRST},{{"b":[{SECOND}]}}]"#), &[&[1, 2, 3], &[]]));
        client.expect(&format!(r#"452-["message-back",{FIRST},{{"b":[{SECOND}]}}]"#));
        client.expect_binary(&[1, 2, 3]);
        client.expect_binary(&[]);
        client.send_all(&with_attachments(&format!(r#"451-789["message-with-ack",{FIRST},"x"]"#), &[&[4, 0, 255]]));
        client.expect(&format!(r#"461-789[{FIRST},"x"]"#));
        client.expect_binary(&[4, 0, 255]);
        assert_alive(&mut client);
    }

    fn attachments_come_back_in_another_namespace(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send("40/custom,");
        expect_connected(&mut client, version, "/custom,");
        client.expect(r#"42/custom,["auth",{}]"#);
        client.send_all(&with_attachments(&format!(r#"451-/custom,["message",{FIRST}]"#), &[&[1]]));
        client.expect(&format!(r#"451-/custom,["message-back",{FIRST}]"#));
        client.expect_binary(&[1]);
        client.send_all(&with_attachments(&format!(r#"451-/custom,05["message-with-ack",{FIRST}]"#), &[&[2]]));
        client.expect(&format!(r#"461-/custom,05[{FIRST}]"#));
        client.expect_binary(&[2]);
    }

    fn attachments_may_come_in_requests_of_their_own_and_without_any_the_packet_is_complete(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send(&format!(r#"452-["message",{FIRST},{SECOND}]"#));
        client.send_all(&[binary(b"one")]);
        client.send_all(&[binary(b"two")]);
        client.expect(&format!(r#"452-["message-back",{FIRST},{SECOND}]"#));
        client.expect_binary(b"one");
        client.expect_binary(b"two");
        client.send(r#"450-["message",1]"#);
        client.expect(r#"42["message-back",1]"#);
    }

    fn ten_attachments_are_taken_and_as_many_bytes_as_a_message_may_have(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        let placeholders: Vec<String> = (0..10).map(|n| FIRST.replace('0', &n.to_string())).collect();
        let placeholders = placeholders.join(",");
        // in requests of their own, since base64 makes them longer
        client.send(&format!(r#"4510-["message",{placeholders}]"#));
        let bytes = vec![7; 100_000];
        for _ in 0..10 {
            client.send_all(&[binary(&bytes)]);
        }
        client.expect(&format!(r#"4510-["message-back",{placeholders}]"#));
        for _ in 0..10 {
            client.expect_binary(&bytes);
        }
        assert_alive(&mut client);
    }

    fn bytes_over_the_largest_message_close_the_session(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send(&format!(r#"452-["message",{FIRST},{SECOND}]"#));
        client.send_all(&[binary(&vec![0; 600_000])]);
        client.send_all(&[binary(&vec![0; 600_000])]);
        client.expect_close();
    }

    fn packets_that_are_none_close_the_session(version: Version, way: Way) {
        let server = EchoServer::start();
        let eleven = format!(r#"4511-["message",{FIRST}]"#);
        for bad in [
            "4abc",
            "44\"no client sends this\"",
            "47",
            "42{}",
            "42[]",
            "42[1]",
            "42[null,1]",
            r#"42["message""#,
            r#"42["message",01]"#,
            r#"42abc["message-with-ack",1]"#,
            r#"421.5["message-with-ack",1]"#,
            r#"42-1["message-with-ack",1]"#,
            r#"42["connect"]"#,
            r#"42["connect_error"]"#,
            r#"42["disconnect"]"#,
            r#"42["disconnecting"]"#,
            r#"42["newListener"]"#,
            r#"42["removeListener"]"#,
            "43[1]",
            "41{}",
            "45[\"message\"]",
            "451[\"message\"]",
            "45-[\"message\"]",
            &eleven,
            &format!(r#"450-["message",{FIRST}]"#),
            &format!(r#"451-["message",{SECOND}]"#),
            r#"451-["message",{"_placeholder":true}]"#,
            r#"451-["message",{"_placeholder":true,"num":"0"}]"#,
            r#"451-["message",{"_placeholder":true,"num":-1}]"#,
        ] {
            let mut client = connected(&server, version, way);
            client.send(bad);
            let (mut other, closed) = (Vec::new(), Duration::from_millis(2_000));
            while let Some(Received::Packet(packet)) = client.next_within(closed) {
                other.push(packet);
            }
            assert_eq!(other, [], "{bad}");
            assert!(matches!(client.next_within(closed), Some(Received::Closed(_))), "{bad} did not close the session");
        }
    }

    fn bytes_without_their_packet_close_the_session(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send_all(&[binary(&[1])]);
        client.expect_close();
    }

    fn one_attachment_too_many_closes_the_session(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send_all(&with_attachments(&format!(r#"451-["message",{FIRST}]"#), &[&[1]]));
        client.expect(&format!(r#"451-["message-back",{FIRST}]"#));
        client.expect_binary(&[1]);
        client.send_all(&[binary(&[2])]);
        client.expect_close();
    }

    fn a_text_between_a_packet_and_its_attachment_closes_the_session(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        let packet = format!(r#"451-["message",{FIRST}]"#);
        client.send_all(&[text(&packet), text(r#"42["message",1]"#), binary(&[1])]);
        client.expect_close();
    }

    fn a_heartbeat_between_a_packet_and_its_attachment_does_not(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        let packet = format!(r#"451-["message",{FIRST}]"#);
        let beat = if version == Version::V4 { "3" } else { "2" };
        client.send_all(&[text(&packet), text(beat), binary(&[1])]);
        client.expect(&format!(r#"451-["message-back",{FIRST}]"#));
        client.expect_binary(&[1]);
    }

    fn acks_that_nobody_asked_for_are_dropped(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        client.send("430[1]");
        client.send("43/custom,1[]");
        client.send_all(&with_attachments(&format!("461-0[{FIRST}]"), &[&[1]]));
        assert_alive(&mut client);
    }

    fn hundreds_of_events_and_acks_with_and_without_attachments_keep_their_order(version: Version, way: Way) {
        let server = EchoServer::start();
        let mut client = connected(&server, version, way);
        for round in 0..10 {
            let mut packets = Vec::new();
            for n in 0..20 {
                packets.push(text(&format!(r#"42["message",{round},{n}]"#)));
                packets.extend(with_attachments(&format!(r#"451-{n}["message-with-ack",{round},{FIRST}]"#), &[&[round, n]]));
            }
            client.send_all(&packets);
        }
        for round in 0..10 {
            for n in 0..20 {
                client.expect(&format!(r#"42["message-back",{round},{n}]"#));
                client.expect(&format!(r#"461-{n}[{round},{FIRST}]"#));
                client.expect_binary(&[round, n]);
            }
        }
    }
}

#[test]
fn v4_before_connect_nothing_may_be_said() {
    let server = EchoServer::start();
    for way in Way::ALL {
        for early in [r#"42["message",1]"#, "4abc", "40/custom", "431[1]"] {
            let mut client = begin(&server, Version::V4, way);
            client.send(early);
            if early == "40/custom" {
                expect_connected(&mut client, Version::V4, "/custom,"); // `/` need not be joined
            } else {
                client.expect_close();
            }
        }
    }
}
