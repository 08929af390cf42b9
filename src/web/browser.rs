//! The browser: a cookie that knows it again before anybody has signed in, and the tokens that tie forms to it.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    dev::Payload,
    http::header::{self, HeaderName, HeaderValue},
    web::Data,
};
use url::Url;
use uuid::Uuid;

use super::{BasePath, Failure, News, Parameters, news};
use crate::{
    crypto::{KeyId, Keyring, Mac, Purpose, Token, decode_base64url, encode_base64url, same},
    types::{Clock, Entropy, Fault},
};

/// What cookies and form tokens need.
#[derive(Clone, Debug)]
pub struct BrowserSettings {
    pub keyring: Keyring,
    pub entropy: Entropy,
    pub clock: Clock,
    /// The path of the issuer: cookies are for what is below it alone.
    pub base: BasePath,
    /// Whether people reach us over TLS: then cookies are never sent in clear, and have the `__Host-` prefix, which no other
    /// host can set. It wants the path `/`: where the issuer has a path of its own, whatever else is on that host would
    /// be sent our cookies, so there it is `__Secure-`.
    pub is_https: bool,
}

impl BrowserSettings {
    fn name(&self, name: &str) -> String {
        let prefix = match (self.is_https, self.base.is_root()) {
            (true, true) => "__Host-",
            (true, false) => "__Secure-",
            (false, _) => "",
        };
        format!("{prefix}claviger-{name}")
    }

    /// A cookie for this host alone, out of the reach of scripts.
    #[must_use]
    pub fn cookie(&self, name: &str, value: &str, max_age: std::time::Duration) -> Cookie<'static> {
        let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        Cookie::build(self.name(name), value.to_owned())
            .path(self.base.of_cookies().to_owned())
            .http_only(true)
            .secure(self.is_https)
            .same_site(SameSite::Lax)
            .max_age(Duration::seconds(seconds))
            .finish()
    }

    /// What the act before has left for this page to say.
    #[must_use]
    pub fn news(&self, request: &HttpRequest) -> Option<News> {
        News::named(self.read(request, news::COOKIE)?.expose())
    }

    /// What this browser sent under that name.
    #[must_use]
    pub fn read(&self, request: &HttpRequest, name: &str) -> Option<Token> {
        request
            .cookie(&self.name(name))
            .map(|cookie| Token::presented(cookie.value()))
    }
}

const NAME: &str = "browser";
const LIFETIME: std::time::Duration = std::time::Duration::from_hours(90 * 24);

/// One browser, known by its cookie; the cookie is set with the answer where there was none, and anew when half of its
/// time is over, so that it does not end under the hands of whoever uses it.
///
/// To a form that another site sends, no browser adds the cookie (`SameSite=Lax`), whether or not it has one. A new one
/// in the answer would take the old one's place, and void what hangs on it: so it stays unset there.
#[derive(Clone)]
pub struct Browser {
    settings: Arc<BrowserSettings>,
    token: Token,
    /// Whether the browser has the token, or gets it with the answer.
    knows: bool,
}

/// Left for the middleware to set.
pub(super) struct FreshCookie(pub(super) Cookie<'static>);

impl Browser {
    /// The digest that server-side state is bound to.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.token.digest()
    }

    /// The token, where the browser sent none and gets none: whoever answers hands it over in another way, or nothing
    /// that is bound to it can be come back to.
    #[must_use]
    pub fn unknown(&self) -> Option<&Token> {
        (!self.knows).then_some(&self.token)
    }

    /// The token for the forms of one page. `session` is the digest of the session cookie, if somebody is
    /// signed in: signing in or out makes older forms void.
    ///
    /// # Errors
    ///
    /// If there is no key to make it with.
    pub fn csrf_token(&self, session: Option<[u8; 32]>) -> Result<String, Fault> {
        let Mac { key_id, tag } = self.settings.keyring.mac(Purpose::Csrf, &self.binding(session))?;
        Ok(encode_base64url(
            &[key_id.to_bytes().as_slice(), tag.as_slice()].concat(),
        ))
    }

    /// Whether a form has the token that this browser was given in this session.
    ///
    /// # Errors
    ///
    /// If that cannot be told for now.
    pub fn gave(&self, session: Option<[u8; 32]>, form: &Parameters) -> Result<bool, Failure> {
        self.gave_token(session, form.text("csrf_token"))
    }

    /// The same of a token that came by itself, in a header.
    ///
    /// # Errors
    ///
    /// If that cannot be told for now.
    pub fn gave_token(&self, session: Option<[u8; 32]>, token: &str) -> Result<bool, Failure> {
        let presented = decode_base64url(token).unwrap_or_default();
        let Some((id, tag)) = presented.split_first_chunk::<4>() else {
            return Ok(false);
        };
        let key_id = KeyId::from_bytes(*id);
        let keyring = &self.settings.keyring;
        keyring.can_tell(key_id)?;
        Ok(keyring
            .mac_with(Purpose::Csrf, key_id, &self.binding(session))
            .is_some_and(|mac| same(tag, &mac.tag)))
    }

    /// An id for the one thing that a form makes, as the form carries it: sent twice, it makes one.
    ///
    /// # Errors
    ///
    /// If there is no key to make it with.
    pub fn form_id(&self, session: Option<[u8; 32]>, id: Uuid) -> Result<String, Fault> {
        let binding = [self.binding(session).as_slice(), id.as_bytes()].concat();
        let Mac { key_id, tag } = self.settings.keyring.mac(Purpose::Csrf, &binding)?;
        Ok(encode_base64url(
            &[id.as_bytes().as_slice(), &key_id.to_bytes(), &tag].concat(),
        ))
    }

    /// The id in a form of ours; none if it is not one that this browser was given in this session.
    #[must_use]
    pub fn id_in(&self, session: Option<[u8; 32]>, form: &Parameters) -> Option<Uuid> {
        let presented = decode_base64url(form.text("form_id"))?;
        let (id, rest) = presented.split_first_chunk::<16>()?;
        let (key_id, tag) = rest.split_first_chunk::<4>()?;
        let binding = [self.binding(session).as_slice(), id].concat();
        let key_id = KeyId::from_bytes(*key_id);
        let mac = self.settings.keyring.mac_with(Purpose::Csrf, key_id, &binding)?;
        same(tag, &mac.tag).then_some(Uuid::from_bytes(*id))
    }

    fn binding(&self, session: Option<[u8; 32]>) -> Vec<u8> {
        let mut binding = self.token.digest().to_vec();
        binding.extend(session.unwrap_or_default());
        binding
    }
}

/// Whether a page of another site sends this form. Browsers say so (Fetch Metadata §2.3); older ones, and all to a server
/// in clear, name only the origin, which is `null` where the page's policy hides it.
fn is_sent_by_another_site(request: &HttpRequest) -> bool {
    if request.method().is_safe() {
        return false;
    }
    let header = |name: HeaderName| request.headers().get(name).map(HeaderValue::as_bytes);
    if let Some(site) = header(HeaderName::from_static("sec-fetch-site")) {
        return site == b"cross-site";
    }
    let host = |origin: &[u8]| {
        let origin: Url = std::str::from_utf8(origin).ok()?.parse().ok()?;
        let port = origin.port().map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{}{port}", origin.host_str()?))
    };
    header(header::ORIGIN)
        .is_some_and(|origin| host(origin).as_deref() != Some(request.connection_info().host()))
}

/// What the cookie holds: the browser's token, and when the browser forgets it. Whoever changes the latter makes
/// themselves forgotten sooner or later; nothing else hangs on it.
fn token_and_end(cookie: &Token) -> Option<(Token, i64)> {
    let (token, end) = cookie.expose().rsplit_once('.')?;
    Some((Token::presented(token), end.parse().ok()?))
}

impl FromRequest for Browser {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some(known) = request.extensions().get::<Self>() {
            return ready(Ok(known.clone()));
        }
        let Some(settings) = request.app_data::<Data<BrowserSettings>>() else {
            return ready(Err(Failure::Fault(Fault::internal("no browser settings"))));
        };
        let settings = settings.clone().into_inner();
        let now = settings.clock.unix();
        let seconds = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let sent = settings.read(request, NAME).as_ref().and_then(token_and_end);
        let knows = sent.is_some() || !is_sent_by_another_site(request);
        let is_young = sent
            .as_ref()
            .is_some_and(|(_, end)| *end >= now + seconds(LIFETIME / 2));
        let token = sent.map_or_else(|| Token::random("", &settings.entropy), |(token, _)| token);
        if knows && !is_young {
            let value = format!("{}.{}", token.expose(), now + seconds(LIFETIME));
            let cookie = settings.cookie(NAME, &value, LIFETIME);
            request.extensions_mut().insert(FreshCookie(cookie));
        }
        let browser = Self {
            settings,
            token,
            knows,
        };
        request.extensions_mut().insert(browser.clone());
        ready(Ok(browser))
    }
}
