//! Which Redis, how to connect to it, and what a failure means.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use redis::{
    ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError,
};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// An attempt to connect, and each command, may take this long.
pub(super) const ATTEMPT: Duration = Duration::from_millis(1_500);
/// Between two attempts at most this long, so that events flow again within two seconds.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A URL that names no Redis we can reach.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("redis.url: {reason}")]
pub struct TargetError {
    /// What is wrong; never the URL itself, which may hold a password.
    pub reason: String,
}

/// A Redis server: address, credentials, database.
#[derive(Clone)]
pub struct Target {
    address: Address,
    info: RedisConnectionInfo,
}

#[derive(Clone)]
enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Target {
    /// Reads `redis://[user][:password@]host[:port][/db]` or `unix:///path`.
    ///
    /// # Errors
    /// Anything else; TLS, which this build does not speak to Redis.
    pub fn parse(url: &str) -> Result<Target, TargetError> {
        let info = url.into_connection_info().map_err(|error| TargetError { reason: error.to_string() })?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(TargetError { reason: "an address that is not supported".to_owned() }),
        };
        // pushes, and commands on a subscribed connection, exist in RESP3 only
        let info = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Target { address, info })
    }

    pub(super) fn info(&self) -> &RedisConnectionInfo {
        &self.info
    }

    pub(super) async fn open(&self) -> io::Result<Box<dyn Stream>> {
        match &self.address {
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }
}

/// Address only: what else a target knows is secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// A connection's bytes, whatever they travel on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why a connection did not come about, or ended.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no answer within {} ms", ATTEMPT.as_millis())]
    Timeout,
    #[error("no sign of life for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the connection was closed")]
    Closed,
}

impl LinkError {
    /// What whoever runs the hub can do about it.
    pub(super) fn advice(&self, target: &Target) -> String {
        match self.code() {
            Some("WRONGPASS" | "NOAUTH") => format!(
                "Redis at {target} refuses the user or password in redis.url ({self}); waiting until it is accepted"
            ),
            Some("NOPERM") => format!(
                "Redis at {target} refuses a right to the user of redis.url ({self}); waiting for it: ACL SETUSER \
                 <user> +psubscribe +subscribe +publish +ping &campaign:* &timer:* &system:* &user:* \
                 &roomcast:heartbeat:*"
            ),
            Some("RESP3") => {
                format!("Redis at {target} is older than version 6 ({self}); waiting for a newer one")
            }
            _ => format!(
                "Redis at {target} cannot be reached ({self}); waiting for it. Start one with `redis-server`, or \
                 set redis.url"
            ),
        }
    }

    fn code(&self) -> Option<&str> {
        let LinkError::Redis(error) = self else { return None };
        match error.kind() {
            ErrorKind::AuthenticationFailed => Some("WRONGPASS"),
            ErrorKind::RESP3NotSupported => Some("RESP3"),
            _ => error.code(),
        }
    }
}

/// How long to wait before an attempt: the first comes at once.
pub(super) fn pause_before(attempt: u32) -> Duration {
    match attempt {
        0 => Duration::ZERO,
        n => LONGEST_PAUSE.min(Duration::from_millis(50 << (n - 1).min(8))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_shows_its_address_and_no_secret() {
        let target = Target::parse("redis://hub:s3cret@[::1]:7000/2").unwrap();
        assert_eq!(
            (target.to_string(), format!("{target:?}")),
            ("::1:7000".into(), "Target(::1:7000)".into())
        );
        assert_eq!((target.info().username(), target.info().db()), (Some("hub"), 2));
        assert_eq!(Target::parse("unix:///run/redis.sock").unwrap().to_string(), "/run/redis.sock");
        for bad in ["", "http://x", "redis://", "rediss://h", "redis://u:s3cret@h/x"] {
            let error = Target::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with("redis.url: ") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_first_attempt_comes_at_once_and_the_pauses_end_at_half_a_second() {
        let pauses: Vec<_> = (0..7).map(|attempt| pause_before(attempt).as_millis()).collect();
        assert_eq!(pauses, [0, 50, 100, 200, 400, 500, 500]);
        assert_eq!(pause_before(u32::MAX), LONGEST_PAUSE);
    }
}
