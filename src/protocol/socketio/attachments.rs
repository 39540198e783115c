//! Packets whose binary parts come behind them, each in a binary message of its own.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_ATTACHMENTS, Packet, SocketIoError};

/// A packet's payload with its binary parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// JSON text of an array. Each `{"_placeholder":true,"num":n}` in it stands for `attachments[n]`,
    /// which is there: it has been checked.
    pub json: Box<str>,
    /// In the order of their arrival.
    pub attachments: Vec<Bytes>,
}

/// Collects the attachments that a packet announced. Nothing else may arrive meanwhile.
#[derive(Debug)]
pub struct Reconstructor {
    json: Box<str>,
    attachments: Vec<Bytes>,
    missing: u8,
    /// How many bytes they may still have together.
    room: usize,
}

impl Reconstructor {
    /// Starts with a packet of a binary kind; `max_bytes` bounds the attachments together. Where the
    /// packet announces none, the payload is [complete](Reconstructor::finish) at once.
    ///
    /// # Errors
    /// A packet without a payload; a placeholder for an attachment that was not announced.
    pub fn new(packet: &Packet<'_>, max_bytes: usize) -> Result<Reconstructor, SocketIoError> {
        let data = packet.data.ok_or(SocketIoError::Payload)?;
        check_placeholders(data, packet.attachments)?;
        Ok(Reconstructor {
            json: data.get().into(),
            attachments: Vec::with_capacity(packet.attachments.into()),
            missing: packet.attachments,
            room: max_bytes,
        })
    }

    /// Adds the next binary message.
    ///
    /// # Errors
    /// One more than announced; more bytes than allowed.
    pub fn add(&mut self, bytes: Bytes) -> Result<(), SocketIoError> {
        self.missing = self.missing.checked_sub(1).ok_or(SocketIoError::UnexpectedBinary)?;
        self.room = self.room.checked_sub(bytes.len()).ok_or(SocketIoError::TooManyAttachments)?;
        self.attachments.push(bytes);
        Ok(())
    }

    /// Whether all attachments are there.
    pub fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// The payload, or the collector back where attachments are missing.
    ///
    /// # Errors
    /// The collector itself.
    pub fn finish(self) -> Result<Payload, Reconstructor> {
        if !self.is_complete() {
            return Err(self);
        }
        Ok(Payload { json: self.json, attachments: self.attachments })
    }
}

/// Every placeholder in `json` must name one of `count` attachments.
fn check_placeholders(json: &RawValue, count: u8) -> Result<(), SocketIoError> {
    let mut parser = serde_json::Deserializer::from_str(json.get());
    // grammar has been checked: what fails here is a placeholder, or a number that nothing can hold
    Placeholders { count: count.min(MAX_ATTACHMENTS) }
        .deserialize(&mut parser)
        .map_err(|_| SocketIoError::Placeholder)
}

/// Walks a value without building it; its depth was bounded when the packet was read.
#[derive(Clone, Copy)]
struct Placeholders {
    count: u8,
}

impl<'de> DeserializeSeed<'de> for Placeholders {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Placeholders {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("placeholders of attachments that were announced")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut is_placeholder, mut num_is_good) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "_placeholder" => is_placeholder = map.next_value::<&RawValue>()?.get() == "true",
                "num" => num_is_good = self.names_one(map.next_value::<&RawValue>()?)?,
                _ => map.next_value_seed(self)?,
            }
        }
        if is_placeholder && !num_is_good {
            return Err(serde::de::Error::custom("a placeholder without its attachment"));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

impl Placeholders {
    /// Whether `num` is a whole number below the count; what is nested in it is walked like anything else.
    fn names_one<E: serde::de::Error>(self, num: &RawValue) -> Result<bool, E> {
        self.deserialize(&mut serde_json::Deserializer::from_str(num.get())).map_err(E::custom)?;
        Ok(num.get().parse::<u8>().is_ok_and(|num| num < self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> Result<Reconstructor, SocketIoError> {
        Reconstructor::new(&Packet::parse(text)?, 100)
    }

    #[test]
    fn a_packet_is_complete_with_its_last_attachment() {
        let json = r#"["a",{"_placeholder":true,"num":1},[{"x":{"num":0,"_placeholder":true}}]]"#;
        let mut collector = start(&format!("52-{json}")).unwrap();
        collector.add(Bytes::from_static(b"one")).unwrap();
        let mut collector = collector.finish().unwrap_err();
        collector.add(Bytes::from_static(b"two")).unwrap();
        assert!(collector.is_complete());
        assert_eq!(collector.add(Bytes::new()), Err(SocketIoError::UnexpectedBinary));
        let payload = collector.finish().unwrap();
        assert_eq!(&*payload.json, json);
        assert_eq!(payload.attachments, [&b"one"[..], b"two"]);
    }

    #[test]
    fn a_packet_may_announce_none() {
        assert!(start("50-[\"a\",{\"_placeholder\":false,\"num\":7}]").unwrap().is_complete());
    }

    #[test]
    fn a_placeholder_that_names_no_attachment_is_refused() {
        for num in ["1", "-1", "0.5", "\"0\"", "\"splice\"", "null", "{}", "256", "[0]", "1e0"] {
            let text = format!("51-[\"a\",{{\"b\":[{{\"_placeholder\":true,\"num\":{num}}}]}}]");
            assert_eq!(start(&text).unwrap_err(), SocketIoError::Placeholder, "{num}");
        }
        assert_eq!(start("51-[\"a\",{\"_placeholder\":true}]").unwrap_err(), SocketIoError::Placeholder);
        let hidden = r#"51-["a",{"num":{"_placeholder":true,"num":3}}]"#;
        assert_eq!(start(hidden).unwrap_err(), SocketIoError::Placeholder);
        let escaped = r#"51-["a",{"\u005fplaceholder":true,"num":3}]"#;
        assert_eq!(start(escaped).unwrap_err(), SocketIoError::Placeholder);
    }

    #[test]
    fn attachments_are_bounded_in_bytes_together() {
        let mut collector = start("52-[\"a\"]").unwrap();
        collector.add(Bytes::from(vec![0; 60])).unwrap();
        assert_eq!(collector.add(Bytes::from(vec![0; 60])), Err(SocketIoError::TooManyAttachments));
    }

    proptest::proptest! {
        #[test]
        fn no_payload_panics(inner in "[\\[\\]{}\":,0-9a]{0,20}", num in "[-0-9.e\"]{1,4}") {
            let _ = start(&format!("51-[\"a\",{inner}{{\"_placeholder\":true,\"num\":{num}}}]"));
        }
    }
}
