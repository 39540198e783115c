//! What a peer has not taken yet, in order. Pure.
//!
//! Where only the newest of an event counts, a newer one takes an older one out of the line and goes to its end;
//! not what has begun to leave. Everything else keeps its order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// Superseded parts, or keys of parts that have left, that may be remembered before anybody looks for them.
const FEW: usize = 32;

/// What waits for one peer.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Superseded parts are empty.
    parts: VecDeque<Bytes>,
    bytes: usize,
    /// Some of the front part has left.
    begun: bool,
    /// Only where something that may be superseded waits.
    latest: Option<Box<Latest>>,
}

/// Where what may be superseded stands. Parts are numbered as they come.
#[derive(Debug, Default)]
struct Latest {
    /// The number of the front part.
    front: u64,
    at: HashMap<Arc<str>, u64>,
    /// How many parts are superseded and still in line.
    gaps: usize,
}

impl Backlog {
    /// How much waits.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes out of the line what something with this key supersedes. Returns how much that was.
    pub fn supersede(&mut self, key: &str) -> usize {
        let Some(latest) = &mut self.latest else { return 0 };
        let Some(number) = latest.at.remove(key).filter(|number| *number >= latest.front) else { return 0 };
        if number == latest.front && self.begun {
            return 0;
        }
        let part = self.parts.get_mut((number - latest.front) as usize).map(std::mem::take);
        let len = part.map_or(0, |part| part.len());
        latest.gaps += 1;
        self.bytes -= len;
        self.tidy();
        len
    }

    /// Puts a part at the end; whatever has the same key has been superseded before.
    pub fn push(&mut self, part: Bytes, key: Option<&Arc<str>>) {
        if let Some(key) = key {
            let latest = self.latest.get_or_insert_default();
            latest.at.insert(Arc::clone(key), latest.front + self.parts.len() as u64);
            if latest.at.len() > FEW + 2 * self.parts.len() {
                let front = latest.front;
                latest.at.retain(|_, number| *number >= front);
            }
        }
        self.bytes += part.len();
        self.parts.push_back(part);
    }

    /// What is to leave next.
    pub fn front(&mut self) -> Option<&Bytes> {
        while self.parts.front().is_some_and(Bytes::is_empty) {
            self.pop();
        }
        self.parts.front()
    }

    /// So much of the front part has left.
    pub fn sent(&mut self, len: usize) {
        let Some(front) = self.parts.front_mut() else { return };
        self.bytes -= len;
        if len == front.len() {
            self.pop();
        } else {
            let _ = front.split_to(len);
            self.begun |= len > 0;
        }
    }

    fn pop(&mut self) {
        let part = self.parts.pop_front();
        if let Some(latest) = &mut self.latest {
            latest.front += 1;
            latest.gaps -= usize::from(part.is_some_and(|part| part.is_empty()));
        }
        self.begun = false;
    }

    /// All that waits, in one piece.
    pub fn join(mut self) -> Bytes {
        if self.parts.len() == 1 {
            return self.parts.pop_front().unwrap_or_default();
        }
        let mut out = BytesMut::with_capacity(self.bytes);
        self.parts.iter().for_each(|part| out.extend_from_slice(part));
        out.freeze()
    }

    /// Closes the gaps where there are many: each costs the same time, averaged.
    fn tidy(&mut self) {
        let Some(latest) = &mut self.latest else { return };
        if latest.gaps <= FEW.max(self.parts.len() / 2) {
            return;
        }
        // where each part stands then
        let mut kept = 0;
        let stands = |part: &Bytes| {
            kept += u64::from(!part.is_empty());
            kept.saturating_sub(1)
        };
        let places: Vec<u64> = self.parts.iter().map(stands).collect();
        let front = std::mem::take(&mut latest.front);
        latest.at.retain(|_, number| {
            let place = number.checked_sub(front).and_then(|at| places.get(at as usize));
            place.is_some_and(|place| {
                *number = *place;
                true
            })
        });
        self.parts.retain(|part| !part.is_empty());
        latest.gaps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn take_in(backlog: &mut Backlog, text: &str, key: &str) -> usize {
        let gone = backlog.supersede(key);
        backlog.push(part(text), Some(&key.into()));
        gone
    }

    fn text(backlog: Backlog) -> String {
        String::from_utf8(backlog.join().to_vec()).unwrap()
    }

    #[test]
    fn a_newer_one_takes_the_older_one_out_of_the_line_and_the_others_keep_their_order() {
        let mut backlog = Backlog::default();
        backlog.push(part("a "), None);
        assert_eq!(take_in(&mut backlog, "m1 ", "c1"), 0);
        assert_eq!(take_in(&mut backlog, "n1 ", "c2"), 0);
        backlog.push(part("b "), None);
        assert_eq!(take_in(&mut backlog, "m2 ", "c1"), 3);
        assert_eq!(backlog.bytes(), 10);
        assert_eq!(text(backlog), "a n1 b m2 ");
    }

    #[test]
    fn what_has_begun_to_leave_leaves_whole() {
        let mut backlog = Backlog::default();
        take_in(&mut backlog, "first ", "k");
        backlog.sent(2);
        assert_eq!(take_in(&mut backlog, "second ", "k"), 0);
        assert_eq!(take_in(&mut backlog, "third ", "k"), 7);
        assert_eq!(text(backlog), "rst third ");
    }

    #[test]
    fn a_thousand_newer_ones_take_the_room_of_one() {
        let mut backlog = Backlog::default();
        backlog.push(part("a"), None);
        for n in 0..1_000 {
            take_in(&mut backlog, &format!("{n:03}"), "k");
            take_in(&mut backlog, "x", &format!("once {n}"));
            while backlog.parts.len() > 100 {
                backlog.front();
                let len = backlog.front().map_or(0, Bytes::len);
                backlog.sent(len);
            }
        }
        let keys = backlog.latest.as_ref().unwrap().at.len();
        assert!(backlog.parts.len() <= 100 && keys <= 200, "{} parts, {keys} keys", backlog.parts.len());
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A part of this length, and what it supersedes.
        Put(usize, Option<u8>),
        /// The peer takes this much.
        Send(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1_usize..6, prop::option::of(0_u8..4)).prop_map(|(len, key)| Step::Put(len, key)),
            (0_usize..12).prop_map(Step::Send),
        ]
    }

    /// The plain reference: whole parts with their keys, and how much of the first has left.
    #[derive(Default)]
    struct Plain {
        line: Vec<(Option<u8>, Vec<u8>)>,
        begun: usize,
    }

    impl Plain {
        fn put(&mut self, key: Option<u8>, bytes: Vec<u8>) {
            let old = self.line.iter().position(|(other, _)| key.is_some() && *other == key);
            // an older one that has begun to leave may stand before another
            let old = if old == Some(0) && self.begun > 0 {
                self.line.iter().skip(1).position(|(other, _)| *other == key).map(|at| at + 1)
            } else {
                old
            };
            if let Some(old) = old {
                self.line.remove(old);
            }
            self.line.push((key, bytes));
        }

        fn send(&mut self, mut len: usize) -> Vec<u8> {
            let mut out = Vec::new();
            while len > 0 && !self.line.is_empty() {
                let left = &self.line[0].1[self.begun..];
                let n = left.len().min(len);
                out.extend_from_slice(&left[..n]);
                (self.begun, len) = (self.begun + n, len - n);
                if self.begun == self.line[0].1.len() {
                    self.line.remove(0);
                    self.begun = 0;
                }
            }
            out
        }
    }

    fn send(backlog: &mut Backlog, mut len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while len > 0
            && let Some(front) = backlog.front()
        {
            let n = front.len().min(len);
            out.extend_from_slice(&front[..n]);
            backlog.sent(n);
            len -= n;
        }
        out
    }

    proptest! {
        #[test]
        fn it_is_what_a_plain_list_would_be(steps in prop::collection::vec(step(), 0..200)) {
            let (mut backlog, mut plain) = (Backlog::default(), Plain::default());
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Put(len, key) => {
                        let bytes = vec![n as u8; len];
                        let name: Option<Arc<str>> = key.map(|key| key.to_string().into());
                        let _ = name.as_deref().map(|name| backlog.supersede(name));
                        backlog.push(bytes.clone().into(), name.as_ref());
                        plain.put(key, bytes);
                    }
                    Step::Send(len) => prop_assert_eq!(send(&mut backlog, len), plain.send(len)),
                }
                let left = plain.line.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() - plain.begun;
                prop_assert_eq!(backlog.bytes(), left);
            }
            let rest = plain.send(usize::MAX);
            prop_assert_eq!(backlog.join().to_vec(), rest);
        }
    }
}
