//! The part of WASI that standard libraries import. It gives access to nothing: there are no variables, no arguments
//! and no directories, and stdin is closed. Printed text becomes log lines, random bytes come from the delivery's seed,
//! and `exit` traps.
//!
//! Only single interfaces are linked. `wasi:sockets`, `wasi:http` and everything else that is not named here does not
//! exist for a handler. A handler cannot get a descriptor of `wasi:filesystem` without a preopened directory, so the
//! operations on descriptors are wasmtime's own and are never reached.

use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::p2::pipe::ClosedInputStream;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wasmtime_wasi_io::bindings::wasi::io;

use super::State;
use super::log_buffer::Printed;
use super::random::Sequence;
use weir_core::call::StopKind;

/// The names of the interfaces that [`link`] adds, all of WASI 0.2.
pub(crate) const INTERFACES: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
];

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Adds the interfaces to a linker.
///
/// # Errors
/// If a name is already linked.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    let l = linker;
    cli::environment::add_to_linker::<State, Own>(l, |state| state)?;
    cli::exit::add_to_linker::<State, Own>(l, |state| state)?;
    cli::stdin::add_to_linker::<State, Own>(l, |state| state)?;
    cli::stdout::add_to_linker::<State, Own>(l, |state| state)?;
    cli::stderr::add_to_linker::<State, Own>(l, |state| state)?;
    cli::terminal_input::add_to_linker::<State, Own>(l, |state| state)?;
    cli::terminal_output::add_to_linker::<State, Own>(l, |state| state)?;
    cli::terminal_stdin::add_to_linker::<State, Own>(l, |state| state)?;
    cli::terminal_stdout::add_to_linker::<State, Own>(l, |state| state)?;
    cli::terminal_stderr::add_to_linker::<State, Own>(l, |state| state)?;
    clocks::monotonic_clock::add_to_linker::<State, Own>(l, |state| state)?;
    clocks::wall_clock::add_to_linker::<State, Own>(l, |state| state)?;
    random::random::add_to_linker::<State, Own>(l, |state| state)?;
    random::insecure::add_to_linker::<State, Own>(l, |state| state)?;
    random::insecure_seed::add_to_linker::<State, Own>(l, |state| state)?;
    io::poll::add_to_linker::<State, Own>(l, |state| state)?;
    io::error::add_to_linker::<State, HasTable>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, Own>(l, |state| state)?;
    filesystem::preopens::add_to_linker::<State, Own>(l, |state| state)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, filesystem)
}

fn filesystem(state: &mut State) -> WasiFilesystemCtxView<'_> {
    WasiFilesystemCtxView { ctx: &mut state.filesystem, table: &mut state.table }
}

impl cli::environment::Host for State {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.called()?;
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        self.called()?;
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        self.called()?;
        Ok(None)
    }
}

impl cli::exit::Host for State {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        self.exit_with_code(u8::from(status.is_err()))
    }

    fn exit_with_code(&mut self, status: u8) -> wasmtime::Result<()> {
        let message = format!("the handler called exit with status {status} instead of returning");
        Err(self.stopped(StopKind::Trap, message))
    }
}

impl cli::stdin::Host for State {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        self.called()?;
        let stream: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.table.push(stream)?)
    }
}

impl filesystem::preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.called()?;
        Ok(Vec::new())
    }
}

impl cli::stdout::Host for State {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.called()?;
        self.printed(Printed::Stdout)
    }
}

impl cli::stderr::Host for State {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.called()?;
        self.printed(Printed::Stderr)
    }
}

impl cli::terminal_input::Host for State {}

impl cli::terminal_input::HostTerminalInput for State {
    fn drop(&mut self, terminal: Resource<cli::terminal_input::TerminalInput>) -> wasmtime::Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}

impl cli::terminal_output::Host for State {}

impl cli::terminal_output::HostTerminalOutput for State {
    fn drop(&mut self, terminal: Resource<cli::terminal_output::TerminalOutput>) -> wasmtime::Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}

impl cli::terminal_stdin::Host for State {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<cli::terminal_input::TerminalInput>>> {
        self.called()?;
        Ok(None)
    }
}

impl cli::terminal_stdout::Host for State {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<cli::terminal_output::TerminalOutput>>> {
        self.called()?;
        Ok(None)
    }
}

impl cli::terminal_stderr::Host for State {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<cli::terminal_output::TerminalOutput>>> {
        self.called()?;
        Ok(None)
    }
}

/// The most random bytes that one call returns, because making them takes the host's time.
const RANDOM_BYTES: usize = 64 << 10;

impl random::random::Host for State {
    fn get_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.called()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.crossed(count)?;
        if count > RANDOM_BYTES {
            let message = format!("get-random-bytes: asked for {count} bytes, one call gives at most {RANDOM_BYTES}");
            return Err(self.stopped(StopKind::Random, message));
        }
        Ok(self.wasi_random().bytes(count))
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.called()?;
        Ok(self.wasi_random().number())
    }
}

impl random::insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        random::random::Host::get_random_bytes(self, count)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::random::Host::get_random_u64(self)
    }
}

impl random::insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        self.called()?;
        let mut seed = Sequence::new(self.scene.seed.clone(), "insecure-seed");
        Ok((seed.number(), seed.number()))
    }
}

impl State {
    fn wasi_random(&mut self) -> &mut Sequence {
        let seed = &self.scene.seed;
        self.wasi_random.get_or_insert_with(|| Sequence::new(seed.clone(), "wasi"))
    }
}
