//! Which settings switch off the verification of a server's certificate. Pure.

use super::Settings;

/// Properties of librdkafka, and the value that switches the verification off.
/// <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>
const KAFKA: [(&str, &str); 2] =
    [("enable.ssl.certificate.verification", "false"), ("ssl.endpoint.identification.algorithm", "none")];
/// Options of a connection string that do the same if they are true.
/// <https://www.mongodb.com/docs/manual/reference/connection-string-options/#tls-options>
const MONGODB: [&str; 3] = ["tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"];

impl Settings {
    /// Returns the settings under which anyone who can intercept a connection can pose as Kafka or MongoDB.
    #[must_use]
    pub fn unverified(&self) -> Vec<String> {
        let property = |name: &str, off: &str| {
            self.kafka_properties.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(off))
        };
        let kafka = KAFKA.iter().filter(|(name, off)| property(name, off)).map(|(name, _)| format!("kafka.{name}"));
        let options = self.mongodb_uri.expose().split_once('?').map_or("", |(_, options)| options);
        let option = |name: &str| {
            options
                .split('&')
                .filter_map(|option| option.split_once('='))
                .any(|(given, value)| given.eq_ignore_ascii_case(name) && value.eq_ignore_ascii_case("true"))
        };
        let mongodb = MONGODB.iter().filter(|name| option(name)).map(|name| format!("MONGODB_URI: {name}"));
        kafka.chain(mongodb).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, Sources};

    fn unverified(uri: &str, toml: &str) -> Vec<String> {
        let sources = Sources {
            flags: Vec::new(),
            environment: vec![("MONGODB_URI".into(), uri.into())],
            dotenv: None,
            toml: Some(("weir.toml".into(), toml.to_owned())),
        };
        Settings::load(&sources).expect("the settings are right").unverified()
    }

    #[test]
    fn every_way_to_skip_the_check_of_a_certificate_is_named() {
        assert!(unverified("mongodb://h/?tls=true", "").is_empty());
        assert!(unverified("mongodb://h/?tls=true&tlsInsecure=false", "").is_empty());
        assert_eq!(unverified("mongodb://h/?tls=true&tlsinsecure=true", ""), ["MONGODB_URI: tlsInsecure"]);
        let kafka = "[kafka]\n\"enable.ssl.certificate.verification\" = false\n\"ssl.endpoint.identification.algorithm\" = \"none\"";
        let both = ["kafka.enable.ssl.certificate.verification", "kafka.ssl.endpoint.identification.algorithm"];
        assert_eq!(unverified("mongodb://h", kafka), both);
    }
}
