//! A new key, and the one time that its value is shown.

use actix_web::{HttpResponse, http::StatusCode};

use super::{
    super::{
        act::{AppAct, AppView, AtApp, ToWriteKeys},
        views,
    },
    form::{self, Offer},
    refused, shown, words,
};
use crate::{
    config::{DEFAULT_FAMILY, Family},
    keys::{AppPolicy, KeyError, KeyKind, NewKey, Settings},
    scopes::{Catalogue, catalogue},
    types::{ApiKeyId, Environment},
    web::{
        Failure, News, Parameters, html, html_with,
        page::{Choice, Notice},
    },
};

fn kinds(chosen: &str) -> Vec<Choice> {
    let hint = |kind| match kind {
        KeyKind::Secret => "For your servers, which keep it to themselves.",
        KeyKind::Publishable => {
            "May be read by everybody, as in a browser. Only scopes that are marked publishable."
        }
        KeyKind::Restricted => "For servers too, and never without scopes: choose one at least.",
    };
    KeyKind::ALL
        .into_iter()
        .map(|kind| Choice::new(kind.name(), kind.label(), kind.name() == chosen).with_hint(hint(kind)))
        .collect()
}

pub(super) fn environments(offered: &[Environment], chosen: impl Fn(Environment) -> bool) -> Vec<Choice> {
    let hint = |environment| match environment {
        Environment::Live => "For the real thing.",
        Environment::Test => "For trying things out: no live service takes it.",
    };
    offered
        .iter()
        .map(|one| Choice::new(one.name(), words::environment(*one), chosen(*one)).with_hint(hint(*one)))
        .collect()
}

/// The forms of keys that this deployment knows, the usual one first. One alone needs no choosing.
fn families(at: &AtApp, chosen: &str) -> Vec<Choice> {
    let all = &at.keys.config.keys.families;
    let usual = all.get(DEFAULT_FAMILY).map(|family| (DEFAULT_FAMILY, family));
    let others = all.iter().filter(|(name, _)| *name != DEFAULT_FAMILY);
    let begins = |family: &Family| match &family.prefix {
        Some(prefix) => format!("{prefix}_…"),
        None => "sk_…, pk_…, rk_…".to_owned(),
    };
    let choices: Vec<Choice> = usual
        .into_iter()
        .chain(others)
        .map(|(name, family)| Choice::new(name, format!("{name}: {}", begins(family)), name == chosen))
        .collect();
    if choices.len() > 1 { choices } else { Vec::new() }
}

/// What the form is made from.
struct Ground {
    policy: AppPolicy,
    catalogue: Catalogue,
}

impl Ground {
    async fn of(at: &AtApp) -> Result<Self, Failure> {
        Ok(Self {
            policy: at
                .keys
                .policy(at.seen.app.id, at.asker())
                .await
                .map_err(refused)?,
            catalogue: catalogue(&mut *at.keys.db.connection().await?).await?,
        })
    }

    fn offer<'a>(&'a self, at: &'a AtApp) -> Offer<'a> {
        Offer {
            keys: &at.keys,
            asker: at.asker(),
            policy: &self.policy,
            catalogue: &self.catalogue,
            key: None,
        }
    }

    fn page(
        &self,
        at: &AtApp,
        form: views::KeyForm,
        typed: Option<&Parameters>,
    ) -> Result<views::NewKey, Failure> {
        let said = |name: &str, usual: &str| match typed {
            Some(typed) => typed.text(name).to_owned(),
            None => usual.to_owned(),
        };
        let environment = said(
            "environment",
            self.policy.environments.first().map_or("", |first| first.name()),
        );
        let family = match said("family", DEFAULT_FAMILY) {
            none if none.is_empty() => DEFAULT_FAMILY.to_owned(),
            named => named,
        };
        Ok(views::NewKey {
            frame: at.visitor.frame()?,
            app: at.seen.app_ref(),
            form_id: at
                .visitor
                .form_id(ApiKeyId::new(&at.keys.clock, &at.keys.entropy).uuid())?,
            kinds: kinds(&said("kind", KeyKind::Secret.name())),
            kind_error: None,
            environments: environments(&self.policy.environments, |one| one.name() == environment),
            environment_error: None,
            families: families(at, &family),
            family_error: None,
            form,
        })
    }
}

/// `/apps/{app}/keys/new`
pub(in super::super) async fn ask(view: AppView<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    let ground = Ground::of(&view).await?;
    html(&ground.page(&view, ground.offer(&view).fresh(), None)?)
}

/// What was chosen beside the settings.
struct Chosen {
    kind: KeyKind,
    environment: Environment,
    family: String,
}

/// Reads it, and marks what is missing.
fn chosen(form: &Parameters, page: &mut views::NewKey) -> Option<Chosen> {
    let kind = form.text("kind").parse().ok();
    if kind.is_none() {
        page.kind_error = Some("Choose what it is for: it cannot be changed later.".to_owned());
    }
    let environment = form.text("environment").parse().ok();
    if environment.is_none() {
        page.environment_error = Some("Choose one of these: it cannot be changed later.".to_owned());
    }
    let family = match form.text("family") {
        "" => DEFAULT_FAMILY,
        named => named,
    };
    Some(Chosen {
        kind: kind?,
        environment: environment?,
        family: family.to_owned(),
    })
}

fn wanted(act: &AtApp, chosen: Chosen, settings: Settings) -> NewKey {
    let family = act.keys.config.keys.families.get(&chosen.family);
    let has_usual = family.is_some_and(|family| !family.default_scopes.is_empty());
    NewKey {
        app: act.seen.app.id,
        family: chosen.family,
        kind: chosen.kind,
        environment: chosen.environment,
        name: settings.name,
        // Where no box is ticked, a family's own usual scopes are meant, and otherwise none.
        scopes: Some(settings.scopes).filter(|scopes| !scopes.is_empty() || !has_usual),
        limits: settings.limits,
        expires_at: settings.expires_at,
        networks: settings.networks,
    }
}

/// `POST /apps/{app}/keys/new`
pub(in super::super) async fn make(act: AppAct<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    let (keys, form) = (&act.keys, &act.form);
    let ground = Ground::of(&act).await?;
    let offer = ground.offer(&act);
    let read = offer.read(form);
    let mut page = ground.page(&act, offer.typed(form), Some(form))?;
    let chosen = chosen(form, &mut page);
    let new = match (read, chosen) {
        (Ok(settings), Some(chosen)) => wanted(&act, chosen, settings),
        (read, _) => {
            if let Err(form) = read {
                page.form = *form;
            }
            return html_with(StatusCode::BAD_REQUEST, &page);
        }
    };
    let id = act
        .visitor
        .id_in(form)
        .map_or_else(|| ApiKeyId::new(&keys.clock, &keys.entropy), ApiKeyId::from_uuid);
    match keys.create(id, &new, None, act.asker()).await {
        Ok(made) => {
            let title = format!("{} is ready", new.name.as_str());
            return shown(
                (&act.visitor, &act.authority),
                act.seen.app_ref(),
                made,
                title,
                "It can be used at once.",
            );
        }
        Err(KeyError::Again) => {
            return Ok(News::KeyShownAlready.on(&format!("{}/keys/{id}", act.seen.path())));
        }
        Err(KeyError::TooMany(most)) => {
            page.frame.notice = Some(Notice::danger(format!(
                "This app has {most} keys that can be used, the most that are allowed here. Revoke one of them first, or rotate it instead of making another."
            )));
        }
        Err(KeyError::Unsound { field, problem }) => {
            let words = words::sentence(&problem);
            match field {
                "environment" => page.environment_error = Some(words),
                "family" => page.family_error = Some(words),
                field if form::mark(&mut page.form, field, &problem) => {}
                _ => return Err(Failure::BadRequest(words)),
            }
        }
        Err(error) => return Err(refused(error)),
    }
    html_with(StatusCode::BAD_REQUEST, &page)
}
