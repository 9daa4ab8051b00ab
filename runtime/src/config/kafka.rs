//! Which of the settings for Kafka go together.

use super::check::named;
use super::found::Found;
use super::security::{SASL_MECHANISMS, SECURITY_PROTOCOLS, SaslMechanism, SecurityProtocol};
use weir_core::hint;

const PROTOCOL: &str = "KAFKA_SECURITY_PROTOCOL";
const MECHANISM: &str = "KAFKA_SASL_MECHANISM";
const USERNAME: &str = "KAFKA_SASL_USERNAME";
const PASSWORD: &str = "KAFKA_SASL_PASSWORD";
const TOKEN: &str = "KAFKA_SASL_OAUTHBEARER_TOKEN_PATH";
const CERTIFICATE: &str = "KAFKA_SSL_CERTIFICATE_LOCATION";
const KEY: &str = "KAFKA_SSL_KEY_LOCATION";
const KEY_PASSWORD: &str = "KAFKA_SSL_KEY_PASSWORD";
const OF_LOGIN: [&str; 4] = [MECHANISM, USERNAME, PASSWORD, TOKEN];
const OF_TLS: [&str; 4] = ["KAFKA_SSL_CA_LOCATION", CERTIFICATE, KEY, KEY_PASSWORD];

/// Checks the settings together: one that another setting needs must not be missing, and one without effect is probably
/// a mistake.
pub(super) fn check_together(found: &mut Found) {
    let Some(protocol) = named(SECURITY_PROTOCOLS, &found.text(PROTOCOL)) else { return };
    let mut wrong = Vec::new();
    if protocol.has_login() {
        of_login(found, protocol, &mut wrong);
    } else {
        without_effect(found, &OF_LOGIN, protocol, "SASL_SSL or SASL_PLAINTEXT", &mut wrong);
    }
    if !protocol.has_tls() {
        without_effect(found, &OF_TLS, protocol, "SSL or SASL_SSL", &mut wrong);
    }
    for (one, other) in [(CERTIFICATE, KEY), (KEY, CERTIFICATE), (KEY_PASSWORD, KEY)] {
        if found.has(one) && !found.has(other) {
            wrong.push(format!("{other} is required when {one} is set"));
        }
    }
    found.wrong.append(&mut wrong);
}

fn without_effect(found: &Found, names: &[&str], protocol: SecurityProtocol, needs: &str, wrong: &mut Vec<String>) {
    let is = protocol.as_str();
    for name in names.iter().filter(|name| found.has(name)) {
        let fact = format!("{name} is set, but has no effect while {PROTOCOL} is {is}");
        wrong.push(hint::with(&fact, &format!("set {PROTOCOL} to {needs}, or leave {name} out")));
    }
}

fn of_login(found: &Found, protocol: SecurityProtocol, wrong: &mut Vec<String>) {
    if !found.has(MECHANISM) {
        let names: Vec<_> = SASL_MECHANISMS.iter().map(|(name, _)| *name).collect();
        let (is, or) = (protocol.as_str(), names.join(" or "));
        wrong.push(hint::with(&format!("{MECHANISM} is required when {PROTOCOL} is {is}"), &format!("set it to {or}")));
        return;
    }
    let Some(mechanism) = named(SASL_MECHANISMS, &found.text(MECHANISM)) else { return };
    let (needed, useless): (&[&str], &[&str]) = match mechanism {
        SaslMechanism::OauthBearer => (&[TOKEN], &[USERNAME, PASSWORD]),
        _ => (&[USERNAME, PASSWORD], &[TOKEN]),
    };
    let is = mechanism.as_str();
    let missing = needed.iter().filter(|name| !found.has(name));
    wrong.extend(missing.map(|name| format!("{name} is required when {MECHANISM} is {is}")));
    let idle = useless.iter().filter(|name| found.has(name));
    wrong.extend(idle.map(|name| format!("{name} is set, but has no effect while {MECHANISM} is {is}")));
}
