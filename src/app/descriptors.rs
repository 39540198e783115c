//! How many descriptors clients may take, so that Redis, the database and files always find one.

use crate::config::Config;

/// Kept back whatever is configured: the listeners, Redis, the log, the outbox relay and retention, files that
/// are read anew, the operators' address, and a connection or two that is just being turned away.
const ALWAYS: u64 = 64 + crate::transport::capacity::OPERATORS as u64;
/// What a worker's runtime has.
const A_WORKER: u64 = 4;
/// A connection to the database; with SQLite it is a file, its log and its index.
const A_DATABASE_CONNECTION: u64 = 4;

/// Descriptors for clients' connections, of `limit` that the process may have; 0 is any number.
pub(super) fn for_clients(limit: u64, workers: usize, pool_size: u64) -> usize {
    if limit == rlimit::INFINITY {
        return 0;
    }
    let own = ALWAYS + A_WORKER * workers as u64 + A_DATABASE_CONNECTION * pool_size;
    // with a limit that hardly suffices for the hub itself, a few clients still get in
    usize::try_from(limit.saturating_sub(own).max(limit / 4)).unwrap_or(usize::MAX)
}

/// The same for this process as it is configured.
pub(super) fn of_this_process(config: &Config) -> usize {
    let limit = match rlimit::Resource::NOFILE.get_soft() {
        Ok(limit) => limit,
        Err(error) => {
            log::warn!(
                "the limit on file descriptors is not known, connections are not limited by it: {error}"
            );
            return 0;
        }
    };
    let workers = match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    let clients = for_clients(limit, workers, config.database.pool_size);
    if clients > 0 {
        log::info!("{limit} file descriptors, of which {clients} are for connections of clients");
    }
    let wanted = config.limits.connections;
    if clients > 0 && wanted > clients as u64 {
        log::warn!(
            "limits.connections = {wanted} will not be reached: raise the limit on descriptors (ulimit -n)"
        );
    }
    clients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_itself_needs_is_kept_back() {
        assert_eq!(for_clients(20_000, 2, 4), 20_000 - 96 - 8 - 16);
        assert_eq!(for_clients(rlimit::INFINITY, 2, 4), 0);
        assert_eq!(for_clients(128, 2, 4), 32);
    }
}
