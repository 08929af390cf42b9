//! One account: its name, who belongs to it, who is invited.

use std::collections::HashMap;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, RETRY_AFTER},
    },
};

use super::{
    account_act::{AccountAct, AccountView, AtAccount, ToBelong, ToManage, ToOwn, ToView},
    home::label,
    views,
};
use crate::{
    accounts::{self, MemberError, Permission, Role},
    identity::{self, InviteMemberError},
    types::{DisplayName, Email, LinkId, UserId},
    web::{
        Failure, News, html, html_with,
        page::{Choice, Field},
        wait_in_words, whole_seconds,
    },
};

/// Roles to choose from, as far as `own` may give them to who is `from` now.
fn roles(own: Option<Role>, from: Option<Role>, offered: &[Role], chosen: Role) -> Vec<Choice> {
    offered
        .iter()
        .rev()
        .filter(|role| own.is_some_and(|own| own.may_change(from, Some(**role))))
        .map(|role| {
            Choice::new(role.name(), label(*role), *role == chosen).with_hint(views::what_it_may(*role))
        })
        .collect()
}

async fn page(at: &AtAccount) -> Result<views::AccountPage, Failure> {
    let account = &at.account;
    let mut connection = at.identity.db.connection().await?;
    let members = accounts::members_of(&mut connection, account.id).await?;
    let ids: Vec<UserId> = members.iter().map(|member| member.user_id).collect();
    let people: HashMap<UserId, identity::User> = identity::users(&mut connection, &ids)
        .await?
        .into_iter()
        .map(|user| (user.id, user))
        .collect();
    let manages = at.role.is_some_and(|role| role.may(Permission::ManageMembers));
    let offered = if account.personal {
        &Role::INVITED[..]
    } else {
        &Role::ALL[..]
    };
    let can_own = |member: &accounts::Member| {
        member.role == Role::Owner && people.get(&member.user_id).is_some_and(|user| !user.blocked)
    };
    let is_fixed = |member: &accounts::Member| {
        let mut others = members.iter().filter(|other| other.user_id != member.user_id);
        member.role == Role::Owner && (account.personal || !others.any(can_own))
    };
    let row = |member: &accounts::Member| {
        let user = people.get(&member.user_id)?;
        let own = member.user_id == at.user.id;
        let fixed = is_fixed(member);
        Some(views::MemberRow {
            id: user.id.to_string(),
            name: user.name.clone(),
            email: user.email.to_string(),
            role: label(member.role).to_owned(),
            since: member.since.into(),
            own,
            blocked: user.blocked,
            roles: if fixed {
                Vec::new()
            } else {
                roles(at.role, Some(member.role), offered, member.role)
            },
            can_remove: !own
                && !fixed
                && at
                    .role
                    .is_some_and(|role| role.may_change(Some(member.role), None)),
        })
    };
    let rows: Vec<views::MemberRow> = members.iter().filter_map(row).collect();
    let owns_team = at.role == Some(Role::Owner) && !account.personal;
    let heirs = if owns_team {
        rows.iter()
            .filter(|row| !row.own && !row.blocked)
            .map(|row| Choice::new(&row.id, format!("{} ({})", row.name, row.email), false))
            .collect()
    } else {
        Vec::new()
    };
    let invitations = if manages {
        accounts::invitations_of(&mut connection, account.id, at.identity.clock.now()).await?
    } else {
        Vec::new()
    };
    let apps = accounts::apps_of(&mut connection, account.id).await?.len();
    Ok(views::AccountPage {
        frame: at.visitor.frame()?,
        id: account.id.to_string(),
        title: account.name.clone(),
        name: Field::of(&account.name),
        kind: if account.personal {
            "Personal account"
        } else {
            "Team"
        }
        .to_owned(),
        role: at.role.map(|role| label(role).to_owned()),
        created: account.created_at.into(),
        apps,
        members: rows,
        invitations: invitations
            .into_iter()
            .map(|invitation| views::InvitedRow {
                id: invitation.id.to_string(),
                email: invitation.email.to_string(),
                role: label(invitation.role).to_owned(),
                sent: invitation.sent_at.into(),
                expires: invitation.expires_at.into(),
            })
            .collect(),
        can_manage: manages,
        email: Field::default(),
        roles: roles(at.role, None, &Role::INVITED, Role::Developer),
        heirs,
        can_leave: members
            .iter()
            .any(|member| member.user_id == at.user.id && !is_fixed(member)),
        can_close: owns_team && apps == 0,
    })
}

/// What becomes of an act that was refused: a sentence on the account's page, or no such thing.
fn refused(at: &AtAccount, error: MemberError) -> Result<HttpResponse, Failure> {
    let news = match error {
        MemberError::NotFound => return Err(Failure::NotFound),
        MemberError::Forbidden | MemberError::TooMany(_) | MemberError::Again | MemberError::Already => {
            return Err(Failure::Forbidden);
        }
        MemberError::NoMember => News::NoMember,
        MemberError::NoInvitation => News::NoInvitation,
        MemberError::LastOwner => News::LastOwner,
        MemberError::PersonalOwner => News::PersonalOwner,
        MemberError::HasApps => News::AccountHasApps,
        MemberError::Fault(fault) => return Err(fault.into()),
    };
    Ok(news.on(&at.path()))
}

fn chosen_role(at: &AccountAct<ToManage>) -> Result<Role, Failure> {
    at.form
        .text("role")
        .parse()
        .map_err(|_error| Failure::BadRequest("Choose a role from the list.".to_owned()))
}

/// `/accounts/{account}`
pub(super) async fn show(view: AccountView<ToView>) -> Result<HttpResponse, Failure> {
    html(&page(&view).await?)
}

/// `POST /accounts/{account}`
pub(super) async fn rename(act: AccountAct<ToManage>) -> Result<HttpResponse, Failure> {
    let typed = act.form.text("name");
    let name: DisplayName = match typed.parse() {
        Ok(name) => name,
        Err(error) => {
            let mut page = page(&act).await?;
            page.name = Field::of(typed).with_error(format!("{error}"));
            return html_with(StatusCode::BAD_REQUEST, &page);
        }
    };
    let mut transaction = act.identity.db.begin().await?;
    let clock = &act.identity.clock;
    match accounts::rename_account(&mut transaction, clock, act.account.id, &name, act.by()).await {
        Ok(()) => transaction.commit().await?,
        Err(error) => return refused(&act, error),
    }
    Ok(News::AccountRenamed.on(&act.path()))
}

/// `POST /accounts/{account}/invite`
pub(super) async fn invite(act: AccountAct<ToManage>) -> Result<HttpResponse, Failure> {
    let typed = act.form.text("email");
    let role = chosen_role(&act)?;
    let (status, error) = match typed.parse::<Email>() {
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        Ok(email) => {
            let sent = act
                .identity
                .invite_member(&act.user, act.account.id, &email, role, &act.visitor.context)
                .await;
            match sent {
                Ok(()) => return Ok(News::Invited.on(&act.path())),
                Err(InviteMemberError::Refused(MemberError::Already)) => (
                    StatusCode::BAD_REQUEST,
                    "That person is a member already.".to_owned(),
                ),
                Err(InviteMemberError::Refused(MemberError::TooMany(most))) => (
                    StatusCode::BAD_REQUEST,
                    format!(
                        "This account has room for {most} members, with those who are invited. Remove somebody first."
                    ),
                ),
                Err(InviteMemberError::Refused(error)) => return refused(&act, error),
                Err(InviteMemberError::Delayed(wait)) => {
                    let mut response =
                        again(&act, StatusCode::TOO_MANY_REQUESTS, role, wait_in_words(wait)).await?;
                    response
                        .headers_mut()
                        .insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
                    return Ok(response);
                }
                Err(InviteMemberError::Fault(fault)) => return Err(fault.into()),
            }
        }
    };
    again(&act, status, role, error).await
}

/// The page once more, with what was typed and what was wrong with it.
async fn again(
    act: &AccountAct<ToManage>,
    status: StatusCode,
    role: Role,
    error: String,
) -> Result<HttpResponse, Failure> {
    let mut page = page(act).await?;
    page.email = Field::of(act.form.text("email")).with_error(error);
    for choice in &mut page.roles {
        choice.chosen = choice.value == role.name();
    }
    html_with(status, &page)
}

fn invitation(act: &AccountAct<ToManage>) -> Result<LinkId, Failure> {
    act.form.text("id").parse().or(Err(Failure::NotFound))
}

/// `POST /accounts/{account}/resend`
pub(super) async fn resend(act: AccountAct<ToManage>) -> Result<HttpResponse, Failure> {
    let id = invitation(&act)?;
    let sent = act
        .identity
        .resend_member_invitation(&act.user, act.account.id, id, &act.visitor.context)
        .await;
    match sent {
        Ok(()) => Ok(News::Invited.on(&act.path())),
        Err(InviteMemberError::Refused(error)) => refused(&act, error),
        Err(InviteMemberError::Delayed(retry_after)) => Err(Failure::TooManyRequests { retry_after }),
        Err(InviteMemberError::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /accounts/{account}/withdraw`
pub(super) async fn withdraw(act: AccountAct<ToManage>) -> Result<HttpResponse, Failure> {
    let id = invitation(&act)?;
    let mut transaction = act.identity.db.begin().await?;
    let clock = &act.identity.clock;
    match accounts::withdraw_invitation(&mut transaction, clock, act.account.id, id, act.by()).await {
        Ok(()) => transaction.commit().await?,
        Err(error) => return refused(&act, error),
    }
    Ok(News::InvitationWithdrawn.on(&act.path()))
}

fn member<N>(act: &AccountAct<N>) -> Result<UserId, Failure> {
    act.form.text("member").parse().or(Err(Failure::NotFound))
}

/// By mail, what somebody else did to their place here.
async fn tell<N>(act: &AccountAct<N>, member: UserId, role: Option<Role>) {
    if member != act.user.id {
        let by = act.user.name.as_str();
        act.identity.tell_member(&act.account, member, role, by).await;
    }
}

/// `POST /accounts/{account}/role`
pub(super) async fn change_role(act: AccountAct<ToManage>) -> Result<HttpResponse, Failure> {
    let (member, role) = (member(&act)?, chosen_role(&act)?);
    let mut transaction = act.identity.db.begin().await?;
    let clock = &act.identity.clock;
    match accounts::change_role(&mut transaction, clock, act.account.id, member, role, act.by()).await {
        Ok(is_changed) => {
            transaction.commit().await?;
            if is_changed {
                tell(&act, member, Some(role)).await;
            }
        }
        Err(error) => return refused(&act, error),
    }
    Ok(News::RoleChanged.on(&act.path()))
}

/// `POST /accounts/{account}/remove`
pub(super) async fn remove(act: AccountAct<ToManage>) -> Result<HttpResponse, Failure> {
    let member = member(&act)?;
    let mut transaction = act.identity.db.begin().await?;
    let clock = &act.identity.clock;
    match accounts::remove_member(&mut transaction, clock, act.account.id, member, act.by()).await {
        Ok(()) => transaction.commit().await?,
        Err(error) => return refused(&act, error),
    }
    tell(&act, member, None).await;
    // Whoever has removed themselves sees the page no more.
    let page = if member == act.user.id {
        "/apps".to_owned()
    } else {
        act.path()
    };
    Ok(News::MemberRemoved.on(&page))
}

/// `POST /accounts/{account}/leave`
pub(super) async fn leave(act: AccountAct<ToBelong>) -> Result<HttpResponse, Failure> {
    let mut transaction = act.identity.db.begin().await?;
    match accounts::leave(&mut transaction, &act.identity.clock, act.account.id, act.by()).await {
        Ok(()) => transaction.commit().await?,
        Err(error) => return refused(&act, error),
    }
    Ok(News::AccountLeft.on("/apps"))
}

/// `POST /accounts/{account}/hand-over`
pub(super) async fn hand_over(act: AccountAct<ToOwn>) -> Result<HttpResponse, Failure> {
    let heir = member(&act)?;
    let mut transaction = act.identity.db.begin().await?;
    match accounts::hand_over(
        &mut transaction,
        &act.identity.clock,
        act.account.id,
        heir,
        act.by(),
    )
    .await
    {
        Ok(is_new) => {
            transaction.commit().await?;
            if is_new {
                tell(&act, heir, Some(Role::Owner)).await;
            }
        }
        Err(error) => return refused(&act, error),
    }
    Ok(News::HandedOver.on(&act.path()))
}

/// `POST /accounts/{account}/close`
pub(super) async fn close(act: AccountAct<ToOwn>) -> Result<HttpResponse, Failure> {
    let mut transaction = act.identity.db.begin().await?;
    match accounts::close_team(&mut transaction, &act.identity.clock, act.account.id, act.by()).await {
        Ok(()) => transaction.commit().await?,
        Err(error) => return refused(&act, error),
    }
    Ok(News::AccountClosed.on("/apps"))
}
