//! What waits for the sockets of a lane, shared by all that wait for the same.
//!
//! Sockets that wait for the same frames stand at one node of a small tree. Delivering an event moves
//! each of its receivers to the node's child for this event, which is made once; at the flush the frames
//! from the root to a node are joined once for all who stand there. So a batch is copied once, not once a
//! socket, and an idle socket costs the four bytes of its place.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::protocol::frame::{Dialect, Event};

/// Where a socket stands in the [`Tree`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeId(u32);

impl NodeId {
    /// Where a socket of `dialect` stands while nothing waits for it.
    pub fn root(dialect: Dialect) -> NodeId {
        NodeId(dialect as u32)
    }

    /// Whether nothing waits here.
    pub fn is_root(self) -> bool {
        (self.0 as usize) < Dialect::COUNT
    }
}

/// The tree of one lane.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    /// Bytes of the frames that hang in it.
    bytes: usize,
    /// One of them may be superseded.
    has_latest: bool,
}

#[derive(Debug)]
struct Node {
    parent: NodeId,
    /// The newest child and the event it was made for: events are delivered one after the other, so an
    /// older child is never asked for again.
    child: NodeId,
    child_of: u64,
    frame: Bytes,
    /// See [`Event::latest`].
    latest: Option<Arc<str>>,
    joined: Option<Bytes>,
}

impl Node {
    fn new(parent: NodeId, frame: Bytes) -> Node {
        Node { parent, child: parent, child_of: 0, frame, latest: None, joined: None }
    }
}

impl Tree {
    /// A tree in which nothing waits.
    pub fn new() -> Tree {
        let root = |at| Node::new(NodeId(at as u32), Bytes::new());
        Tree { nodes: (0..Dialect::COUNT).map(root).collect(), bytes: 0, has_latest: false }
    }

    /// Where a socket that stands at `at` stands after the event with this number (counted from 1).
    #[inline]
    pub fn advance(&mut self, at: NodeId, number: u64, event: &Event, dialect: Dialect) -> NodeId {
        let node = &self.nodes[at.0 as usize];
        if node.child_of == number { node.child } else { self.grow(at, number, event, dialect) }
    }

    fn grow(&mut self, at: NodeId, number: u64, event: &Event, dialect: Dialect) -> NodeId {
        let frame = event.frame(dialect).clone();
        let child = NodeId(self.nodes.len() as u32);
        self.bytes += frame.len();
        let latest = event.latest().cloned();
        self.has_latest |= latest.is_some();
        self.nodes.push(Node { latest, ..Node::new(at, frame) });
        let node = &mut self.nodes[at.0 as usize];
        (node.child, node.child_of) = (child, number);
        child
    }

    /// All that waits at `at`, oldest first, in one piece.
    pub fn joined(&mut self, at: NodeId) -> Bytes {
        let node = &self.nodes[at.0 as usize];
        if node.parent.is_root() {
            return node.frame.clone();
        }
        if let Some(joined) = &node.joined {
            return joined.clone();
        }
        let joined = self.join(at);
        self.nodes[at.0 as usize].joined = Some(joined.clone());
        joined
    }

    /// From a node back to the root.
    fn path(&self, at: NodeId) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(at), |at| Some(self.nodes[at.0 as usize].parent))
            .take_while(|at| !at.is_root())
            .map(|at| &self.nodes[at.0 as usize])
    }

    /// Whether anything that hangs in it may be superseded.
    pub fn has_latest(&self) -> bool {
        self.has_latest
    }

    /// The frames that wait at `at`, oldest first, each with its key where it supersedes older ones.
    pub fn frames(&self, at: NodeId) -> Vec<(Bytes, Option<Arc<str>>)> {
        let mut frames: Vec<_> =
            self.path(at).map(|node| (node.frame.clone(), node.latest.clone())).collect();
        frames.reverse();
        frames
    }

    fn join(&self, at: NodeId) -> Bytes {
        let path: Vec<&Bytes> = self.path(at).map(|node| &node.frame).collect();
        let mut out = BytesMut::with_capacity(path.iter().map(|frame| frame.len()).sum());
        path.iter().rev().for_each(|frame| out.extend_from_slice(frame));
        out.freeze()
    }

    /// Bytes of the frames in the tree.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets all but the roots. Nobody may stand anywhere else.
    pub fn clear(&mut self) {
        self.nodes.truncate(Dialect::COUNT);
        self.nodes.iter_mut().for_each(|root| root.child_of = 0);
        self.bytes = 0;
        self.has_latest = false;
    }
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_wait_for_the_same_share_one_copy_of_it() {
        let mut tree = Tree::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| Event::new(name, &1));
        let root = NodeId::root(Dialect::SocketIo);
        let mut go = |at, number, event| tree.advance(at, number, event, Dialect::SocketIo);
        let first = go(root, 1, &a);
        let both = go(first, 2, &b);
        assert_eq!(go(first, 2, &b), both, "the second socket finds the node that the first made");
        let late = go(root, 2, &b);
        assert_ne!(late, both);
        let all = go(both, 3, &c);

        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(text(tree.joined(late)), text(b.frame(Dialect::SocketIo).clone()));
        let expected = [&a, &b, &c].map(|event| text(event.frame(Dialect::SocketIo).clone())).concat();
        let joined = tree.joined(all);
        assert_eq!(text(joined.clone()), expected);
        assert_eq!(joined.as_ptr(), tree.joined(all).as_ptr(), "joined once for all who share it");

        tree.clear();
        assert_eq!(tree.bytes(), 0);
        let again = tree.advance(root, 4, &c, Dialect::SocketIo);
        assert_eq!(text(tree.joined(again)), text(c.frame(Dialect::SocketIo).clone()));
    }
}
