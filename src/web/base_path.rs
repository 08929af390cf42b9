//! The path that the issuer has behind its host, if it has one. Browsers see every page of ours below it; everything in here
//! speaks of paths without it. What comes loses it before it is routed, what goes out gets it where links are made:
//! [`base`] in templates, [`super::see_other`] in answers, and the path of cookies.

use std::{fmt, sync::Arc};

use actix_web::http::Uri;
use url::Url;

use super::request::current_base;

/// `/auth` of `https://id.example/auth`; nothing of `https://id.example`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

impl BasePath {
    #[must_use]
    pub fn of(issuer: &str) -> Self {
        let path = issuer.parse().map(|issuer: Url| issuer.path().to_owned());
        Self(path.unwrap_or_default().trim_end_matches('/').into())
    }

    /// Where cookies are sent to.
    #[must_use]
    pub fn of_cookies(&self) -> &str {
        if self.is_root() { "/" } else { &self.0 }
    }

    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The address of a page of ours as the rest of the server knows it; none if it is not below this path, as when a
    /// proxy has cut that off.
    pub(super) fn strip(&self, uri: &Uri) -> Option<Uri> {
        let rest = uri.path_and_query()?.as_str().strip_prefix(&*self.0)?;
        let rest = match rest.chars().next() {
            _ if self.is_root() => return None,
            Some('/') => rest.to_owned(),
            Some('?') | None => format!("/{rest}"),
            Some(_) => return None,
        };
        rest.parse().ok()
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands before each path in a link of ours.
#[must_use]
pub fn base() -> BasePath {
    current_base()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_the_issuers_path_loses_it_and_nothing_else_does() {
        let base = BasePath::of("https://id.example/tenant/one/");
        for (sent, known) in [
            ("/tenant/one/apps?x=1", Some("/apps?x=1")),
            ("/tenant/one/", Some("/")),
            ("/tenant/one", Some("/")),
            ("/tenant/one?x=1", Some("/?x=1")),
            ("/tenant/one//evil.example", Some("//evil.example")),
            ("/tenant/ones", None),
            ("/tenant", None),
            ("/apps", None),
        ] {
            let stripped = base.strip(&sent.parse().unwrap());
            assert_eq!(stripped.map(|uri| uri.to_string()).as_deref(), known, "{sent}");
        }
        let root = BasePath::of("https://id.example/");
        assert!(root.is_root() && root.strip(&"/apps".parse().unwrap()).is_none());
        assert_eq!(root.of_cookies(), "/");
        assert_eq!(base.of_cookies(), "/tenant/one");
    }
}
