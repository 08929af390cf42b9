//! The HTTP side: who is asking, and the routes of this folder's pages.

mod posted;

pub use posted::{Posted, Sent, SignedPost};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::Method,
    web::{Data, ServiceConfig},
};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Identity, Session, User, known_browser, pages, store};
use crate::{
    crypto::Token,
    types::{AuthorizationRequestId, ClientContext, Email, Fault},
    web::{
        Browser, BrowserSettings, Failure, FormAction, News, Parameters, RequestContext,
        page::{Frame, Person, RequestBanner},
    },
};

/// The name under which [`BrowserSettings`] keeps the session cookie.
pub(super) const SESSION_COOKIE: &str = "session";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
    /// Of the session cookie: form tokens are bound to it.
    pub(super) token_digest: [u8; 32],
}

impl SignedIn {
    /// The same, if they run this server.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`] for everybody else: to them there is no such page.
    pub fn operator(&self) -> Result<&Self, Failure> {
        if self.user.operator {
            Ok(self)
        } else {
            Err(Failure::NotFound)
        }
    }
}

/// Whoever looks at a page.
pub struct Visitor {
    pub browser: Browser,
    pub signed_in: Option<SignedIn>,
    pub context: ClientContext,
    /// The cookie of somebody who was signed in here before.
    pub(super) known: Option<Token>,
    news: Option<News>,
}

impl Visitor {
    /// What surrounds the page, with what the last act has to say.
    ///
    /// # Errors
    ///
    /// If there is no key for the form token.
    pub fn frame(&self) -> Result<Frame, Failure> {
        Ok(Frame {
            csrf_token: self.browser.csrf_token(self.session_digest())?,
            person: self.signed_in.as_ref().map(|SignedIn { user, .. }| Person {
                name: user.name.clone(),
                email: user.email.to_string(),
                email_verified: user.email_verified,
                operator: user.operator,
            }),
            notice: self.news.map(News::notice),
        })
    }

    /// An id for the one thing that a form makes, as the form carries it: sent twice, it makes one.
    ///
    /// # Errors
    ///
    /// As [`Visitor::frame`].
    pub fn form_id(&self, id: Uuid) -> Result<String, Failure> {
        Ok(self.browser.form_id(self.session_digest(), id)?)
    }

    /// The id in a form that [`Visitor::form_id`] made.
    #[must_use]
    pub fn id_in(&self, form: &Parameters) -> Option<Uuid> {
        self.browser.id_in(self.session_digest(), form)
    }

    /// Who is signed in.
    ///
    /// # Errors
    ///
    /// [`Failure::SignInNeeded`] if nobody is; after sign-in the browser comes back to the page that it
    /// asked for. A form cannot be sent again: the person comes back to its page, and is told.
    pub fn require(&self, request: &HttpRequest) -> Result<&SignedIn, Failure> {
        self.signed_in.as_ref().ok_or_else(|| Failure::SignInNeeded {
            return_to: request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            form_lost: request.method() == Method::POST,
        })
    }

    /// The operator who is signed in.
    ///
    /// # Errors
    ///
    /// As [`Visitor::require`]; for everybody else, [`Failure::NotFound`].
    pub fn operator(&self, request: &HttpRequest) -> Result<&SignedIn, Failure> {
        self.require(request)?.operator()
    }

    /// Who asks, by what the request brings along: looked up when this is awaited.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub fn of(request: &HttpRequest) -> impl Future<Output = Result<Self, Failure>> + use<> {
        let browser = Browser::from_request(request, &mut Payload::None).into_inner();
        let context = RequestContext::from_request(request, &mut Payload::None).into_inner();
        let identity = request.app_data::<Data<Identity>>().cloned();
        let settings = request.app_data::<Data<BrowserSettings>>();
        let token = settings.and_then(|settings| settings.read(request, SESSION_COOKIE));
        let news = settings.and_then(|settings| settings.news(request));
        let known = settings.and_then(|settings| settings.read(request, known_browser::COOKIE));
        async move {
            let identity =
                identity.ok_or_else(|| Fault::internal("no identity in the application's data"))?;
            let signed_in = match token {
                Some(token) => identity.signed_in(token.digest()).await?,
                None => None,
            };
            Ok(Self {
                browser: browser?,
                signed_in,
                context: context?.0,
                known,
                news,
            })
        }
    }

    /// Whether the browser got this form token from us in this session; for requests of scripts, which send it in a header.
    ///
    /// # Errors
    ///
    /// If that cannot be told for now.
    pub fn was_given(&self, token: &str) -> Result<bool, Failure> {
        self.browser.gave_token(self.session_digest(), token)
    }

    fn session_digest(&self) -> Option<[u8; 32]> {
        self.signed_in.as_ref().map(|signed_in| signed_in.token_digest)
    }
}

impl FromRequest for Visitor {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(Self::of(request))
    }
}

impl Identity {
    /// Who holds the session cookie with this digest: one query, and a write at most every few minutes.
    async fn signed_in(&self, token_digest: [u8; 32]) -> Result<Option<SignedIn>, Fault> {
        let mut connection = self.db.connection().await?;
        let now = self.clock.now();
        let Some((session, user)) = store::signed_in(&mut connection, &token_digest, now).await? else {
            return Ok(None);
        };
        let lifetimes = &self.config.lifetimes;
        if session.is_to_be_touched(lifetimes, now) {
            let expires_at = Session::expiry(lifetimes, session.authenticated_at, now);
            store::touch(&mut connection, session.id, now, expires_at).await?;
        }
        Ok(Some(SignedIn {
            user,
            session,
            token_digest,
        }))
    }
}

/// What the sign-in page needs to know of an authorization request that waits behind it.
#[derive(Clone, Debug)]
pub struct PendingRequest {
    pub banner: RequestBanner,
    /// The site that the form's chain of redirects ends at.
    pub form_action: FormAction,
    /// Whom the app expects (`login_hint`, OpenID Connect Core §3.1.2.1).
    pub login_hint: Option<Email>,
    /// Whether who is signed in must show again that it is they (`prompt=login`, `max_age`).
    pub reauthenticate: bool,
}

/// Authorization requests that wait for somebody to sign in. They are OAuth's, above this folder, which gives
/// this hook to the application's data as `Data<dyn PendingRequests>`.
pub trait PendingRequests: Send + Sync {
    /// The request, if it waits and is bound to the browser with this digest, in which somebody signed in at that time.
    fn pending(
        &self,
        id: AuthorizationRequestId,
        browser: [u8; 32],
        authenticated_at: Option<OffsetDateTime>,
    ) -> BoxFuture<'_, Result<Option<PendingRequest>, Fault>>;
}

/// Adds the routes of this folder's pages.
pub fn routes(config: &mut ServiceConfig) {
    pages::routes(config);
}
