use std::fmt;

use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::store;
use crate::types::{
    AccountId, ApiKeyId, AppId, ClientContext, ClientId, Fault, GrantId, SessionId, UserId, WebhookEndpointId,
};

/// Who acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    User(UserId),
    Client(ClientId),
    /// An API key, by which somebody's program asked.
    Key(ApiKeyId),
    /// Nobody who is known: a failed sign-in, a stranger's request.
    Anonymous,
    /// Whoever has the command line of the server.
    Operator,
    /// The server itself, in a background job.
    System,
}

impl Actor {
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Client(_) => "client",
            Self::Key(_) => "key",
            Self::Anonymous => "anonymous",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }

    pub(super) fn id(self) -> Option<String> {
        match self {
            Self::User(id) => Some(id.to_string()),
            Self::Client(id) => Some(id.to_string()),
            Self::Key(id) => Some(id.to_string()),
            Self::Anonymous | Self::Operator | Self::System => None,
        }
    }
}

/// What the act was done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    User(UserId),
    Account(AccountId),
    App(AppId),
    Client(ClientId),
    Session(SessionId),
    Grant(GrantId),
    /// A scope of the catalogue, by name.
    Scope(String),
    ApiKey(ApiKeyId),
    WebhookEndpoint(WebhookEndpointId),
    /// A key of the server, by its name: never its value.
    Key(String),
    /// What no other names: an address that is nobody's, the configuration.
    Server,
}

impl Subject {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Account(_) => "account",
            Self::App(_) => "app",
            Self::Client(_) => "client",
            Self::Session(_) => "session",
            Self::Grant(_) => "grant",
            Self::Scope(_) => "scope",
            Self::ApiKey(_) => "api_key",
            Self::WebhookEndpoint(_) => "webhook_endpoint",
            Self::Key(_) => "key",
            Self::Server => "server",
        }
    }

    /// As text; none for what has no id.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::User(id) => Some(id.to_string()),
            Self::Account(id) => Some(id.to_string()),
            Self::App(id) => Some(id.to_string()),
            Self::Client(id) => Some(id.to_string()),
            Self::Session(id) => Some(id.to_string()),
            Self::Grant(id) => Some(id.to_string()),
            Self::ApiKey(id) => Some(id.to_string()),
            Self::WebhookEndpoint(id) => Some(id.to_string()),
            Self::Scope(name) | Self::Key(name) => Some(name.clone()),
            Self::Server => None,
        }
    }
}

/// Whoever acts, and from where; nothing is known of that for an act on the command line or in a job.
#[derive(Clone, Copy, Debug)]
pub struct By<'c> {
    pub actor: Actor,
    pub context: Option<&'c ClientContext>,
    /// Whether they run the server.
    pub operator: bool,
}

impl<'c> By<'c> {
    /// The command line of the server.
    pub const OPERATOR: By<'static> = By {
        actor: Actor::Operator,
        context: None,
        operator: true,
    };

    /// Somebody in a browser.
    #[must_use]
    pub const fn user(user: UserId, context: &'c ClientContext) -> Self {
        Self {
            actor: Actor::User(user),
            context: Some(context),
            operator: false,
        }
    }

    /// They have done `action` to `subject`.
    #[must_use]
    pub fn done(self, at: OffsetDateTime, action: Action, subject: Subject) -> Record {
        Record::done(at, self.actor, action, subject).from(self.context)
    }
}

macro_rules! actions {
    ($($name:ident = $text:literal, $sentence:literal;)+) => {
        /// What was done. The names are kept for ever: scripts filter by them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($name,)+ }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// `grant.revoked` and the like.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The same in a person's words.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }
        }
    };
}

actions! {
    UserCreated = "user.created", "Account created";
    UserBlocked = "user.blocked", "Person blocked";
    UserUnblocked = "user.unblocked", "Person unblocked";
    UserRenamed = "user.renamed", "Name changed";
    OperatorAppointed = "operator.appointed", "Became an operator";
    EmailVerified = "email.verified", "E-mail address verified";
    EmailChangeRequested = "email.change_requested", "Change of e-mail address requested";
    EmailChangeCancelled = "email.change_cancelled", "Change of e-mail address cancelled";
    VerificationSent = "email.verification_sent", "Link to verify the e-mail address sent again";
    EmailChanged = "email.changed", "E-mail address changed";
    PasswordResetRequested = "password.reset_requested", "Password reset requested";
    PasswordReset = "password.reset", "Password reset by link";
    PasswordChanged = "password.changed", "Password changed";
    InvitationSent = "invitation.sent", "Invitation sent";
    InvitationWithdrawn = "invitation.withdrawn", "Invitation withdrawn";
    SessionStarted = "session.started", "Signed in";
    SessionRefused = "session.refused", "Sign-in refused";
    SessionEnded = "session.ended", "Signed out";
    AppCreated = "app.created", "App created";
    AppRenamed = "app.renamed", "App renamed";
    AppDeleted = "app.deleted", "App deleted";
    ClientCreated = "client.created", "OAuth client created";
    ClientChanged = "client.changed", "OAuth client changed";
    ClientDisabled = "client.disabled", "OAuth client disabled";
    ClientEnabled = "client.enabled", "OAuth client enabled";
    ClientDeleted = "client.deleted", "OAuth client deleted";
    ClientSecretAdded = "client.secret_added", "Client secret added";
    ClientSecretRevoked = "client.secret_revoked", "Client secret revoked";
    ClientRefused = "client.refused", "Client authentication refused";
    ConsentGranted = "consent.granted", "Access approved";
    ConsentDenied = "consent.denied", "Access denied";
    ConsentRevoked = "consent.revoked", "App disconnected";
    GrantCreated = "grant.created", "App signed you in";
    GrantMoved = "grant.moved", "App refreshed from a new address or program";
    GrantRefused = "grant.refused", "Code or refresh token refused";
    GrantReplayed = "grant.replayed", "Used code or refresh token was presented again";
    GrantRevoked = "grant.revoked", "App's access revoked";
    TokenIssued = "token.issued", "First token of a client for itself";
    TokenRevoked = "token.revoked", "Access token revoked";
    ScopeAdded = "scope.added", "Scope added to the catalogue";
    ScopeChanged = "scope.changed", "Scope changed";
    ScopeRemoved = "scope.removed", "Scope removed from the catalogue";
    ServerKeyRotated = "server_key.rotated", "Server key rotated";
    ServerKeyRetired = "server_key.retired", "Server key retired";
    AppPolicyChanged = "app.policy_changed", "What the keys of an app may do was changed";
    AccountOpened = "account.opened", "Team account opened";
    AccountRenamed = "account.renamed", "Account renamed";
    AccountClosed = "account.closed", "Team account closed";
    MemberInvited = "member.invited", "Member invited";
    MemberInvitationWithdrawn = "member.invitation_withdrawn", "Invitation of a member withdrawn";
    MemberJoined = "member.joined", "Member joined";
    MemberRoleChanged = "member.role_changed", "Role of a member changed";
    MemberRemoved = "member.removed", "Member removed";
    MemberLeft = "member.left", "Member left";
    AccountLimitChanged = "account.limit_changed", "Ceiling of the account changed";
    KeyCreated = "key.created", "API key created";
    KeyChanged = "key.changed", "API key changed";
    KeyRotated = "key.rotated", "API key rotated";
    KeyRegenerated = "key.regenerated", "API key regenerated";
    KeyRevoked = "key.revoked", "API key revoked";
    KeyExpired = "key.expired", "API key expired";
    KeyFirstUsed = "key.first_used", "API key used for the first time";
    KeyMoved = "key.moved", "API key used from a new address or program";
    KeyRefused = "key.refused", "API key refused";
    KeyLeaked = "key.leaked", "API key reported as leaked";
    WebhookEndpointCreated = "webhook.created", "Webhook endpoint added";
    WebhookEndpointChanged = "webhook.changed", "Webhook endpoint changed";
    WebhookEndpointDeleted = "webhook.deleted", "Webhook endpoint removed";
    WebhookEndpointSwitchedOff = "webhook.switched_off", "Webhook endpoint switched off";
    WebhookEndpointSwitchedOn = "webhook.switched_on", "Webhook endpoint switched on again";
    WebhookTested = "webhook.tested", "Test sent to a webhook endpoint";
    WebhookSecretRotated = "webhook.secret_rotated", "Secret of a webhook endpoint rotated";
    WebhookRedelivered = "webhook.redelivered", "Webhook sent again";
    SecretLeaked = "secret.leaked", "Secret reported as leaked";
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
}

impl Outcome {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// One record, before it has its number. Details hold no secret.
#[derive(Clone, Debug)]
pub struct Record {
    pub(super) at: OffsetDateTime,
    pub(super) actor: Actor,
    pub(super) account: Option<AccountId>,
    pub(super) action: Action,
    pub(super) subject: Subject,
    pub(super) outcome: Outcome,
    pub(super) context: Option<ClientContext>,
    pub(super) details: Map<String, Value>,
}

impl Record {
    /// `actor` has done `action` to `subject`.
    #[must_use]
    pub fn done(at: OffsetDateTime, actor: Actor, action: Action, subject: Subject) -> Self {
        Self {
            at,
            actor,
            account: None,
            action,
            subject,
            outcome: Outcome::Done,
            context: None,
            details: Map::new(),
        }
    }

    /// It was asked for, and refused.
    #[must_use]
    pub fn refused(at: OffsetDateTime, actor: Actor, action: Action, subject: Subject) -> Self {
        Self {
            outcome: Outcome::Refused,
            ..Self::done(at, actor, action, subject)
        }
    }

    /// Whose account it concerns: its members can read the record.
    #[must_use]
    pub fn account(mut self, account: impl Into<Option<AccountId>>) -> Self {
        self.account = account.into();
        self
    }

    /// From where it came; nothing is known of an act on the command line or in a job.
    #[must_use]
    pub fn from<'c>(mut self, context: impl Into<Option<&'c ClientContext>>) -> Self {
        self.context = context.into().cloned();
        self
    }

    /// One more detail; never a secret.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the record to the trail, in the transaction of the act.
    ///
    /// # Errors
    ///
    /// If it could not be written; the act must then not happen either.
    pub async fn write(&self, connection: &mut AsyncPgConnection) -> Result<(), Fault> {
        store::insert(connection, self).await
    }

    /// Adds many, in their order, by few statements.
    ///
    /// # Errors
    ///
    /// As [`Record::write`].
    pub async fn write_all(records: &[Self], connection: &mut AsyncPgConnection) -> Result<(), Fault> {
        store::insert_all(connection, records).await
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
