//! Client secrets and tokens that somebody found where they should not be.
//!
//! A refresh token of any generation takes its grant with it: whoever has an old one had the place where the current one is
//! kept, too. An access token goes alone. Tokens prove by themselves that they are ours, also when they are over.

use std::collections::{HashMap, HashSet};

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{
    Authority,
    access_token::{self, AccessToken, Principal},
    clients::{
        secrets::{PREFIX, hint, message},
        store::{self as clients, Candidate, Owner},
    },
    grants::{self, RevokedReason, Which},
    refresh_token::{self, RefreshToken},
};
use crate::{
    audit::{Action, By, Record, Subject},
    crypto::{Purpose, Token, same},
    revocation::{self, Reason, Revocation},
    types::{AccountId, AppId, ClientId, ClientSecretId, Fault, GrantId, TokenId, UserId},
};

/// What client secrets, refresh tokens and access tokens begin with. (A JWT begins with `{"`, in base64.)
pub const BEGINNINGS: [&str; 3] = [PREFIX, refresh_token::PREFIX, "eyJ"];

/// What a string is, as far as it says so itself.
#[derive(Clone, Debug)]
pub enum Read {
    /// It begins as client secrets do: whether it is one is not known yet.
    Secret(Token),
    RefreshToken(GrantId),
    AccessToken(AccessToken),
}

/// What it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Secret(ClientSecretId),
    RefreshToken(GrantId, UserId),
    /// Of a person, or of the client itself.
    AccessToken(TokenId, Option<UserId>),
}

/// Something of a client that is still there.
#[derive(Clone, Debug)]
pub struct Found {
    pub what: What,
    /// The beginning of a secret.
    pub hint: Option<String>,
    pub client: ClientId,
    pub client_name: String,
    pub app: AppId,
    pub account: AccountId,
    /// Whether it was good when it was looked up; of grants that is known once they are held.
    live: bool,
}

/// What of all that was taken back: the caller appends the entries to the revocation log.
#[derive(Debug, Default)]
pub struct TakenBack {
    pub what: HashSet<What>,
    pub entries: Vec<Revocation>,
}

/// Reads a string as one of ours.
///
/// # Errors
///
/// If this node lacks the key that it names: then it cannot be known.
pub fn read(authority: &Authority, text: &str) -> Result<Option<Read>, Fault> {
    if text.starts_with(PREFIX) {
        return Ok(Some(Read::Secret(Token::presented(text))));
    }
    if let Some(token) = RefreshToken::decode(&authority.keyring, text)? {
        return Ok(Some(Read::RefreshToken(token.grant_id)));
    }
    Ok(access_token::issued(authority, text).map(Read::AccessToken))
}

/// Looks up what was read, in its order. None is what is not ours, or belonged to a client or grant that is gone.
///
/// # Errors
///
/// If the database is out of reach, or this node lacks a key that a secret is digested with.
pub async fn look_up(
    authority: &Authority,
    connection: &mut AsyncPgConnection,
    read: &[&Read],
    now: OffsetDateTime,
) -> Result<Vec<Option<Found>>, Fault> {
    if read.is_empty() {
        return Ok(Vec::new());
    }
    let candidates = candidates(connection, read, now).await?;
    let grants: Vec<GrantId> = read
        .iter()
        .filter_map(|read| match read {
            Read::RefreshToken(grant) => Some(*grant),
            Read::Secret(_) | Read::AccessToken(_) => None,
        })
        .collect();
    let parties = grants::parties(connection, &grants).await?;
    let mut known = Vec::with_capacity(read.len());
    for read in read {
        known.push(match read {
            Read::Secret(token) => of_secret(authority, token, &candidates)?,
            Read::RefreshToken(grant) => parties.get(grant).map(|(client, user)| Known {
                what: What::RefreshToken(*grant, *user),
                hint: None,
                client: *client,
                live: true,
            }),
            Read::AccessToken(token) => Some(of_access_token(authority, token)?),
        });
    }
    let ids: Vec<ClientId> = known.iter().flatten().map(|known| known.client).collect();
    let owners = clients::owners(connection, &ids).await?;
    let found = |known: Option<Known>| known.and_then(|known| known.owned(&owners));
    Ok(known.into_iter().map(found).collect())
}

/// What is found before it is known whose its client is.
struct Known {
    what: What,
    hint: Option<String>,
    client: ClientId,
    live: bool,
}

impl Known {
    fn owned(self, owners: &HashMap<ClientId, Owner>) -> Option<Found> {
        let owner = owners.get(&self.client)?;
        Some(Found {
            what: self.what,
            hint: self.hint,
            client: self.client,
            client_name: owner.name.clone(),
            app: owner.app,
            account: owner.account,
            live: self.live,
        })
    }
}

async fn candidates(
    connection: &mut AsyncPgConnection,
    read: &[&Read],
    now: OffsetDateTime,
) -> Result<HashMap<String, Vec<Candidate>>, Fault> {
    let hints: Vec<String> = read
        .iter()
        .filter_map(|read| match read {
            Read::Secret(token) => Some(hint(token)),
            Read::RefreshToken(_) | Read::AccessToken(_) => None,
        })
        .collect();
    let mut by_hint: HashMap<String, Vec<Candidate>> = HashMap::new();
    for candidate in clients::secrets_with_hints(connection, &hints, now).await? {
        by_hint.entry(candidate.hint.clone()).or_default().push(candidate);
    }
    Ok(by_hint)
}

/// The beginning finds it, the digest decides.
fn of_secret(
    authority: &Authority,
    token: &Token,
    candidates: &HashMap<String, Vec<Candidate>>,
) -> Result<Option<Known>, Fault> {
    let keyring = &authority.keyring;
    let mut lacks = Ok(());
    for candidate in candidates.get(&hint(token)).into_iter().flatten() {
        let key_id = candidate.mac.key_id;
        match keyring.mac_with(Purpose::ClientSecret, key_id, &message(candidate.client, token)) {
            Some(mac) if same(&mac.tag, &candidate.mac.tag) => {
                return Ok(Some(Known {
                    what: What::Secret(candidate.id),
                    hint: Some(candidate.hint.clone()),
                    client: candidate.client,
                    live: candidate.live,
                }));
            }
            Some(_) => {}
            None => lacks = lacks.and(keyring.can_tell(key_id)),
        }
    }
    lacks.map(|()| None)
}

fn of_access_token(authority: &Authority, token: &AccessToken) -> Result<Known, Fault> {
    let expired = token.expires_at <= authority.clock.unix();
    Ok(Known {
        what: What::AccessToken(
            token.id,
            match token.principal {
                Principal::User { user, .. } => Some(user),
                Principal::Client => None,
            },
        ),
        hint: None,
        client: token.client_id,
        live: !expired && !access_token::is_revoked(authority, token)?,
    })
}

/// Takes back what is still good of that, with its records, in the caller's transaction, which holds the apps.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn take_back(
    authority: &Authority,
    connection: &mut AsyncPgConnection,
    found: &[Found],
    now: OffsetDateTime,
    by: By<'_>,
) -> Result<TakenBack, Fault> {
    let (mut secrets, mut of_grants, mut tokens) = (Vec::new(), Vec::new(), HashSet::new());
    for found in found {
        match found.what {
            What::Secret(id) => secrets.push(id),
            What::RefreshToken(id, _) => of_grants.push(id),
            What::AccessToken(id, _) if found.live => {
                tokens.insert(id);
            }
            What::AccessToken(..) => {}
        }
    }
    let ids: Vec<ClientId> = found.iter().map(|found| found.client).collect();
    clients::hold_all(connection, &ids).await?;
    grants::hold_all(connection, &of_grants).await?;
    let secrets: HashSet<_> = clients::revoke_secrets(connection, &secrets, now)
        .await?
        .into_iter()
        .collect();
    let which = Which::These(&of_grants);
    let ended: HashSet<_> = grants::revoke(authority, connection, which, RevokedReason::Leaked, now)
        .await?
        .into_iter()
        .collect();
    let mut taken = TakenBack::default();
    let mut records = Vec::new();
    for found in found {
        let subject = match found.what {
            What::Secret(id) if secrets.contains(&id) => revocation::Subject::Client(found.client),
            What::RefreshToken(id, _) if ended.contains(&id) => revocation::Subject::Grant(id),
            What::AccessToken(id, _) if tokens.contains(&id) => revocation::Subject::Token(id),
            What::Secret(_) | What::RefreshToken(..) | What::AccessToken(..) => continue,
        };
        if taken.what.insert(found.what) {
            records.push(found.record(now, by));
            taken
                .entries
                .extend(authority.entries(&[subject], Reason::Leaked, now));
        }
    }
    Record::write_all(&records, connection).await?;
    Ok(taken)
}

impl Found {
    /// Whom the trail names as what this was done to.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        match self.what {
            What::RefreshToken(grant, _) => Subject::Grant(grant),
            What::Secret(_) | What::AccessToken(..) => Subject::Client(self.client),
        }
    }

    /// Whose access it gave, where it was a person's.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self.what {
            What::RefreshToken(_, user) => Some(user),
            What::AccessToken(_, user) => user,
            What::Secret(_) => None,
        }
    }

    fn record(&self, now: OffsetDateTime, by: By<'_>) -> Record {
        let action = match self.what {
            What::Secret(_) => Action::ClientSecretRevoked,
            What::RefreshToken(..) => Action::GrantRevoked,
            What::AccessToken(..) => Action::TokenRevoked,
        };
        let record = by
            .done(now, action, self.subject())
            .account(self.account)
            .detail("client", self.client.to_string())
            .detail("app", self.client_name.as_str())
            .detail("reason", RevokedReason::Leaked.name());
        let record = match self.what {
            What::AccessToken(id, _) => record.detail("jti", id.to_string()),
            What::Secret(_) => record.detail("hint", self.hint.as_deref()),
            What::RefreshToken(..) => record,
        };
        match self.user() {
            Some(user) => record.detail("user", user.to_string()),
            None => record,
        }
    }
}
