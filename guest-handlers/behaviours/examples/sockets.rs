//! Connects to an address. Refused at load, because it imports sockets.

use std::io::Write;
use std::net::TcpStream;

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    address: Option<String>,
}

struct Sockets;

impl Handler for Sockets {
    type Payload = Payload;
    const EVENTS: &[&str] = &["Sockets"];
    const GRANTS: &[Grant] = &[];
    const DESCRIPTION: &str = "Connects to an address.";

    fn handle(&self, event: Event<Payload>) -> Result {
        let address = event.payload.address.as_deref().unwrap_or("127.0.0.1:27017");
        TcpStream::connect(address)?.write_all(b"here")?;
        Ok(())
    }
}
weir_sdk::export!(Sockets);
