//! WASI's streams: stdin, which is closed, and stdout and stderr, whose bytes become log lines.
//!
//! Every call counts towards `host_calls` and every byte towards `boundary_bytes`, as in calls of the contract. The
//! streams' behaviour is wasmtime's own.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, OutputStream, Pollable, StreamError, StreamResult,
};
use wasmtime_wasi_io::bindings::wasi::io::streams::{self, HostInputStream, HostOutputStream};

use super::State;
use super::log_buffer::Printed;
use super::state::Shared;
use weir_core::call::StopKind;

/// The most bytes that one write may bring.
const PERMIT_BYTES: usize = 64 << 10;

/// A stream whose bytes become log lines. It accepts every write at once, and the log drops whatever is over its
/// limits.
struct Lines {
    shared: Arc<Shared>,
    to: Printed,
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.shared.log().print(self.to, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl State {
    /// Opens stdout or stderr.
    pub(super) fn printed(&mut self, to: Printed) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Lines { shared: Arc::clone(&self.shared), to });
        Ok(self.table.push(stream)?)
    }

    /// Counts a call of a stream and the bytes that it brings. Writing more than `check-write` permits is a mistake
    /// that traps, as WASI specifies. This keeps the host from working on one write for long.
    fn streamed(&mut self, bytes: usize) -> StreamResult<()> {
        self.called().map_err(StreamError::Trap)?;
        if bytes > PERMIT_BYTES {
            let message = format!("output-stream: wrote {bytes} bytes at once, and check-write permits {PERMIT_BYTES}");
            return Err(StreamError::Trap(self.stopped(StopKind::Trap, message)));
        }
        self.crossed(bytes).map_err(StreamError::Trap)
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl streams::Host for State {
    fn convert_stream_error(&mut self, error: StreamError) -> wasmtime::Result<streams::StreamError> {
        streams::Host::convert_stream_error(&mut self.table, error)
    }
}

impl HostOutputStream for State {
    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        HostOutputStream::drop(&mut self.table, stream).await
    }

    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        self.streamed(0)?;
        HostOutputStream::check_write(&mut self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.streamed(bytes.len())?;
        HostOutputStream::write(&mut self.table, stream, bytes)
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        self.called()?;
        HostOutputStream::subscribe(&mut self.table, stream)
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.streamed(bytes.len())?;
        HostOutputStream::blocking_write_and_flush(&mut self.table, stream, bytes).await
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        count: u64,
    ) -> StreamResult<()> {
        self.streamed(length(count))?;
        HostOutputStream::blocking_write_zeroes_and_flush(&mut self.table, stream, count).await
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, count: u64) -> StreamResult<()> {
        self.streamed(length(count))?;
        HostOutputStream::write_zeroes(&mut self.table, stream, count)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.streamed(0)?;
        HostOutputStream::flush(&mut self.table, stream)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.streamed(0)?;
        HostOutputStream::blocking_flush(&mut self.table, stream).await
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        count: u64,
    ) -> StreamResult<u64> {
        self.streamed(0)?;
        HostOutputStream::splice(&mut self.table, to, from, count)
    }

    async fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        count: u64,
    ) -> StreamResult<u64> {
        self.streamed(0)?;
        HostOutputStream::blocking_splice(&mut self.table, to, from, count).await
    }
}

impl HostInputStream for State {
    async fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        HostInputStream::drop(&mut self.table, stream).await
    }

    fn read(&mut self, stream: Resource<DynInputStream>, count: u64) -> StreamResult<Vec<u8>> {
        self.streamed(0)?;
        HostInputStream::read(&mut self.table, stream, count)
    }

    async fn blocking_read(&mut self, stream: Resource<DynInputStream>, count: u64) -> StreamResult<Vec<u8>> {
        self.streamed(0)?;
        HostInputStream::blocking_read(&mut self.table, stream, count).await
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, count: u64) -> StreamResult<u64> {
        self.streamed(0)?;
        HostInputStream::skip(&mut self.table, stream, count)
    }

    async fn blocking_skip(&mut self, stream: Resource<DynInputStream>, count: u64) -> StreamResult<u64> {
        self.streamed(0)?;
        HostInputStream::blocking_skip(&mut self.table, stream, count).await
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        self.called()?;
        HostInputStream::subscribe(&mut self.table, stream)
    }
}
