//! What the process itself takes.

use std::fs;

use crate::common::*;

fn proc_file(server: &TestServer, name: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{name}", server.id())).unwrap()
}

/// Memory in KiB.
pub fn memory(server: &TestServer) -> u64 {
    process::memory_of(server.id())
}

/// Time on a processor since its start, in hundredths of a second.
pub fn processor_time(server: &TestServer) -> u64 {
    let stat = proc_file(server, "stat");
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // user and system time: the 14th and 15th of all, the first two of which are left out here
    [11, 12].iter().map(|&at| fields[at].parse::<u64>().unwrap()).sum()
}

/// Open descriptors.
pub fn descriptors(server: &TestServer) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

/// Lines of its metrics.
pub fn series(server: &TestServer) -> usize {
    server.get("/metrics").body.lines().filter(|line| !line.starts_with('#')).count()
}
