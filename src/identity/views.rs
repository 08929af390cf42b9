//! The pages of people's accounts, and what each needs to know.
//!
//! Paths: `/sign-up`, `/sign-in`, `POST /sign-out`, `/forgot-password`, `/reset-password`, `/verify-email`,
//! `/setup`, `/confirm` (password again), `/account`, `POST /account/{name,password,email}`,
//! `POST /account/email/{resend,cancel}`, `/account/email/confirm`, `/account/sessions`,
//! `POST /account/sessions/end` (`id`), `POST /account/sessions/end-others`, `/account/activity`,
//! `/operator/invitations`, `POST /operator/invitations/withdraw` (`id`).

mod account;
mod entry;
mod onward;

pub use account::{
    Account, Activity, ActivityRecord, InvitationRow, Invite, PendingEmail, SessionRow, Sessions,
};
pub use entry::{
    CheckMail, ConfirmLink, FirstOperator, ForgottenPassword, LinkExpired, LinkPurpose, MailReason, Outcome,
    OutcomeKind, Reauthenticate, ResetPassword, SignIn, SignInToConfirm, SignUp, SignUpClosed,
};
pub use onward::Onward;
