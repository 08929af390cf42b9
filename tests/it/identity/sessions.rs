//! Sessions: their cookies, their ends.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Client, StatusCode,
    cookie::{CookieStore as _, Jar},
    header::COOKIE,
    redirect::Policy,
};

use super::*;
use crate::support::wait::until;

const DAY: Duration = Duration::from_hours(24);

/// A browser whose cookies the test can see.
fn glass_browser(app: &TestApp) -> (Browser, Arc<Jar>) {
    let jar = Arc::new(Jar::default());
    let mut browser = app.browser();
    browser.client = Client::builder()
        .cookie_provider(jar.clone())
        .redirect(Policy::none())
        .build()
        .unwrap();
    (browser, jar)
}

fn session_cookie(app: &TestApp, jar: &Jar) -> Option<String> {
    let cookies = jar.cookies(&app.url("/").parse().unwrap())?;
    let own = cookies
        .to_str()
        .unwrap()
        .split("; ")
        .find(|cookie| cookie.starts_with("claviger-session="))?
        .to_owned();
    Some(own)
}

async fn opens(app: &TestApp, cookie: &str) -> bool {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let answer = client
        .get(app.url("/account"))
        .header(COOKIE, cookie)
        .send()
        .await
        .unwrap();
    answer.status() == StatusCode::OK
}

#[tokio::test]
async fn sign_in_and_each_proof_of_oneself_give_a_new_cookie_and_void_the_old() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let (browser, jar) = glass_browser(&app);
    // A cookie that somebody planted is not adopted.
    let planted = "claviger-session=planted-by-somebody-else";
    jar.add_cookie_str(planted, &app.url("/").parse().unwrap());
    sign_in(&browser, "ada@example.com", PASSWORD).await;
    let first = session_cookie(&app, &jar).unwrap();
    assert_ne!(first, planted);
    assert!(opens(&app, &first).await && !opens(&app, planted).await);

    let sessions = async || app.identity.sessions(load_by_email(&app).await).await.unwrap();
    let before = sessions().await;
    app.advance(Duration::from_mins(1));
    let page = browser.get("/confirm?return_to=/account/sessions").await;
    let page = browser.submit(&page, &[("password", OTHER_PASSWORD)]).await;
    assert!(
        page.text().contains("That is not your password."),
        "{}",
        page.text()
    );
    assert!(opens(&app, &first).await);
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(page.url.path(), "/account/sessions");
    let second = session_cookie(&app, &jar).unwrap();
    assert!(opens(&app, &second).await && !opens(&app, &first).await);
    let after = sessions().await;
    assert_eq!(after.len(), 1);
    assert_eq!(
        after[0].session.id, before[0].session.id,
        "apps go on under the same session"
    );
    assert_eq!(
        after[0].session.authenticated_at - before[0].session.authenticated_at,
        Duration::from_mins(1)
    );
}

async fn load_by_email(app: &TestApp) -> UserId {
    let started = guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.99")
        .await
        .unwrap();
    let connection = app.db.connection().await.unwrap();
    drop(user(&connection, started.user_id).await.unwrap().unwrap());
    execute(
        app,
        &format!("DELETE FROM sessions WHERE id = '{}'", started.session_id.uuid()),
    )
    .await;
    started.user_id
}

#[tokio::test]
async fn another_person_in_the_same_browser_ends_the_session_of_the_first() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    person(&app, "bob@example.com").await;
    let (browser, jar) = glass_browser(&app);
    sign_in(&browser, "ada@example.com", PASSWORD).await;
    let first = session_cookie(&app, &jar).unwrap();
    let page = browser.get("/sign-in?another=1").await;
    browser
        .submit(&page, &[("email", "bob@example.com"), ("password", PASSWORD)])
        .await;
    assert!(browser.get("/account").await.text().contains("bob@example.com"));
    assert!(!opens(&app, &first).await);
    assert!(actions(&app, ada).await.contains("session.ended"));
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    person(&app, "bob@example.com").await;
    let (one, two, three) = (
        signed_in(&app, "ada@example.com").await,
        signed_in(&app, "ada@example.com").await,
        signed_in(&app, "ada@example.com").await,
    );
    let stranger = signed_in(&app, "bob@example.com").await;
    let page = one.get("/account/sessions").await;
    assert!(
        page.text().contains("127.0.0.1") && page.text().contains("This session"),
        "{}",
        page.text()
    );
    let ends: Vec<_> = page
        .forms()
        .into_iter()
        .filter(|form| form.action.path() == "/account/sessions/end")
        .collect();
    assert_eq!(ends.len(), 2);

    // Nobody ends what is not theirs.
    let theirs = stranger.get("/account/sessions").await;
    let mut foreign = ends[0].clone();
    for (name, value) in &mut foreign.fields {
        if name == "csrf_token" {
            theirs.forms()[0].value("csrf_token").unwrap().clone_into(value);
        }
    }
    assert_eq!(stranger.send(&foreign).await.status, StatusCode::NOT_FOUND);

    let page = one.send(&ends[0]).await;
    assert!(page.text().contains("The session has ended."), "{}", page.text());
    let left = [is_signed_in(&two).await, is_signed_in(&three).await];
    assert_eq!(left.iter().filter(|signed_in| **signed_in).count(), 1);
    // This node refuses it at once, and reads it back from the log a moment later.
    until("an ended session is in the log", async || {
        app.revocations.applied() > 0
    })
    .await;

    let page = one.get("/account/sessions").await;
    let all = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/account/sessions/end-others")
        .unwrap();
    one.send(&all).await;
    assert!(!is_signed_in(&two).await && !is_signed_in(&three).await && is_signed_in(&one).await);
    assert!(is_signed_in(&stranger).await);
    assert_eq!(app.identity.sessions(ada).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_slides_while_it_is_used_and_ends_when_it_is_not_or_at_its_absolute_limit() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let used = signed_in(&app, "ada@example.com").await;
    let idle = signed_in(&app, "ada@example.com").await;
    app.advance(13 * DAY);
    assert!(is_signed_in(&used).await);
    app.advance(DAY);
    assert!(is_signed_in(&used).await && !is_signed_in(&idle).await);
    for _ in 0..7 {
        app.advance(10 * DAY);
        assert!(is_signed_in(&used).await);
    }
    app.advance((6 * DAY).checked_sub(Duration::from_secs(1)).unwrap());
    assert!(is_signed_in(&used).await);
    app.advance(Duration::from_secs(1));
    assert!(!is_signed_in(&used).await, "90 days after sign-in");
    app.run_job("identity.cleanup").await;
    assert_eq!(number(&app, "SELECT count(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn a_session_in_use_is_written_to_rarely() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    let last_seen = async || app.identity.sessions(ada).await.unwrap()[0].session.last_seen_at;
    let start = last_seen().await;
    app.advance(Duration::from_mins(4));
    browser.get("/account").await;
    assert_eq!(last_seen().await, start);
    app.advance(Duration::from_mins(1));
    browser.get("/account").await;
    assert_eq!(last_seen().await - start, Duration::from_mins(5));
}

#[tokio::test]
async fn blocked_people_are_signed_out_at_once() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    execute(&app, "UPDATE users SET blocked_at = now()").await;
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn neither_cookie_nor_address_of_a_session_is_at_rest_and_contexts_are_sealed_anew() {
    use claviger::crypto::Purpose;

    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    let (browser, jar) = glass_browser(&app);
    sign_in(&browser, "ada@example.com", PASSWORD).await;
    let cookie = session_cookie(&app, &jar).unwrap();
    let token = cookie.split_once('=').unwrap().1;
    let rows = format!(
        "SELECT count(*) FROM sessions WHERE sessions::text LIKE '%{token}%'
         OR encode(context_sealed, 'escape') LIKE '%127.0.0.1%' OR encode(token_hash, 'escape') LIKE '%{token}%'"
    );
    assert_eq!(number(&app, &rows).await, 0);

    let old = app.keyring.current_id(Purpose::ClientContext).unwrap();
    app.keyring
        .rotate(&mut app.db.connection().await.unwrap(), Purpose::ClientContext)
        .await
        .unwrap();
    app.advance(Duration::from_mins(1));
    assert_ne!(app.keyring.current_id(Purpose::ClientContext).unwrap(), old);
    let under_old = format!(
        "SELECT count(*) FROM sessions WHERE substring(context_sealed from 1 for 4) = decode('{:08x}', 'hex')",
        old.0
    );
    assert_eq!(number(&app, &under_old).await, 1);
    app.run_job("identity.reseal").await;
    assert_eq!(number(&app, &under_old).await, 0);
    assert_eq!(
        app.identity.sessions(ada).await.unwrap()[0]
            .origin
            .as_ref()
            .unwrap()
            .address
            .to_string(),
        "127.0.0.1"
    );
}

#[tokio::test]
async fn under_https_cookies_are_for_this_host_and_never_sent_in_clear() {
    let app = TestApp::with(|config| config.issuer = Some("https://id.example".parse().unwrap())).await;
    person(&app, "ada@example.com").await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let cookies_of = |answer: &reqwest::Response| -> Vec<String> {
        let all = answer.headers().get_all("set-cookie").iter();
        all.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    };
    let page = client.get(app.url("/sign-in")).send().await.unwrap();
    let mut cookies = cookies_of(&page);
    let first = cookies[0].split(';').next().unwrap().to_owned();
    let html = page.text().await.unwrap();
    let token = html.split("name=\"csrf_token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let signed_in = client
        .post(app.url("/sign-in"))
        .header("cookie", first)
        .form(&[
            ("csrf_token", token),
            ("email", "ada@example.com"),
            ("password", PASSWORD),
        ])
        .send()
        .await
        .unwrap();
    cookies.extend(cookies_of(&signed_in));
    assert!(cookies.len() >= 3, "browser, session, known browser: {cookies:?}");
    for cookie in cookies {
        assert!(cookie.starts_with("__Host-claviger-"), "{cookie}");
        for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(cookie.contains(attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}
