//! A hub that is half alive is worse than one that is gone: a panic in a part that all depend on ends
//! the process.

/// Held by a central actor; dropped by a panic, it ends the process with a message.
#[derive(Debug)]
pub struct Vital(pub &'static str);

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("{} has failed: the process ends, so that it is started anew", self.0);
            eprintln!("roomcast: {} has failed (see above): ending the process", self.0);
            std::process::exit(1);
        }
    }
}
