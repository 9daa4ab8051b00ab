//! Whether a request comes from the host's own machine. Only such requests see events, documents and messages. Pure.
//!
//! The address of the connection does not decide it alone. A web page can give its own name the address 127.0.0.1, and
//! then the browser of somebody who works on this machine asks in the page's place (DNS rebinding). Such a request has
//! the page's name in its `Host` header.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};

use super::problem::Problem;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// A program on this machine.
    Here,
    /// Another machine.
    Elsewhere,
}

impl Peer {
    pub(super) fn at(address: IpAddr) -> Self {
        if address.to_canonical().is_loopback() { Self::Here } else { Self::Elsewhere }
    }

    /// Refuses a request that does not come from this machine.
    pub(super) fn allows(self, headers: &HeaderMap) -> Result<(), Problem> {
        if self == Self::Elsewhere {
            return Err(Problem::elsewhere());
        }
        // Every browser sends exactly one.
        match headers.get_all(HOST).iter().find(|host| !is_own_name(host)) {
            Some(host) => Err(Problem::foreign_host(host)),
            None => Ok(()),
        }
    }
}

/// Returns whether the value is `localhost` or an IP address, with or without a port. No web page can own these names.
fn is_own_name(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host();
    if authority.as_str() != name && authority.port().is_none_or(|port| authority.as_str() != format!("{name}:{port}"))
    {
        return false;
    }
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_page_cannot_ask_under_its_own_name() {
        let allowed = |peer: Peer, host: &'static str| {
            peer.allows(&HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))])).is_ok()
        };
        for host in ["localhost", "LocalHost:7070", "127.0.0.1:7070", "10.0.0.4", "[::1]:7070", "[::1]"] {
            assert!(allowed(Peer::Here, host), "{host}");
            assert!(!allowed(Peer::Elsewhere, host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7070",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "a b",
            "evil.example@localhost",
            "[::1]evil.example",
        ] {
            assert!(!allowed(Peer::Here, host), "{host}");
        }
        assert!(Peer::Here.allows(&HeaderMap::new()).is_ok(), "no browser leaves it out");
        let two = ["127.0.0.1", "evil.example"].map(|host| (HOST, HeaderValue::from_static(host)));
        let two = two.into_iter().fold(HeaderMap::new(), |mut headers, (name, host)| {
            headers.append(name, host);
            headers
        });
        assert!(Peer::Here.allows(&two).is_err());
    }

    #[test]
    fn loopback_is_here_in_each_of_its_forms() {
        for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(Peer::at(address.parse().expect("an address")), Peer::Here, "{address}");
        }
        for address in ["10.0.0.4", "::ffff:10.0.0.4", "fe80::1", "0.0.0.0"] {
            assert_eq!(Peer::at(address.parse().expect("an address")), Peer::Elsewhere, "{address}");
        }
    }
}
