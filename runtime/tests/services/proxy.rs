//! A proxy before MongoDB.

use std::net::SocketAddr;

use rig::proxy::{self, Direction};

/// The rig's proxy, in the place of the replica set's only member.
pub(crate) struct Proxy {
    proxy: proxy::Proxy,
    address: SocketAddr,
}

impl Proxy {
    /// Puts a proxy before the first server of the connection string.
    pub(crate) fn before(uri: &str) -> Self {
        let server = uri.trim_start_matches("mongodb://").split(['/', ',']).next().expect("a server");
        let proxy = proxy::Proxy::new();
        let address = proxy.before(server).expect("a port");
        Self { proxy, address }
    }

    /// Returns the connection string of the proxy. It is direct, because the replica set's members would give the
    /// client their real addresses.
    pub(crate) fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    pub(crate) fn open(&self) {
        self.proxy.open();
    }

    /// Keeps connections open, but lets nothing pass through them any more.
    pub(crate) fn hold(&self) {
        self.proxy.hang(Direction::ToServer);
        self.proxy.hang(Direction::ToClient);
    }

    /// Breaks connections, and breaks new ones immediately.
    pub(crate) fn close(&self) {
        self.proxy.close();
    }
}
