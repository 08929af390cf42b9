//! Accounts and those who belong to them: invited, joined, of another role, removed; and what each of them may not.

mod acts;
mod invitations;
mod races;
mod teams;

use claviger::types::{AccountId, UserId};
use reqwest::StatusCode;

use crate::{
    dashboard::{CONFIDENTIAL, execute, form_to, person, post, register, trail_has},
    identity::{last_link, mails, number},
    support::{
        app::TestApp,
        browser::{Browser, Page},
        wait::until,
    },
};

/// Opens a team, and gives the path of its page.
async fn new_team(browser: &Browser, name: &str) -> String {
    let page = browser.get("/accounts/new").await;
    let page = browser.submit(&page, &[("name", name)]).await;
    assert_eq!(page.heading(), name, "{}", page.text());
    page.url.path().to_owned()
}

fn id_of(path: &str) -> AccountId {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

async fn invite(browser: &Browser, team: &str, email: &str, role: &str) -> Page {
    let page = browser.get(team).await;
    browser.submit(&page, &[("email", email), ("role", role)]).await
}

/// Invites somebody who has an account, and lets them accept.
async fn add(app: &TestApp, by: &Browser, team: &str, (email, browser): (&str, &Browser), role: &str) {
    let page = invite(by, team, email, role).await;
    assert!(page.text().contains("on its way"), "{}", page.text());
    let page = browser.get(&last_link(app, email).await).await;
    let page = browser.send(&form_to(&page, "/invitations/accept")).await;
    assert!(page.text().contains("you are a member now"), "{}", page.text());
    assert_eq!(page.url.path(), team);
}

/// Makes a new app in that account.
async fn new_app_in(browser: &Browser, team: &str, name: &str) -> Page {
    let account = id_of(team).to_string();
    let page = browser.get("/apps/new").await;
    browser
        .submit(&page, &[("name", name), ("account", account.as_str())])
        .await
}

/// Somebody's row on the page of an account, as its forms know it.
async fn set_role(browser: &Browser, team: &str, member: UserId, role: &str) -> Page {
    let member = member.to_string();
    let fields = [("member", member.as_str()), ("role", role)];
    post(browser, team, &format!("{team}/role"), &fields).await
}

async fn remove(browser: &Browser, team: &str, member: UserId) -> Page {
    let member = member.to_string();
    post(
        browser,
        team,
        &format!("{team}/remove"),
        &[("member", member.as_str())],
    )
    .await
}

/// What the database says somebody is.
async fn role_of(app: &TestApp, team: &str, user: UserId) -> Option<&'static str> {
    let mut connection = app.db.connection().await.unwrap();
    claviger::accounts::role_in(&mut connection, id_of(team), user)
        .await
        .unwrap()
        .map(claviger::accounts::Role::name)
}
