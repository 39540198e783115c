//! RFC 6455 to the letter, frame by frame, against the bare websocket of the echo server.
#![cfg(feature = "hub")]

mod common;

use common::raw::{BINARY, CLOSE, FIN, MORE, PING, PONG, TEXT, header, masked};
use common::*;

fn open(server: &EchoServer) -> Raw {
    Raw::open(server.port(), "/echo")
}

/// It still answers.
fn assert_alive(raw: &mut Raw) {
    raw.send(FIN | TEXT, b"still here");
    raw.expect(FIN | TEXT, b"still here");
}

/// Each of these is closed with the code, and then by the server the connection.
fn refused(code: u16, each: &[(&str, Vec<u8>)]) {
    let server = EchoServer::start();
    let mut bystander = open(&server);
    // all at once: the server gives each some time to answer its close frame
    let mut all: Vec<(&str, Raw)> = each.iter().map(|(what, _)| (*what, open(&server))).collect();
    for ((what, raw), (_, bytes)) in all.iter_mut().zip(each) {
        raw.write(bytes);
        let (first, payload) = raw.frame();
        assert_eq!((first, payload.get(..2)), (FIN | CLOSE, Some(&code.to_be_bytes()[..])), "{what}");
    }
    for (_, raw) in &mut all {
        raw.expect_end();
    }
    assert_alive(&mut bystander);
}

#[test]
fn messages_of_every_form_of_length_come_back() {
    let server = EchoServer::start();
    let mut raw = open(&server);
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
        let payload = vec![b'*'; len];
        raw.send(FIN | TEXT, &payload);
        raw.expect(FIN | TEXT, &payload);
        let bytes = vec![0xfe; len];
        raw.send(FIN | BINARY, &bytes);
        raw.expect(FIN | BINARY, &bytes);
    }
}

#[test]
fn a_frame_may_come_byte_by_byte() {
    let server = EchoServer::start();
    let mut raw = open(&server);
    for byte in masked(FIN | TEXT, &"é".repeat(100).into_bytes()) {
        raw.write(&[byte]);
    }
    raw.expect(FIN | TEXT, "é".repeat(100).as_bytes());
}

#[test]
fn control_frames_between_fragments_are_answered_at_once_and_break_nothing() {
    let server = EchoServer::start();
    let mut raw = open(&server);
    for round in 0..3 {
        raw.send(TEXT, b"one ");
        raw.send(FIN | PING, b"between");
        raw.expect(FIN | PONG, b"between");
        raw.send(MORE, b"two ");
        raw.send(FIN | PONG, b"nobody asked");
        raw.send(MORE, b"");
        raw.send(FIN | PING, b"");
        raw.expect(FIN | PONG, b"");
        raw.send(FIN | MORE, format!("{round}").as_bytes());
        raw.expect(FIN | TEXT, format!("one two {round}").as_bytes());
    }
}

#[test]
fn a_pong_has_the_payload_of_its_ping_whatever_it_is_and_unasked_pongs_are_ignored() {
    let server = EchoServer::start();
    let mut raw = open(&server);
    for payload in [&b""[..], b"hello", &[0, 0xff, 0xfe, 0xfd, 0], &[0xfe; 125]] {
        raw.send(FIN | PONG, payload);
        raw.send(FIN | PING, payload);
        raw.expect(FIN | PONG, payload);
    }
    let many: Vec<u8> = (0..200_u8).flat_map(|n| masked(FIN | PING, &[n])).collect();
    raw.write(&many);
    for n in 0..200_u8 {
        raw.expect(FIN | PONG, &[n]);
    }
    assert_alive(&mut raw);
}

#[test]
fn control_frames_that_are_long_or_in_pieces_are_refused() {
    refused(
        1002,
        &[
            ("a ping of 126 bytes", masked(FIN | PING, &[0; 126])),
            ("a close of 126 bytes", masked(FIN | CLOSE, &[3; 126])),
            ("a ping that announces 1 GiB", header(FIN | PING, 1 << 30)),
            ("a ping in pieces", masked(PING, b"a")),
            ("a pong in pieces", masked(PONG, b"a")),
            ("a close in pieces", masked(CLOSE, &1000_u16.to_be_bytes())),
        ],
    );
}

#[test]
fn reserved_bits_and_opcodes_and_frames_without_a_mask_are_refused() {
    let mut each = Vec::new();
    for bit in [0x40, 0x20, 0x10, 0x70] {
        each.push(("a reserved bit of a text", masked(FIN | bit | TEXT, b"x")));
        each.push(("a reserved bit of a ping", masked(FIN | bit | PING, b"")));
        each.push(("a reserved bit of a fragment", [masked(TEXT, b"x"), masked(FIN | bit, b"y")].concat()));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        each.push(("a reserved opcode", masked(FIN | opcode, b"")));
        each.push((
            "a reserved opcode between fragments",
            [masked(TEXT, b"x"), masked(FIN | opcode, b"")].concat(),
        ));
    }
    each.push(("no mask", b"\x81\x01x".to_vec()));
    each.push(("no mask, no payload", b"\x89\x00".to_vec()));
    each.push((
        "a length of 16 bits that fits into 7",
        [&[0x81, 0xfe, 0, 5, 0, 0, 0, 0][..], b"short"].concat(),
    ));
    each.push(("a length of 64 bits that fits into 16", vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]));
    each.push(("a length whose highest bit is set", vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]));
    refused(1002, &each);
}

#[test]
fn fragments_out_of_order_are_refused() {
    refused(
        1002,
        &[
            ("the end of nothing", masked(FIN | MORE, b"x")),
            ("more of nothing", masked(MORE, b"")),
            ("a text within a text", [masked(TEXT, b"a"), masked(FIN | TEXT, b"b")].concat()),
            ("bytes within a text", [masked(TEXT, b"a"), masked(BINARY, b"b")].concat()),
        ],
    );
}

#[test]
fn characters_may_be_cut_by_fragments_anywhere() {
    let server = EchoServer::start();
    let text = "κόσμε 😀\u{10ffff}\u{feff}\0";
    for size in 1..6 {
        let mut raw = open(&server);
        let mut pieces = text.as_bytes().chunks(size).peekable();
        let mut kind = TEXT;
        while let Some(piece) = pieces.next() {
            raw.send(kind | if pieces.peek().is_none() { FIN } else { 0 }, piece);
            kind = MORE;
        }
        raw.expect(FIN | TEXT, text.as_bytes());
    }
}

/// No text: beyond Unicode, half of a pair, too long a form, cut off, no beginning.
const NO_TEXT: [&[u8]; 8] = [
    b"\xf4\x90\x80\x80",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xff",
    b"\x80",
    b"\xce(",
    b"\xf8\x88\x80\x80\x80",
];

#[test]
fn text_that_is_no_utf8_is_refused_whole_or_in_fragments() {
    let mut each = Vec::new();
    for bytes in NO_TEXT {
        each.push(("whole", masked(FIN | TEXT, bytes)));
        let pieces = [masked(TEXT, "κόσμε".as_bytes()), masked(FIN | MORE, bytes)];
        each.push(("in fragments", pieces.concat()));
    }
    let cut = "😀".as_bytes();
    each.push(("a character without its end", masked(FIN | TEXT, &cut[..3])));
    each.push((
        "in fragments without its end",
        [masked(TEXT, &cut[..2]), masked(FIN | MORE, &cut[2..3])].concat(),
    ));
    refused(1007, &each);
}

#[test]
fn text_that_can_become_no_utf8_any_more_is_refused_before_its_message_ends() {
    // none of these ends its message
    let mut each: Vec<_> = NO_TEXT.iter().map(|bytes| ("the first fragment", masked(TEXT, bytes))).collect();
    for bytes in NO_TEXT {
        each.push(("a later one", [masked(TEXT, "κόσμε".as_bytes()), masked(MORE, bytes)].concat()));
    }
    each.push(("a character that goes on wrongly", [masked(TEXT, b"\xce"), masked(MORE, b"(")].concat()));
    // nor its frame
    for bytes in NO_TEXT {
        let frame = masked(FIN | TEXT, &[bytes, &[b'x'; 100]].concat());
        each.push(("a frame under way", frame[..frame.len() - 50].to_vec()));
    }
    refused(1007, &each);
}

#[test]
fn what_has_ended_is_not_continued() {
    let server = EchoServer::start();
    let mut raw = open(&server);
    raw.write(&[masked(TEXT, b""), masked(FIN | MORE, b""), masked(FIN | MORE, b"")].concat());
    raw.expect(FIN | TEXT, b"");
    raw.expect_closed(1002);
}

#[test]
fn bytes_need_not_be_text() {
    let server = EchoServer::start();
    let mut raw = open(&server);
    for bytes in NO_TEXT {
        raw.send(BINARY, bytes);
        raw.send(FIN | MORE, bytes);
        raw.expect(FIN | BINARY, &[bytes, bytes].concat());
    }
}

#[test]
fn a_close_is_answered_with_its_code_and_the_server_closes_the_connection() {
    let server = EchoServer::start();
    let good =
        [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
    for code in good {
        for reason in [&b""[..], "leaving: é".as_bytes(), &[b'*'; 123]] {
            let mut raw = open(&server);
            raw.send(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat());
            raw.expect_closed(code);
        }
    }
    let mut raw = open(&server);
    raw.send(FIN | CLOSE, b"");
    raw.expect_closed(1000);
}

#[test]
fn a_close_with_half_a_code_or_one_that_may_not_be_sent_is_a_fault() {
    let mut each = vec![("half a code", masked(FIN | CLOSE, &[3]))];
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        each.push(("a code that may not be sent", masked(FIN | CLOSE, &code.to_be_bytes())));
    }
    refused(1002, &each);
    refused(1007, &[("a reason that is no text", masked(FIN | CLOSE, &[3, 232, 0xce, 0xff]))]);
}

#[test]
fn what_comes_behind_a_close_is_not_heard() {
    let server = EchoServer::start();
    for behind in [masked(FIN | TEXT, b"late"), masked(FIN | PING, b"late"), b"no frame at all".to_vec()] {
        let mut raw = open(&server);
        let close = masked(FIN | CLOSE, &1000_u16.to_be_bytes());
        raw.write(&[masked(FIN | TEXT, b"before"), close, behind].concat());
        raw.expect(FIN | TEXT, b"before");
        raw.expect_closed(1000);
    }
}

#[test]
fn a_close_between_fragments_ends_the_message_that_was_under_way() {
    let server = EchoServer::start();
    let mut raw = open(&server);
    raw.send(TEXT, b"never to be whole");
    raw.send(FIN | CLOSE, &1001_u16.to_be_bytes());
    raw.expect_closed(1001);
}

#[test]
fn a_close_of_the_hub_is_to_be_answered_but_the_connection_ends_without_an_answer_too() {
    let server = TestServer::builder().set("auth.timeout_ms", 200).start();
    let mut answers = Raw::open(server.port(), "/ws");
    let mut silent = Raw::open(server.port(), "/ws");
    for raw in [&mut answers, &mut silent] {
        assert_eq!(raw.frame().0, FIN | TEXT, "an error says why");
        assert_eq!(raw.expect_close_frame(4401), "unauthenticated");
    }
    answers.send(FIN | CLOSE, &4401_u16.to_be_bytes());
    answers.expect_end();
    silent.expect_end();
    eventually_true("nothing is left", || server.connections() == 0);
}

#[test]
fn a_message_in_4096_fragments_is_heard_and_in_one_more_is_refused() {
    let server = TestServer::start();
    let fragments = |count: usize| -> Vec<u8> {
        let text = r#"{"event":"ping","id":1}"#.as_bytes();
        let empty = masked(MORE, b"").repeat(count - 2);
        [masked(TEXT, &text[..5]), empty, masked(FIN | MORE, &text[5..])].concat()
    };
    let opened = || {
        let mut raw = Raw::open(server.port(), &format!("/ws?token={}", user("u1")));
        for _ in 0..4 {
            assert_eq!(raw.frame().0, FIN | TEXT, "connected and what comes at first");
        }
        raw
    };
    let mut raw = opened();
    raw.write(&fragments(4_096));
    assert!(String::from_utf8(raw.frame().1).unwrap().contains("pong"));
    let mut raw = opened();
    raw.write(&fragments(4_097));
    raw.expect_close_frame(1009);
}
