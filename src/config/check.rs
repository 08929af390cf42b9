//! What cannot be read off a single key.

use url::{Host, Url};

use super::{Config, MasterKeySource, Span};

impl Config {
    /// The sentence says which key is at fault.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(issuer) = &self.issuer
            && (!matches!(issuer.scheme(), "http" | "https")
                || issuer.query().is_some()
                || issuer.fragment().is_some()
                || !issuer.username().is_empty())
        {
            return Err(
                "issuer: an http(s) URL without user, query or fragment is needed (RFC 8414 §2)".into(),
            );
        }
        if self.server.tls.certificate.is_some() != self.server.tls.key.is_some() {
            return Err("server.tls: certificate and key belong together; one of them is missing".into());
        }
        if self.master_key.source == MasterKeySource::Env && self.master_key.value.is_none() {
            return Err("master_key.value: needed with master_key.source = \"env\"".into());
        }
        if self.oauth.retry_window > Span::seconds(60) {
            return Err("oauth.retry_window: at most 60s".into());
        }
        if self.revocation.lease < Span::seconds(1) || self.revocation.lease > Span::minutes(1) {
            return Err("revocation.lease: 1s to 1m".into());
        }
        if self.passwords.memory_kib < 19_456
            || self.passwords.iterations < 2
            || self.passwords.parallelism < 1
        {
            return Err(
                "passwords: Argon2id needs at least memory_kib = 19456, iterations = 2, parallelism = 1"
                    .into(),
            );
        }
        if self.passwords.least_score > 4 {
            return Err("passwords.least_score: 0 to 4".into());
        }
        if self.database.connections < 4 {
            return Err("database.connections: at least 4".into());
        }
        if self.database.statement_timeout < Span::seconds(1) {
            return Err("database.statement_timeout: at least 1s".into());
        }
        self.keys.check()?;
        if self.usage.flush < Span::seconds(1) {
            return Err("usage.flush: at least 1s".into());
        }
        if self.webhooks.concurrency == 0 {
            return Err("webhooks.concurrency: at least 1".into());
        }
        if self.webhooks.timeout < Span::seconds(1) || self.webhooks.timeout > Span::minutes(2) {
            return Err("webhooks.timeout: 1s to 2m".into());
        }
        let keys_url = Url::parse(&self.leaks.github_keys_url);
        if !keys_url.is_ok_and(|url| url.scheme() == "https" || is_loopback_http(&url)) {
            return Err(
                "leaks.github_keys_url: an https URL is needed; http is for this machine alone".into(),
            );
        }
        if self.jobs.batch == 0 {
            return Err("jobs.batch: at least 1".into());
        }
        Ok(())
    }
}

/// Whether that is asked of this machine, so that nobody is on the way who could answer in its place.
fn is_loopback_http(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_keys_are_asked_for_over_tls_or_of_this_machine() {
        for (url, good) in [
            ("https://api.github.com/meta/public_keys/secret_scanning", true),
            ("http://127.0.0.1:8081/keys", true),
            ("http://localhost/keys", true),
            ("http://[::1]/keys", true),
            ("http://api.github.com/keys", false),
            ("http://localhost.example/keys", false),
            ("ftp://127.0.0.1/keys", false),
            ("keys", false),
        ] {
            let mut config = Config::default();
            url.clone_into(&mut config.leaks.github_keys_url);
            assert_eq!(config.check().is_ok(), good, "{url}");
        }
    }
}
