//! The database's URL. What libpq knows and the driver does not is taken out of it and kept here.

use std::{fmt, path::PathBuf};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use super::tls::{Roots, Trust};

/// A URL, read.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) trust: Trust,
}

/// Why a URL cannot be used. Says what to mend, and nothing of the rest of the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadUrl(pub(super) String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database's URL cannot be used: {}", self.0)
    }
}

impl std::error::Error for BadUrl {}

/// What is said of TLS.
#[derive(Default)]
struct Said {
    mode: Option<String>,
    roots: Option<String>,
}

impl Said {
    /// Keeps what only libpq knows; gives back what the driver is told.
    fn take(&mut self, name: &str, value: &str) -> Result<Option<String>, BadUrl> {
        match name {
            "sslmode" => self.mode = Some(value.to_owned()),
            "sslrootcert" => self.roots = Some(value.to_owned()),
            "target_session_attrs" => {
                return match value {
                    "any" | "read-write" => Ok(Some(value.to_owned())),
                    "primary" => Ok(Some("read-write".to_owned())),
                    _ => Err(BadUrl(format!(
                        "target_session_attrs={value} leads to a server that cannot be written to; `read-write`, \
                         `primary` or `any` are good"
                    ))),
                };
            }
            "sslcert" | "sslkey" | "sslpassword" | "sslcrl" | "sslcrldir" => {
                return Err(BadUrl(format!(
                    "{name} is not known here: sign in to the database by a password, and leave it out"
                )));
            }
            _ => return Ok(Some(value.to_owned())),
        }
        Ok(None)
    }

    fn decide(self, config: &mut Config) -> Result<Trust, BadUrl> {
        let system = self.roots.as_deref() == Some("system");
        let roots = match self.roots {
            Some(path) if !system => Some(Roots::File(PathBuf::from(path))),
            Some(_) => Some(Roots::System),
            None => None,
        };
        let given = roots.is_some();
        let roots = roots.unwrap_or(Roots::System);
        // libpq: `require` checks who signed where it is told whom to trust; the system's list asks for the name too.
        let (mode, trust) = match self.mode.as_deref() {
            None if system => (SslMode::Require, Trust::SignedForHost(roots)),
            Some("disable") => (SslMode::Disable, Trust::Anything),
            Some("allow" | "prefer" | "require" | "verify-ca") if system => {
                return Err(BadUrl(
                    "sslrootcert=system needs sslmode=verify-full: anybody can have a certificate of some host".into(),
                ));
            }
            None | Some("allow" | "prefer") if given => (SslMode::Prefer, Trust::Signed(roots)),
            None | Some("allow" | "prefer") => (SslMode::Prefer, Trust::Anything),
            Some("require") if !given => (SslMode::Require, Trust::Anything),
            Some("require" | "verify-ca") => (SslMode::Require, Trust::Signed(roots)),
            Some("verify-full") => (SslMode::Require, Trust::SignedForHost(roots)),
            Some(other) => {
                return Err(BadUrl(format!(
                    "sslmode={other} is none of disable, allow, prefer, require, verify-ca, verify-full"
                )));
            }
        };
        let only_sockets = config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(if only_sockets { SslMode::Disable } else { mode });
        Ok(trust)
    }
}

impl std::str::FromStr for Target {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let mut said = Said::default();
        let rest = if text.contains("://") {
            let (head, query) = text.split_once('?').unwrap_or((text, ""));
            let mut kept = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in url::form_urlencoded::parse(query.replace('+', "%2B").as_bytes()) {
                if let Some(value) = said.take(&name, &value)? {
                    kept.append_pair(&name, &value);
                }
            }
            // The driver takes a plus for a plus.
            format!("{head}?{}", kept.finish().replace('+', "%20"))
        } else {
            let mut kept = Vec::new();
            for word in text.split_whitespace() {
                match word.split_once('=') {
                    Some((name, value)) => {
                        if let Some(value) = said.take(name, value)? {
                            kept.push(format!("{name}={value}"));
                        }
                    }
                    None => kept.push(word.to_owned()),
                }
            }
            kept.join(" ")
        };
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            BadUrl(cause.unwrap_or_else(|| error.to_string()))
        })?;
        let trust = said.decide(&mut config)?;
        Ok(Self { config, trust })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Target, String> {
        format!("postgresql://ada:a%2Bb@db.example:5432/claviger{query}")
            .parse()
            .map_err(|bad: BadUrl| bad.to_string())
    }

    #[test]
    fn what_libpq_means_by_its_modes_is_meant_here() {
        let file = || Roots::File("/etc/ca.pem".into());
        for (query, mode, trust) in [
            ("", SslMode::Prefer, Trust::Anything),
            ("?sslmode=disable", SslMode::Disable, Trust::Anything),
            ("?sslmode=allow", SslMode::Prefer, Trust::Anything),
            ("?sslmode=prefer", SslMode::Prefer, Trust::Anything),
            ("?sslmode=require", SslMode::Require, Trust::Anything),
            (
                "?sslmode=require&sslrootcert=/etc/ca.pem",
                SslMode::Require,
                Trust::Signed(file()),
            ),
            (
                "?sslmode=verify-ca&sslrootcert=%2Fetc%2Fca.pem",
                SslMode::Require,
                Trust::Signed(file()),
            ),
            (
                "?sslmode=verify-ca",
                SslMode::Require,
                Trust::Signed(Roots::System),
            ),
            (
                "?sslmode=verify-full",
                SslMode::Require,
                Trust::SignedForHost(Roots::System),
            ),
            (
                "?sslrootcert=system",
                SslMode::Require,
                Trust::SignedForHost(Roots::System),
            ),
            (
                "?sslmode=verify-full&sslrootcert=/etc/ca.pem",
                SslMode::Require,
                Trust::SignedForHost(file()),
            ),
        ] {
            let read = read(query).expect(query);
            assert_eq!((read.config.get_ssl_mode(), read.trust), (mode, trust), "{query}");
        }
    }

    #[test]
    fn what_clouds_write_beside_it_is_read() {
        let read = read(
            "?sslmode=verify-full&channel_binding=require&target_session_attrs=primary\
             &options=endpoint%3Dcool-darkness+-c%20work_mem=4MB&application_name=a+b",
        )
        .expect("a URL");
        assert_eq!(
            read.config.get_options(),
            Some("endpoint=cool-darkness+-c work_mem=4MB")
        );
        assert_eq!(read.config.get_application_name(), Some("a+b"));
        assert_eq!(read.config.get_password(), Some(b"a+b".as_slice()));
        assert_eq!(
            read.config.get_target_session_attrs(),
            tokio_postgres::config::TargetSessionAttrs::ReadWrite
        );
        assert_eq!(
            read.config.get_channel_binding(),
            tokio_postgres::config::ChannelBinding::Require
        );
        let words: Target = "host=db.example user=ada sslmode=verify-ca"
            .parse()
            .expect("words");
        assert_eq!(words.trust, Trust::Signed(Roots::System));
        // A socket needs no TLS, whatever is said of it.
        let socket: Target = "postgresql:///claviger?host=/run/postgresql&sslmode=verify-full"
            .parse()
            .expect("a socket");
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_password_with_it() {
        for (query, named) in [
            ("?sslmode=verify_full", "verify-full"),
            ("?sslmode=require&sslrootcert=system", "sslmode=verify-full"),
            ("?target_session_attrs=standby", "target_session_attrs=standby"),
            ("?sslcert=/me.pem", "sslcert"),
            ("?pgbouncer=true", "pgbouncer"),
        ] {
            let words = read(query).expect_err(query);
            assert!(
                words.contains(named) && !words.contains("a+b") && !words.contains("a%2Bb"),
                "{words}"
            );
        }
    }
}
