//! What an act has to say on the page that follows it: a code in the address, a fixed sentence on the page.

use crate::web::{
    Parameters,
    page::{Notice, Tone},
};

const SENTENCES: &[(&str, Tone, &str)] = &[
    ("name-changed", Tone::Success, "Your name has been changed."),
    (
        "password-changed",
        Tone::Success,
        "Your password has been changed, and all other sessions have ended.",
    ),
    (
        "email-cancelled",
        Tone::Success,
        "The change of address has been cancelled.",
    ),
    (
        "confirm-new-email",
        Tone::Success,
        "We sent a link to the new address. Open it, and the change is made.",
    ),
    (
        "link-sent",
        Tone::Success,
        "We sent the link again. Look into your mail.",
    ),
    ("session-ended", Tone::Success, "The session has ended."),
    ("sessions-ended", Tone::Success, "All other sessions have ended."),
    ("invited", Tone::Success, "The invitation is on its way."),
    ("withdrawn", Tone::Success, "The invitation is withdrawn."),
    (
        "no-invitation",
        Tone::Danger,
        "That invitation was used or gone already.",
    ),
    ("signed-out", Tone::Success, "You are signed out."),
    (
        "session-over",
        Tone::Warning,
        "Your session had ended, so nothing was done. Sign in, and you are back where you were: what you typed may still be there if you go back.",
    ),
    (
        "confirm-first",
        Tone::Danger,
        "Confirm your e-mail address first: apps and clients are made in the name of somebody whose address is known. \
         Open the link that we sent you, or have it sent again.",
    ),
];

/// The notice that the address asks for.
pub(super) fn notice(query: &Parameters) -> Option<Notice> {
    Notice::of(query, SENTENCES)
}
