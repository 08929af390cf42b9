//! What an act has to say on the page that follows it: a code in the address, a fixed sentence on the page.

use crate::web::{Parameters, page::Notice};

/// Sentences by code. Only codes travel, so no link can put words into our mouth.
const SENTENCES: &[(&str, &str)] = &[
    ("name-changed", "Your name has been changed."),
    (
        "password-changed",
        "Your password has been changed, and all other sessions have ended.",
    ),
    ("email-cancelled", "The change of address has been cancelled."),
    (
        "confirm-new-email",
        "We sent a link to the new address. Open it, and the change is made.",
    ),
    ("link-sent", "We sent the link again. Look into your mail."),
    ("session-ended", "The session has ended."),
    ("sessions-ended", "All other sessions have ended."),
    ("invited", "The invitation is on its way."),
    ("signed-out", "You are signed out."),
];

/// What could not be done, by code.
const TROUBLE: &[(&str, &str)] = &[(
    "confirm-first",
    "Confirm your e-mail address first: apps and clients are made in the name of somebody whose address is known. \
     Open the link that we sent you, or have it sent again.",
)];

/// The notice that the address asks for.
pub(super) fn notice(query: &Parameters) -> Option<Notice> {
    let code = query.text("notice");
    let found = |list: &'static [(&str, &str)]| {
        list.iter()
            .find(|(own, _)| *own == code)
            .map(|(_, sentence)| *sentence)
    };
    found(SENTENCES)
        .map(Notice::success)
        .or_else(|| found(TROUBLE).map(Notice::danger))
}
