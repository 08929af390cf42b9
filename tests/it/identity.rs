//! People: what they, and those who would like to be taken for them, notice of sign-up, sign-in, sessions, links
//! and changes.

mod account;
mod entry;
mod forms;
mod hijack;
mod links;
mod onward;
mod operators;
mod sessions;
mod throttle;

use std::{collections::BTreeSet, fs};

use claviger::{
    audit::{self, Filter},
    identity::{Identity, NewUser, SignInError, SignUpError, Started, User, user},
    types::{ClientContext, UserId},
};
use tokio_postgres::NoTls;

use crate::support::{
    app::TestApp,
    browser::{Browser, Page},
};

pub const PASSWORD: &str = "correct horse battery staple";
pub const OTHER_PASSWORD: &str = "seven purple llamas whistle";
const REFUSED: &str = "E-mail address and password do not match.";

fn new_user(email: &str) -> NewUser {
    NewUser {
        name: "Ada Marsh".to_owned(),
        email: email.to_owned(),
        password: PASSWORD.to_owned().into(),
    }
}

fn context(address: &str) -> ClientContext {
    ClientContext {
        address: address.parse().unwrap(),
        user_agent: "A test".to_owned(),
        request_id: "req_test".to_owned(),
    }
}

/// Makes a person with a verified address.
async fn person(app: &TestApp, email: &str) -> UserId {
    app.identity
        .create_user(new_user(email), false)
        .await
        .unwrap()
        .user
        .id
}

async fn load(app: &TestApp, id: UserId) -> User {
    user(&app.db.connection().await.unwrap(), id)
        .await
        .unwrap()
        .unwrap()
}

/// Signs in as the command line of an attacker would: without a browser, from any address.
async fn guess(identity: &Identity, email: &str, password: &str, from: &str) -> Result<Started, SignInError> {
    identity
        .sign_in(email, password.to_owned().into(), None, None, &context(from))
        .await
}

/// Fills in the form of the sign-in page.
pub async fn sign_in(browser: &Browser, email: &str, password: &str) -> Page {
    let page = browser.get("/sign-in").await;
    browser
        .submit(&page, &[("email", email), ("password", password)])
        .await
}

/// A browser in which somebody is signed in.
async fn signed_in(app: &TestApp, email: &str) -> Browser {
    let browser = app.browser();
    sign_in(&browser, email, PASSWORD).await;
    assert!(is_signed_in(&browser).await);
    browser
}

async fn is_signed_in(browser: &Browser) -> bool {
    browser.get("/account").await.url.path() == "/account"
}

/// Every mail that went out so far to `to`, as text, the oldest first.
pub async fn mails(app: &TestApp, to: &str) -> Vec<String> {
    app.mailer.flush().await;
    let mut files: Vec<_> = fs::read_dir(app.data_dir().join("mail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| decoded(&fs::read_to_string(file).unwrap()))
        .filter(|mail| mail.contains(&format!("To: {to}\r\n")))
        .collect()
}

/// Undoes quoted-printable (RFC 2045 §6.7), in which long lines and characters beyond ASCII travel.
fn decoded(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=3D", "=")
}

/// The path and query of the first link of ours in a mail.
pub fn link_in(mail: &str) -> String {
    let start = mail
        .find("http://localhost")
        .unwrap_or_else(|| panic!("no link in {mail}"));
    let link: &str = mail[start..].split_whitespace().next().unwrap();
    let url: url::Url = link.parse().unwrap();
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// The link in the last mail to somebody.
pub async fn last_link(app: &TestApp, to: &str) -> String {
    link_in(mails(app, to).await.last().expect("a mail"))
}

/// The names of all actions that the trail has of somebody, by them or about them.
async fn actions(app: &TestApp, id: UserId) -> BTreeSet<String> {
    let mut connection = app.db.connection().await.unwrap();
    let account = claviger::accounts::personal_account_of(&mut connection, id)
        .await
        .unwrap()
        .unwrap();
    let filter = Filter {
        readers: Some((id, vec![account])),
        ..Filter::default()
    };
    let page = audit::trail(&mut connection, &filter, 500).await.unwrap();
    page.entries.into_iter().map(|entry| entry.action).collect()
}

/// One number, straight from the database.
pub async fn number(app: &TestApp, sql: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(&app.database.owner_url, NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn execute(app: &TestApp, sql: &str) {
    let (client, connection) = tokio_postgres::connect(&app.database.owner_url, NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}
