//! Compilation, in a process of its own with bounds on memory and time.
//!
//! What the compiler needs for a component depends on its shape in more ways than [`super::inspect`] can know: a file of a few
//! kilobytes may ask for gigabytes, and a fault in the compiler would be the host's. So the host runs itself as `weir compile`,
//! writes the component to that process and reads the code from it.
//!
//! Invariant: whatever a component does to the compiler, the host goes on, and says why the component is refused.

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use wasmtime::component::Component;

use super::code_cache::CodeCache;
use super::engine::{self, EngineSettings};
use super::load::{cause, in_a_line};
use super::{Engine, Reason};
use weir_core::cut;

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In this process, without any bounds: for components that one trusts, such as those of tests.
    InProcess,
    /// By a process of its own.
    Child {
        /// This program, which is `weir`.
        program: PathBuf,
        /// Where code is kept for the next host, if anywhere.
        cache: Option<CodeCache>,
    },
}

impl Compiler {
    /// By a process of the program that runs, even if its file has been replaced meanwhile.
    ///
    /// # Errors
    /// If the system does not say which program that is.
    pub fn child(cache: Option<CodeCache>) -> std::io::Result<Self> {
        let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
        Ok(Self::Child { program, cache })
    }
}

/// The bounds of one compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    cpu_seconds: u64,
    memory_bytes: u64,
    code_bytes: u64,
}

impl Bounds {
    /// More than the largest components need that were tried: 50 MB of data took 6 s and 1.2 GiB, 61 MB of code 14 s and
    /// 1 GiB, of which these bounds are twice the memory and more than ten times the time.
    fn of(wasm_bytes: usize) -> Self {
        let bytes = wasm_bytes as u64;
        Self {
            cpu_seconds: 20 + 6 * bytes.div_ceil(1_000_000),
            memory_bytes: (3 << 29) + 24 * bytes,
            code_bytes: (64 << 20) + 8 * bytes,
        }
    }

    /// Compiling may wait for a processor as long as it may use one, several times over.
    fn wait(self) -> Duration {
        Duration::from_secs(4 * self.cpu_seconds)
    }

    fn too_long(self) -> Reason {
        Reason::TooLarge(format!("compiling it takes more than {} s of processor time", self.cpu_seconds))
    }

    fn too_late(self) -> Reason {
        Reason::TooLarge(format!("compiling it took more than {} s", self.wait().as_secs()))
    }

    fn too_much_memory(self) -> Reason {
        Reason::TooLarge(format!("compiling it takes more than {} MiB of memory", self.memory_bytes >> 20))
    }

    fn killed(self) -> Reason {
        let may_bytes = self.memory_bytes >> 20;
        Reason::TooLarge(format!(
            "the compiler was killed, which systems do that have no memory left; it may take {may_bytes} MiB"
        ))
    }

    fn too_much_code(self) -> Reason {
        Reason::TooLarge(format!("compiled, it has more than {} MiB", self.code_bytes >> 20))
    }
}

/// The exit status of a child that could not compile the component and says why.
const REFUSED: u8 = 3;
/// The exit status of a child that could not begin.
const UNABLE: u8 = 4;
/// The most threads of a child. Each takes memory of its own, whatever the component.
const THREADS: usize = 8;
/// How often a child looks whether its host is still there.
const LOOK: Duration = Duration::from_millis(500);
/// The most bytes of what a child says.
const SAID_BYTES: usize = 2 << 10;

impl Engine {
    /// Compiles a component that has been inspected.
    pub(super) async fn compile(&self, wasm: Vec<u8>) -> Result<Component, Reason> {
        let engine = self.wasm().clone();
        let Compiler::Child { program, cache } = self.compiler() else {
            return apart(move || Component::new(&engine, wasm)).await?.map_err(|error| Reason::Compile(cause(&error)));
        };
        let place = cache.as_ref().map(|cache| cache.place(&engine, &wasm));
        if let Some(place) = place.clone() {
            let engine = engine.clone();
            // Code that this build of Wasmtime does not load was written by another, and is replaced below.
            let kept = apart(move || deserialize(&engine, &place.read()?).ok());
            if let Some(component) = kept.await? {
                return Ok(component);
            }
        }
        let code = compile_apart(program, self.settings(), &wasm).await?;
        tracing::debug!(wasm_bytes = wasm.len(), code_bytes = code.len(), "component_compiled");
        let made = apart(move || {
            let component = deserialize(&engine, &code)?;
            if let Some(place) = place {
                place.write(&code);
            }
            Ok(component)
        });
        made.await?.map_err(|error: wasmtime::Error| Reason::Compile(cause(&error)))
    }
}

/// Runs something that takes long, away from the threads that serve deliveries.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Reason> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Reason::Fault(error.to_string()))
}

#[allow(unsafe_code, reason = "the code is what this program's own child has made of the component")]
fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks for the unchanged result of a compilation. It comes through a pipe from a process that this
    // one has started, of the same program, or from a file in which only this user can have put such a result. A component
    // has no means to write to either.
    unsafe { Component::deserialize(engine, code) }
}

async fn compile_apart(program: &Path, settings: &EngineSettings, wasm: &[u8]) -> Result<Vec<u8>, Reason> {
    let fault = |error: &dyn std::fmt::Display| Reason::Fault(format!("compiling in a process of its own: {error}"));
    let bounds = Bounds::of(wasm.len());
    let settings = serde_json::to_string(settings).map_err(|error| fault(&error))?;
    let mut command = Command::new(program);
    // It needs none of the host's secrets, only the path of its libraries.
    command.env_clear().envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)));
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS);
    command.env("RAYON_NUM_THREADS", threads.to_string());
    // In a group of its own, because the host decides what an interrupt from the terminal means.
    command.arg("compile").arg(settings).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| fault(&error))?;
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(fault(&"it has no pipes"));
    };
    let (mut code, mut said) = (Vec::new(), Vec::new());
    let write = async {
        // A child that has ended takes no more, and its status says why.
        let _ = stdin.write_all(wasm).await;
        drop(stdin);
        Ok(())
    };
    let read = async {
        stdout.take(bounds.code_bytes + 1).read_to_end(&mut code).await.map_err(|error| fault(&error))?;
        if code.len() as u64 > bounds.code_bytes { Err(bounds.too_much_code()) } else { Ok(()) }
    };
    let hear = async {
        let _ = (&mut stderr).take(SAID_BYTES as u64).read_to_end(&mut said).await;
        // It must never wait for a reader.
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        Ok(())
    };
    let run = async {
        tokio::try_join!(write, read, hear)?;
        child.wait().await.map_err(|error| fault(&error))
    };
    let status = tokio::time::timeout(bounds.wait(), run).await.map_err(|_| bounds.too_late())??;
    ended(status, &String::from_utf8_lossy(&said), bounds).map(|()| code)
}

/// What the end of a child means for the component.
fn ended(status: ExitStatus, said: &str, bounds: Bounds) -> Result<(), Reason> {
    const NO_MEMORY: [&str; 3] = ["memory allocation of", "Cannot allocate memory", "out of memory"];
    let signal = status.signal().and_then(|signal| Signal::try_from(signal).ok());
    match (status.code(), signal) {
        (Some(0), _) => Ok(()),
        _ if NO_MEMORY.iter().any(|words| said.contains(words)) => Err(bounds.too_much_memory()),
        (Some(code), _) if code == i32::from(REFUSED) => Err(Reason::Compile(in_a_line(said))),
        (Some(code), _) if code == i32::from(UNABLE) => Err(Reason::Fault(said.trim_end().to_owned())),
        (_, Some(signal @ (Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP))) => {
            Err(Reason::Fault(format!("somebody ended the compiler ({signal})")))
        }
        (_, Some(Signal::SIGXCPU)) => Err(bounds.too_long()),
        // The system ends processes in this way when its memory, or that of the container, is used up.
        (_, Some(Signal::SIGKILL)) => Err(bounds.killed()),
        _ => {
            let said: Vec<&str> = said.lines().filter(|line| !line.is_empty() && !line.starts_with("note: ")).collect();
            Err(Reason::Compile(format!("the compiler failed ({status}): {}", said.join(" "))))
        }
    }
}

/// Compiles the component that comes from the standard input, within bounds that it sets itself, and writes the code to the
/// standard output. It is what `weir compile` does; `settings` are an engine's, in JSON.
#[must_use]
pub fn compile_in_this_process(settings: &str) -> ExitCode {
    let done = begin(settings).map_err(|said| (UNABLE, said)).and_then(|(settings, wasm)| {
        let code = engine::precompile(&settings, &wasm).map_err(|error| (REFUSED, format!("{error:#}")))?;
        std::io::stdout().write_all(&code).map_err(|error| (UNABLE, error.to_string()))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, said)) => {
            let said = cut::noted(said, SAID_BYTES);
            let _ = std::io::stderr().write_all(said.as_bytes());
            ExitCode::from(status)
        }
    }
}

/// Reads the component and sets the bounds.
fn begin(settings: &str) -> Result<(EngineSettings, Vec<u8>), String> {
    let settings = serde_json::from_str(settings).map_err(|error| error.to_string())?;
    let host = getppid();
    // A host that is killed cannot end its child.
    std::thread::spawn(move || {
        while getppid() == host {
            std::thread::sleep(LOOK);
        }
        std::process::exit(i32::from(UNABLE));
    });
    let mut wasm = Vec::new();
    std::io::stdin().read_to_end(&mut wasm).map_err(|error| error.to_string())?;
    let bounds = Bounds::of(wasm.len());
    // A process that uses up its time is told so by a signal of its own, unless both limits are the same.
    let (cpu, killed_at) = (bounds.cpu_seconds, bounds.cpu_seconds + 1);
    for (resource, soft, hard) in [
        (Resource::RLIMIT_DATA, bounds.memory_bytes, bounds.memory_bytes),
        (Resource::RLIMIT_CPU, cpu, killed_at),
        (Resource::RLIMIT_CORE, 0, 0),
    ] {
        // The system may allow less than that.
        let allowed = getrlimit(resource).map_or(hard, |(_, allowed)| allowed.min(hard));
        setrlimit(resource, soft.min(allowed), allowed).map_err(|error| format!("a bound cannot be set: {error}"))?;
    }
    // If the memory of a container is used up nevertheless, the system ends this process before the host.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok((settings, wasm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_child_ends_says_why_a_component_is_refused() {
        let bounds = Bounds::of(1_000_000);
        assert_eq!((bounds.cpu_seconds, bounds.memory_bytes >> 20, bounds.code_bytes >> 20), (26, 1_558, 71));
        let refused = |raw: i32, said: &str| {
            ended(ExitStatus::from_raw(raw), said, bounds).expect_err("it has failed").to_string()
        };
        ended(ExitStatus::from_raw(0), "", bounds).expect("it has compiled");
        assert_eq!(refused(3 << 8, "invalid type\n"), "does not compile: invalid type");
        for (raw, said, expected) in [
            (Signal::SIGXCPU as i32, "", "more than 26 s of processor time"),
            (Signal::SIGKILL as i32, "", "was killed, which systems do that have no memory left; it may take 1558 MiB"),
            (Signal::SIGABRT as i32, "memory allocation of 4096 bytes failed", "more than 1558 MiB of memory"),
            (4 << 8, "EPERM", "this host failed: EPERM"),
            (Signal::SIGTERM as i32, "", "this host failed: somebody ended the compiler (SIGTERM)"),
            (101 << 8, "unhandled out-of-memory error: out of memory", "more than 1558 MiB of memory"),
            (3 << 8, "mmap: Cannot allocate memory (os error 12)", "more than 1558 MiB of memory"),
            (101 << 8, "\npanicked at\nwhy\nnote: run", "the compiler failed (exit status: 101): panicked at why"),
        ] {
            let refused = refused(raw, said);
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
