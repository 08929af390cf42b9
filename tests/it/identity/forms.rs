//! Forms whose session has ended, or changed, since their page was opened.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::support::browser::Form;

/// The form of a page that goes to that path.
fn form_to(page: &Page, path: &str) -> Form {
    let mut forms = page.forms().into_iter();
    forms
        .find(|form| form.action.path() == path)
        .unwrap_or_else(|| panic!("no form to {path}:\n{}", page.html))
}

fn set(form: &mut Form, name: &str, value: &str) {
    form.fields.retain(|(known, _)| known != name);
    form.fields.push((name.to_owned(), value.to_owned()));
}

#[tokio::test]
async fn a_form_of_a_session_that_is_over_leads_to_sign_in_and_back_to_its_page() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    for (page, action, back) in [
        ("/account", "/account/name", "/account"),
        ("/account/sessions", "/account/sessions/end", "/account/sessions"),
        ("/apps/new", "/apps/new", "/apps/new"),
    ] {
        let browser = signed_in(&app, "ada@example.com").await;
        let other = signed_in(&app, "ada@example.com").await;
        let page = browser.get(page).await;
        let mut form = form_to(&page, action);
        set(&mut form, "name", "Somebody else");
        let all = form_to(
            &other.get("/account/sessions").await,
            "/account/sessions/end-others",
        );
        other.send(&all).await;
        let page = browser.send(&form).await;
        assert_eq!(
            (page.status, page.url.path()),
            (StatusCode::OK, "/sign-in"),
            "{action}"
        );
        assert!(page.text().contains("Your session had ended"), "{}", page.text());
        let page = browser
            .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
            .await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, back), "{action}");
        assert!(!page.text().contains("Somebody else"));
    }
    // Nobody is signed in: signing out is done already.
    let browser = signed_in(&app, "ada@example.com").await;
    let sign_out = form_to(&browser.get("/account").await, "/sign-out");
    assert!(
        browser
            .send(&sign_out)
            .await
            .text()
            .contains("You are signed out.")
    );
    assert!(
        browser
            .send(&sign_out)
            .await
            .text()
            .contains("You are signed out.")
    );
}

#[tokio::test]
async fn a_form_from_before_a_new_cookie_says_that_it_is_out_of_date_and_where_there_is_another() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    let page = browser.get("/account").await;
    let confirm = browser.get("/confirm?return_to=/account").await;
    browser.submit(&confirm, &[("password", PASSWORD)]).await;
    let page = browser.submit(&page, &[("name", "Somebody else")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.heading(), "That page was out of date");
    assert!(page.html.contains("href=\"/account/name\""), "{}", page.html);
    assert_eq!(browser.get("/account/name").await.url.path(), "/account");
}

#[tokio::test]
async fn two_tabs_with_the_sign_in_page_do_not_get_in_each_others_way() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    let one = browser.get("/sign-in?return_to=/account").await;
    let two = browser.get("/sign-in?return_to=/account/sessions").await;
    let known = [("email", "ada@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.submit(&one, &known).await.url.path(), "/account");
    let page = browser.submit(&two, &known).await;
    assert_eq!(
        (page.status, page.url.path()),
        (StatusCode::OK, "/account/sessions")
    );
    // Signed out since: the page comes once more, with what can be kept.
    let another = browser.get("/sign-in?another=1").await;
    let sign_out = form_to(&browser.get("/account").await, "/sign-out");
    browser.send(&sign_out).await;
    let page = browser.submit(&another, &known).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text().contains("open for too long"), "{}", page.text());
    assert_eq!(form_to(&page, "/sign-in").value("email"), Some("ada@example.com"));
    assert_eq!(browser.submit(&page, &known).await.status, StatusCode::OK);
    assert!(is_signed_in(&browser).await);
}

#[tokio::test]
async fn a_form_that_was_on_its_way_when_its_session_ended_does_nothing() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    let thief = signed_in(&app, "ada@example.com").await;
    let owner = signed_in(&app, "ada@example.com").await;
    let mut form = form_to(&thief.get("/account").await, "/account/name");
    set(&mut form, "name", "Mallory");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form.fields)
        .finish();
    let (first, rest) = body.split_at(5);
    let mut stream = TcpStream::connect(app.nodes[0].address).await.unwrap();
    let head = format!(
        "POST /account/name HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{first}",
        thief.cookies("/account/name"),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    // Until the head was read, the session has not been looked up either way; this page is answered after it.
    owner.get("/account").await;
    let all = form_to(
        &owner.get("/account/sessions").await,
        "/account/sessions/end-others",
    );
    owner.send(&all).await;
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert_eq!(load(&app, ada).await.name, "Ada Marsh");
}

#[tokio::test]
async fn a_page_of_a_browser_that_keeps_coming_never_runs_out() {
    const DAY: Duration = Duration::from_hours(24);
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    let page = browser.get("/sign-in").await;
    assert!(page.headers.contains_key("set-cookie"));
    let first = browser.cookies("/");
    app.advance(40 * DAY);
    assert!(!browser.get("/sign-in").await.headers.contains_key("set-cookie"));
    app.advance(10 * DAY);
    let renewed = browser.get("/sign-in").await;
    let cookie = renewed.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("claviger-browser=") && cookie.contains("Max-Age=7776000"));
    let browser_of = |cookies: &str| cookies.rsplit_once('.').unwrap().0.to_owned();
    assert_eq!(browser_of(&first), browser_of(&browser.cookies("/")));
    assert_ne!(first, browser.cookies("/"));
    // A form from before is as good as it was.
    app.advance(44 * DAY);
    let fields = [("email", "ada@example.com"), ("password", PASSWORD)];
    browser.submit(&page, &fields).await;
    assert!(is_signed_in(&browser).await);
}
