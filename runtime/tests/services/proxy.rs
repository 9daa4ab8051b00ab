//! A proxy before MongoDB.

use std::net::SocketAddr;

use rig::proxy::{self, Direction};

/// The rig's proxy, as the replica set's only member.
pub(crate) struct Proxy {
    proxy: proxy::Proxy,
    address: SocketAddr,
}

impl Proxy {
    /// A proxy before the first server of the connection string.
    pub(crate) fn before(uri: &str) -> Self {
        let server = uri.trim_start_matches("mongodb://").split(['/', ',']).next().expect("a server");
        let proxy = proxy::Proxy::new();
        let address = proxy.before(server).expect("a port");
        Self { proxy, address }
    }

    /// The connection string of the proxy. Direct, since the replica set's members tell where they really are.
    pub(crate) fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    pub(crate) fn open(&self) {
        self.proxy.open();
    }

    /// Connections stay, and nothing comes through them any more.
    pub(crate) fn hold(&self) {
        self.proxy.hang(Direction::ToServer);
        self.proxy.hang(Direction::ToClient);
    }

    /// Connections break, and new ones are broken at once.
    pub(crate) fn close(&self) {
        self.proxy.close();
    }
}
