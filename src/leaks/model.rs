use time::OffsetDateTime;

use crate::{
    audit::By,
    crypto::Token,
    types::{AccountId, AppId, LeakReportId},
};

/// A string that somebody found.
#[derive(Clone, Debug)]
pub struct Find {
    pub token: Token,
    /// Where; may be empty.
    pub url: String,
}

/// Who reports.
#[derive(Clone, Copy, Debug)]
pub struct Reporter<'r> {
    /// As events and rows name them: `github` or `scanner`. Which scanner, the trail knows.
    pub source: &'static str,
    pub by: By<'r>,
}

/// Whether a string is a credential that this server gave out, good or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    TruePositive,
    FalsePositive,
}

macro_rules! named {
    ($(#[doc = $doc:literal])+ $type:ident { $($(#[doc = $own:literal])* $name:ident = $text:literal, $words:literal;)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[doc = $own])* $name,)+ }

        impl $type {
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in the database and in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// For people.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            pub(super) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.name() == name)
            }
        }
    };
}

named! {
    /// What was found.
    Kind {
        ApiKey = "api_key", "API key";
        ClientSecret = "client_secret", "Client secret";
        RefreshToken = "refresh_token", "Refresh token";
        AccessToken = "access_token", "Access token";
        WebhookSecret = "webhook_secret", "Webhook secret";
    }
}

named! {
    /// What became of it.
    Outcome {
        Revoked = "revoked", "Revoked";
        /// It was revoked, expired or replaced before.
        Over = "over", "Was no good any more";
        /// A value that the key had before it was regenerated: the one that it has now goes on.
        Former = "former", "A former value of the key";
        /// A publishable key, which anybody may have.
        Published = "published", "Publishable: left as it is";
    }
}

/// Somebody's word that they found something, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakReport {
    pub id: LeakReportId,
    /// `github` or `scanner`.
    pub source: String,
    pub kind: Kind,
    /// The id of the key, client, grant or endpoint.
    pub subject_id: String,
    /// What may be shown of it.
    pub hint: String,
    pub app: Option<AppId>,
    pub account: Option<AccountId>,
    pub found_at: Option<String>,
    pub outcome: Outcome,
    pub at: OffsetDateTime,
}
