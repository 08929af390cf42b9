//! What an act has to say on the page that comes after it. The words stay here; the address carries a code.

use crate::web::{Query, page::Notice};

/// Why a secret was not added or revoked, as codes.
pub(super) const LAST_SECRET: &str = "last-secret";
pub(super) const MANY_SECRETS: &str = "many-secrets";
pub(super) const NO_SECRET: &str = "no-secret";

pub(super) fn notice(query: &Query) -> Option<Notice> {
    let code = query.0.as_ref().map_or("", |query| query.text("notice"));
    let done = match code {
        "app-made" => "The app is there. Register its first client.",
        "app-renamed" => "The app has its new name.",
        "app-deleted" => "The app and its clients are gone.",
        "client-saved" => "The settings are saved and in force everywhere.",
        "client-disabled" => "The client is shut out everywhere.",
        "client-enabled" => "The client is let in again.",
        "client-deleted" => "The client is gone.",
        "secret-revoked" => "The secret is revoked: it is refused everywhere.",
        "logo-saved" => "The logo is saved.",
        "logo-removed" => "The logo is removed.",
        "vouched" => "Saved: what you said of the client is in force.",
        "client-shut-out" => "The client is shut out everywhere. Its owner cannot let it in.",
        "client-let-in" => "The client is let in again, as far as operators are concerned.",
        "done-already" => {
            "That was done already, and once. Its secret was shown then; it cannot be shown again."
        }
        "scope-saved" => "The scope is saved.",
        "scope-removed" => "The scope is removed from the catalogue and from every client.",
        _ => return trouble(code).map(Notice::danger),
    };
    Some(Notice::success(done))
}

fn trouble(code: &str) -> Option<&'static str> {
    Some(match code {
        LAST_SECRET => "That is the client’s only secret. Add another one first.",
        MANY_SECRETS => "A client has at most 5 secrets. Revoke one first.",
        NO_SECRET => "That secret was gone already.",
        "no-scope" => "That scope was gone already.",
        _ => return None,
    })
}
