//! The ways to secure a connection to Kafka, and how the settings spell them.

/// How a connection to Kafka is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// No encryption and no login.
    Plaintext,
    /// TLS.
    Ssl,
    /// A login without encryption.
    SaslPlaintext,
    /// A login over TLS.
    SaslSsl,
}

/// How to log in to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// User and password in plain text.
    Plain,
    /// User and password; the password is never sent.
    ScramSha256,
    /// The same with the longer hash.
    ScramSha512,
    /// A token.
    OauthBearer,
}

pub(super) const SECURITY_PROTOCOLS: &[(&str, SecurityProtocol)] = &[
    ("PLAINTEXT", SecurityProtocol::Plaintext),
    ("SSL", SecurityProtocol::Ssl),
    ("SASL_PLAINTEXT", SecurityProtocol::SaslPlaintext),
    ("SASL_SSL", SecurityProtocol::SaslSsl),
];
pub(super) const SASL_MECHANISMS: &[(&str, SaslMechanism)] = &[
    ("PLAIN", SaslMechanism::Plain),
    ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
    ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
    ("OAUTHBEARER", SaslMechanism::OauthBearer),
];

impl SecurityProtocol {
    /// Returns the name as the setting, and Kafka, spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        spelled(SECURITY_PROTOCOLS, self)
    }

    /// Returns whether it uses TLS.
    #[must_use]
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    pub(super) fn has_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl SaslMechanism {
    /// Returns the name as the setting, and Kafka, spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        spelled(SASL_MECHANISMS, self)
    }
}

fn spelled<T: Copy + PartialEq>(names: &'static [(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, named)| *named == value).map_or("", |(name, _)| name)
}
