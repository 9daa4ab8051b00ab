//! A pipe for a host's output that is open and that nobody reads.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd;

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
        // Both ends, so that opening it waits for nobody.
        let pipe = File::options().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
        Ok(Self { path: path.to_owned(), pipe })
    }

    /// The same command with its output in the pipe.
    pub(super) fn instead_of(&self, command: &Command) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" >\"$UNREAD\" 2>&1", "sh"]).arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("UNREAD", &self.path);
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        shell
    }

    /// Whether it takes no more, so that whoever writes waits.
    pub(super) fn is_full(&self) -> Result<bool> {
        match (&self.pipe).write(b"\n") {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
