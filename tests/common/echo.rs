//! The example `echo_server` as a child process on a port of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::eventually;
use super::process::{Process, free_port};

/// A running echo server.
pub struct EchoServer {
    port: u16,
    process: Process,
}

impl EchoServer {
    /// Starts one and waits until it listens.
    pub fn start() -> EchoServer {
        let binary = built();
        // another program may take the port between the look and the bind: then look again
        let (port, process) = eventually("the echo server listens", || {
            let port = free_port();
            let mut command = Command::new(binary);
            let process = Process::start(command.env("PORT", port.to_string()), "");
            let listens = |line: &str| line.starts_with("listening on").then_some(());
            process.wait_for_line(listens).map(|()| (port, process))
        });
        EchoServer { port, process }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The example as it is now: cargo builds it beside this test, unless that has been done.
fn built() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // <target>/<profile>/deps/<this test>
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "echo_server", "--target-dir"]);
        cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the example is not built");
        profile.join("examples/echo_server")
    })
}
