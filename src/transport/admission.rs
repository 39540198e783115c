//! Whether one more connection or session is let in, and what is refused on the way.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::RequestHead;
use prometheus::IntCounter;

use super::capacity::{Capacity, Full, Most, Place};
use super::rate::HandshakeRate;
use super::refusal::Refusal;
use super::{Options, Side};
use crate::metrics::Metrics;
use crate::socket::Held;

/// How often addresses are forgotten that have not been here for long.
const SHRINK: Duration = Duration::from_secs(5);

/// The label of connections that end since the head of a request took too long.
const SLOW_HEAD: &str = "slow_head";

/// What anyone outside is held to before there is a socket. 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Handshakes of one address (IPv6: one /64) in a minute.
    pub handshakes_per_address_per_minute: u32,
    /// Sessions, in all and of one address, and descriptors.
    pub most: Most,
    /// The largest head of a request, in bytes.
    pub header_bytes: usize,
    /// The largest body of a request that is no post of a polled session, in bytes.
    pub body_bytes: usize,
    /// How long a body may take.
    pub body_timeout: Duration,
}

/// One for all workers.
pub struct Admission {
    limits: Limits,
    rate: HandshakeRate,
    capacity: Arc<Capacity>,
    metrics: Arc<Metrics>,
}

impl Admission {
    /// Nobody is here yet.
    pub fn new(options: &Options, metrics: Arc<Metrics>) -> Arc<Admission> {
        let limits = options.limits;
        let rate = HandshakeRate::new(limits.handshakes_per_address_per_minute);
        let capacity = Capacity::new(limits.most, metrics.streams.clone());
        // all are shown from the start, so that the first of a kind is an increase
        for reason in Refusal::REASONS.into_iter().chain([SLOW_HEAD]) {
            metrics.refused_requests.with_label_values(&[reason]);
        }
        Arc::new(Admission { limits, rate, capacity, metrics })
    }

    /// A handshake that is in order, of a client with this address. What it gives is held until the session ends.
    ///
    /// # Errors
    /// One too many.
    pub fn session(&self, side: Side, address: IpAddr) -> Result<Held, Refusal> {
        self.rate.check(address).map_err(Refusal::rate_limited)?;
        let place = self.capacity.session(side, address).map_err(Refusal::Full)?;
        Ok(place.map_or(Held::NOTHING, Held::new))
    }

    /// A connection was accepted. Where it comes from a proxy, `peer` is none: others stand behind it.
    ///
    /// # Errors
    /// There is no room for it, and it is closed with few words.
    pub fn stream(&self, side: Side, peer: Option<IpAddr>) -> Result<StreamPlaces, Full> {
        let counted = self.capacity.stream(side).and_then(|stream| {
            let peer = peer.map_or(Ok(None), |peer| self.capacity.stream_of(peer));
            peer.map(|peer| StreamPlaces { stream, peer })
        });
        counted.inspect_err(|full| self.refused(Refusal::Full(*full)))
    }

    /// What every request has to keep to before anything else is looked at.
    ///
    /// # Errors
    /// Its head is too large.
    pub fn head(&self, head: &RequestHead) -> Result<(), Refusal> {
        let most = self.limits.header_bytes;
        if most > 0 && head_bytes(head) > most { Err(Refusal::HeadTooLarge) } else { Ok(()) }
    }

    /// Whether descriptors run short.
    pub fn is_busy(&self) -> bool {
        self.capacity.is_busy()
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a refusal, if it is one that operators should know of.
    pub fn refused(&self, refusal: Refusal) {
        if let Some(reason) = refusal.reason() {
            self.metrics.refused_requests.with_label_values(&[reason]).inc();
        }
    }

    /// Counts connections that end since the head of a request took too long.
    pub fn slow_heads(&self) -> IntCounter {
        self.metrics.refused_requests.with_label_values(&[SLOW_HEAD])
    }

    /// Forgets old addresses now and then, for ever.
    pub async fn keep_small(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SHRINK).await;
            self.rate.shrink();
        }
    }
}

/// What an accepted connection holds.
#[derive(Debug)]
pub struct StreamPlaces {
    /// Until it is closed.
    pub stream: Place,
    /// As long as it speaks HTTP.
    pub peer: Option<Place>,
}

/// Bytes of a request's head as they came, save white space that says nothing.
fn head_bytes(head: &RequestHead) -> usize {
    const REQUEST_LINE: usize = "  HTTP/1.1\r\n".len();
    const HEADER: usize = ": \r\n".len();
    let target = head.uri.path_and_query().map_or(1, |target| target.as_str().len());
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER);
    head.method.as_str().len() + target + REQUEST_LINE + headers.sum::<usize>() + "\r\n".len()
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderName, HeaderValue};
    use actix_http::test::TestRequest;

    use super::*;

    #[test]
    fn the_size_of_a_head_is_that_of_its_bytes() {
        let raw = "GET /socket.io/?EIO=4&x=y HTTP/1.1\r\nhost: hub\r\nx-a: 1\r\nx-a: 22\r\n\r\n";
        let mut request = TestRequest::with_uri("/socket.io/?EIO=4&x=y").finish();
        let headers = &mut request.head_mut().headers;
        for (name, value) in [("host", "hub"), ("x-a", "1"), ("x-a", "22")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(head_bytes(request.head()), raw.len());
    }
}
