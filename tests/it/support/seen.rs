//! The secrets that a test has seen, to be searched for in all that was logged and kept.

use super::browser::Page;

/// What was seen, with a name for the message.
#[derive(Default)]
pub struct Seen(Vec<(&'static str, String)>);

impl Seen {
    pub fn add(&mut self, what: &'static str, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(secret.len() >= 16, "{what} is no secret: {secret}");
        self.0.push((what, secret));
    }

    pub fn tokens(&mut self, tokens: &serde_json::Value) {
        for name in ["access_token", "refresh_token", "id_token"] {
            if let Some(token) = tokens[name].as_str() {
                self.add("a token", token);
            }
        }
    }

    pub fn page(&mut self, page: &Page) {
        for form in page.forms() {
            if let Some(token) = form.value("csrf_token") {
                self.add("a form token", token);
            }
        }
        for cookie in page.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let value = pair.split_once('=').unwrap().1;
            if value.len() >= 16 {
                self.add("a cookie", value);
            }
        }
    }

    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none of it is in the log or in the database, whole or without what it begins with.
    pub fn are_nowhere(&self, log: &str, dump: &str) {
        for (what, secret) in &self.0 {
            assert!(!log.contains(secret.as_str()), "{what} is in the log");
            // The nonce travels in the sealed code and waits with a request, where it opens nothing.
            if *what != "a nonce" {
                assert!(!dump.contains(secret.as_str()), "{what} is at rest");
            }
            // What follows the kind and the environment is the secret of it.
            if let Some((_, bare)) = secret.rsplit_once('_')
                && bare.len() > 20
            {
                assert!(
                    !log.contains(bare) && !dump.contains(bare),
                    "{what} without its prefix"
                );
            }
        }
    }
}
