//! An app's authorization request, from a stranger's browser through sign-up or sign-in to the consent page.

use std::time::Duration;

use claviger::{
    accounts,
    audit::By,
    config::SigningAlgorithm,
    oauth::clients::{ClientKind, GrantType, Registration, register_client},
    types::ClientId,
};
use reqwest::StatusCode;

use super::*;

async fn client(app: &TestApp) -> ClientId {
    let owner = person(app, "owner@example.com").await;
    let mut connection = app.db.connection().await.unwrap();
    let account = accounts::personal_account_of(&mut connection, owner)
        .await
        .unwrap()
        .unwrap();
    let its_app = accounts::apps_of(&mut connection, account).await.unwrap()[0].id;
    let registration = Registration {
        name: "Fieldnotes".to_owned(),
        kind: ClientKind::Public,
        redirect_uris: vec!["https://fieldnotes.example/callback".parse().unwrap()],
        grant_types: vec![GrantType::AuthorizationCode],
        scopes: "openid email".parse().unwrap(),
        optional_scopes: claviger::types::ScopeSet::default(),
        publisher: None,
        id_token_alg: SigningAlgorithm::ES256,
        retry_window: None,
    };
    register_client(
        &app.authority,
        claviger::types::ClientId::new(&app.authority.clock, &app.authority.entropy),
        (account, its_app),
        &registration,
        false,
        By::OPERATOR,
    )
    .await
    .unwrap()
    .id
}

fn request(client: ClientId, more: &str) -> String {
    format!(
        "/oauth/authorize?response_type=code&client_id={client}&scope=openid+email&state=s\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256{more}"
    )
}

fn policy(page: &Page) -> &str {
    page.headers["content-security-policy"].to_str().unwrap()
}

#[tokio::test]
async fn a_request_survives_sign_up_and_its_mistakes() {
    let app = TestApp::start().await;
    let client = client(&app).await;
    let browser = app.browser();
    let page = browser
        .get(&request(client, "&login_hint=ada%40example.com"))
        .await;
    assert_eq!(page.url.path(), "/sign-in");
    assert!(
        page.text().contains("to continue to Fieldnotes"),
        "{}",
        page.text()
    );
    assert_eq!(page.forms()[0].value("email"), Some("ada@example.com"));
    let id = page.forms()[0].value("request").unwrap().to_owned();
    let page = browser.get(&format!("/sign-up?request={id}")).await;
    assert!(page.text().contains("to continue to Fieldnotes"));
    assert!(
        policy(&page).contains("form-action 'self' https://fieldnotes.example"),
        "{}",
        policy(&page)
    );
    let page = browser
        .submit(
            &page,
            &[("name", ""), ("email", "ada@example.com"), ("password", PASSWORD)],
        )
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(policy(&page).contains("https://fieldnotes.example"));
    let page = browser
        .submit(
            &page,
            &[
                ("name", "Ada"),
                ("email", "ada@example.com"),
                ("password", PASSWORD),
            ],
        )
        .await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue");
    assert!(
        page.text().contains("Fieldnotes") && page.text().contains("ada@example.com"),
        "{}",
        page.text()
    );
    let page = browser.submit(&page, &[("decision", "deny")]).await;
    let back = page.leads_to().unwrap();
    assert!(
        back.as_str()
            .starts_with("https://fieldnotes.example/callback?error=access_denied"),
        "{back}"
    );
}

#[tokio::test]
async fn a_request_of_another_browser_leads_nowhere() {
    let app = TestApp::start().await;
    let client = client(&app).await;
    let (mine, theirs) = (app.browser(), app.browser());
    let page = mine.get(&request(client, "")).await;
    let id = page.forms()[0].value("request").unwrap().to_owned();
    let page = theirs.get(&format!("/sign-in?request={id}")).await;
    assert!(!page.text().contains("Fieldnotes"));
    assert!(!policy(&page).contains("fieldnotes"));
    // Even put into the form by hand.
    let mut form = page.forms().remove(0);
    form.fields
        .retain(|(name, _)| !matches!(name.as_str(), "email" | "password"));
    for (name, value) in [
        ("email", "owner@example.com"),
        ("password", PASSWORD),
        ("request", &id),
    ] {
        form.fields.push((name.to_owned(), value.to_owned()));
    }
    let page = theirs.send(&form).await;
    assert!(!page.text().contains("Fieldnotes"), "{}", page.text());
    assert!(page.leads_to().is_none());
}

#[tokio::test]
async fn an_app_that_wants_a_fresh_sign_in_gets_one_and_only_one() {
    let app = TestApp::start().await;
    let client = client(&app).await;
    person(&app, "ada@example.com").await;
    for wish in ["&prompt=login", "&max_age=60"] {
        let browser = signed_in(&app, "ada@example.com").await;
        app.advance(Duration::from_mins(2));
        let page = browser.get(&request(client, wish)).await;
        assert_eq!(page.heading(), "Confirm that it is you", "{wish}");
        assert!(page.text().contains("ada@example.com"));
        let page = browser.submit(&page, &[("password", OTHER_PASSWORD)]).await;
        assert_eq!(page.heading(), "Confirm that it is you");
        assert!(policy(&page).contains("https://fieldnotes.example"));
        let page = browser.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(
            page.url.path(),
            "/oauth/authorize/continue",
            "{wish}: {}",
            page.text()
        );
        assert!(page.text().contains("Fieldnotes"));
    }
    // Whoever is signed in can answer as somebody else instead.
    let browser = signed_in(&app, "ada@example.com").await;
    let page = browser.get(&request(client, "&prompt=login")).await;
    let id = page.forms()[0].value("request").unwrap().to_owned();
    let page = browser.get(&format!("/sign-in?another=1&request={id}")).await;
    let page = browser
        .submit(&page, &[("email", "owner@example.com"), ("password", PASSWORD)])
        .await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue");
    assert!(page.text().contains("owner@example.com"), "{}", page.text());
}

#[tokio::test]
async fn a_request_survives_a_forgotten_password() {
    let app = TestApp::start().await;
    let client = client(&app).await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    let page = browser.get(&request(client, "")).await;
    let id = page.forms()[0].value("request").unwrap().to_owned();
    let page = browser.get(&format!("/forgot-password?request={id}")).await;
    browser.submit(&page, &[("email", "ada@example.com")]).await;
    let link = last_link(&app, "ada@example.com").await;
    // In another browser the request is nobody's.
    assert!(!app.browser().get(&link).await.text().contains("Fieldnotes"));
    let page = browser.get(&link).await;
    assert!(
        page.text().contains("to continue to Fieldnotes"),
        "{}",
        page.text()
    );
    let page = browser.submit(&page, &[("password", "password1")]).await;
    assert!(
        page.text().contains("to continue to Fieldnotes"),
        "{}",
        page.text()
    );
    let page = browser.submit(&page, &[("password", OTHER_PASSWORD)]).await;
    assert_eq!(page.heading(), "Password changed");
    let onward = format!("/sign-in?request={id}");
    assert!(page.html.contains(&format!("href=\"{onward}\"")), "{}", page.html);
    let page = browser.get(&onward).await;
    let page = browser
        .submit(
            &page,
            &[("email", "ada@example.com"), ("password", OTHER_PASSWORD)],
        )
        .await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue");
    let page = browser.submit(&page, &[("decision", "deny")]).await;
    assert!(page.leads_to().is_some());

    // An id that is not this browser's does not travel.
    let page = app.browser().get("/forgot-password").await;
    assert!(page.forms()[0].value("request").is_none());
    app.advance(Duration::from_secs(1));
    let theirs = app.browser();
    let mut form = theirs.get("/forgot-password").await.forms().remove(0);
    form.fields.retain(|(name, _)| name != "email");
    form.fields
        .push(("email".to_owned(), "ada@example.com".to_owned()));
    form.fields.push(("request".to_owned(), id.clone()));
    theirs.send(&form).await;
    assert!(!last_link(&app, "ada@example.com").await.contains(&id));
}

#[tokio::test]
async fn whoever_is_signed_in_goes_on_as_themselves() {
    let app = TestApp::start().await;
    let client = client(&app).await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    let page = browser.get(&request(client, "")).await;
    let id = page.forms()[0].value("request").unwrap().to_owned();
    // Signed in meanwhile, in another tab.
    sign_in(&browser, "ada@example.com", PASSWORD).await;
    for page in ["/sign-in", "/sign-up"] {
        let page = browser.get(&format!("{page}?request={id}")).await;
        assert_eq!(page.url.path(), "/oauth/authorize/continue", "{}", page.text());
        assert!(page.text().contains("ada@example.com"));
        let page = browser.get("/sign-in?return_to=%2Faccount%2Fsessions").await;
        assert_eq!(page.url.path(), "/account/sessions");
    }
    // Unless they would rather be somebody else, who may be new here.
    let page = browser.get(&format!("/sign-in?request={id}&another=1")).await;
    assert_eq!(page.heading(), "Sign in");
    let page = browser.get(&page.link("/sign-up?")).await;
    let page = browser
        .submit(
            &page,
            &[
                ("name", "Bea"),
                ("email", "bea@example.com"),
                ("password", PASSWORD),
            ],
        )
        .await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue");
    assert!(page.text().contains("bea@example.com"), "{}", page.text());

    // Who has signed in since an app asked for that need not do so again.
    app.advance(Duration::from_secs(1));
    let page = browser.get(&request(client, "&prompt=login")).await;
    let id = page.forms()[0].value("request").unwrap().to_owned();
    let page = browser.get(&format!("/sign-in?request={id}")).await;
    assert_eq!(page.heading(), "Confirm that it is you");
    app.advance(Duration::from_secs(1));
    let other_tab = browser.get("/sign-in?another=1").await;
    let fields = [("email", "bea@example.com"), ("password", PASSWORD)];
    browser.submit(&other_tab, &fields).await;
    let page = browser.get(&format!("/sign-in?request={id}")).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "{}", page.text());
}

#[tokio::test]
async fn the_way_on_survives_every_page_before_sign_in() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let page = browser.get("/account/sessions").await;
    assert_eq!(page.url.path(), "/sign-in");
    let page = browser.get(&page.link("/forgot-password?")).await;
    let page = browser.get(&page.link("/sign-in?")).await;
    let page = browser.get(&page.link("/sign-up?")).await;
    let page = browser.get(&page.link("/sign-in?")).await;
    let page = browser.get(&page.link("/sign-up?")).await;
    let fields = |password| {
        [
            ("name", "Ada"),
            ("email", "ada@example.com"),
            ("password", password),
        ]
    };
    let page = browser.submit(&page, &fields("short")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = browser.submit(&page, &fields(PASSWORD)).await;
    assert_eq!(page.url.path(), "/account/sessions", "{}", page.text());

    // What leads elsewhere is left behind.
    for (number, bad) in ["https://evil.example/", "//evil.example", "/\\evil.example"]
        .iter()
        .enumerate()
    {
        let browser = app.browser();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", bad)
            .finish();
        let page = browser.get(&format!("/sign-up?{query}")).await;
        assert!(!page.html.contains("evil"), "{}", page.html);
        let mut form = page.forms().remove(0);
        let email = format!("bob{number}@example.com");
        form.fields
            .retain(|(name, _)| !matches!(name.as_str(), "name" | "email" | "password"));
        for (name, value) in [
            ("name", "Bob"),
            ("email", &email),
            ("password", PASSWORD),
            ("return_to", bad),
        ] {
            form.fields.push((name.to_owned(), value.to_owned()));
        }
        let page = browser.send(&form).await;
        assert_eq!(page.url.path(), "/apps", "{bad}");
    }
}
