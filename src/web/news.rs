//! What an act has to say on the page that comes after it. The browser keeps it in a cookie for that one page: an answer of
//! ours has set it, so no link can make a page say what has not happened.

use std::time::Duration;

use actix_web::{HttpResponse, cookie::Cookie};

use super::{
    BrowserSettings,
    page::{
        Notice,
        Tone::{self, Danger, Success, Warning},
    },
    see_other,
};

/// The name under which [`BrowserSettings`] keeps it.
pub(super) const COOKIE: &str = "news";
/// How long the next page may take to be asked for.
const KEPT_FOR: Duration = Duration::from_mins(1);

macro_rules! news {
    ($($name:ident: $tone:ident, $text:literal;)+) => {
        /// Something that has happened, or has not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum News { $($name,)+ }

        impl News {
            const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            pub(super) fn named(name: &str) -> Option<Self> {
                [$(Self::$name,)+].into_iter().find(|news| news.name() == name)
            }

            const fn tone_and_text(self) -> (Tone, &'static str) {
                match self { $(Self::$name => ($tone, $text),)+ }
            }
        }
    };
}

news! {
    NameChanged: Success, "Your name has been changed.";
    PasswordChanged: Success, "Your password has been changed, and all other sessions have ended.";
    EmailCancelled: Success, "The change of address has been cancelled.";
    ConfirmNewEmail: Success, "We sent a link to the new address. Open it, and the change is made.";
    LinkSent: Success, "We sent the link again. Look into your mail.";
    SessionEnded: Success, "The session has ended.";
    SessionsEnded: Success, "All other sessions have ended.";
    SignedOut: Success, "You are signed out.";
    SessionOver: Warning, "Your session had ended, so nothing was done. Sign in, and you are back where you were: what you typed may still be there if you go back.";
    ConfirmFirst: Danger, "Confirm your e-mail address first: apps of your own are made in the name of somebody whose address is known. Open the link that we sent you, or have it sent again.";
    Invited: Success, "The invitation is on its way.";
    InvitationWithdrawn: Success, "The invitation is withdrawn.";
    NoInvitation: Danger, "That invitation was used or gone already.";
    Disconnected: Success, "The app is disconnected. It can no longer use your account.";
    AppSessionEnded: Success, "That session of the app is over.";
    OverAlready: Danger, "That was over already.";
    AppMade: Success, "The app is there. Make its first key, or register its first client.";
    AppRenamed: Success, "The app has its new name.";
    AppDeleted: Success, "The app, its keys and its clients are gone.";
    AccountOpened: Success, "The team is there. Invite those who work with you.";
    AccountRenamed: Success, "The account has its new name.";
    AccountClosed: Success, "The team is closed.";
    AccountHasApps: Danger, "The account has apps. Delete them first.";
    AccountJoined: Success, "Welcome: you are a member now.";
    AccountLeft: Success, "You have left the account.";
    HandedOver: Success, "The account has its new owner. You are an admin now.";
    RoleChanged: Success, "The new role is in force.";
    MemberRemoved: Success, "That person is not a member any more.";
    NoMember: Danger, "That person was gone already.";
    LastOwner: Danger, "An account has at least one owner. Make somebody else an owner first.";
    PersonalOwner: Danger, "A personal account has its person as its one owner.";
    ClientSaved: Success, "The settings are saved and in force everywhere.";
    ClientDisabled: Success, "The client is shut out everywhere.";
    ClientEnabled: Success, "The client is let in again.";
    ClientShutOut: Success, "The client is shut out everywhere. Its owner cannot let it in.";
    ClientLetIn: Success, "The client is let in again, as far as operators are concerned.";
    ClientDeleted: Success, "The client is gone.";
    VouchedFor: Success, "Saved: what you said of the client is in force.";
    KeySaved: Success, "The settings are saved and in force everywhere.";
    KeyOvertaken: Danger, "The key was changed after that page was opened, so nothing was done: look at it as it is now.";
    KeyShownAlready: Warning, "That was done already, and once. The key was shown then; it cannot be shown again. If you have not seen it, regenerate it.";
    KeyRotatedAlready: Danger, "The key was rotated already: this is its successor.";
    KeyNotRotated: Danger, "The key was not rotated, so there is nothing to retire it for. Revoke it instead.";
    KeyRetired: Success, "The old key is retired: it is refused everywhere.";
    KeyRevoked: Success, "The key is revoked: it is refused everywhere.";
    KeyOver: Danger, "The key is revoked or has ended: nothing more can be done to it.";
    ManyKeys: Danger, "Your first app has as many keys as it may have. Revoke one, and come back.";
    NoAppForKey: Danger, "The key goes into an app of your own account, which has none. Make one first.";
    PolicySaved: Success, "Saved: what the keys of this app may do is in force everywhere.";
    LogoSaved: Success, "The logo is saved.";
    LogoRemoved: Success, "The logo is removed.";
    SecretRevoked: Success, "The secret is revoked: it is refused everywhere.";
    LastSecret: Danger, "That is the client’s only secret. Add another one first.";
    ManySecrets: Danger, "A client has at most 5 secrets. Revoke one first.";
    NoSecret: Danger, "That secret was gone already.";
    DoneAlready: Warning, "That was done already, and once. Its secret was shown then; it cannot be shown again. If you have not seen it, make another.";
    WebhookSaved: Success, "The endpoint is changed. What waits for it goes where it is now.";
    WebhookOff: Success, "The endpoint is switched off: nothing more is sent to it.";
    WebhookOn: Success, "The endpoint is switched on: it is told of what happens from now on.";
    WebhookTested: Success, "A test event is on its way. Load the page again to see how it was answered.";
    WebhookSentAgain: Success, "It is on its way again. Load the page again to see how it was answered.";
    WebhookDeleted: Success, "The endpoint is gone.";
    WebhookSilent: Danger, "Nothing was sent: the endpoint is switched off, or none of its secrets signs.";
    WebhookOvertaken: Danger, "Nothing was saved: somebody else has changed the endpoint meanwhile. This is how it is now.";
    WebhookUnderWay: Danger, "It is being sent at this moment.";
    ManyWebhooks: Danger, "The app has as many endpoints as it may have. Delete one first.";
    ManyWebhookTests: Danger, "Nothing was sent: 10 tests of this endpoint wait already.";
    ManyWebhookSecrets: Danger, "5 secrets sign already. Wait until one has ended, or end them all with the next rotation.";
    ScopeSaved: Success, "The scope is saved.";
    ScopeRemoved: Success, "The scope is removed from the catalogue and from every client.";
    NoScope: Danger, "That scope was gone already.";
}

impl News {
    /// On to a page, which says it.
    #[must_use]
    pub fn on(self, path: &str) -> HttpResponse {
        self.after(see_other(path))
    }

    /// The same answer, after which the next page says it.
    #[must_use]
    pub fn after(self, mut answer: HttpResponse) -> HttpResponse {
        answer.extensions_mut().insert(self);
        answer
    }

    /// For the page.
    #[must_use]
    pub fn notice(self) -> Notice {
        let (tone, text) = self.tone_and_text();
        Notice {
            tone,
            text: text.to_owned(),
        }
    }

    pub(super) fn cookie(self, settings: &BrowserSettings) -> Cookie<'static> {
        settings.cookie(COOKIE, self.name(), KEPT_FOR)
    }
}
