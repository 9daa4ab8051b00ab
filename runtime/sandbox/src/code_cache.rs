//! Compiled code in a folder, so that a host which starts again need not compile its handlers again.
//!
//! Code from this folder runs in the host's own process, outside any sandbox. So the folder must belong to the user that
//! runs the host, and nobody else may write to it.
//!
//! Invariant: a file that is damaged, or that another build of Weir has written, is compiled again and never loaded.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libc::O_NOFOLLOW;
use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};
use tempfile::Builder;

use weir_core::clock;

/// How long a file is kept that no host reads.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// What the names of all files begin with. Nothing else in the folder is Weir's.
const PREFIX: &str = "weir-code-";
/// The bytes of the digest that a file begins with.
const DIGEST_BYTES: usize = 32;
/// Who may write: the permissions of the group and of others.
const WRITE_BY_OTHERS: u32 = 0o022;

/// Why a folder cannot hold code.
#[derive(Debug, thiserror::Error)]
pub enum CodeCacheError {
    /// It cannot be made or read.
    #[error("HANDLERS_CACHE: {} cannot be used: {source}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Somebody else could put code into it.
    #[error(
        "HANDLERS_CACHE: {} can be written by other users, who could make this host run any code\nhint: \
         the folder must belong to the user that runs weir, and its permissions must be 700 or 755",
        folder.display()
    )]
    Exposed {
        /// The folder.
        folder: PathBuf,
    },
}

/// A folder of compiled code.
#[derive(Debug, Clone)]
pub struct CodeCache {
    folder: PathBuf,
}

/// The file of a component's code for one engine, whether or not it exists.
#[derive(Debug, Clone)]
pub(super) struct Place {
    folder: PathBuf,
    name: String,
}

impl CodeCache {
    /// Opens the folder, which is created if need be, and removes code that no host has read for 30 days.
    ///
    /// # Errors
    /// The folder cannot be used, or others could write to it.
    pub fn open(folder: &Path) -> Result<Self, CodeCacheError> {
        let unusable = |source| CodeCacheError::Unusable { folder: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        let folder = folder.canonicalize().map_err(unusable)?;
        let found = fs::metadata(&folder).map_err(unusable)?;
        if !ours(&found) {
            return Err(CodeCacheError::Exposed { folder });
        }
        forget(&folder).map_err(unusable)?;
        Ok(Self { folder })
    }

    /// Returns the place of this component's code for this engine.
    pub(super) fn place(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Place {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let mut digest = Sha256::new();
        digest.update(settings.finish().to_le_bytes());
        digest.update(wasm);
        self.named(&hex::encode(digest.finalize()))
    }

    fn named(&self, name: &str) -> Place {
        Place { folder: self.folder.clone(), name: format!("{PREFIX}{name}") }
    }
}

impl Place {
    /// Returns the code, if it is there undamaged.
    pub(super) fn read(&self) -> Option<Vec<u8>> {
        let path = self.folder.join(&self.name);
        match read(&path, &self.name) {
            Ok(code) => Some(code),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let hint = "the component is compiled again";
                tracing::warn!(file = %path.display(), %error, hint, "compiled_code_not_read");
                None
            }
        }
    }

    /// Keeps the code. A folder that cannot take it costs the next host time, and nothing else.
    pub(super) fn write(&self, code: &[u8]) {
        if let Err(error) = write(&self.folder, &self.name, code) {
            let hint = "the next host compiles the component again; is the folder of HANDLERS_CACHE full or read-only?";
            tracing::warn!(folder = %self.folder.display(), %error, hint, "compiled_code_not_kept");
        }
    }
}

/// The time that the ages of files are counted from.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(clock::now_ms()).unwrap_or_default())
}

fn ours(found: &fs::Metadata) -> bool {
    found.uid() == geteuid().as_raw() && found.mode() & WRITE_BY_OTHERS == 0
}

fn read(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || !ours(&found) {
        return Err(io::Error::other("it is not a file that only this user may write"));
    }
    let mut digest = [0; DIGEST_BYTES];
    let mut code = Vec::new();
    file.read_exact(&mut digest)?;
    file.read_to_end(&mut code)?;
    if digest != digest_of(name, &code) {
        return Err(io::Error::other("it is damaged"));
    }
    // Only a file's age says later whether a host still needs it. A folder that is read-only forgets nothing either.
    let _ = file.set_modified(now());
    Ok(code)
}

/// Returns the digest of the code under its name, so that a file under another's name counts as damaged.
fn digest_of(name: &str, code: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::new().chain_update(name).chain_update(code).finalize().into()
}

/// Writes a file that other hosts see either whole or not at all.
fn write(folder: &Path, name: &str, code: &[u8]) -> io::Result<()> {
    let mut file = Builder::new().prefix(PREFIX).suffix(".new").tempfile_in(folder)?;
    file.write_all(&digest_of(name, code))?;
    file.write_all(code)?;
    file.persist(folder.join(name)).map(drop).map_err(io::Error::from)
}

/// Removes Weir's own files that nobody has read for a long time. Another host may write and remove files meanwhile, so
/// one that cannot be looked at or removed is left alone.
fn forget(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
        let is_own = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_own && is_old(&entry).unwrap_or(false) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn is_old(entry: &fs::DirEntry) -> io::Result<bool> {
    let found = entry.metadata()?;
    let age = now().duration_since(found.modified()?).unwrap_or_default();
    Ok(found.is_file() && age > KEPT)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn code_is_kept_and_found_again() {
        let root = tempfile::tempdir().expect("a folder");
        let open = || CodeCache::open(&root.path().join("a/b")).expect("it is made").named("a");
        assert_eq!(open().read(), None);
        open().write(b"code");
        assert_eq!(open().read().as_deref(), Some(&b"code"[..]));
    }

    #[test]
    fn code_that_was_changed_is_not_loaded() {
        let root = tempfile::tempdir().expect("a folder");
        let cache = CodeCache::open(root.path()).expect("ours");
        let place = cache.named("a");
        place.write(b"code");
        let path = root.path().join(&place.name);
        let whole = fs::read(&path).expect("it is there");
        for damaged in [&whole[..whole.len() - 1], &whole[..10], &[&whole[..], b"!"].concat(), b""] {
            fs::write(&path, damaged).expect("it can be written");
            assert_eq!(place.read(), None, "{} of {} bytes", damaged.len(), whole.len());
        }
        fs::write(&path, &whole).expect("it can be written");
        assert!(place.read().is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours");
        assert_eq!(place.read(), None, "a file that others may write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        let other = cache.named("other");
        fs::copy(&path, root.path().join(&other.name)).expect("ours");
        assert_eq!(other.read(), None, "the code of another component");
        fs::rename(&path, root.path().join("elsewhere")).expect("ours");
        std::os::unix::fs::symlink("elsewhere", &path).expect("a link");
        assert_eq!(place.read(), None, "a link");
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let root = tempfile::tempdir().expect("a folder");
        for mode in [0o770, 0o702, 0o777] {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).expect("ours");
            let error = CodeCache::open(root.path()).expect_err("others may write").to_string();
            assert!(error.contains("can be written by other users"), "{error}");
        }
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        CodeCache::open(root.path()).expect("others may only read");
    }

    #[test]
    fn code_that_nobody_reads_is_removed_after_30_days() {
        let root = tempfile::tempdir().expect("a folder");
        let cache = CodeCache::open(root.path()).expect("ours");
        let (old, used) = (cache.named("old"), cache.named("used"));
        fs::write(root.path().join("mine.wasm"), b"kept").expect("a file of somebody else");
        old.write(b"code");
        used.write(b"code");
        for name in [&*old.name, &*used.name, "mine.wasm"] {
            let file = OpenOptions::new().write(true).open(root.path().join(name)).expect("it is there");
            file.set_modified(now() - KEPT - Duration::from_mins(1)).expect("ours");
        }
        assert!(used.read().is_some());
        CodeCache::open(root.path()).expect("ours");
        assert_eq!((old.read().is_some(), used.read().is_some()), (false, true));
        assert!(root.path().join("mine.wasm").exists(), "only Weir's own files are removed");
    }
}
