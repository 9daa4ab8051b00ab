//! The random bytes of a delivery. The event, the handler and the installation determine the sequence, so every run of
//! a delivery gets the same bytes on every host, and the event alone is not enough to compute them. Pure.
//!
//! Even so, they are not for secrets: anyone who may read `WEIR_DATABASE` knows the installation's secret.

use sha2::{Digest as _, Sha256};

use weir_core::call::HandlerKey;

/// The seed that all sequences of one delivery are derived from.
#[derive(Debug, Clone)]
pub(crate) struct Seed([u8; 32]);

impl Seed {
    /// Returns the seed of a delivery.
    pub(crate) fn of_delivery(event_id: &str, handler: &HandlerKey) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"delivery");
        hash.update(handler.installation.secret());
        for part in [event_id.as_bytes(), handler.id.as_bytes(), handler.installation.source().as_bytes()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.update(handler.generation.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// Returns the seed of a call of `describe`.
    pub(crate) fn of_description(digest: &str) -> Self {
        Self(Sha256::new().chain_update(b"describe").chain_update(digest).finalize().into())
    }
}

/// One of a delivery's sequences. Block k is the SHA-256 of seed, name and k.
///
/// Each use has its own sequence, so a language whose maps draw a seed at start does not shift the ids that its handler
/// derives.
#[derive(Debug)]
pub(crate) struct Sequence {
    seed: Seed,
    name: &'static str,
    block: [u8; 32],
    used: usize,
    next: u64,
}

impl Sequence {
    pub(crate) fn new(seed: Seed, name: &'static str) -> Self {
        Self { seed, name, block: [0; 32], used: 32, next: 0 }
    }

    /// Returns the next bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            if self.used == self.block.len() {
                self.refill();
            }
            let taken = (count - bytes.len()).min(self.block.len() - self.used);
            bytes.extend_from_slice(&self.block[self.used..self.used + taken]);
            self.used += taken;
        }
        bytes
    }

    /// Returns the next eight bytes as a number.
    pub(crate) fn number(&mut self) -> u64 {
        self.bytes(8).into_iter().fold(0, |number, byte| (number << 8) | u64::from(byte))
    }

    fn refill(&mut self) {
        let hash =
            Sha256::new().chain_update(self.seed.0).chain_update(self.name).chain_update(self.next.to_be_bytes());
        self.block = hash.finalize().into();
        self.used = 0;
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::call::Installation;

    fn sequence(event: &str, handler: &str, generation: u32, name: &'static str) -> Sequence {
        let key = HandlerKey { id: handler.into(), generation, installation: Installation::default() };
        Sequence::new(Seed::of_delivery(event, &key), name)
    }

    #[test]
    fn secret_and_source_decide_and_the_secret_is_not_shown() {
        let bytes = |installation: Installation| {
            let key = HandlerKey { id: "h".into(), generation: 1, installation };
            Sequence::new(Seed::of_delivery("e", &key), "wasi").bytes(32)
        };
        let first = bytes(Installation::new([7; 32], "orders"));
        assert_eq!(first, bytes(Installation::new([7; 32], "orders")), "every host of an installation gets the same");
        assert_ne!(first, bytes(Installation::new([8; 32], "orders")));
        assert_ne!(first, bytes(Installation::new([7; 32], "users")));
        assert!(!format!("{:?}", Installation::new([7; 32], "orders")).contains('7'));
    }

    #[test]
    fn however_it_is_cut_the_bytes_are_the_same() {
        let whole = sequence("e", "h", 1, "delivery").bytes(100);
        let mut cut = sequence("e", "h", 1, "delivery");
        let parts: Vec<u8> = [1, 31, 33, 0, 35].into_iter().flat_map(|count| cut.bytes(count)).collect();
        assert_eq!(whole, parts);
    }

    #[test]
    fn event_handler_generation_and_name_each_decide() {
        let first = sequence("e", "h", 1, "delivery").bytes(32);
        for other in [
            sequence("f", "h", 1, "delivery"),
            sequence("e", "i", 1, "delivery"),
            sequence("e", "h", 2, "delivery"),
            sequence("e", "h", 1, "wasi"),
            sequence("eh", "", 1, "delivery"),
        ] {
            let mut other = other;
            assert_ne!(first, other.bytes(32));
        }
    }
}
