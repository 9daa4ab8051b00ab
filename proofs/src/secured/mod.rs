//! Every way to log in to a secured Kafka and a secured MongoDB, with the rights of deploy/roles and no others, and
//! what Weir says when it cannot log in.

mod services;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use serde_json::{Value, json};

use self::services::{PASSWORD, Services};
use crate::verdict::{Started, Verdict};
use rig::guests::Guests;
use rig::instance::ports;
use rig::weir::Weir;
use rig::{interrupt, paths};

const EVENTS: u64 = 30;
const PATIENCE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_millis(100);

const QUICK_WAYS: [&str; 3] = ["SCRAM-SHA-512", "OAUTHBEARER", "mTLS"];
const QUICK_REFUSALS: [&str; 3] = ["a wrong password for kafka", "a wrong password for mongodb", "no role in mongodb"];

type Settings = Vec<(&'static str, String)>;

struct Proof {
    services: Services,
    handlers: PathBuf,
    sent: u64,
}

/// Starts the services, and returns the proof.
pub(crate) fn start() -> Result<Started> {
    let services = Services::start()?;
    Ok(Box::new(|quick| run(services, quick)))
}

fn run(services: Services, quick: bool) -> Result<Verdict> {
    let handlers = services.instance().path("handlers");
    paths::make(&handlers)?;
    Guests::built().put(&handlers, ["echo"])?;
    let mut proof = Proof { services, handlers, sent: 0 };
    let mut ways = proof.ways()?;
    let mut refusals = proof.refusals();
    if quick {
        // Every kind of login to each service, one refusal by Kafka and two by MongoDB.
        ways.retain(|(name, _)| QUICK_WAYS.iter().any(|begin| name.starts_with(begin)));
        refusals.retain(|(name, ..)| QUICK_REFUSALS.contains(name));
        ensure!(
            ways.len() == QUICK_WAYS.len() && refusals.len() == QUICK_REFUSALS.len(),
            "the quick form has lost some"
        );
    }
    for (name, settings) in &ways {
        proof.goes(name, settings)?;
        println!("  {name}: {} events, as many documents", proof.sent);
    }
    let ended = proof.ends_sessions(&ways[0].1)?;
    let mut said = Vec::new();
    for (name, settings, says) in refusals {
        let line = proof.stops(name, &settings, says)?;
        println!("  {name}: {line}");
        said.push(json!({ "what": name, "said": line }));
    }
    let line = proof.waits_without_rights()?;
    println!("  without rights in kafka: {line}");
    let seen = proof.services.seen()?;
    let holds = seen["documents"] == proof.sent && seen["parked"] == json!([]) && seen["format"] == 2;
    Ok(Verdict {
        holds,
        figure: format!(
            "{} ways in, {} events, {} documents, {} parked; {} refusals reported at a stop, 1 while waiting",
            ways.len(),
            proof.sent,
            seen["documents"],
            seen["parked"].as_array().map_or(0, Vec::len),
            said.len()
        ),
        bound: "every event by every way, every refusal named".to_owned(),
        details: json!({ "seen": seen, "refusals": said, "waits": line, "sessions": ended }),
    })
}

impl Proof {
    /// Returns the ways in: Kafka by each mechanism, MongoDB by password and by certificate.
    fn ways(&self) -> Result<Vec<(&'static str, Settings)>> {
        self.services.token("weir", 3_600)?;
        let password = self.services.mongodb("weir", PASSWORD, "ca.pem");
        let certificate = self.services.mongodb_x509();
        let token = ("KAFKA_SASL_OAUTHBEARER_TOKEN_PATH", self.services.file("token"));
        let mut bearer = self.login("OAUTHBEARER", None, &certificate);
        bearer.push(token);
        Ok(vec![
            ("SCRAM-SHA-512, MongoDB by password", self.login("SCRAM-SHA-512", Some("weir"), &password)),
            ("SCRAM-SHA-256, MongoDB by certificate", self.login("SCRAM-SHA-256", Some("weir"), &certificate)),
            ("PLAIN, MongoDB by password", self.login("PLAIN", Some("weir"), &password)),
            ("OAUTHBEARER, MongoDB by certificate", bearer),
            ("mTLS, MongoDB by password", self.mtls(&password)),
        ])
    }

    fn login(&self, mechanism: &str, user: Option<&str>, mongodb: &str) -> Settings {
        let mut settings = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", self.services.sasl()),
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL".to_owned()),
            ("KAFKA_SASL_MECHANISM", mechanism.to_owned()),
            ("KAFKA_SSL_CA_LOCATION", self.services.file("ca.pem")),
            ("MONGODB_URI", mongodb.to_owned()),
        ];
        if let Some(user) = user {
            settings.push(("KAFKA_SASL_USERNAME", user.to_owned()));
            settings.push(("KAFKA_SASL_PASSWORD", PASSWORD.to_owned()));
        }
        settings
    }

    fn mtls(&self, mongodb: &str) -> Settings {
        vec![
            ("KAFKA_BOOTSTRAP_SERVERS", self.services.mtls()),
            ("KAFKA_SECURITY_PROTOCOL", "SSL".to_owned()),
            ("KAFKA_SSL_CA_LOCATION", self.services.file("ca.pem")),
            ("KAFKA_SSL_CERTIFICATE_LOCATION", self.services.file("weir.crt")),
            ("KAFKA_SSL_KEY_LOCATION", self.services.file("weir.key")),
            ("MONGODB_URI", mongodb.to_owned()),
        ]
    }

    /// Returns settings that must not work, and what Weir must say about each.
    fn refusals(&self) -> Vec<(&'static str, Settings, &'static str)> {
        let password = self.services.mongodb("weir", PASSWORD, "ca.pem");
        let with = |name, value: String| {
            let mut settings = self.login("SCRAM-SHA-512", Some("weir"), &password);
            settings.retain(|(known, _)| *known != name);
            settings.push((name, value));
            settings
        };
        let mongodb = |user, password, ca| with("MONGODB_URI", self.services.mongodb(user, password, ca));
        let mut nameless = self.mtls(&password);
        nameless.retain(|(name, _)| !name.contains("CERTIFICATE") && !name.contains("KEY"));
        vec![
            ("a wrong password for kafka", with("KAFKA_SASL_PASSWORD", "wrong".to_owned()), "KAFKA_SASL_PASSWORD"),
            (
                "kafka's authority unknown",
                with("KAFKA_SSL_CA_LOCATION", self.services.file("other-ca.pem")),
                "KAFKA_SSL_CA_LOCATION",
            ),
            ("no certificate for kafka", nameless, "KAFKA_SSL_CERTIFICATE_LOCATION"),
            ("a wrong password for mongodb", mongodb("weir", "wrong", "ca.pem"), "mongodb refuses this host"),
            ("mongodb's authority unknown", mongodb("weir", PASSWORD, "other-ca.pem"), "certificate"),
            ("no role in mongodb", mongodb("nobody", PASSWORD, "ca.pem"), "not authorized"),
        ]
    }

    fn launch(&self, settings: &[(&'static str, String)]) -> Result<Weir> {
        let port = ports::more(1)?[0];
        let mut command = self.services.pipeline().command(&paths::weir(), &self.handlers);
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        Weir::launch(self.services.instance().daemon("weir"), port, &mut command)
    }

    /// Checks that events become documents with these settings.
    fn goes(&mut self, name: &str, settings: &[(&'static str, String)]) -> Result<()> {
        let weir = self.launch(settings)?;
        weir.ready(PATIENCE)?;
        self.sends()?;
        let seen = self.services.seen()?;
        ensure!(seen["parked"] == json!([]), "{name}: deliveries were parked: {}", seen["parked"]);
        ensure!(seen["documents"] == self.sent, "{name}: {} documents of {}", seen["documents"], self.sent);
        weir.stop()
    }

    /// Sends events, and waits until they are accounted for.
    fn sends(&mut self) -> Result<()> {
        self.services.send(EVENTS)?;
        self.sent += EVENTS;
        let begin = Instant::now();
        loop {
            let seen = self.services.seen()?;
            if seen["passed"].as_u64().is_some_and(|passed| passed >= self.sent) {
                return Ok(());
            }
            ensure!(begin.elapsed() < PATIENCE, "of {} events after {} s: {seen}", self.sent, PATIENCE.as_secs());
            interrupt::sleep(STEP)?;
        }
    }

    /// Checks that the next host ends the sessions of one that was killed, with Weir's rights.
    fn ends_sessions(&mut self, settings: &[(&'static str, String)]) -> Result<Value> {
        let weir = self.launch(settings)?;
        weir.ready(PATIENCE)?;
        self.sends()?;
        weir.signal(Signal::SIGKILL)?;
        let begin = Instant::now();
        while weir.ended().is_none() {
            ensure!(begin.elapsed() < PATIENCE, "a killed host does not end");
            interrupt::sleep(STEP)?;
        }
        drop(weir);
        let weir = self.launch(settings)?;
        weir.ready(PATIENCE)?;
        self.sends()?;
        let log = fs::read_to_string(weir.log())?;
        ensure!(log.contains("predecessor_sessions_killed"), "no session of the killed host was ended:\n{log}");
        weir.stop()?;
        Ok(json!("ended"))
    }

    /// Checks that a host ends by itself and says why. Returns the line.
    fn stops(&self, name: &str, settings: &[(&'static str, String)], says: &str) -> Result<String> {
        let weir = self.launch(settings)?;
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = weir.ended() {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                bail!("{name}: it still runs; its log:\n{}", fs::read_to_string(weir.log())?);
            }
            interrupt::sleep(STEP)?;
        };
        ensure!(matches!(status, WaitStatus::Exited(_, 1)), "{name}: it ended with {status:?}");
        let line = last_error(&weir.log())?;
        ensure!(line.contains(says), "{name}: it says {line:?}, which does not contain {says:?}");
        ensure!(!line.contains(PASSWORD), "{name}: its output contains the password");
        Ok(line)
    }

    /// Checks that a host without rights waits and says so, because rights may be granted meanwhile.
    fn waits_without_rights(&self) -> Result<String> {
        let password = self.services.mongodb("weir", PASSWORD, "ca.pem");
        let weir = self.launch(&self.login("PLAIN", Some("nobody"), &password))?;
        let begin = Instant::now();
        loop {
            weir.alive()?;
            let said = weir.readiness().unwrap_or_default();
            if said.to_lowercase().contains("authorization failed") {
                weir.stop()?;
                return Ok(said);
            }
            ensure!(begin.elapsed() < PATIENCE, "a host without rights says {said}");
            interrupt::sleep(STEP)?;
        }
    }
}

/// Returns the reason that the log gives for the end, with its hint.
fn last_error(log: &Path) -> Result<String> {
    let text = fs::read_to_string(log)?;
    let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let failed = lines.find(|line| line["event"] == "failed").context("the log has no line `failed`")?;
    let texts = ["error", "hint"].map(|name| failed[name].as_str().unwrap_or_default().to_owned());
    Ok(texts.join("; "))
}
