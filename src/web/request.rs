//! Who is asking: the request id, and the address behind trusted proxies.

use std::{
    future::{Ready, ready},
    net::IpAddr,
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::header, web::Data};
use ipnet::IpNet;

use super::Failure;
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
    static CURRENT: RequestId;
}

/// The id of the request that is being answered; empty outside one.
#[must_use]
pub fn current_request_id() -> String {
    CURRENT.try_with(|id| id.as_str().to_owned()).unwrap_or_default()
}

pub(super) async fn within_request<F: Future>(id: RequestId, answer: F) -> F::Output {
    CURRENT.scope(id, answer).await
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
    fn client_of(&self, peer: IpAddr, forwarded: &[IpAddr]) -> IpAddr {
        let mut client = peer;
        for hop in forwarded.iter().rev() {
            if !self.contains(client) {
                break;
            }
            client = *hop;
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
        Some(proxies) if proxies.contains(peer) => proxies.client_of(peer, &forwarded(request)),
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

/// The hops that `Forwarded` (RFC 7239 §5.2) or else `X-Forwarded-For` names, first hop first.
fn forwarded(request: &HttpRequest) -> Vec<IpAddr> {
    let all = |name: &str| -> Vec<String> {
        request
            .headers()
            .get_all(name)
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect()
    };
    let standard = all("forwarded");
    if standard.is_empty() {
        return all("x-forwarded-for")
            .iter()
            .flat_map(|line| line.split(','))
            .filter_map(address_of)
            .collect();
    }
    standard
        .iter()
        .flat_map(|line| line.split(','))
        .flat_map(|hop| hop.split(';'))
        .filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case("for").then_some(value)
        })
        .filter_map(address_of)
        .collect()
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
            address("203.0.113.9"),
            address("198.51.100.7"),
            address("10.1.1.1"),
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
