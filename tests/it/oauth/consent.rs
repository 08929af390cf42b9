//! Consent: what is asked, what is remembered, and what the page is like.

use std::time::Duration;

use claviger::{
    audit::By,
    oauth::clients::{ClientKind, Registration, edit_client},
};
use reqwest::StatusCode;

use super::flow::{Client, World, create_user, landed, parameter, text};
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

async fn approve(browser: &Browser, page: &Page) -> Page {
    browser.submit(page, &[("decision", "approve")]).await
}

#[tokio::test]
async fn the_page_says_who_wants_what_and_where_it_leads() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.publisher = Some("Example Ltd".to_owned()))
        .await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let words = page.text();
    for expected in [
        "Weather Watch",
        "Example Ltd",
        "Not verified",
        "app.example",
        "See your e-mail address",
        "Stay connected while you are away",
        "ada@example.com",
        "Use another account",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!words.contains("on this very computer"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        policy.contains("form-action 'self' https://app.example;"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers["x-frame-options"], "DENY");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["cache-control"], "no-store");

    let native = world
        .register(|registration| registration.redirect_uris = vec!["http://127.0.0.1/cb".parse().unwrap()])
        .await;
    let page = browser
        .get(
            &world
                .ask(&native)
                .with("redirect_uri", "http://127.0.0.1:51004/cb")
                .path(),
        )
        .await;
    assert!(page.text().contains("on this very computer"), "{}", page.text());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:51004;"),
        "{policy}"
    );
}

#[tokio::test]
async fn another_account_can_be_used() {
    let world = World::start().await;
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let request = page.forms()[0].value("request").unwrap().to_owned();
    let page = browser
        .get(&format!("/oauth/select-account?request={request}"))
        .await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let page = browser.submit(&page, &[("choice", "another")]).await;
    let page = browser
        .submit(
            &page,
            &[
                ("email", "grace@example.com"),
                ("password", super::flow::PASSWORD),
            ],
        )
        .await;
    assert!(
        is_consent(&page) && page.text().contains("grace@example.com"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn consent_is_remembered_and_only_what_is_new_is_asked_for() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = ask(&world, &browser, &client, "openid email").await;
    assert!(is_consent(&page));
    assert!(has_code(&approve(&browser, &page).await));
    for narrower in ["openid email", "openid", "email"] {
        assert!(has_code(&ask(&world, &browser, &client, narrower).await));
    }

    let wider = ask(&world, &browser, &client, "openid email profile").await;
    assert!(is_consent(&wider));
    let words = wider.text();
    assert!(words.contains("asks for more"), "{words}");
    let (new, old) = words
        .split_once("You have already allowed")
        .expect("what was allowed");
    assert!(
        new.contains("See your name") && !new.contains("See your e-mail address"),
        "{words}"
    );
    assert!(old.contains("See your e-mail address"), "{words}");
    assert!(has_code(&approve(&browser, &wider).await));
    assert!(has_code(
        &ask(&world, &browser, &client, "openid email profile").await
    ));

    // Of another person and at another client it is another matter.
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let grace = world.browser_of("grace@example.com").await;
    assert!(is_consent(&ask(&world, &grace, &client, "openid").await));
    let other = world.confidential().await;
    assert!(is_consent(&ask(&world, &browser, &other, "openid").await));
}

#[tokio::test]
async fn prompt_consent_always_asks() {
    let world = World::start().await;
    let client = world.confidential().await;
    let own = world.register_as(true, |_| {}).await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    for client in [&client, &own] {
        let ask = world.ask(client).with("prompt", "consent");
        for _ in 0..2 {
            let page = browser.get(&ask.path()).await;
            assert!(is_consent(&page));
            assert!(has_code(&approve(&browser, &page).await));
        }
    }
}

#[tokio::test]
async fn a_client_that_looks_otherwise_is_asked_about_again() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = ask(&world, &browser, &client, "openid email").await;
    approve(&browser, &page).await;
    // What nobody sees makes no difference.
    change(&world, &client, |registration| {
        registration.retry_window = Some(Duration::from_secs(1));
    })
    .await;
    change(&world, &client, |registration| {
        registration
            .redirect_uris
            .push("https://app.example/second".parse().unwrap());
    })
    .await;
    assert!(has_code(&ask(&world, &browser, &client, "openid").await));

    change(&world, &client, |registration| {
        registration.name = "Weather Watch Pro".to_owned();
    })
    .await;
    let page = ask(&world, &browser, &client, "openid").await;
    assert!(
        is_consent(&page) && page.text().contains("has changed"),
        "{}",
        page.text()
    );
    approve(&browser, &page).await;
    assert!(has_code(&ask(&world, &browser, &client, "openid").await));
    // The e-mail address was allowed to another name, and is asked for anew.
    assert!(is_consent(&ask(&world, &browser, &client, "openid email").await));

    change(&world, &client, |registration| {
        registration
            .redirect_uris
            .push("https://elsewhere.example/cb".parse().unwrap());
    })
    .await;
    assert!(is_consent(&ask(&world, &browser, &client, "openid").await));
}

#[tokio::test]
async fn denial_is_told_and_nothing_is_remembered() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    let url = landed(&denied);
    assert_eq!(parameter(&url, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&url, "state").as_deref(), Some("the state"));
    assert_eq!(
        parameter(&url, "iss").as_deref(),
        Some(world.app.config.issuer().as_str())
    );
    assert_eq!(parameter(&url, "code"), None);
    assert!(is_consent(&browser.get(&world.ask(&client).path()).await));
    assert_eq!(world.number("SELECT count(*) FROM consents").await, 0);
    let record = "SELECT count(*) FROM audit_records WHERE action = 'consent.denied'";
    assert_eq!(world.number(record).await, 1);
}

#[tokio::test]
async fn optional_scopes_can_be_left_out() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.optional_scopes = "email profile".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let request = world.ask(&client);
    let page = browser.get(&request.path()).await;
    let mut form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/oauth/consent")
        .unwrap();
    assert_eq!(form.fields.iter().filter(|(name, _)| name == "scope").count(), 2);
    form.fields.retain(|(_, value)| value != "email");
    form.fields.push(("decision".to_owned(), "approve".to_owned()));
    // What was not asked for cannot be had by adding it to the form.
    form.fields
        .push(("scope".to_owned(), "tokens:introspect".to_owned()));
    let page = browser.send(&form).await;
    let login = super::flow::Login {
        code: parameter(&landed(&page), "code").unwrap(),
        verifier: request.verifier,
        redirect_uri: client.redirect_uri.clone(),
    };
    let tokens = world.redeem(&client, &login).await.good();
    assert_eq!(tokens["scope"], "offline_access openid profile");
    let userinfo = world.userinfo(&text(&tokens, "access_token")).await.good();
    assert!(userinfo.get("email").is_none() && userinfo["name"] == "Ada");

    // The same request is not asked about again, and gets what it got.
    let again = world.login(&browser, &client).await;
    assert_eq!(
        world.redeem(&client, &again).await.good()["scope"],
        "offline_access openid profile"
    );
    let silent = browser
        .get(&world.ask(&client).with("prompt", "none").path())
        .await;
    assert!(has_code(&silent));

    // Whoever is asked all the same can change their mind, and need not.
    let email_is_ticked = |page: &Page| {
        let mut forms = page.forms().into_iter();
        let form = forms.find(|form| form.action.path() == "/oauth/consent").unwrap();
        form.fields
            .iter()
            .any(|(name, value)| name == "scope" && value == "email")
    };
    let asked = browser
        .get(&world.ask(&client).with("prompt", "consent").path())
        .await;
    assert!(asked.html.contains("value=\"email\"") && !email_is_ticked(&asked));
    approve(&browser, &asked).await;
    assert!(has_code(&ask(&world, &browser, &client, "openid email").await));
    let nothing_else = ask(&world, &browser, &client, "email").await;
    assert!(is_consent(&nothing_else) && !email_is_ticked(&nothing_else));
    let silent = world.ask(&client).with("scope", "email").with("prompt", "none");
    let silent = landed(&browser.get(&silent.path()).await);
    assert_eq!(parameter(&silent, "error").as_deref(), Some("consent_required"));
    let page = browser
        .submit(&nothing_else, &[("scope", "email"), ("decision", "approve")])
        .await;
    assert!(has_code(&page));
    let now = world.login(&browser, &client).await;
    assert_eq!(
        world.redeem(&client, &now).await.good()["scope"],
        "email offline_access openid profile"
    );
}

#[tokio::test]
async fn what_was_left_out_is_asked_again_when_the_client_cannot_do_without() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.optional_scopes = "email".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let page = ask(&world, &browser, &client, "openid email").await;
    let mut form = consent_form(&page);
    form.fields.retain(|(name, _)| name != "scope");
    assert!(has_code(&browser.send(&form).await));
    assert!(has_code(&ask(&world, &browser, &client, "openid email").await));
    change(&world, &client, |registration| {
        registration.optional_scopes = "".parse().unwrap();
    })
    .await;
    assert!(is_consent(&ask(&world, &browser, &client, "openid email").await));
}

#[tokio::test]
async fn an_app_that_was_changed_while_somebody_read_the_page_is_shown_again() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.optional_scopes = "email".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let changes: [(&str, Edit); 3] = [
        ("name", |registration| registration.name = "Your Bank".to_owned()),
        ("publisher", |registration| {
            registration.publisher = Some("Your Bank Ltd".to_owned());
        }),
        ("optional", |registration| {
            registration.optional_scopes = "".parse().unwrap();
        }),
    ];
    for (what, edit) in changes {
        let page = browser.get(&world.ask(&client).path()).await;
        let without = browser.get(&world.ask(&client).path()).await;
        let deny = browser.get(&world.ask(&client).path()).await;
        change(&world, &client, edit).await;
        let page = approve(&browser, &page).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{what}");
        assert!(
            is_consent(&page) && page.text().contains("was changed while you were reading"),
            "{what}: {}",
            page.text()
        );
        // Nor does it help to keep silent about what was seen.
        let mut silent = consent_form(&without);
        silent.fields.retain(|(name, _)| name != "seen");
        assert_eq!(browser.send(&silent).await.status, StatusCode::CONFLICT, "{what}");
        assert_eq!(world.number("SELECT count(*) FROM consents").await, 0, "{what}");
        let denied = browser.submit(&deny, &[("decision", "deny")]).await;
        assert!(denied.leads_to().is_some(), "{what}");
        // What is allowed now is what is shown now.
        assert!(has_code(&approve(&browser, &page).await), "{what}");
        disconnect(&browser, &client).await;
    }
    // Who does not say what they saw, saw what was there all the time.
    let page = browser.get(&world.ask(&client).path()).await;
    let mut silent = consent_form(&page);
    silent.fields.retain(|(name, _)| name != "seen");
    assert!(has_code(&browser.send(&silent).await));
}

#[tokio::test]
async fn a_first_party_client_needs_no_page_but_can_be_disconnected() {
    let world = World::start().await;
    let client = world.register_as(true, |_| {}).await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    assert!(has_code(&page));
    let apps = browser.get("/account/apps").await;
    assert!(apps.text().contains("Weather Watch"), "{}", apps.text());
}

#[tokio::test]
async fn a_session_that_ends_under_the_consent_page_does_not_end_the_way_of_the_app() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let question = browser.get(&world.ask(&client).path()).await;
    let sign_out = browser
        .get("/account")
        .await
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/sign-out")
        .unwrap();
    browser.send(&sign_out).await;
    let page = browser.submit(&question, &[("decision", "approve")]).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/sign-in"));
    let known = [("email", "ada@example.com"), ("password", super::flow::PASSWORD)];
    let page = browser.submit(&page, &known).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "{}", page.text());
    assert!(has_code(&browser.submit(&page, &[("decision", "approve")]).await));
}

#[tokio::test]
async fn a_decision_is_taken_once_and_only_by_the_pages_own_form() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let mut form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/oauth/consent")
        .unwrap();
    form.fields.push(("decision".to_owned(), "approve".to_owned()));

    let mut forged = form.clone();
    forged.fields.retain(|(name, _)| name != "csrf_token");
    let page = browser.send(&forged).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "asked afresh");
    forged.fields.push(("csrf_token".to_owned(), "AAAA".to_owned()));
    let page = browser.send(&forged).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "asked afresh");
    // Another browser's token, though of the same person.
    let elsewhere = world.browser().await;
    let other = elsewhere.get(&world.ask(&client).path()).await;
    let theirs = other.forms()[0].value("csrf_token").unwrap().to_owned();
    let mut forged = form.clone();
    for (name, value) in &mut forged.fields {
        if name == "csrf_token" {
            value.clone_from(&theirs);
        }
    }
    let page = browser.send(&forged).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "asked afresh");
    assert_eq!(
        world.number("SELECT count(*) FROM consents").await,
        0,
        "nothing was decided"
    );
    let mut odd = form.clone();
    for (name, value) in &mut odd.fields {
        if name == "decision" {
            "perhaps".clone_into(value);
        }
    }
    assert_eq!(browser.send(&odd).await.status, StatusCode::BAD_REQUEST);

    assert!(has_code(&browser.send(&form).await));
    let again = browser.send(&form).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.leads_to().is_none() && again.text().contains("no longer waiting"));
}

#[tokio::test]
async fn connected_apps_are_shown_and_taken_back() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let (one, two) = (
        world.tokens(&browser, &client).await,
        world.tokens(&browser, &client).await,
    );
    let list = browser.get("/account/apps").await;
    assert!(list.text().contains("Weather Watch") && list.text().contains("app.example"));
    let path = format!("/account/apps/{}", client.id);
    let page = browser.get(&path).await;
    assert!(page.text().contains("See your e-mail address"));
    let ends: Vec<_> = page
        .forms()
        .into_iter()
        .filter(|form| form.action.path().ends_with("/end"))
        .collect();
    assert_eq!(ends.len(), 2);
    let id = super::flow::jwt_part(&text(&one, "access_token"), 1)["grant_id"].clone();
    let end = ends
        .into_iter()
        .find(|form| form.value("id") == id.as_str())
        .unwrap();

    // Not for anybody else.
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let grace = world.browser_of("grace@example.com").await;
    let mut theirs = end.clone();
    let token = grace.get("/account/apps").await;
    let token = token
        .forms()
        .iter()
        .find_map(|form| form.value("csrf_token").map(str::to_owned))
        .unwrap();
    for (name, value) in &mut theirs.fields {
        if name == "csrf_token" {
            value.clone_from(&token);
        }
    }
    grace.send(&theirs).await;
    assert!(world.is_active(&client, &text(&one, "access_token")).await);
    assert_eq!(grace.get(&path).await.status, StatusCode::NOT_FOUND);

    browser.send(&end).await;
    for name in ["access_token", "refresh_token"] {
        assert!(!world.is_active(&client, &text(&one, name)).await, "{name}");
        assert!(world.is_active(&client, &text(&two, name)).await, "{name}");
    }
    let page = browser.get(&path).await;
    let disconnect = page
        .forms()
        .into_iter()
        .find(|form| form.action.path().ends_with("/disconnect"))
        .unwrap();
    browser.send(&disconnect).await;
    for name in ["access_token", "refresh_token"] {
        assert!(!world.is_active(&client, &text(&two, name)).await, "{name}");
    }
    assert!(
        !browser
            .get("/account/apps")
            .await
            .text()
            .contains("Weather Watch")
    );
    assert!(is_consent(&browser.get(&world.ask(&client).path()).await));
}

#[tokio::test]
async fn an_app_that_cannot_prove_itself_is_asked_about_each_time_where_the_operator_wants_that() {
    const SCHEME: &str = "com.example.weather:/callback";
    const LOOPBACK: &str = "http://127.0.0.1/callback";
    const HTTPS: &str = super::flow::CALLBACK;
    for wanted in [false, true] {
        let world = World::with(|config| config.oauth.ask_native_apps_again = wanted).await;
        let browser = world.browser().await;
        for (uri, kind, first_party, is_asked) in [
            (SCHEME, ClientKind::Public, false, wanted),
            (LOOPBACK, ClientKind::Public, false, wanted),
            (LOOPBACK, ClientKind::Public, true, wanted),
            (LOOPBACK, ClientKind::Confidential, false, false),
            (HTTPS, ClientKind::Public, false, false),
        ] {
            let case = format!("{uri} {kind:?} {first_party} {wanted}");
            let client = world
                .register_as(first_party, |registration| {
                    registration.kind = kind;
                    registration.redirect_uris = vec![uri.parse().unwrap()];
                })
                .await;
            let page = browser.get(&world.ask(&client).path()).await;
            assert_eq!(is_consent(&page), !first_party || wanted, "{case}");
            if is_consent(&page) {
                assert!(has_code(&approve(&browser, &page).await), "{case}");
            }
            let again = browser.get(&world.ask(&client).path()).await;
            assert_eq!(is_consent(&again), is_asked, "{case}");
            let silent = landed(
                &browser
                    .get(&world.ask(&client).with("prompt", "none").path())
                    .await,
            );
            let error = parameter(&silent, "error");
            assert_eq!(error.as_deref(), is_asked.then_some("consent_required"), "{case}");
            if is_asked {
                assert!(again.text().contains("asks again"), "{}", again.text());
                assert!(has_code(&approve(&browser, &again).await), "{case}");
            }
        }
    }
}
