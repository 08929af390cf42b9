//! What is remembered, and asked again.

use std::time::Duration;

use claviger::oauth::clients::ClientKind;

use super::{approve, ask, change, consent_form, has_code, is_consent};
use crate::oauth::flow::{World, create_user, landed, parameter, text};
use crate::support::browser::Page;

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
    let login = crate::oauth::flow::Login {
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
async fn an_app_that_cannot_prove_itself_is_asked_about_each_time_where_the_operator_wants_that() {
    const SCHEME: &str = "com.example.weather:/callback";
    const LOOPBACK: &str = "http://127.0.0.1/callback";
    const HTTPS: &str = crate::oauth::flow::CALLBACK;
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
