//! A pipe for a host's output that is open but never read.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::fcntl::{self, FcntlArg, OFlag};
use nix::sys::stat::Mode;
use nix::unistd;

/// The size up to which a write to a pipe is atomic: `PIPE_BUF` in pipe(7).
const AT_ONCE: usize = 4096;
/// The room that is left for the host's output.
const LEFT: usize = 4 * AT_ONCE;

/// The pipe. It stays open as long as the value lives.
pub(super) struct Unread {
    path: PathBuf,
    pipe: File,
}

impl Unread {
    pub(super) fn new(path: &Path) -> Result<Self> {
        if path.exists() {
            fs::remove_file(path)?;
        }
        unistd::mkfifo(path, Mode::S_IRWXU).context("cannot make a pipe")?;
        // Opens both ends, so that opening does not wait.
        let pipe = File::options().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
        // The pipe is nearly full from the start, so that even a short run fills it.
        let mut room = fcntl::fcntl(&pipe, FcntlArg::F_GETPIPE_SZ).context("cannot tell how much a pipe takes")?;
        let (at_once, left) = (i32::try_from(AT_ONCE)?, i32::try_from(LEFT)?);
        while room >= left + at_once {
            (&pipe).write_all(&[b'\n'; AT_ONCE])?;
            room -= at_once;
        }
        Ok(Self { path: path.to_owned(), pipe })
    }

    /// Returns the same command with its output in the pipe.
    pub(super) fn instead_of(&self, command: &Command) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" >\"$UNREAD\" 2>&1", "sh"]).arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("UNREAD", &self.path);
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        shell
    }

    /// Returns whether an atomic write would have to wait. A single byte may still fit when a log line does not.
    pub(super) fn is_full(&self) -> Result<bool> {
        match (&self.pipe).write(&[b'\n'; AT_ONCE]) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
