//! `cargo xtask image`: builds the Dockerfile's image without Docker, on bases made from Debian's packages.
//!
//! buildah runs the steps in a chroot, so it needs root but no container runtime. The bases replace those that the
//! Dockerfile names: the runtime base is Debian's minimal system of the same release, and the build base is the same
//! with this machine's Rust in it. Crates come from this machine's cargo cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use serde_json::Value;

use rig::{cargo, paths, process};

const RELEASE: &str = "bookworm";
const BASE: &str = "localhost/weir-base";
const RUST: &str = "localhost/weir-rust";
const IMAGE: &str = "localhost/weir";
/// The toolchain's path in the build base.
const TOOLCHAIN: &str = "/usr/local/rust";
/// The maximum size of the program, because the image should be small.
const MOST_MIB: u64 = 48;
const CARGO_HOME: &str = "/usr/local/cargo";

/// Builds the image. Fails if it is not as it must be.
pub(crate) fn run() -> Result<()> {
    prerequisites()?;
    let folder = paths::cache()?.join("image");
    paths::make(&folder.join("target"))?;
    let buildah = Buildah { folder };
    buildah.bases()?;
    buildah.image()?;
    buildah.check()
}

fn prerequisites() -> Result<()> {
    let mut missing = Vec::new();
    for program in ["buildah", "debootstrap"] {
        if Command::new(program).arg("--version").output().is_err() {
            missing.push(format!("{program}: install {program}"));
        }
    }
    if !Uid::effective().is_root() {
        missing.push("root, which a chroot needs".to_owned());
    }
    if !missing.is_empty() {
        bail!("the image cannot be built here; this machine lacks:\n  - {}", missing.join("\n  - "));
    }
    Ok(())
}

struct Buildah {
    folder: PathBuf,
}

impl Buildah {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.folder.join("storage"));
        command.arg("--runroot").arg(self.folder.join("run")).args(arguments);
        command
    }

    fn output(&self, arguments: &[&str]) -> Result<String> {
        let what = format!("buildah {}", arguments.first().copied().unwrap_or_default());
        Ok(process::output(&mut self.command(arguments), &what)?.trim().to_owned())
    }

    fn has(&self, image: &str) -> bool {
        self.output(&["inspect", "--type", "image", image]).is_ok()
    }

    /// Makes both bases, unless they are left from an earlier run.
    fn bases(&self) -> Result<()> {
        if !self.has(BASE) {
            println!("making the base image of Debian's packages");
            let system = self.folder.join("system");
            paths::remove(&system)?;
            let mut debootstrap = Command::new("debootstrap");
            debootstrap.args(["--variant=minbase", "--include=ca-certificates", RELEASE]).arg(&system).arg(mirror()?);
            process::logged(&mut debootstrap, &self.folder.join("debootstrap.log"), "debootstrap")?;
            self.made("scratch", BASE, &[(system.clone(), "/".to_owned())], &[])?;
            paths::remove(&system)?;
        }
        if !self.has(RUST) {
            println!("making the build image with this machine's Rust");
            let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]), "rustc")?;
            let parts = ["bin", "lib", "libexec"]
                .map(|part| (Path::new(sysroot.trim()).join(part), format!("{TOOLCHAIN}/{part}")));
            let path = format!("PATH={TOOLCHAIN}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
            self.made(BASE, RUST, &parts, &[&path, &format!("CARGO_HOME={CARGO_HOME}"), "CARGO_NET_OFFLINE=true"])?;
        }
        Ok(())
    }

    /// Makes an image from another one and what is added to it.
    fn made(&self, from: &str, name: &str, added: &[(PathBuf, String)], variables: &[&str]) -> Result<()> {
        let container = self.output(&["from", from])?;
        for (source, target) in added {
            self.output(&["add", "--quiet", &container, &source.to_string_lossy(), target])?;
        }
        for variable in variables {
            self.output(&["config", "--env", variable, &container])?;
        }
        self.output(&["commit", "--quiet", "--rm", &container, name])?;
        Ok(())
    }

    /// Makes cargo rebuild our own packages each time. Their sources arrive with times from before the last build, so
    /// cargo would consider them unchanged.
    fn forget_our_own(&self) -> Result<()> {
        for profile in ["release", "guest", "wasm32-wasip2/guest"] {
            let known = self.folder.join("target").join(profile).join(".fingerprint");
            let Ok(known) = fs::read_dir(known) else { continue };
            for entry in known {
                let path = entry?.path();
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let Some((package, _)) = name.rsplit_once('-') else { continue };
                if package.starts_with("weir") || paths::root().join("guest-handlers").join(package).is_dir() {
                    paths::remove(&path)?;
                }
            }
        }
        Ok(())
    }

    fn image(&self) -> Result<()> {
        println!("building the image; the log is {}", self.log().display());
        process::run(cargo::cargo().args(["fetch", "--locked", "--quiet"]), "cargo fetch")?;
        let registry = home()?.join("registry");
        // Build output is kept outside the image, so that the next build only compiles what has changed.
        self.forget_our_own()?;
        let volumes = [
            format!("{}:/src/target", self.folder.join("target").display()),
            format!("{}:{CARGO_HOME}/registry", registry.display()),
        ];
        let mut build = self.command(&["build", "--isolation", "chroot", "--format", "docker", "--layers=false"]);
        for volume in &volumes {
            build.args(["--volume", volume]);
        }
        build.args(["--tag", IMAGE]);
        build.args(["--build-arg", &format!("RUST_IMAGE={RUST}"), "--build-arg", &format!("BASE_IMAGE={BASE}")]);
        process::logged(build.arg(paths::root()), &self.log(), "the build of the image")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("build.log")
    }

    /// Checks the image's configuration, and that it contains the program and the handlers.
    fn check(&self) -> Result<()> {
        let inspected: Value = serde_json::from_str(&self.output(&["inspect", "--type", "image", IMAGE])?)?;
        let config = &inspected["Docker"]["config"];
        let has = |what: &str, pointer: &str, expected: Value| {
            let found = config.pointer(pointer).unwrap_or(&Value::Null);
            if *found == expected {
                Ok(())
            } else {
                Err(anyhow::anyhow!("the image's {what} is {found} and not {expected}"))
            }
        };
        has("user", "/User", "1000:1000".into())?;
        has("entrypoint", "/Entrypoint", serde_json::json!(["/usr/local/bin/weir"]))?;
        has("health check", "/Healthcheck/Test", serde_json::json!(["CMD", "/usr/local/bin/weir", "health"]))?;

        let container = self.output(&["from", IMAGE])?;
        let looked = self.look(&container);
        self.output(&["rm", &container])?;
        let (version, handlers, bytes) = looked?;
        if handlers.len() != 6 {
            bail!("the image has the handlers {handlers:?}, and not six");
        }
        let mib = |bytes: u64| bytes / (1 << 20);
        if mib(bytes) > MOST_MIB {
            bail!("the program in the image has {} MiB, and not {MOST_MIB} at most", mib(bytes));
        }
        println!(
            "{IMAGE} is right: {version}, {} handlers, {} MiB for Weir beside the base",
            handlers.len(),
            mib(bytes)
        );
        Ok(())
    }

    fn look(&self, container: &str) -> Result<(String, Vec<String>, u64)> {
        // Runs as the image's user, because nothing in it needs more rights.
        let version = self.output(&["run", "--isolation", "chroot", container, "/usr/local/bin/weir", "version"])?;
        let root = PathBuf::from(self.output(&["mount", container])?);
        let program = root.join("usr/local/bin/weir").metadata()?.len();
        let mut handlers = Vec::new();
        for entry in root.join("handlers").read_dir()? {
            handlers.push(entry?.file_name().to_string_lossy().into_owned());
        }
        self.output(&["umount", container])?;
        Ok((version, handlers, program))
    }
}

/// Returns the mirror that this machine's own packages come from.
fn mirror() -> Result<String> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]);
    let targets = process::output(&mut command, "apt-get")?;
    let of_release = |line: &str| Some(line.split_once(' ').filter(|(_, release)| *release == RELEASE)?.0.to_owned());
    targets.lines().find_map(of_release).with_context(|| format!("apt has no source of Debian's {RELEASE}"))
}

fn home() -> Result<PathBuf> {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo"))).context("set CARGO_HOME or HOME")
}
