//! Consent: what is asked, what is remembered, and what the page is like.

mod connected_apps;
mod page;
mod remembered;

use claviger::{
    audit::By,
    oauth::clients::{Registration, edit_client},
};

use super::flow::{Client, World, landed, parameter};
use crate::support::browser::{Browser, Form, Page};

async fn ask(world: &World, browser: &Browser, client: &Client, scope: &str) -> Page {
    browser.get(&world.ask(client).with("scope", scope).path()).await
}

fn is_consent(page: &Page) -> bool {
    page.leads_to().is_none()
        && page
            .forms()
            .iter()
            .any(|form| form.action.path() == "/oauth/consent")
}

fn has_code(page: &Page) -> bool {
    parameter(&landed(page), "code").is_some()
}

/// The form of the page, with a yes.
fn consent_form(page: &Page) -> Form {
    let mut forms = page.forms().into_iter();
    let mut form = forms.find(|form| form.action.path() == "/oauth/consent").unwrap();
    form.fields.push(("decision".to_owned(), "approve".to_owned()));
    form
}

async fn approve(browser: &Browser, page: &Page) -> Page {
    browser.submit(page, &[("decision", "approve")]).await
}

/// What a developer changes of a client.
type Edit = fn(&mut Registration);

/// Changes a client as its developer does.
async fn change(world: &World, client: &Client, change: impl FnOnce(&mut Registration)) {
    let authority = &world.app.authority;
    let entity = authority.clients.get(client.id).await.unwrap().unwrap();
    let mut registration = entity.registration.clone();
    change(&mut registration);
    edit_client(authority, &entity, &registration, By::OPERATOR)
        .await
        .unwrap();
}

pub(super) async fn disconnect(browser: &Browser, client: &Client) {
    let page = browser.get(&format!("/account/apps/{}", client.id)).await;
    let mut forms = page.forms().into_iter();
    let form = forms
        .find(|form| form.action.path().ends_with("/disconnect"))
        .unwrap();
    browser.send(&form).await;
}
