//! Whose connection it is: the peer's own address, or what a trusted proxy says of it. One function gives
//! it to limits, logs and lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use actix_http::header::{HeaderMap, HeaderName};

use crate::network::Network;

/// Networks whose forwarded headers are believed.
#[derive(Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    /// A forwarded header from someone else is reported once.
    reported: AtomicBool,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl TrustedProxies {
    /// Reads addresses and networks (`10.0.0.1`, `10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// The text that is neither.
    pub fn parse(list: &[String]) -> Result<TrustedProxies, String> {
        let parse = |text: &String| text.parse().map_err(|_| text.clone());
        let networks = list.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(TrustedProxies { networks, reported: AtomicBool::new(false) })
    }

    /// Whether this is one of the proxies.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The client's address: the last in `X-Forwarded-For` that no trusted proxy has.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = canonical(peer);
        if !self.believes(peer, headers) {
            return peer;
        }
        let hops = headers.get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).collect();
        let mut client = peer;
        for hop in hops.iter().rev().map(|hop| address_of(hop.trim())) {
            let Some(address) = hop else { break };
            client = canonical(address);
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// The host as the client named it.
    pub fn host<'a>(&self, peer: IpAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        let forwarded = headers.get(FORWARDED_HOST).filter(|_| self.trusts(canonical(peer)));
        forwarded.or_else(|| headers.get(actix_http::header::HOST))?.to_str().ok()
    }

    fn believes(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let trusted = self.trusts(peer);
        if !trusted && headers.contains_key(FORWARDED_FOR) && !self.reported.swap(true, Ordering::Relaxed) {
            log::warn!(
                "{peer} sent X-Forwarded-For and is not trusted; to believe it: [server] trusted_proxies = [\"{peer}\"]"
            );
        }
        trusted
    }
}

/// The address that a hop stands for. Some proxies add a port, brackets or a zone.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare =
        hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(hop, |(address, _)| address);
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    bare.parse().ok().or_else(|| bare.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// The address of a connection's other end; unspecified where the system does not say.
pub fn peer_ip(peer: Option<SocketAddr>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip())
}

/// What counts as one address where addresses are counted: of IPv6 a /64, since that is what one client has.
pub fn network(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// An IPv4 address in its own form, also where it came over an IPv6 socket.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::header::HeaderValue;

    fn headers(list: &[(&HeaderName, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        list.iter().for_each(|(name, value)| map.append((*name).clone(), HeaderValue::from_static(value)));
        map
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_port_brackets_or_a_zone_belong_to_no_address() {
        for (hop, address) in [
            ("10.0.0.1:5555", Some("10.0.0.1")),
            ("[2001:db8::4]:443", Some("2001:db8::4")),
            ("[2001:db8::4]", Some("2001:db8::4")),
            ("2001:db8::5%eth0", Some("2001:db8::5")),
            ("2001:db8::5", Some("2001:db8::5")),
            ("unknown", None),
            ("", None),
        ] {
            assert_eq!(address_of(hop), address.map(ip), "{hop}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_as_far_as_the_trust_goes() {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".into(), "::1".into()]).unwrap();
        let forwarded = headers(&[(&FORWARDED_FOR, "1.2.3.4, 5.6.7.8"), (&FORWARDED_FOR, "10.1.1.1")]);
        assert_eq!(trusted.client(ip("10.2.3.4"), &forwarded), ip("5.6.7.8"));
        assert_eq!(trusted.client(ip("::ffff:10.2.3.4"), &forwarded), ip("5.6.7.8"));
        assert_eq!(trusted.client(ip("9.9.9.9"), &forwarded), ip("9.9.9.9"));
        let junk = headers(&[(&FORWARDED_FOR, "1.2.3.4, nonsense")]);
        assert_eq!(trusted.client(ip("10.2.3.4"), &junk), ip("10.2.3.4"));
        assert_eq!(TrustedProxies::parse(&["10.0.0.0/33".into()]).err().as_deref(), Some("10.0.0.0/33"));
    }

    #[test]
    fn of_ipv6_the_first_half_counts_as_one_address() {
        assert_eq!(network(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(network(ip("::ffff:1.2.3.4")), ip("1.2.3.4"));
    }

    #[test]
    fn the_forwarded_host_counts_only_from_a_trusted_proxy() {
        let trusted = TrustedProxies::parse(&["10.0.0.1".into()]).unwrap();
        let both =
            headers(&[(&actix_http::header::HOST, "inner:8080"), (&FORWARDED_HOST, "hub.example.com")]);
        assert_eq!(trusted.host(ip("10.0.0.1"), &both), Some("hub.example.com"));
        assert_eq!(trusted.host(ip("10.0.0.2"), &both), Some("inner:8080"));
    }
}
