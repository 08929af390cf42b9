//! A new team account.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::views;
use crate::{
    accounts::{self, MemberError},
    audit::By,
    identity::{
        Identity,
        http::{Posted, SignedIn, SignedPost, Visitor},
    },
    types::{AccountId, DisplayName},
    web::{Failure, News, html, html_with, page::Field},
};

fn form(identity: &Identity, visitor: &Visitor, name: Field) -> Result<views::NewTeam, Failure> {
    Ok(views::NewTeam {
        frame: visitor.frame()?,
        form_id: visitor.form_id(AccountId::new(&identity.clock, &identity.entropy).uuid())?,
        name,
    })
}

fn check(own: &SignedIn) -> Result<(), Failure> {
    if own.user.email_verified {
        Ok(())
    } else {
        Err(Failure::AddressUnverified)
    }
}

/// `/accounts/new`
pub(super) async fn ask(
    identity: Data<Identity>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Failure> {
    check(visitor.require(&request)?)?;
    html(&form(&identity, &visitor, Field::default())?)
}

/// `POST /accounts/new`
pub(super) async fn open(identity: Data<Identity>, post: SignedPost) -> Result<HttpResponse, Failure> {
    check(&post.own)?;
    let Posted { visitor, form: sent } = &*post;
    let typed = sent.text("name");
    let again = |words: String| {
        let page = form(&identity, visitor, Field::of(typed).with_error(words))?;
        html_with(StatusCode::BAD_REQUEST, &page)
    };
    let name: DisplayName = match typed.parse() {
        Ok(name) => name,
        Err(error) => return again(format!("{error}")),
    };
    let id = visitor.id_in(sent).map_or_else(
        || AccountId::new(&identity.clock, &identity.entropy),
        AccountId::from_uuid,
    );
    let user = post.own.user.id;
    let most = identity.config.limits.teams_per_person;
    let mut transaction = identity.db.begin().await?;
    let opened = accounts::open_team(
        &mut transaction,
        &identity.clock,
        id,
        (user, most),
        &name,
        By::user(user, &visitor.context),
    )
    .await;
    match opened {
        Ok(_) => transaction.commit().await?,
        Err(MemberError::Again) => {}
        Err(MemberError::TooMany(most)) => {
            drop(transaction);
            return again(format!(
                "You own {most} teams, the most that are allowed here. Close one, or hand it over, first."
            ));
        }
        Err(MemberError::Fault(fault)) => return Err(fault.into()),
        Err(_) => return Err(Failure::Forbidden),
    }
    Ok(News::AccountOpened.on(&format!("/accounts/{id}")))
}
