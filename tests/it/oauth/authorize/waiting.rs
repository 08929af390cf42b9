//! Requests that wait for somebody.

use std::time::Duration;

use claviger::{
    audit::{Actor, By},
    oauth::scopes::remove_scope,
};

use super::{error_of, is_refusal_page, is_sign_in};
use crate::oauth::flow::{PASSWORD, World, create_user, landed, parameter};

#[tokio::test]
async fn a_request_survives_sign_in_and_is_its_browsers_own() {
    let world = World::start().await;
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let client = world.confidential().await;
    let victim = world.app.browser();
    let page = victim.get(&world.ask(&client).path()).await;
    assert!(is_sign_in(&page));
    let id = page.forms()[0].value("request").unwrap().to_owned();

    // Somebody else's browser, signed in or not, gets nowhere with it.
    let foreign = world.browser_of("grace@example.com").await;
    let stranger = world.app.browser();
    for path in [
        format!("/oauth/authorize/continue?request={id}"),
        format!("/oauth/consent?request={id}"),
        "/oauth/authorize/continue?request=arq_00000000000000000000000000".to_owned(),
        "/oauth/authorize/continue?request=https://evil.example/".to_owned(),
        "/oauth/authorize/continue".to_owned(),
    ] {
        assert!(is_refusal_page(&foreign.get(&path).await), "{path}");
        assert!(is_refusal_page(&stranger.get(&path).await), "{path}");
    }
    let elsewhere = stranger.get(&format!("/sign-in?request={id}")).await;
    assert!(!elsewhere.text().contains("Weather Watch"));
    // A tampered way back leads nowhere else.
    for return_to in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
        let browser = world.app.browser();
        let page = browser.get(&format!("/sign-in?return_to={encoded}")).await;
        let page = browser
            .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
            .await;
        assert!(page.leads_to().is_none(), "{return_to}");
    }

    let page = victim
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    assert!(page.text().contains("Weather Watch"), "{}", page.text());
    let page = victim.submit(&page, &[("decision", "approve")]).await;
    assert!(parameter(&landed(&page), "code").is_some());
    // It was used up by that.
    assert!(is_refusal_page(
        &victim
            .get(&format!("/oauth/authorize/continue?request={id}"))
            .await
    ));
}

#[tokio::test]
async fn a_request_does_not_wait_for_ever_nor_for_a_client_that_changed() {
    use claviger::oauth::clients::{Switch, edit_client, set_disabled};

    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let ask = world.ask(&client);
    let page = browser.get(&ask.path()).await;
    world.app.advance(Duration::from_secs(60 * 60));
    let late = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(is_refusal_page(&late), "{}", late.text());

    let authority = &world.app.authority;
    let entity = authority.clients.get(client.id).await.unwrap().unwrap();
    let page = browser.get(&ask.path()).await;
    let mut narrower = entity.registration.clone();
    narrower.scopes = "openid".parse().unwrap();
    edit_client(authority, &entity, &narrower, By::OPERATOR)
        .await
        .unwrap();
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(is_refusal_page(&page), "{}", page.text());

    let page = browser.get(&ask.clone().with("scope", "openid").path()).await;
    set_disabled(authority, &entity, Switch::Operator, true, By::OPERATOR)
        .await
        .unwrap();
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(is_refusal_page(&page), "{}", page.text());
    assert!(is_refusal_page(&browser.get(&ask.path()).await));
}

#[tokio::test]
async fn a_scope_that_leaves_the_catalogue_cannot_be_asked_for_any_more() {
    use claviger::{
        oauth::scopes::add_scope,
        scopes::{Audience, Entry},
    };

    let world = World::start().await;
    let authority = &world.app.authority;
    let entry = Entry {
        scope: "forecasts".parse().unwrap(),
        description: "Read your forecasts".parse().unwrap(),
        sensitive: true,
        publishable: false,
        audience: Audience::Any,
    };
    add_scope(authority, &entry, Actor::Operator, None).await.unwrap();
    let client = world
        .register(|registration| registration.scopes = "openid forecasts".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let ask = world.ask(&client).with("scope", "openid forecasts");
    let page = browser.get(&ask.path()).await;
    assert!(page.text().contains("Read your forecasts") && page.text().contains("Sensitive"));
    let login = world.login_with(&browser, ask.clone()).await;
    world.redeem(&client, &login).await.good();
    remove_scope(authority, "forecasts", Actor::Operator, None)
        .await
        .unwrap();
    assert_eq!(error_of(&world, &browser.get(&ask.path()).await), "invalid_scope");
}
