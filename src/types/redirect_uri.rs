use std::{fmt, str::FromStr};

use url::{Host, Url};

/// Where a browser may be sent with the answer to an authorization request (RFC 6749 §3.1.2): `https`,
/// `http` to a loopback address (RFC 8252 §7.3), or a private-use scheme with a dot (RFC 8252 §7.1).
/// Kept as it was registered, since comparison is byte for byte (RFC 9700 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RedirectUri(String);

/// Why a redirect URI cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    #[error("not an absolute URI")]
    NotAbsolute,
    #[error("a redirect URI has no fragment (RFC 6749 §3.1.2)")]
    Fragment,
    #[error("a redirect URI has no user name or password")]
    UserInfo,
    #[error("a redirect URI has no wildcard")]
    Wildcard,
    #[error("http is for 127.0.0.1, [::1] and localhost only; use https")]
    PlainHttp,
    #[error(
        "a private-use scheme is a reversed domain name with a dot, such as com.example.app (RFC 8252 §7.1)"
    )]
    Scheme,
    #[error("longer than {} characters", RedirectUri::LONGEST)]
    TooLong,
    #[error("with a space or a character beyond ASCII: write those as % and their number (RFC 3986 §2.1)")]
    Characters,
    /// Browsers would go somewhere else than to these very bytes.
    #[error("browsers turn it into {0}: register that, if it is what you mean")]
    Rewritten(String),
}

impl RedirectUri {
    const LONGEST: usize = 2_000;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request's `redirect_uri` is this registered one: the same bytes, but that the port of a
    /// loopback IP address is free (RFC 8252 §7.3).
    #[must_use]
    pub fn allows(&self, requested: &str) -> bool {
        self.0 == requested
            || self
                .without_loopback_port()
                .is_some_and(|own| Self::loopback_parts(requested) == Some(own))
    }

    /// The host as a person reads it, or the scheme where there is none.
    #[must_use]
    pub fn host(&self) -> String {
        let Ok(url) = Url::parse(&self.0) else {
            return self.0.clone();
        };
        match (url.host_str(), url.scheme()) {
            (Some(host), "https" | "http") => host.to_owned(),
            (_, scheme) => format!("{scheme}:"),
        }
    }

    /// Whether it leads to whichever app on the device claims its scheme (RFC 8252 §7.1), and to no site.
    #[must_use]
    pub fn is_private_use(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| !is_web(&url))
    }

    /// Whether the answer stays on the person's own machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| is_loopback(&url))
    }

    /// What a page's `form-action` must name so that its form may end there: browsers check redirects too.
    #[must_use]
    pub fn form_action(&self) -> String {
        let Ok(url) = Url::parse(&self.0) else {
            return String::new();
        };
        match url.scheme() {
            // Policies have no words for an IPv6 address (CSP 3 §2.3.1), so there the scheme must do.
            "https" | "http" if matches!(url.host(), Some(Host::Ipv6(_))) => format!("{}:", url.scheme()),
            "https" | "http" => url.origin().ascii_serialization(),
            scheme => format!("{scheme}:"),
        }
    }

    fn without_loopback_port(&self) -> Option<(&str, &str)> {
        Self::loopback_parts(&self.0)
    }

    /// Splits `http://127.0.0.1:port/rest` into what is before and after the port.
    fn loopback_parts(text: &str) -> Option<(&str, &str)> {
        let host = ["http://127.0.0.1", "http://[::1]"]
            .into_iter()
            .find(|host| text.starts_with(host))?;
        let (host, rest) = text.split_at_checked(host.len())?;
        let Some(after) = rest.strip_prefix(':') else {
            return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
        };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (port, rest) = after.split_at_checked(digits)?;
        let sound = port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('0');
        (sound && (rest.is_empty() || rest.starts_with(['/', '?']))).then_some((host, rest))
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The one thing that a browser may rewrite and still go to the same place.
fn without_default_port(text: &str, scheme: &str) -> String {
    let port = if scheme == "https" { ":443" } else { ":80" };
    let start = scheme.len() + "://".len();
    let end = text
        .get(start..)
        .and_then(|rest| rest.find(['/', '?']))
        .map_or(text.len(), |length| start + length);
    let (authority, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    format!("{}{rest}", authority.strip_suffix(port).unwrap_or(authority))
}

impl FromStr for RedirectUri {
    type Err = InvalidRedirectUri;

    fn from_str(text: &str) -> Result<Self, InvalidRedirectUri> {
        if text.len() > Self::LONGEST {
            return Err(InvalidRedirectUri::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidRedirectUri::Characters);
        }
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        let Ok(url) = Url::parse(text) else {
            return Err(InvalidRedirectUri::NotAbsolute);
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidRedirectUri::UserInfo);
        }
        let authority_and_path = text.split('?').next().unwrap_or_default();
        if authority_and_path.contains('*') {
            return Err(InvalidRedirectUri::Wildcard);
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_loopback(&url) => Ok(()),
            "http" => Err(InvalidRedirectUri::PlainHttp),
            // `https.bank.example:` would be read as the bank's own site.
            scheme
                if scheme
                    .split('.')
                    .next()
                    .is_some_and(|first| matches!(first, "http" | "https")) =>
            {
                Err(InvalidRedirectUri::Scheme)
            }
            scheme if scheme.contains('.') => Ok(()),
            _ => Err(InvalidRedirectUri::Scheme),
        }?;
        // What a browser would rewrite (backslashes, dot segments, upper-case hosts) must not be registered:
        // the bytes compared here would not be the place it goes to.
        if is_web(&url) {
            let plain = without_default_port(text, url.scheme());
            if url.as_str() != plain && url.as_str().strip_suffix('/') != Some(&plain) {
                return Err(InvalidRedirectUri::Rewritten(url.into()));
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        text.parse().expect(text)
    }

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let native = uri("http://127.0.0.1/callback");
        assert!(native.allows("http://127.0.0.1/callback"));
        assert!(native.allows("http://127.0.0.1:51004/callback"));
        assert!(uri("http://[::1]:1/cb?x=1").allows("http://[::1]:65535/cb?x=1"));
        for foreign in [
            "http://127.0.0.1:51004/callback/",
            "http://127.0.0.1:51004/other",
            "https://127.0.0.1:51004/callback",
            "http://[::1]:51004/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1:/callback",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:99999/callback",
            "http://localhost:51004/callback",
        ] {
            assert!(!native.allows(foreign), "{foreign}");
        }
        assert!(!uri("http://localhost/callback").allows("http://localhost:1/callback"));
        assert!(!uri("https://app.example/cb").allows("https://app.example:444/cb"));
    }

    #[test]
    fn a_policy_can_name_every_destination() {
        for (destination, source) in [
            ("https://app.example/cb?x=1", "https://app.example"),
            ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
            ("http://[::1]:51004/cb", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
        ] {
            assert_eq!(uri(destination).form_action(), source);
        }
    }

    #[test]
    fn what_cannot_be_registered_says_why() {
        use InvalidRedirectUri::{
            Characters, Fragment, NotAbsolute, PlainHttp, Rewritten, Scheme, TooLong, UserInfo, Wildcard,
        };
        let rewritten = |into: &str| Rewritten(into.to_owned());
        let long = format!("https://a.example/{}", "x".repeat(2_000));
        for (text, why) in [
            ("/callback", NotAbsolute),
            ("https://a.example/#x", Fragment),
            ("https://u:p@a.example/", UserInfo),
            ("https://*.a.example/", Wildcard),
            ("http://a.example/", PlainHttp),
            ("javascript:alert(1)", Scheme),
            ("myapp:/callback", Scheme),
            ("https://a.example/\u{e9}", Characters),
            ("https://a.example/x y", Characters),
            (&long, TooLong),
            ("https://A.example/x", rewritten("https://a.example/x")),
            ("https://a.example?x=1", rewritten("https://a.example/?x=1")),
            ("https://a.example/{x}", rewritten("https://a.example/%7Bx%7D")),
            ("https://a.example/../x", rewritten("https://a.example/x")),
            (
                "https://a.example\\@b.example/",
                rewritten("https://a.example/@b.example/"),
            ),
            (
                "https://a.example/../x?:443",
                rewritten("https://a.example/x?:443"),
            ),
            (
                "https://a.example\\@b.example:80/",
                rewritten("https://a.example/@b.example:80/"),
            ),
        ] {
            assert_eq!(text.parse::<RedirectUri>(), Err(why), "{text}");
        }
        for good in [
            "https://a.example",
            "https://a.example/cb?x=1",
            "com.example.app:/cb",
            "http://localhost:3000/cb",
            "https://a.example:443/cb",
            "https://a.example:443",
            "http://127.0.0.1:80/cb",
            "https://a.example:4430/cb",
        ] {
            assert!(good.parse::<RedirectUri>().is_ok(), "{good}");
        }
    }
}
