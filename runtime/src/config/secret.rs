//! A value that is used but never shown.

use std::fmt;

/// A password, or a connection string that holds one. `Display` and `Debug` print what may be shown of it.
#[derive(Clone)]
pub struct Secret {
    value: String,
    shown: String,
}

impl Secret {
    /// Makes a secret of which nothing may be shown.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), shown: "***".to_owned() }
    }

    /// Makes a secret from a connection string. Its scheme, user, hosts and database may be shown, but neither the
    /// password nor any option, because options hold passwords and tokens too.
    #[must_use]
    pub fn uri(value: impl Into<String>) -> Self {
        let value = value.into();
        let shown = shown_uri(&value);
        Self { value, shown }
    }

    /// Returns the value itself, for its intended recipient.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Hides the password. The last `@` ends the user's part wherever it is, because a password that was not
/// percent-encoded may hold `/`, `?` and `@`. It is better to show too little than a piece of the password.
fn shown_uri(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return "***".to_owned();
    };
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => match user.split_once(':') {
            Some((name, _)) => (format!("{name}:***@"), hosts),
            None => ("***@".to_owned(), hosts),
        },
        None => (String::new(), rest),
    };
    let shown = hosts.split_once('?').map_or(hosts, |(before, _)| before);
    format!("{scheme}://{user}{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_shown_without_password_and_options() {
        for (uri, shown) in [
            ("mongodb://localhost:27017", "mongodb://localhost:27017"),
            ("mongodb://h1:1,h2:2/db?replicaSet=rs0&tlsCertificateKeyFilePassword=hunter2", "mongodb://h1:1,h2:2/db"),
            ("mongodb://ann:hunter2@h/db", "mongodb://ann:***@h/db"),
            ("mongodb+srv://ann:hun/te?r@2@h/db?x=y", "mongodb+srv://ann:***@h/db"),
            ("mongodb://hunter2@h", "mongodb://***@h"),
            ("hunter2", "***"),
        ] {
            let secret = Secret::uri(uri);
            assert_eq!(secret.to_string(), shown);
            assert_eq!(format!("{secret:?}"), shown);
            assert_eq!(secret.expose(), uri);
        }
        assert_eq!(format!("{:?} {}", Secret::new("hunter2"), Secret::new("hunter2")), "*** ***");
    }
}
