//! The contract's `delivery` interface, which returns the same values in every run of an attempt.

use super::State;
use super::bindings::weir::handler::delivery;
use super::random::Sequence;
use weir_core::call::StopKind;

/// The most bytes that one call of `random` returns, as the contract says.
const RANDOM_BYTES: u32 = 4_096;

impl delivery::Host for State {
    fn now(&mut self) -> wasmtime::Result<i64> {
        self.called()?;
        self.only_in_delivery("delivery.now")?;
        Ok(self.scene.now_ms)
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        self.called()?;
        self.only_in_delivery("delivery.attempt")?;
        Ok(self.scene.attempt)
    }

    fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        self.called()?;
        self.only_in_delivery("delivery.random")?;
        if count > RANDOM_BYTES {
            let message = format!("random: asked for {count} bytes, one call gives at most {RANDOM_BYTES}");
            return Err(self.stopped(StopKind::Random, message));
        }
        self.crossed(count as usize)?;
        let seed = &self.scene.seed;
        let random = self.random.get_or_insert_with(|| Sequence::new(seed.clone(), "delivery"));
        Ok(random.bytes(count as usize))
    }
}
