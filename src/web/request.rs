//! Who is asking: the request id, and the address behind trusted proxies.

use std::{
    future::{Ready, ready},
    net::IpAddr,
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::header, web::Data};
use ipnet::IpNet;

use super::{BasePath, Failure};
use crate::types::{ClientContext, Clock, Entropy, Fault};

/// The id under which a request is in the log; also its `X-Request-Id` answer header.
#[derive(Clone, Debug)]
pub(super) struct RequestId(Arc<str>);

impl RequestId {
    pub(super) fn new(clock: &Clock, entropy: &Entropy) -> Self {
        Self(format!("req_{}", entropy.uuid(clock).simple()).into())
    }

    #[must_use]
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

tokio::task_local! {
    static CURRENT: (RequestId, BasePath);
}

/// The id of the request that is being answered; empty outside one.
#[must_use]
pub fn current_request_id() -> String {
    CURRENT
        .try_with(|(id, _)| id.as_str().to_owned())
        .unwrap_or_default()
}

/// The base path of the server that answers; none outside a request.
pub(super) fn current_base() -> BasePath {
    CURRENT.try_with(|(_, base)| base.clone()).unwrap_or_default()
}

pub(super) async fn within_request<F: Future>(id: RequestId, base: BasePath, answer: F) -> F::Output {
    CURRENT.scope((id, base), answer).await
}

/// The networks whose word about addresses is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The nearest address, counted from the peer, that is no trusted proxy: what stands before it in the
    /// header could have been written by anybody.
    fn client_of(&self, peer: IpAddr, forwarded: &[Option<IpAddr>]) -> IpAddr {
        let mut client = peer;
        for hop in forwarded.iter().rev() {
            // A proxy that hides whom it speaks for is the last that is known.
            let Some(hop) = hop.filter(|_| self.contains(client)) else {
                break;
            };
            client = hop;
        }
        client
    }
}

const LONGEST_USER_AGENT: usize = 300;

fn context(request: &HttpRequest) -> Result<ClientContext, Failure> {
    let peer = request
        .peer_addr()
        .ok_or_else(|| Failure::Fault(Fault::internal("a request without a peer address")))?
        .ip()
        .to_canonical();
    let address = match request.app_data::<Data<TrustedProxies>>() {
        Some(proxies) if proxies.contains(peer) => forwarded(request)
            .map(|hops| proxies.client_of(peer, &hops))
            .reduce(|one, other| if one == other { one } else { peer })
            .unwrap_or(peer),
        _ => peer,
    };
    let user_agent = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.chars().take(LONGEST_USER_AGENT).collect())
        .unwrap_or_default();
    let request_id = request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.as_str().to_owned())
        .unwrap_or_default();
    Ok(ClientContext {
        address,
        user_agent,
        request_id,
    })
}

/// The hops that `Forwarded` (RFC 7239 §5.2) and `X-Forwarded-For` name, first hop first; none for a header that
/// was not sent. Most proxies write one of them and hand the other on as the client sent it, so where both are
/// there and differ, neither can be believed.
fn forwarded(request: &HttpRequest) -> impl Iterator<Item = Vec<Option<IpAddr>>> {
    let all = |name: &str| -> Vec<String> {
        request
            .headers()
            .get_all(name)
            .map(|value| value.to_str().unwrap_or_default().to_owned())
            .collect()
    };
    let standard = all("forwarded")
        .iter()
        .flat_map(|line| line.split(','))
        .map(|hop| {
            hop.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                name.eq_ignore_ascii_case("for").then(|| address_of(value))?
            })
        })
        .collect();
    let usual = all("x-forwarded-for")
        .iter()
        .flat_map(|line| line.split(','))
        .map(address_of)
        .collect();
    [standard, usual]
        .into_iter()
        .filter(|hops: &Vec<Option<IpAddr>>| !hops.is_empty())
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80` and the quoted forms.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split(']').next());
    bracketed
        .unwrap_or(text)
        .parse()
        .or_else(|_| text.rsplit_once(':').map_or(text, |(host, _)| host).parse())
        .ok()
}

impl FromRequest for RequestContext {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(context(request).map(Self))
    }
}

/// [`ClientContext`] as handlers take it.
#[derive(Clone, Debug)]
pub struct RequestContext(pub ClientContext);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().expect("a network")]);
        let forwarded = [
            Some(address("203.0.113.9")),
            Some(address("198.51.100.7")),
            Some(address("10.1.1.1")),
        ];
        assert_eq!(
            proxies.client_of(address("10.0.0.1"), &forwarded),
            address("198.51.100.7")
        );
        assert_eq!(
            proxies.client_of(address("192.0.2.1"), &forwarded),
            address("192.0.2.1")
        );
        assert_eq!(proxies.client_of(address("10.0.0.1"), &[]), address("10.0.0.1"));
        let hidden = [Some(address("203.0.113.9")), None, Some(address("10.1.1.1"))];
        assert_eq!(
            proxies.client_of(address("10.0.0.1"), &hidden),
            address("10.1.1.1")
        );
    }

    #[test]
    fn a_header_that_the_proxy_only_handed_on_is_not_believed() {
        let seen = |headers: &[(&'static str, &'static str)]| {
            let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().expect("a network")]);
            let mut request = actix_web::test::TestRequest::default()
                .peer_addr("10.0.0.1:4711".parse().expect("an address"))
                .app_data(Data::new(proxies));
            for header in headers {
                request = request.append_header(*header);
            }
            context(&request.to_http_request())
                .expect("a context")
                .address
                .to_string()
        };
        assert_eq!(seen(&[]), "10.0.0.1");
        assert_eq!(
            seen(&[("X-Forwarded-For", "1.2.3.4, 198.51.100.7")]),
            "198.51.100.7"
        );
        assert_eq!(
            seen(&[("Forwarded", "for=198.51.100.7;proto=https")]),
            "198.51.100.7"
        );
        let both = [
            ("Forwarded", "for=198.51.100.7"),
            ("X-Forwarded-For", "198.51.100.7"),
        ];
        assert_eq!(seen(&both), "198.51.100.7");
        let handed_on = [("Forwarded", "for=1.2.3.4"), ("X-Forwarded-For", "198.51.100.7")];
        assert_eq!(seen(&handed_on), "10.0.0.1");
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, is) in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1:4711 ", "192.0.2.1"),
            ("\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(address_of(text), Some(address(is)), "{text}");
        }
        assert_eq!(address_of("unknown"), None);
    }
}
