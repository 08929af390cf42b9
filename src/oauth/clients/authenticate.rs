//! Client authentication (RFC 6749 §2.3, §3.2.1).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Client, ClientKind, secrets, store, throttle::network};
use crate::{
    audit::{Action, Actor, Record, Subject},
    crypto::{KeyId, Purpose, Token, same},
    oauth::Authority,
    types::{ClientContext, ClientId, ClientSecretId, Fault},
    web::{Parameters, Repeated, form_decoded},
};

/// What a request says of who sent it.
#[derive(Clone, Debug)]
pub struct Presented {
    pub client_id: String,
    pub method: Method,
    /// Whether HTTP Basic was tried, with a secret or without: a refusal then needs a challenge
    /// (RFC 6749 §5.2).
    pub by_basic: bool,
}

/// How it says so.
#[derive(Clone, Debug)]
pub enum Method {
    /// `none`: the id alone.
    None,
    /// `client_secret_post`
    Post(Token),
    /// `client_secret_basic`
    Basic(Token),
}

/// Why a client is not believed.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationFailure {
    /// `invalid_request`
    #[error("{0}")]
    InvalidRequest(String),
    /// `invalid_client`; the challenge is due if `Authorization` was tried (RFC 6749 §5.2).
    #[error("{description}")]
    InvalidClient {
        challenge: bool,
        description: &'static str,
    },
    /// Too many failures, of this client or from this address.
    #[error("too many failed attempts")]
    Throttled(Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Repeated> for AuthenticationFailure {
    fn from(repeated: Repeated) -> Self {
        Self::InvalidRequest(repeated.to_string())
    }
}

impl Presented {
    /// Reads the `Authorization` header and the body.
    ///
    /// # Errors
    ///
    /// `invalid_request` for two methods at once, `invalid_client` for none at all.
    pub fn read(authorization: Option<&str>, form: &Parameters) -> Result<Self, AuthenticationFailure> {
        let client_id = form.one("client_id")?;
        let secret = form.one("client_secret")?;
        let basic = authorization.and_then(|header| {
            let (scheme, credentials) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then_some(credentials)
        });
        let Some(credentials) = basic else {
            let client_id = client_id.ok_or(AuthenticationFailure::InvalidClient {
                challenge: authorization.is_some(),
                description: "client_id is missing: authenticate with HTTP Basic, or send client_id",
            })?;
            let method = secret.map_or(Method::None, |secret| Method::Post(Token::presented(secret)));
            return Ok(Self {
                client_id: client_id.to_owned(),
                method,
                by_basic: false,
            });
        };
        if secret.is_some() {
            return Err(AuthenticationFailure::InvalidRequest(
                "use one way to authenticate: either HTTP Basic or client_secret in the body".into(),
            ));
        }
        let malformed = AuthenticationFailure::InvalidClient {
            challenge: true,
            description: "the Basic credentials are malformed: base64 of form-encoded id and secret is needed",
        };
        let Some((id, secret)) = basic_credentials(credentials) else {
            return Err(malformed);
        };
        if client_id.is_some_and(|own| own != id) {
            return Err(AuthenticationFailure::InvalidRequest(
                "client_id in the body is not the one that authenticates".into(),
            ));
        }
        let method = if secret.is_empty() {
            Method::None
        } else {
            Method::Basic(Token::from(secret))
        };
        Ok(Self {
            client_id: id,
            method,
            by_basic: true,
        })
    }
}

/// Both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic_credentials(credentials: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| form_decoded(text.as_bytes()).ok();
    Some((plain(id)?, plain(secret)?))
}

/// The client that a request comes from, proved as its kind demands.
///
/// # Errors
///
/// See [`AuthenticationFailure`]; all that is wrong with a secret reads alike.
pub async fn authenticate(
    authority: &Authority,
    presented: &Presented,
    context: &ClientContext,
) -> Result<Arc<Client>, AuthenticationFailure> {
    let now = authority.clock.now();
    let challenge = presented.by_basic;
    let parsed = presented.client_id.parse::<ClientId>().ok();
    if let Some(wait) = must_wait(authority, parsed, context) {
        return Err(AuthenticationFailure::Throttled(wait));
    }
    let from = network(context.address);
    let client = match parsed {
        Some(id) => authority.clients.get(id).await?,
        None => None,
    };
    let refused = |description| AuthenticationFailure::InvalidClient {
        challenge,
        description,
    };
    let Some(client) = client else {
        authority.address_failures.failed(from, now);
        return Err(refused("the client is not known, or its secret is wrong"));
    };
    let proved = match (&presented.method, client.registration.kind) {
        (Method::None, ClientKind::Public) => true,
        (Method::None, ClientKind::Confidential) => {
            return Err(refused("this client must authenticate with its secret"));
        }
        (Method::Basic(_) | Method::Post(_), ClientKind::Public) => false,
        (Method::Basic(secret) | Method::Post(secret), ClientKind::Confidential) => {
            secret_is_good(authority, &client, secret).await?
        }
    };
    if !proved {
        authority.address_failures.failed(from, now);
        let own = (client.id, from);
        authority.client_failures.failed(own, now);
        if authority.client_failures.wait(&own, now).is_some() {
            record_refusal(authority, &client, context).await?;
        }
        return Err(refused("the client is not known, or its secret is wrong"));
    }
    if client.is_disabled() {
        return Err(refused("this client is disabled"));
    }
    Ok(client)
}

/// How long a client has to wait from here. An address that fails too often is held back as a whole, so that nobody
/// guesses at many clients in turn. A client that this node knows, and that has not failed from there in the running
/// minute, passes all the same: one that is broken must not stop the others behind its address, and a guesser gets no
/// more than one try a minute at each client out of it.
fn must_wait(authority: &Authority, client: Option<ClientId>, context: &ClientContext) -> Option<Duration> {
    let now = authority.clock.now();
    let from = network(context.address);
    let own = client.map(|id| (id, from));
    if let Some(wait) = own.and_then(|own| authority.client_failures.wait(&own, now)) {
        return Some(wait);
    }
    let wait = authority.address_failures.wait(&from, now)?;
    let blameless = own.is_some_and(|own| {
        authority.clients.holds(own.0) && !authority.client_failures.has_failed(&own, now)
    });
    (!blameless).then_some(wait)
}

async fn secret_is_good(authority: &Authority, client: &Client, secret: &Token) -> Result<bool, Fault> {
    let mut own = look_for(authority, client, secret)?;
    if matches!(own, Found::Unreadable) {
        // This node's copy is older than the end of the key that it names: another node digested the secret anew.
        authority.clients.forget(client.id);
        own = match authority.clients.get(client.id).await? {
            Some(client) => look_for(authority, &client, secret)?,
            None => Found::No,
        };
    }
    let Found::Yes(id, key_id) = own else {
        return Ok(false);
    };
    // A node that cannot digest anew now leaves it to one that can.
    if authority
        .keyring
        .current_id(Purpose::ClientSecret)
        .is_ok_and(|current| current != key_id)
    {
        let mac = authority
            .keyring
            .mac(Purpose::ClientSecret, &secrets::message(client.id, secret))?;
        store::rehash_secret(&mut *authority.db.connection().await?, id, mac).await?;
        // Or every further request would digest it anew, and write.
        authority.clients.forget(client.id);
    }
    Ok(true)
}

/// Whether a secret is one of the client's.
enum Found {
    Yes(ClientSecretId, KeyId),
    No,
    /// No, but a digest is under a key that this node does not have any more.
    Unreadable,
}

fn look_for(authority: &Authority, client: &Client, secret: &Token) -> Result<Found, Fault> {
    let now = authority.clock.now();
    let message = secrets::message(client.id, secret);
    let (mut found, mut lacks) = (Found::No, Ok(()));
    for own in client.secrets.iter().filter(|own| own.is_live(now)) {
        let key_id = own.mac.key_id;
        match authority
            .keyring
            .mac_with(Purpose::ClientSecret, key_id, &message)
        {
            Some(mac) if same(&mac.tag, &own.mac.tag) => return Ok(Found::Yes(own.id, key_id)),
            Some(_) => {}
            None => {
                lacks = lacks.and(authority.keyring.can_tell(key_id));
                found = Found::Unreadable;
            }
        }
    }
    lacks.map(|()| found)
}

/// One record when guessing is stopped, not one for each guess: the trail must not be floodable.
async fn record_refusal(
    authority: &Authority,
    client: &Client,
    context: &ClientContext,
) -> Result<(), Fault> {
    let record = Record::refused(
        authority.clock.now(),
        Actor::Anonymous,
        Action::ClientRefused,
        Subject::Client(client.id),
    );
    record
        .account(client.account_id)
        .from(context)
        .write(&mut *authority.db.connection().await?)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Parameters {
        Parameters::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = format!("Basic {}", STANDARD.encode("cli%3A1:a%20b%2B%26c"));
        let presented = Presented::read(Some(&header), &form("")).expect("readable");
        assert_eq!(presented.client_id, "cli:1");
        assert!(matches!(presented.method, Method::Basic(secret) if secret.expose() == "a b+&c"));
    }

    #[test]
    fn basic_without_a_secret_is_still_basic() {
        let header = format!("Basic {}", STANDARD.encode("a:"));
        let presented = Presented::read(Some(&header), &form("")).expect("readable");
        assert!(matches!(presented.method, Method::None) && presented.by_basic);
        let presented = Presented::read(None, &form("client_id=a")).expect("readable");
        assert!(!presented.by_basic);
    }

    #[test]
    fn two_methods_are_refused() {
        let header = format!("Basic {}", STANDARD.encode("a:b"));
        for body in [
            "client_id=a&client_secret=b",
            "client_id=other",
            "client_id=a&client_id=a",
        ] {
            let refused = Presented::read(Some(&header), &form(body));
            assert!(
                matches!(refused, Err(AuthenticationFailure::InvalidRequest(_))),
                "{body}"
            );
        }
        assert!(Presented::read(Some(&header), &form("client_id=a")).is_ok());
    }

    #[test]
    fn no_client_at_all_is_invalid_client() {
        for header in [
            None,
            Some("Bearer x"),
            Some("Basic"),
            Some("Basic !!!"),
            Some("Basic YQ=="),
        ] {
            let refused = Presented::read(header, &form("grant_type=x"));
            assert!(
                matches!(refused, Err(AuthenticationFailure::InvalidClient { .. })),
                "{header:?}"
            );
        }
    }
}
