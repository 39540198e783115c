//! `[plain]`: the plain JSON websocket.

use super::error::Wrong;
use super::setting::{Rules, section};
use super::socketio::refused_path;
use super::value::{quoted, text};

section! {
    /// The plain JSON websocket, for clients without a Socket.IO library.
    pub struct Plain = "plain" {
        /// Path of the plain websocket.
        path: String = text("/ws");
    }
}

impl Rules for Plain {
    fn rules(&self, wrong: &mut Wrong) {
        if let Some(why) = refused_path(&self.path) {
            wrong.at("path", format!("{} {why}; for example \"/ws\"", quoted(&self.path)));
        }
    }
}
