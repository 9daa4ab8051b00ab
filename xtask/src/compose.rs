//! `cargo xtask compose`: checks docker-compose.yml with Compose itself, and then what it must contain beyond being
//! valid. It starts no container.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use rig::{cache, paths, process};

/// The variable that `.env.example` sets and that Compose must require.
const PASSWORD: &str = "POSTGRES_PASSWORD";

/// Fails with a list of everything that is wrong.
pub(crate) fn run() -> Result<()> {
    let compose = cache::compose()?;
    let resolved = process::output(config(&compose).args(["--format", "json"]), "docker-compose.yml")?;
    let file: Value = serde_json::from_str(&resolved).context("Compose did not write JSON")?;
    let mut wrong = faults(&file);
    let bare = Command::new(&compose)
        .current_dir(paths::root())
        .env_remove(PASSWORD)
        .args(["--env-file", "/dev/null"])
        .args(["config", "-q"])
        .output()?;
    if bare.status.success() || !String::from_utf8_lossy(&bare.stderr).contains(PASSWORD) {
        wrong.push(format!("without {PASSWORD} it must be refused, with that name"));
    }
    if !wrong.is_empty() {
        bail!("docker-compose.yml:\n  - {}", wrong.join("\n  - "));
    }
    let count = file["services"].as_object().map_or(0, serde_json::Map::len);
    println!("docker-compose.yml is right: {count} services, by {}", said(&compose)?);
    Ok(())
}

/// Returns Compose as a newcomer runs it: the example is the `.env`, and the environment has no influence.
fn config(compose: &Path) -> Command {
    let mut command = Command::new(compose);
    command.current_dir(paths::root()).env_clear().args(["--env-file", ".env.example", "config"]);
    command
}

fn said(compose: &Path) -> Result<String> {
    Ok(process::output(Command::new(compose).arg("version"), "Compose")?.trim().to_owned())
}

/// Returns what the resolved file lacks.
fn faults(file: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let none = serde_json::Map::new();
    let services = file["services"].as_object().unwrap_or(&none);
    let awaited = |once: &str| {
        let waits = |service: &Value| service["depends_on"][once]["condition"] == "service_completed_successfully";
        services.values().any(waits)
    };
    for (name, service) in services {
        let once = service["restart"] == "no";
        must(once || service["restart"] == "unless-stopped", format!("{name} restarts unless-stopped, or never"));
        must(once || service["healthcheck"]["test"].is_array(), format!("{name} has a health check"));
        must(!once || awaited(name), format!("{name} ends, so that `up --wait` waits for it only where another does"));
        let networks = service["networks"].as_object();
        must(
            networks.is_some_and(|networks| networks.keys().eq(["pipeline"])),
            format!("{name} is on the one network and no other"),
        );
        for port in service["ports"].as_array().into_iter().flatten() {
            must(port["host_ip"] == "127.0.0.1", format!("{name} is published on loopback only"));
        }
        for (other, dependency) in service["depends_on"].as_object().into_iter().flatten() {
            must(
                dependency["condition"] != "service_started",
                format!("{name} waits for more of {other} than its start"),
            );
        }
    }
    for (name, published) in [("kafka", "9092"), ("connect", "8083"), ("kafka-ui", "8080")] {
        let ports = services.get(name).and_then(|service| service["ports"].as_array());
        let there = ports.is_some_and(|ports| ports.iter().any(|port| port["published"] == published));
        must(there, format!("{name} is published as {published}"));
    }
    let weir = services.get("weir").unwrap_or(&Value::Null);
    for key in ["container_name", "ports"] {
        must(weir.get(key).is_none(), format!("weir has no {key}, so that --scale weir=3 works"));
    }
    for bound in ["mem_limit", "cpus", "pids_limit"] {
        must(!weir[bound].is_null(), format!("weir has a {bound}, so that one host cannot use up the machine"));
    }
    let user = &services.get("connector").unwrap_or(&Value::Null)["environment"]["POSTGRES_USER"];
    must(user == "debezium", "the connector uses the role debezium, not the superuser".to_owned());
    must(weir["read_only"] == true, "weir's root file system is read-only".to_owned());
    must(weir["build"].is_object(), "weir is built from the Dockerfile".to_owned());
    must(file["networks"]["pipeline"]["driver"] == "bridge", "the network is a bridge".to_owned());
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::faults;

    fn right() -> Value {
        let service = |port: &str| {
            json!({
                "restart": "unless-stopped",
                "healthcheck": { "test": ["CMD", "x"] },
                "networks": { "pipeline": null },
                "ports": [{ "published": port, "host_ip": "127.0.0.1" }],
            })
        };
        let mut weir = service("");
        weir["read_only"] = true.into();
        weir["build"] = json!({ "context": "." });
        weir["mem_limit"] = "1073741824".into();
        weir["cpus"] = 2.into();
        weir["pids_limit"] = 256.into();
        weir["depends_on"] = json!({ "kafka": { "condition": "service_healthy" } });
        weir.as_object_mut().expect("it is an object").remove("ports");
        let mut connector = service("8084");
        connector["environment"] = json!({ "POSTGRES_USER": "debezium" });
        json!({
            "services": { "kafka": service("9092"), "connect": service("8083"), "kafka-ui": service("8080"), "weir": weir, "connector": connector },
            "networks": { "pipeline": { "driver": "bridge" } },
        })
    }

    #[test]
    fn each_fault_is_found() {
        assert!(faults(&right()).is_empty(), "{:?}", faults(&right()));
        for (path, value, fault) in [
            ("/services/weir/container_name", json!("weir"), "weir has no container_name"),
            ("/services/weir/ports", json!([{ "published": "7070", "host_ip": "127.0.0.1" }]), "weir has no ports"),
            ("/services/weir/read_only", json!(false), "read-only"),
            ("/services/weir/mem_limit", json!(null), "mem_limit"),
            ("/services/weir/cpus", json!(null), "cpus"),
            ("/services/weir/pids_limit", json!(null), "pids_limit"),
            ("/services/connector/environment/POSTGRES_USER", json!("postgres"), "not the superuser"),
            ("/services/weir/depends_on/kafka/condition", json!("service_started"), "waits for more of kafka"),
            ("/services/kafka/healthcheck", json!(null), "kafka has a health check"),
            ("/services/kafka/restart", json!(null), "kafka restarts"),
            ("/services/kafka/restart", json!("no"), "kafka ends"),
            ("/services/kafka/ports/0/host_ip", json!("0.0.0.0"), "kafka is published on loopback only"),
            ("/services/kafka/ports/0/published", json!("9093"), "kafka is published as 9092"),
            ("/services/connect/networks", json!({ "default": null }), "connect is on the one network"),
            ("/networks/pipeline/driver", json!("host"), "the network is a bridge"),
        ] {
            let mut file = right();
            let (parent, key) = path.rsplit_once('/').expect("a path has a parent");
            file.pointer_mut(parent).expect("it is there")[key] = value;
            let found = faults(&file);
            assert!(found.len() == 1 && found[0].contains(fault), "{path}: {found:?}");
        }
    }
}
