//! Token revocation (RFC 7009): in force on every node when it answers.

use super::{
    Authority, EndpointError,
    access_token::{self, Principal},
    clients::{Client, Presented, authenticate},
    grants::{self, RevokedReason, Which},
    refresh_token::RefreshToken,
    refusal,
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    revocation::{self, Reason},
    types::{ClientContext, Fault},
    web::Parameters,
};

/// Revokes a token of the client that asks. An unknown or foreign token is no error (RFC 7009 §2.2): there is
/// nothing to revoke.
///
/// # Errors
///
/// See [`EndpointError`].
pub async fn revoke(
    authority: &Authority,
    authorization: Option<&str>,
    form: &Parameters,
    context: &ClientContext,
) -> Result<(), EndpointError> {
    let client = authenticate(authority, &Presented::read(authorization, form)?, context).await?;
    if let Some(repeated) = form.repeated() {
        return Err(repeated.into());
    }
    let token = form
        .one("token")?
        .ok_or_else(|| EndpointError::InvalidRequest("token is missing".into()))?;
    match RefreshToken::decode(&authority.keyring, token)? {
        Some(refresh_token) => revoke_grant(authority, &client, refresh_token, context).await?,
        None => revoke_access_token(authority, &client, token, context).await?,
    }
    Ok(())
}

/// A refresh token takes its grant with it, whatever its generation: who holds an old one of their own grant and
/// wants it gone means all of it.
async fn revoke_grant(
    authority: &Authority,
    client: &Client,
    token: RefreshToken,
    context: &ClientContext,
) -> Result<(), Fault> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    let grant = grants::lock(&mut transaction, token.grant_id).await?;
    let Some(grant) = grant else {
        return Ok(());
    };
    if grant.client_id != client.id {
        drop(transaction);
        return refusal::of_grant(authority, client, &grant, "it is another client's", context).await;
    }
    if grants::revoke(
        authority,
        &mut transaction,
        Which::One(grant.id),
        RevokedReason::ClientRequest,
        now,
    )
    .await?
    .is_empty()
    {
        return authority.settle_others(transaction).await;
    }
    grants::record(
        Record::done,
        now,
        client,
        Action::GrantRevoked,
        (grant.id, grant.user_id),
        context,
    )
    .write(&mut transaction)
    .await?;
    authority
        .commit(
            transaction,
            &[revocation::Subject::Grant(grant.id)],
            Reason::ClientRequest,
        )
        .await
}

async fn revoke_access_token(
    authority: &Authority,
    client: &Client,
    text: &str,
    context: &ClientContext,
) -> Result<(), Fault> {
    let token = access_token::known(authority, text);
    let Some(token) = token.filter(|token| token.client_id == client.id) else {
        return Ok(());
    };
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    if access_token::is_revoked(authority, &token)? {
        return authority.settle_others(transaction).await;
    }
    Record::done(
        now,
        Actor::Client(client.id),
        Action::TokenRevoked,
        Subject::Client(client.id),
    )
    .account(client.account_id)
    .from(context)
    .detail("jti", token.id.to_string())
    .detail(
        "user",
        match token.principal {
            Principal::User { user, .. } => Some(user.to_string()),
            Principal::Client => None,
        },
    )
    .detail("app", client.registration.name.as_str())
    .write(&mut transaction)
    .await?;
    authority
        .commit(
            transaction,
            &[revocation::Subject::Token(token.id)],
            Reason::ClientRequest,
        )
        .await
}
