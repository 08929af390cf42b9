//! What mails say. Plain text; each names its reason and what to do if it was not the reader's doing.

use std::time::Duration;

use super::{User, links::in_words, mail::Letter};
use crate::types::{ClientContext, Email};

fn letter(to: &Email, subject: &str, text: String) -> Letter {
    Letter {
        to: to.clone(),
        subject: subject.to_owned(),
        text,
    }
}

/// The person's address is to be verified.
pub(super) fn verify_email(user: &User, link: &str, good_for: Duration) -> Letter {
    letter(
        &user.email,
        "Confirm your e-mail address",
        format!(
            "Hello {name},\n\n\
             open this link to confirm that this address is yours:\n\n{link}\n\n\
             It is good for {good_for}, once, in a browser in which you are signed in. If you did not sign up, ignore \
             this mail.\n",
            name = user.name,
            good_for = in_words(good_for),
        ),
    )
}

/// Somebody asked for a new password.
pub(super) fn reset_password(user: &User, link: &str, good_for: Duration) -> Letter {
    let more = if user.email_verified {
        ""
    } else {
        " This address has not been confirmed yet: the link confirms it, and disconnects all apps that were let in \
         before, in case somebody else signed up with it."
    };
    letter(
        &user.email,
        "Choose a new password",
        format!(
            "Hello {name},\n\n\
             somebody, hopefully you, asked for a new password. Open this link to choose one:\n\n{link}\n\n\
             It is good for {good_for}, once. A new password ends every session.{more} If it was not you, ignore \
             this mail: your password stays as it is.\n",
            name = user.name,
            good_for = in_words(good_for),
        ),
    )
}

/// The password is another one now.
pub(super) fn password_changed(user: &User, context: &ClientContext) -> Letter {
    letter(
        &user.email,
        "Your password was changed",
        format!(
            "Hello {name},\n\n\
             your password was changed from the address {address}, and the other sessions have ended.\n\n\
             If it was not you, choose a new one at once: open the sign-in page and follow \u{201c}Forgotten \
             your password?\u{201d}.\n",
            name = user.name,
            address = context.address,
        ),
    )
}

/// Many wrong passwords were given.
pub(super) fn sign_in_failures(user: &User, failures: i32, context: &ClientContext) -> Letter {
    letter(
        &user.email,
        "Failed attempts to sign in to your account",
        format!(
            "Hello {name},\n\n\
             somebody has given a wrong password for your account {failures} times, last from the address \
             {address}. We slow such attempts down.\n\n\
             If it was you, you need do nothing. If not, and your password is used elsewhere too or easy to \
             guess, choose another.\n",
            name = user.name,
            address = context.address,
        ),
    )
}

/// To the address that is left.
pub(super) fn confirm_old_email(user: &User, new_email: &Email, link: &str, good_for: Duration) -> Letter {
    letter(
        &user.email,
        "Confirm the change of your e-mail address",
        format!(
            "Hello {name},\n\n\
             you asked to change your address to {new_email}. Open this link to agree:\n\n{link}\n\n\
             It is good for {good_for}, once. The change is made when the new address has confirmed it too. \
             If it was not you, do not open the link, and change your password.\n",
            name = user.name,
            good_for = in_words(good_for),
        ),
    )
}

/// To the new address.
pub(super) fn confirm_new_email(user: &User, new_email: &Email, link: &str, good_for: Duration) -> Letter {
    letter(
        new_email,
        "Confirm your new e-mail address",
        format!(
            "Hello {name},\n\n\
             open this link to confirm that this is your new address:\n\n{link}\n\n\
             It is good for {good_for}, once, in a browser in which you are signed in. If you did not ask for this, \
             ignore this mail.\n",
            name = user.name,
            good_for = in_words(good_for),
        ),
    )
}

/// To the address that was left.
pub(super) fn email_changed(name: &str, old_email: &Email, new_email: &Email) -> Letter {
    letter(
        old_email,
        "Your e-mail address was changed",
        format!(
            "Hello {name},\n\n\
             both addresses have confirmed it: from now on you sign in with {new_email}.\n"
        ),
    )
}

/// An operator invites somebody.
pub(super) fn invitation(to: &Email, by: &str, link: &str, good_for: Duration) -> Letter {
    letter(
        to,
        "You are invited",
        format!(
            "Hello,\n\n\
             {by} invites you to create an account:\n\n{link}\n\n\
             The link is good for {good_for}, once. If you expected no invitation, ignore this mail.\n",
            good_for = in_words(good_for),
        ),
    )
}

/// Somebody has another role in an account.
pub(super) fn role_changed(user: &User, account: &str, role: &str, by: &str) -> Letter {
    letter(
        &user.email,
        "Your role in an account was changed",
        format!(
            "Hello {name},\n\n\
             {by} has made you {role} in the account \u{201c}{account}\u{201d}. If you did not expect that, ask the owners \
             of the account.\n",
            name = user.name,
        ),
    )
}

/// Somebody does not belong to an account any more.
pub(super) fn member_removed(user: &User, account: &str, by: &str) -> Letter {
    letter(
        &user.email,
        "You were removed from an account",
        format!(
            "Hello {name},\n\n\
             {by} has removed you from the account \u{201c}{account}\u{201d}: you do not see its apps and keys any more. If \
             you did not expect that, ask the owners of the account.\n",
            name = user.name,
        ),
    )
}

/// An invitation was accepted.
pub(super) fn invitation_accepted(to: &User, joined: &User, account: &str, role: &str) -> Letter {
    letter(
        &to.email,
        "Your invitation was accepted",
        format!(
            "Hello {name},\n\n\
             {who} ({email}) has accepted your invitation and is {role} in the account \u{201c}{account}\u{201d} now. If you \
             did not invite them, remove them there.\n",
            name = to.name,
            who = joined.name,
            email = joined.email,
        ),
    )
}

/// A member of an account invites somebody to it.
pub(super) fn member_invitation(
    to: &Email,
    (by, account, role): (&str, &str, &str),
    link: &str,
    good_for: Duration,
) -> Letter {
    letter(
        to,
        "You are invited to an account",
        format!(
            "Hello,\n\n\
             {by} invites you to work in the account \u{201c}{account}\u{201d}, as {role}. Open this link to see the \
             invitation:\n\n{link}\n\n\
             It is good for {good_for}, once, for whoever is signed in with this address. If you have no account yet, \
             sign up with this address first. If you expected no invitation, ignore this mail.\n",
            good_for = in_words(good_for),
        ),
    )
}
