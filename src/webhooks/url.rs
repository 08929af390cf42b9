use std::{fmt, net::IpAddr};

use url::{Host, Url};

use super::address::is_public;

/// Where an app is told of events: `https`, without a name, a password or a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointUrl(Url);

/// Why a URL cannot be that of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpointUrl {
    #[error("Write the whole URL, with https:// before it.")]
    NotAbsolute,
    #[error("Use https: what is sent says who uses your app.")]
    PlainHttp,
    #[error("Leave out name and password: the signature shows who sends.")]
    UserInfo,
    #[error("Leave out the part behind #: it is never sent.")]
    Fragment,
    #[error("That address is not on the internet. Nothing is sent into private networks from here.")]
    Private,
    #[error("Use {} characters at most.", EndpointUrl::LONGEST)]
    TooLong,
}

impl EndpointUrl {
    pub const LONGEST: usize = 2_000;

    /// Reads one; `private` says whether private networks, and plain http, are allowed here.
    ///
    /// # Errors
    ///
    /// [`InvalidEndpointUrl`].
    pub fn parse(text: &str, private: bool) -> Result<Self, InvalidEndpointUrl> {
        let text = text.trim();
        if text.len() > Self::LONGEST {
            return Err(InvalidEndpointUrl::TooLong);
        }
        let Ok(url) = Url::parse(text) else {
            return Err(InvalidEndpointUrl::NotAbsolute);
        };
        match url.scheme() {
            "https" => {}
            "http" if private => {}
            "http" => return Err(InvalidEndpointUrl::PlainHttp),
            _ => return Err(InvalidEndpointUrl::NotAbsolute),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpointUrl::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(InvalidEndpointUrl::Fragment);
        }
        // Only what can be seen at once is refused here; a name is looked at each time that something is sent to it.
        if !private && !may_be_public(&url) {
            return Err(InvalidEndpointUrl::Private);
        }
        Ok(Self(url))
    }

    /// As it was stored.
    pub(super) fn stored(text: &str) -> Option<Self> {
        Url::parse(text).ok().filter(Url::has_host).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

fn may_be_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name != "localhost" && !name.ends_with(".localhost")
        }
        None => false,
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_https_on_the_internet_and_nothing_else() {
        for good in [
            "https://hooks.example/claviger",
            "https://hooks.example:8443/a?b=c",
            "https://8.8.8.8/",
        ] {
            assert!(EndpointUrl::parse(good, false).is_ok(), "{good}");
        }
        let long = format!("https://hooks.example/{}", "x".repeat(EndpointUrl::LONGEST));
        for (bad, why) in [
            ("hooks.example", InvalidEndpointUrl::NotAbsolute),
            ("ftp://hooks.example/", InvalidEndpointUrl::NotAbsolute),
            ("http://hooks.example/", InvalidEndpointUrl::PlainHttp),
            ("https://ada:secret@hooks.example/", InvalidEndpointUrl::UserInfo),
            ("https://ada@hooks.example/", InvalidEndpointUrl::UserInfo),
            ("https://hooks.example/#here", InvalidEndpointUrl::Fragment),
            ("https://localhost/", InvalidEndpointUrl::Private),
            ("https://a.localhost./", InvalidEndpointUrl::Private),
            ("https://127.0.0.1/", InvalidEndpointUrl::Private),
            ("https://2130706433/", InvalidEndpointUrl::Private),
            ("https://0x7f.1/", InvalidEndpointUrl::Private),
            ("https://[::1]/", InvalidEndpointUrl::Private),
            ("https://[::ffff:10.0.0.1]/", InvalidEndpointUrl::Private),
            (&long, InvalidEndpointUrl::TooLong),
        ] {
            assert_eq!(EndpointUrl::parse(bad, false), Err(why), "{bad}");
        }
    }

    #[test]
    fn where_configuration_allows_it_a_private_address_will_do() {
        for good in ["http://127.0.0.1:8000/", "https://localhost/", "http://[::1]/x"] {
            assert!(EndpointUrl::parse(good, true).is_ok(), "{good}");
        }
        assert_eq!(
            EndpointUrl::parse("http://ada@127.0.0.1/", true),
            Err(InvalidEndpointUrl::UserInfo)
        );
    }
}
