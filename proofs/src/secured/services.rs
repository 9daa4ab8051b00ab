//! A Kafka and a MongoDB that require TLS and a login, and users that may do only what deploy/roles says.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use rig::instance::{Instance, SINGLE_BROKER, TOPIC, Temporary, java, mongod, ports};
use rig::pipeline::Pipeline;
use rig::{paths, process, python};

const INSTANCE: &str = "prove-secured";
const STARTS: Duration = Duration::from_secs(90);
/// The password of every user.
pub(crate) const PASSWORD: &str = "a-password-of-the-tests";
/// The certificate's subject, which is also the name of its MongoDB user.
const SUBJECT: &str = "CN=weir,O=weir-test-clients";

/// Both services, running.
pub(crate) struct Services {
    /// Provides the folder, ports and programs. It does not start the services.
    temporary: Temporary,
    folder: PathBuf,
    sasl: u16,
    mtls: u16,
}

impl Services {
    /// Starts both, and makes what they must contain.
    pub(crate) fn start() -> Result<Self> {
        let free = ports::more(2)?;
        let temporary = Temporary::fresh(INSTANCE, false)?;
        let folder = temporary.instance.path("certificates");
        paths::make(&folder)?;
        let services = Self { temporary, sasl: free[0], mtls: free[1], folder };
        python::run(&services.instance().parts, "certificates.py", &[&services.folder.to_string_lossy()])?;
        services.start_mongod()?;
        services.start_kafka()?;
        Ok(services)
    }

    /// The instance that they belong to.
    pub(crate) fn instance(&self) -> &Instance {
        &self.temporary.instance
    }

    /// Returns the names that the reference page gives. Each way sets its own login.
    pub(crate) fn pipeline(&self) -> Pipeline {
        Pipeline::documented(&self.instance().environment)
    }

    /// Returns the path of a file of `certificates.py`, or of a token.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// Returns Kafka's listener for a login over TLS.
    pub(crate) fn sasl(&self) -> String {
        format!("127.0.0.1:{}", self.sasl)
    }

    /// Returns Kafka's listener that requires a certificate.
    pub(crate) fn mtls(&self) -> String {
        format!("127.0.0.1:{}", self.mtls)
    }

    /// Returns MongoDB's URI for a user with a password.
    pub(crate) fn mongodb(&self, user: &str, password: &str, ca: &str) -> String {
        let ports = &self.instance().environment.ports;
        let ca = self.file(ca);
        format!(
            "mongodb://{user}:{password}@127.0.0.1:{}/?replicaSet=rs0&authSource=admin&tls=true&tlsCAFile={ca}",
            ports.mongodb
        )
    }

    /// Returns MongoDB's URI for the user of a certificate.
    pub(crate) fn mongodb_x509(&self) -> String {
        let ports = &self.instance().environment.ports;
        format!(
            "mongodb://127.0.0.1:{}/?replicaSet=rs0&authMechanism=MONGODB-X509&authSource=%24external&tls=true\
             &tlsCAFile={}&tlsCertificateKeyFile={}",
            ports.mongodb,
            self.file("ca.pem"),
            self.file("weir.pem")
        )
    }

    /// Sends events through a listener that Weir does not use.
    pub(crate) fn send(&self, events: u64) -> Result<()> {
        let kafka = &self.instance().environment.kafka;
        self.script("send", &json!({ "bootstrap": kafka, "topic": TOPIC, "events": events })).map(drop)
    }

    /// Writes a token for a user, valid for that many seconds.
    pub(crate) fn token(&self, subject: &str, seconds: u64) -> Result<()> {
        self.script("token", &json!({ "path": self.file("token"), "subject": subject, "seconds": seconds })).map(drop)
    }

    /// Returns what MongoDB holds.
    pub(crate) fn seen(&self) -> Result<Value> {
        let root = self.mongodb("root", PASSWORD, "ca.pem");
        Ok(serde_json::from_str(&self.script("seen", &json!({ "mongodb": root }))?)?)
    }

    fn script(&self, verb: &str, arguments: &Value) -> Result<String> {
        python::run(&self.instance().parts, "secured.py", &[verb, &arguments.to_string()])
    }

    fn start_mongod(&self) -> Result<()> {
        let instance = self.instance();
        let port = instance.environment.ports.mongodb;
        let (data, key_file) = (instance.path("mongod-1"), instance.path("key-file"));
        paths::make(&data)?;
        fs::write(&key_file, "d2VpcnRlc3RrZXk=\n")?;
        fs::set_permissions(&key_file, Permissions::from_mode(0o600))?;
        let mut command = mongod::command(&instance.parts, &data, port);
        command.args(["--auth", "--keyFile"]).arg(&key_file).args(["--tlsMode", "requireTLS"]);
        command.arg("--tlsAllowConnectionsWithoutCertificates");
        command.args(["--tlsCertificateKeyFile", &self.file("server.pem"), "--tlsCAFile", &self.file("ca.pem")]);
        let daemon = instance.daemon("mongod-1");
        daemon.start(&mut command)?;
        daemon.wait(STARTS, || Ok(ports::open(port)))?;
        let role = paths::root().join("deploy/roles/mongodb.json");
        let (ca, subject, password) = (self.file("ca.pem"), SUBJECT, PASSWORD);
        self.script(
            "mongodb",
            &json!({ "port": port, "ca": ca, "role": role, "subject": subject, "password": password }),
        )
        .map(drop)
    }

    fn start_kafka(&self) -> Result<()> {
        let instance = self.instance();
        let settings = instance.path("kafka.properties");
        fs::write(&settings, self.properties())?;
        let mut format = java(instance);
        format.args(["kafka.tools.StorageTool", "format", "-t", "V2VpcnRlc3RzZWN1cmVkMQ", "-c"]).arg(&settings);
        process::logged(&mut format, &instance.path("log").join("kafka-format.log"), "making Kafka's folder")?;
        let daemon = instance.daemon("kafka");
        daemon.start(java(instance).arg("-Xmx384m").arg("kafka.Kafka").arg(&settings))?;
        daemon.wait(STARTS, || Ok(ports::open(instance.environment.ports.kafka)))?;
        let users = json!({ "weir": PASSWORD, "nobody": PASSWORD });
        self.script("kafka", &json!({ "bootstrap": instance.environment.kafka, "topic": TOPIC, "users": users }))?;
        self.grant()
    }

    /// Runs the same script that people run.
    fn grant(&self) -> Result<()> {
        let instance = self.instance();
        let java = java(instance);
        let words = java.get_args().map(|word| word.to_string_lossy().into_owned());
        let acls: Vec<String> = words.chain(["org.apache.kafka.tools.AclCommand".to_owned()]).collect();
        // This needs a program of its own, because the shell splits a variable at spaces and expands a `*` in it as a
        // pattern.
        let program = instance.path("kafka-acls");
        let quoted: Vec<String> = acls.iter().map(|word| format!("'{word}'")).collect();
        fs::write(&program, format!("#!/bin/sh\nexec java {} \"$@\"\n", quoted.join(" ")))?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        let mut command = Command::new(paths::root().join("deploy/roles/kafka-acls.sh"));
        command.env("KAFKA_ACLS", &program).args(["weir", TOPIC, &self.pipeline().group]);
        command.args(["--bootstrap-server", &instance.environment.kafka]);
        process::logged(&mut command, &instance.path("log").join("kafka-acls.log"), "granting rights in Kafka")
    }

    fn properties(&self) -> String {
        let ports = &self.instance().environment.ports;
        let (own, controller, sasl, mtls) = (ports.kafka, ports.kafka_controller, self.sasl, self.mtls);
        let modules = "org.apache.kafka.common.security";
        format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=OWN://127.0.0.1:{own},LOGIN://127.0.0.1:{sasl},MTLS://127.0.0.1:{mtls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=OWN://127.0.0.1:{own},LOGIN://127.0.0.1:{sasl},MTLS://127.0.0.1:{mtls}
listener.security.protocol.map=OWN:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,MTLS:SSL
inter.broker.listener.name=OWN
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location={server}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
ssl.principal.mapping.rules=RULE:^CN=([^,]+),.*$/$1/,DEFAULT
listener.name.mtls.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.login.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required \\
  user_weir=\"{PASSWORD}\" user_nobody=\"{PASSWORD}\";
listener.name.login.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.login.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required \\
  unsecuredLoginStringClaim_sub=\"kafka\";
listener.name.login.oauthbearer.connections.max.reauth.ms=5000
log.dirs={logs}
group.initial.rebalance.delay.ms=0
{SINGLE_BROKER}",
            server = self.file("server.pem"),
            ca = self.file("ca.pem"),
            logs = self.instance().path("kafka").display(),
        )
    }
}
