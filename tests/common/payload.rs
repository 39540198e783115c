//! The bodies of long-polling, written down a second time so that a fault of the hub's own cannot hide.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::engine::Version;

/// Between two packets of version 4.
const SEPARATOR: char = '\u{1e}';
/// Headers of a text body.
pub const TEXT: (&str, &str) = ("Content-Type", "text/plain;charset=UTF-8");
/// Headers of a binary body.
pub const BINARY: (&str, &str) = ("Content-Type", "application/octet-stream");

/// A packet of Engine.IO: text with its type in front, or the bytes of a binary message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// Its type and data.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// A packet of text.
pub fn text(text: &str) -> Packet {
    Packet::Text(text.to_owned())
}

/// A binary packet.
pub fn binary(bytes: &[u8]) -> Packet {
    Packet::Binary(bytes.to_vec())
}

/// A body of these packets and its content type. Version 3 takes its binary form where there is something
/// binary in it.
pub fn encode(version: Version, packets: &[Packet]) -> (Vec<u8>, (&'static str, &'static str)) {
    let any_binary = packets.iter().any(|packet| matches!(packet, Packet::Binary(_)));
    match version {
        Version::V4 => {
            let texts: Vec<String> = packets.iter().map(|packet| as_text(packet, "b")).collect();
            (texts.join(&SEPARATOR.to_string()).into_bytes(), TEXT)
        }
        Version::V3 if any_binary => (packets.iter().flat_map(v3_binary).collect(), BINARY),
        Version::V3 => (v3_text(packets), TEXT),
    }
}

/// Version 3's text form, binary packets in base64.
pub fn v3_text(packets: &[Packet]) -> Vec<u8> {
    let one = |packet| {
        let text = as_text(packet, "b4");
        format!("{}:{text}", text.encode_utf16().count())
    };
    packets.iter().map(one).collect::<String>().into_bytes()
}

fn as_text(packet: &Packet, prefix: &str) -> String {
    match packet {
        Packet::Text(text) => text.clone(),
        Packet::Binary(bytes) => format!("{prefix}{}", BASE64.encode(bytes)),
    }
}

fn v3_binary(packet: &Packet) -> Vec<u8> {
    let (kind, data) = match packet {
        Packet::Text(text) => (0, text.clone().into_bytes()),
        Packet::Binary(bytes) => (1, [&[4], bytes.as_slice()].concat()),
    };
    let digits = data.len().to_string().into_bytes();
    [vec![kind], digits.iter().map(|digit| digit - b'0').collect(), vec![255], data].concat()
}

/// The packets of a body.
pub fn decode(version: Version, content_type: &str, body: &[u8]) -> Vec<Packet> {
    match (version, content_type) {
        (Version::V3, "application/octet-stream") => decode_v3_binary(body),
        (_, "text/plain; charset=UTF-8") => {
            let body = std::str::from_utf8(body).expect("UTF-8");
            match version {
                Version::V4 => body.split(SEPARATOR).map(|packet| of_text(packet, "b")).collect(),
                Version::V3 => decode_v3_text(body),
            }
        }
        _ => panic!("an unexpected content type: {content_type}"),
    }
}

fn of_text(packet: &str, prefix: &str) -> Packet {
    match packet.strip_prefix(prefix) {
        Some(base64) => Packet::Binary(BASE64.decode(base64).expect("base64")),
        None => text(packet),
    }
}

fn decode_v3_text(mut body: &str) -> Vec<Packet> {
    let mut packets = Vec::new();
    while !body.is_empty() {
        let (units, rest) = body.split_once(':').expect("a length");
        let mut left: usize = units.parse().expect("digits");
        let mut end = 0;
        for character in rest.chars() {
            if left == 0 {
                break;
            }
            left = left.checked_sub(character.len_utf16()).expect("whole characters");
            end += character.len_utf8();
        }
        assert_eq!(left, 0, "a packet is cut off: {body}");
        packets.push(of_text(&rest[..end], "b4"));
        body = &rest[end..];
    }
    packets
}

fn decode_v3_binary(mut body: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let Some((kind, rest)) = body.split_first() {
        let end = rest.iter().position(|byte| *byte == 255).expect("the end of a length");
        let len = rest[..end].iter().fold(0, |sum, digit| sum * 10 + usize::from(*digit));
        let (data, rest) = rest[end + 1..].split_at(len);
        packets.push(match kind {
            0 => Packet::Text(String::from_utf8(data.to_vec()).expect("UTF-8")),
            1 => Packet::Binary(data.strip_prefix(&[4]).expect("a message").to_vec()),
            _ => panic!("packets are text or binary, not {kind}"),
        });
        body = rest;
    }
    packets
}
