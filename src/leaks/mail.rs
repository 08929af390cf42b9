//! Owners are told what of theirs was found, and where. One mail to each, however much it is, written in the transaction of
//! the report.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{Kind, Outcome, report::Known};
use crate::{
    accounts,
    identity::{self, Notification},
    types::{AccountId, Fault, UserId},
};

/// Things that one mail names; how many more there are it says.
const MOST: usize = 50;

/// What somebody is told of one thing.
struct Told<'k> {
    known: &'k Known,
    found_at: Option<&'k str>,
    /// Whether it is told to whoever it gave access to, who is not its owner.
    of_person: bool,
}

/// Tells the owners of what was revoked, and whoever it gave access to.
pub(super) async fn tell_owners(
    connection: &mut AsyncPgConnection,
    news: &[(&Known, Option<String>)],
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let revoked = news.iter().filter(|(known, _)| known.outcome == Outcome::Revoked);
    let ids: HashSet<AccountId> = revoked.clone().filter_map(|(known, _)| known.account).collect();
    let ids: Vec<AccountId> = ids.into_iter().collect();
    let mut admins: HashMap<AccountId, Vec<UserId>> = HashMap::new();
    for (account, user) in accounts::admins_of(connection, &ids).await? {
        admins.entry(account).or_default().push(user);
    }
    let mut told: BTreeMap<UserId, Vec<Told<'_>>> = BTreeMap::new();
    for (known, found_at) in revoked {
        let owners = known.account.and_then(|account| admins.get(&account));
        let owners = owners.into_iter().flatten().map(|owner| (*owner, false));
        let person = known.user.map(|user| (user, true));
        for (user, of_person) in owners.chain(person) {
            told.entry(user).or_default().push(Told {
                known,
                found_at: found_at.as_deref(),
                of_person,
            });
        }
    }
    let notifications: Vec<_> = told
        .iter()
        .map(|(user, told)| notification(*user, told))
        .collect();
    identity::notify(connection, &notifications, now).await
}

fn notification(to: UserId, told: &[Told<'_>]) -> Notification {
    let subject = match told {
        [one] => format!("{} was found in public and has been revoked", one.what()),
        many => format!(
            "{} of your credentials were found in public and have been revoked",
            many.len()
        ),
    };
    let sentences = told.iter().take(MOST).map(Told::sentence);
    let more = told.len().checked_sub(MOST).filter(|more| *more > 0);
    let more = more.map(|more| format!("And {more} more: see the pages of your apps."));
    let paragraphs: Vec<String> = sentences.chain(more).collect();
    let mut advice: Vec<&str> = told.iter().map(Told::advice).collect();
    advice.sort_unstable();
    advice.dedup();
    Notification {
        to,
        subject,
        text: format!("{}\n\n{}\n", paragraphs.join("\n\n"), advice.join("\n")),
    }
}

impl Told<'_> {
    fn what(&self) -> String {
        let Known { name, hint, .. } = self.known;
        match (self.known.kind, self.of_person) {
            (Kind::ApiKey, _) => format!("Your key {hint}…"),
            (Kind::ClientSecret, _) => format!("The secret {hint}… of {name}"),
            (Kind::WebhookSecret, _) => format!("The webhook secret {hint}…"),
            (Kind::RefreshToken | Kind::AccessToken, true) => {
                format!("A token with which {name} reaches your account")
            }
            (Kind::RefreshToken, false) => format!("A refresh token of {name}"),
            (Kind::AccessToken, false) => format!("An access token of {name}"),
        }
    }

    fn sentence(&self) -> String {
        let of = match self.known.kind {
            Kind::ApiKey => format!(" ({})", self.known.name),
            Kind::WebhookSecret => format!(" of the endpoint {}", self.known.name),
            Kind::ClientSecret | Kind::RefreshToken | Kind::AccessToken => String::new(),
        };
        let place = self.found_at.unwrap_or("a public place");
        format!("{}{of} was found at {place} and has been revoked.", self.what())
    }

    /// What to do now.
    const fn advice(&self) -> &'static str {
        match (self.known.kind, self.of_person) {
            (Kind::ApiKey, _) => {
                "Make new keys where these were in use, and keep them out of what others can read."
            }
            (Kind::ClientSecret, _) => {
                "Add a new secret to each client: without one it cannot authenticate. Keep it out of what others can read."
            }
            (Kind::WebhookSecret, _) => {
                "Rotate a new secret in at each webhook endpoint: without one nothing is sent to it."
            }
            (Kind::RefreshToken, false) => {
                "Find out how tokens of your people came to where others can read them: those people sign in anew."
            }
            (Kind::AccessToken, false) => "Find out how access tokens came to where others can read them.",
            (Kind::RefreshToken, true) => "If you still use that app, sign in there again.",
            (Kind::AccessToken, true) => "You need do nothing: the app goes on with a new one.",
        }
    }
}
