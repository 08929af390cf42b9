//! What an act has to say on the page that comes after it. The words stay here; the address carries a code.

use crate::web::{
    Query,
    page::{
        Notice,
        Tone::{self, Danger, Success},
    },
};

/// Why a secret was not added or revoked, as codes.
pub(super) const LAST_SECRET: &str = "last-secret";
pub(super) const MANY_SECRETS: &str = "many-secrets";
pub(super) const NO_SECRET: &str = "no-secret";

const SENTENCES: &[(&str, Tone, &str)] = &[
    (
        "app-made",
        Success,
        "The app is there. Register its first client.",
    ),
    ("app-renamed", Success, "The app has its new name."),
    ("app-deleted", Success, "The app and its clients are gone."),
    (
        "client-saved",
        Success,
        "The settings are saved and in force everywhere.",
    ),
    ("client-disabled", Success, "The client is shut out everywhere."),
    ("client-enabled", Success, "The client is let in again."),
    ("client-deleted", Success, "The client is gone."),
    (
        "secret-revoked",
        Success,
        "The secret is revoked: it is refused everywhere.",
    ),
    ("logo-saved", Success, "The logo is saved."),
    ("logo-removed", Success, "The logo is removed."),
    (
        "vouched",
        Success,
        "Saved: what you said of the client is in force.",
    ),
    (
        "client-shut-out",
        Success,
        "The client is shut out everywhere. Its owner cannot let it in.",
    ),
    (
        "client-let-in",
        Success,
        "The client is let in again, as far as operators are concerned.",
    ),
    (
        "done-already",
        Success,
        "That was done already, and once. Its secret was shown then; it cannot be shown again.",
    ),
    ("scope-saved", Success, "The scope is saved."),
    (
        "scope-removed",
        Success,
        "The scope is removed from the catalogue and from every client.",
    ),
    (
        LAST_SECRET,
        Danger,
        "That is the client’s only secret. Add another one first.",
    ),
    (
        MANY_SECRETS,
        Danger,
        "A client has at most 5 secrets. Revoke one first.",
    ),
    (NO_SECRET, Danger, "That secret was gone already."),
    ("no-scope", Danger, "That scope was gone already."),
];

pub(super) fn notice(query: &Query) -> Option<Notice> {
    Notice::of(query.0.as_ref().ok()?, SENTENCES)
}
