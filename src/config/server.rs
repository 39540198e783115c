//! `[server]`: where the hub listens.

use std::net::IpAddr;

use super::error::Wrong;
use super::setting::{Rules, section};
use super::value::{choice, list, quoted, text};
use crate::network::Network;

choice! {
    /// How a flush reaches the kernel.
    pub enum Writer {
        /// io_uring where the kernel permits it, else plain sends.
        Auto = "auto",
        /// Plain non-blocking sends.
        Send = "send",
        /// One io_uring submission for all sockets that a flush touches.
        IoUring = "io_uring",
    }
}

section! {
    /// Where the hub listens, and whose word about a client's address it takes.
    pub struct Server = "server" {
        /// Address to listen on: an IP address or a host name. The default is loopback, so that nothing is
        /// open to a network before somebody has said so; in a container it is `0.0.0.0` or `::`.
        host: String = text("127.0.0.1");
        /// Port to listen on; 0 takes any free one.
        port: u16 = 8080;
        /// Worker threads, each with its own sockets; 0 is one a core.
        workers: u64 = 0, range(0, 1024);
        /// A second address, `host:port`, for `/admin`, the admin calls and `/metrics`, which are then no longer
        /// served on the main one; `/health` and the plain websocket are on both. It has 32 connections of its own,
        /// which `limits.connections` does not count. Empty: everything is on the main address.
        admin_address: String = text(""), example("\"127.0.0.1:9090\"");
        /// Addresses or networks of the proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. The
        /// default trusts nobody: else any client could choose its address, and with it its limits.
        trusted_proxies: Vec<String> = list([]), example("[\"10.0.0.0/8\", \"::1\"]");
        /// How frames are written: `auto` takes io_uring where the kernel permits it; `send` and `io_uring` insist.
        writer: Writer = Writer::Auto;
        /// PEM file with the certificate chain; together with `tls_key` it makes the hub speak TLS by itself.
        tls_cert: String = text(""), example("\"/etc/roomcast/tls.crt\"");
        /// PEM file with the certificate's private key.
        tls_key: String = text(""), example("\"/etc/roomcast/tls.key\"");
    }
}

impl Rules for Server {
    fn rules(&self, wrong: &mut Wrong) {
        if !is_host(&self.host) {
            wrong.at("host", format!("{} is no address: {}", quoted(&self.host), host_advice(&self.host)));
        }
        if !self.admin_address.is_empty() && split_address(&self.admin_address).is_none() {
            let found = quoted(&self.admin_address);
            wrong.at("admin_address", format!("{found} is not host:port; for example \"127.0.0.1:9090\""));
        }
        for proxy in self.trusted_proxies.iter().filter(|proxy| proxy.parse::<Network>().is_err()) {
            let found = quoted(proxy);
            wrong.at(
                "trusted_proxies",
                format!("{found} is no address or network; for example \"10.0.0.0/8\""),
            );
        }
        match (self.tls_cert.is_empty(), self.tls_key.is_empty()) {
            (true, false) => {
                wrong.at("tls_cert", "is missing: server.tls_key is of use only together with it")
            }
            (false, true) => {
                wrong.at("tls_key", "is missing: server.tls_cert is of use only together with it")
            }
            _ => {}
        }
    }
}

impl Server {
    /// Where operators are served; none where that is the main address.
    pub fn admin_host_and_port(&self) -> Option<(&str, u16)> {
        split_address(&self.admin_address)
    }

    /// What `--dev` forbids: to listen where others can reach it, since the development secret is published.
    pub(super) fn rules_of_dev(&self, wrong: &mut Wrong) {
        let refused = |host: &str| {
            format!(
                "{host:?} is not loopback, and --dev accepts tokens that anyone can sign; \
                 take 127.0.0.1, or start without --dev"
            )
        };
        if is_host(&self.host) && !is_loopback(&self.host) {
            wrong.at("host", refused(&self.host));
        }
        if let Some((host, _)) = split_address(&self.admin_address).filter(|(host, _)| !is_loopback(host)) {
            wrong.at("admin_address", refused(host));
        }
    }
}

/// Host and port of `host:port` or `[::1]:port`.
pub fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let bracketed = bare.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let host = bare.filter(|_| bracketed).unwrap_or(host);
    ((bracketed || !host.contains(':')) && is_host(host)).then_some((host, port.parse().ok()?))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_host(text: &str) -> bool {
    let is_name = |text: &str| {
        text.len() <= 253
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    };
    !text.is_empty() && (text.parse::<IpAddr>().is_ok() || is_name(text))
}

fn host_advice(host: &str) -> &'static str {
    if host.starts_with('[') {
        "write an IPv6 address without brackets, like \"::1\""
    } else if host.contains(':') {
        "the port goes into server.port"
    } else {
        "for example \"127.0.0.1\", \"0.0.0.0\" or \"::\""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(server: Server) -> Vec<&'static str> {
        let mut wrong = Wrong::default();
        server.rules(&mut wrong);
        server.rules_of_dev(&mut wrong);
        wrong.0.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn hosts_are_addresses_or_names_and_dev_takes_loopback_only() {
        let with = |host: &str| Server { host: host.into(), ..Server::default() };
        for good in ["127.0.0.1", "::1", "localhost", "127.9.9.9"] {
            assert!(wrong(with(good)).is_empty(), "{good}");
        }
        for bad in ["", "[::1]", "127.0.0.1:80", "a b", "0.0.0.0", "::", "10.0.0.1", "hub.example.com"] {
            assert_eq!(wrong(with(bad)), ["host"], "{bad}");
        }
    }

    #[test]
    fn the_admin_address_is_host_and_port_and_under_dev_loopback_too() {
        let with = |address: &str| Server { admin_address: address.into(), ..Server::default() };
        for good in ["", "127.0.0.1:9090", "[::1]:9090", "localhost:0"] {
            assert!(wrong(with(good)).is_empty(), "{good}");
        }
        for bad in ["9090", ":9090", "127.0.0.1", "127.0.0.1:99999", "::1:9090", "[a]:1", "0.0.0.0:9090"] {
            assert_eq!(wrong(with(bad)), ["admin_address"], "{bad}");
        }
    }

    #[test]
    fn certificate_and_key_come_together() {
        let cert = Server { tls_cert: "a".into(), ..Server::default() };
        assert_eq!(wrong(cert), ["tls_key"]);
        let key = Server { tls_key: "a".into(), ..Server::default() };
        assert_eq!(wrong(key), ["tls_cert"]);
    }

    #[test]
    fn a_trusted_proxy_is_an_address_or_a_network() {
        let bad = Server { trusted_proxies: list(["10.0.0.0/8", "proxy"]), ..Server::default() };
        assert_eq!(wrong(bad), ["trusted_proxies"]);
    }
}
