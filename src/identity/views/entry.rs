//! Pages for people who are not signed in yet, or must show again that they are who they are.

use askama::Template;

pub use super::super::model::LinkPurpose;
use super::Onward;
use crate::web::page::{Field, Frame};

/// `/sign-up`: fields `name`, `email`, `password`; hidden those of [`Onward`], and `invitation` where there is one.
#[derive(Template)]
#[template(path = "identity/sign_up.html")]
pub struct SignUp {
    pub frame: Frame,
    pub onward: Onward,
    /// The token of an invitation; the address is then fixed.
    pub invitation: Option<String>,
    pub name: Field,
    pub email: Field,
    pub password: Field,
    /// What was wrong with the whole.
    pub error: Option<String>,
}

impl SignUp {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            onward: Onward::default(),
            invitation: None,
            name: Field::default(),
            email: Field::default(),
            password: Field::default(),
            error: None,
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            onward: Onward::sample(),
            name: Field::of("Ada Marsh"),
            email: Field::of("ada@example")
                .with_error("That is no e-mail address: the part after the @ is incomplete."),
            password: Field::default()
                .with_error("That password would be guessed quickly. Add another word or two."),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_invited() -> Self {
        Self {
            invitation: Some("sample-invitation".to_owned()),
            email: Field::of("ada@example.com"),
            ..Self::sample()
        }
    }
}

/// `/sign-up` where it is closed, or only by invitation.
#[derive(Template)]
#[template(path = "identity/sign_up_closed.html")]
pub struct SignUpClosed {
    pub frame: Frame,
    pub by_invitation: bool,
}

impl SignUpClosed {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            by_invitation: true,
        }
    }
}

/// `/sign-in`: fields `email`, `password`; hidden those of [`Onward`].
#[derive(Template)]
#[template(path = "identity/sign_in.html")]
pub struct SignIn {
    pub frame: Frame,
    pub onward: Onward,
    pub email: Field,
    pub password: Field,
    /// What was wrong with the whole: a refused sign-in names no field.
    pub error: Option<String>,
    /// Whether to offer sign-up.
    pub sign_up_open: bool,
}

impl SignIn {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            onward: Onward {
                return_to: Some("/apps".to_owned()),
                ..Onward::default()
            },
            email: Field::default(),
            password: Field::default(),
            error: None,
            sign_up_open: true,
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            onward: Onward::sample(),
            email: Field::of("ada@example.com"),
            error: Some("E-mail address and password do not match. Check both and try again.".to_owned()),
            ..Self::sample()
        }
    }
}

/// `/forgot-password`: field `email`.
#[derive(Template)]
#[template(path = "identity/forgotten_password.html")]
pub struct ForgottenPassword {
    pub frame: Frame,
    pub onward: Onward,
    pub email: Field,
}

impl ForgottenPassword {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            onward: Onward::default(),
            email: Field::default(),
        }
    }
}

/// Why a mail went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailReason {
    /// To finish sign-up.
    VerifyEmail,
    /// To choose a new password; says the same whether or not the account exists.
    ResetPassword,
    /// To both addresses of somebody who changes theirs.
    ChangeEmail,
}

/// After a mail went out.
#[derive(Template)]
#[template(path = "identity/check_mail.html")]
pub struct CheckMail {
    pub frame: Frame,
    pub reason: MailReason,
    /// Where it went.
    pub email: String,
    /// How long the link is good, in words: "15 minutes".
    pub good_for: String,
}

impl CheckMail {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            reason: MailReason::ResetPassword,
            email: "ada@example.com".to_owned(),
            good_for: "15 minutes".to_owned(),
        }
    }

    #[must_use]
    pub fn sample_verify() -> Self {
        Self {
            reason: MailReason::VerifyEmail,
            good_for: "24 hours".to_owned(),
            ..Self::sample()
        }
    }
}

/// `/reset-password`: field `password`, hidden `token` and those of [`Onward`].
#[derive(Template)]
#[template(path = "identity/reset_password.html")]
pub struct ResetPassword {
    pub frame: Frame,
    pub onward: Onward,
    pub token: String,
    pub password: Field,
}

impl ResetPassword {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            onward: Onward::sample(),
            token: "sample-token".to_owned(),
            password: Field::default(),
        }
    }
}

/// What a link that confirms an address opens where nobody, or somebody else, is signed in.
#[derive(Template)]
#[template(path = "identity/sign_in_to_confirm.html")]
pub struct SignInToConfirm {
    pub frame: Frame,
    /// The address in question.
    pub email: String,
    /// The path of the link, for after the sign-in.
    pub return_to: String,
    /// Whether the account was made with this address, and not just about to change to it.
    pub new_account: bool,
}

impl SignInToConfirm {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            email: "ada@example.com".to_owned(),
            return_to: "/verify-email?token=sample-token".to_owned(),
            new_account: true,
        }
    }

    #[must_use]
    pub fn sample_change() -> Self {
        Self {
            frame: Frame::sample(),
            new_account: false,
            ..Self::sample()
        }
    }
}

/// What a link from a mail opens: a button, because mail scanners follow links and must not use them up.
/// Posts `token` to `action`.
#[derive(Template)]
#[template(path = "identity/confirm_link.html")]
pub struct ConfirmLink {
    pub frame: Frame,
    pub purpose: LinkPurpose,
    /// `/verify-email` or `/account/email/confirm`.
    pub action: String,
    pub token: String,
    /// The address in question: the one to verify, or the new one.
    pub email: String,
}

impl ConfirmLink {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            purpose: LinkPurpose::VerifyEmail,
            action: "/verify-email".to_owned(),
            token: "sample-token".to_owned(),
            email: "ada@example.com".to_owned(),
        }
    }

    #[must_use]
    pub fn sample_change() -> Self {
        Self {
            purpose: LinkPurpose::ConfirmOldEmail,
            action: "/account/email/confirm".to_owned(),
            email: "ada@marsh.example".to_owned(),
            ..Self::sample()
        }
    }
}

/// A one-time link that is used up, too old, or was never ours: all alike.
#[derive(Template)]
#[template(path = "identity/link_expired.html")]
pub struct LinkExpired {
    pub frame: Frame,
    pub purpose: LinkPurpose,
}

impl LinkExpired {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            purpose: LinkPurpose::ResetPassword,
        }
    }
}

/// How something ended that was begun by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    EmailVerified,
    /// Every session has ended; apps are as they were.
    PasswordReset,
    /// The same, and it was the first proof that the address is theirs: apps hold nothing any more.
    AccountTaken,
    /// One of both addresses has confirmed; the other has not yet.
    EmailHalfChanged,
    EmailChanged,
}

/// The end of something that was begun by mail.
#[derive(Template)]
#[template(path = "identity/outcome.html")]
pub struct Outcome {
    pub frame: Frame,
    pub kind: OutcomeKind,
    /// Where to go on: `/sign-in`, `/apps`, or back to an authorization request.
    pub onward: String,
}

impl Outcome {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            kind: OutcomeKind::EmailVerified,
            onward: "/sign-in".to_owned(),
        }
    }

    #[must_use]
    pub fn sample_reset() -> Self {
        Self {
            kind: OutcomeKind::PasswordReset,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_taken() -> Self {
        Self {
            kind: OutcomeKind::AccountTaken,
            ..Self::sample()
        }
    }
}

/// `/setup`: fields `name`, `email`, `password`, hidden `token`. The first person of a fresh server.
#[derive(Template)]
#[template(path = "identity/first_operator.html")]
pub struct FirstOperator {
    pub frame: Frame,
    pub token: String,
    pub name: Field,
    pub email: Field,
    pub password: Field,
    pub error: Option<String>,
}

impl FirstOperator {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            token: "sample-token".to_owned(),
            name: Field::default(),
            email: Field::default(),
            password: Field::default(),
            error: None,
        }
    }
}

/// `/confirm`: field `password`, hidden those of [`Onward`]. The person is signed in, but not lately enough.
#[derive(Template)]
#[template(path = "identity/reauthenticate.html")]
pub struct Reauthenticate {
    /// Holds the person.
    pub frame: Frame,
    pub onward: Onward,
    pub password: Field,
}

impl Reauthenticate {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            onward: Onward::sample(),
            password: Field::default(),
        }
    }
}
