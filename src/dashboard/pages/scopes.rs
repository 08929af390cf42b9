//! The catalogue of scopes. For everybody but operators there is no such page.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::views;
use crate::{
    audit::Actor,
    identity::http::{Posted, SignedPost, Visitor},
    oauth::{
        Authority,
        scopes::{ScopeError, add_scope, remove_scope},
    },
    scopes::{Audience, BUILT_IN, Catalogue, Entry, catalogue},
    types::{Description, InvalidLine, Scope},
    web::{Failure, News, Parameters, Query, html, html_with, page::Field},
};

fn audience(audience: Audience) -> views::Audience {
    match audience {
        Audience::Any => views::Audience::Any,
        Audience::Confidential => views::Audience::Confidential,
        Audience::FirstParty => views::Audience::FirstParty,
    }
}

fn row(entry: &Entry) -> views::ScopeRow {
    views::ScopeRow {
        name: entry.scope.to_string(),
        description: entry.description.to_string(),
        sensitive: entry.sensitive,
        publishable: entry.publishable,
        audience: audience(entry.audience),
        removable: !BUILT_IN.contains(&entry.scope.as_str()),
    }
}

async fn known(authority: &Authority) -> Result<Catalogue, Failure> {
    Ok(catalogue(&mut *authority.db.connection().await?).await?)
}

/// `/operator/scopes`
pub(super) async fn list(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Failure> {
    visitor.operator(&request)?;
    html(&views::Scopes {
        frame: visitor.frame()?,
        scopes: known(&authority).await?.0.iter().map(row).collect(),
    })
}

/// `/operator/scopes/new`
pub(super) async fn ask(request: HttpRequest, visitor: Visitor) -> Result<HttpResponse, Failure> {
    visitor.operator(&request)?;
    html(&views::ScopeForm {
        frame: visitor.frame()?,
        editing: false,
        name: Field::default(),
        description: Field::default(),
        sensitive: false,
        publishable: false,
        audience: views::Audience::Any,
    })
}

/// `/operator/scopes/edit?name=…`
pub(super) async fn ask_to_change(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    query: Query,
) -> Result<HttpResponse, Failure> {
    visitor.operator(&request)?;
    let name = query.0.as_ref().map_or("", |query| query.text("name"));
    let catalogue = known(&authority).await?;
    let entry = catalogue.find(name).ok_or(Failure::NotFound)?;
    html(&views::ScopeForm {
        frame: visitor.frame()?,
        editing: true,
        name: Field::of(name),
        description: Field::of(entry.description.as_str()),
        sensitive: entry.sensitive,
        publishable: entry.publishable,
        audience: audience(entry.audience),
    })
}

fn typed(visitor: &Visitor, form: &Parameters, editing: bool) -> Result<views::ScopeForm, Failure> {
    Ok(views::ScopeForm {
        frame: visitor.frame()?,
        editing,
        name: Field::of(form.text("name")),
        description: Field::of(form.text("description")),
        sensitive: form.text("sensitive") == "true",
        publishable: form.text("publishable") == "true",
        audience: audience(chosen(form)),
    })
}

fn chosen(form: &Parameters) -> Audience {
    form.text("audience").parse().unwrap_or(Audience::Any)
}

/// `POST /operator/scopes/new`
pub(super) async fn add(authority: Data<Authority>, post: SignedPost) -> Result<HttpResponse, Failure> {
    let actor = Actor::User(post.own.operator()?.user.id);
    let Posted { visitor, form } = &*post;
    let name = form.text("name").trim();
    let mut page = typed(visitor, form, false)?;
    if known(&authority).await?.find(name).is_some() {
        page.name = Field::of(name).with_error("There is a scope of that name already.");
        return html_with(StatusCode::BAD_REQUEST, &page);
    }
    let Ok(scope) = name.parse::<Scope>() else {
        page.name = Field::of(name)
            .with_error("Use 1 to 128 letters, digits and signs, without spaces, quotes and backslashes.");
        return html_with(StatusCode::BAD_REQUEST, &page);
    };
    save(&authority, visitor, form, scope, actor, page).await
}

/// `POST /operator/scopes/edit`
pub(super) async fn change(authority: Data<Authority>, post: SignedPost) -> Result<HttpResponse, Failure> {
    let actor = Actor::User(post.own.operator()?.user.id);
    let Posted { visitor, form } = &*post;
    let page = typed(visitor, form, true)?;
    let scope = known(&authority)
        .await?
        .find(form.text("name"))
        .ok_or(Failure::NotFound)?
        .scope
        .clone();
    save(&authority, visitor, form, scope, actor, page).await
}

async fn save(
    authority: &Authority,
    visitor: &Visitor,
    form: &Parameters,
    scope: Scope,
    actor: Actor,
    mut page: views::ScopeForm,
) -> Result<HttpResponse, Failure> {
    let typed = form.text("description");
    let description: Description = match typed.parse() {
        Ok(description) => description,
        Err(error) => {
            page.description = Field::of(typed).with_error(match error {
                InvalidLine::Empty => "Say what an app can do with it.".to_owned(),
                _ => error.to_string(),
            });
            return html_with(StatusCode::BAD_REQUEST, &page);
        }
    };
    let entry = Entry {
        scope,
        description,
        sensitive: page.sensitive,
        publishable: page.publishable,
        audience: chosen(form),
    };
    match add_scope(authority, &entry, actor, Some(&visitor.context)).await {
        Ok(()) => Ok(News::ScopeSaved.on("/operator/scopes")),
        Err(error @ (ScopeError::BuiltIn(_) | ScopeError::Unknown(_))) => {
            Err(Failure::BadRequest(error.to_string()))
        }
        Err(ScopeError::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /operator/scopes/remove`
pub(super) async fn remove(authority: Data<Authority>, post: SignedPost) -> Result<HttpResponse, Failure> {
    let actor = Actor::User(post.own.operator()?.user.id);
    let Posted { visitor, form } = &*post;
    match remove_scope(&authority, form.text("name"), actor, Some(&visitor.context)).await {
        Ok(()) => Ok(News::ScopeRemoved.on("/operator/scopes")),
        Err(ScopeError::Unknown(_)) => Ok(News::NoScope.on("/operator/scopes")),
        Err(error @ ScopeError::BuiltIn(_)) => Err(Failure::BadRequest(error.to_string())),
        Err(ScopeError::Fault(fault)) => Err(fault.into()),
    }
}
