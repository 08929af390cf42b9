//! The pages, as a developer uses them.

use claviger::webhooks::EventType;

use super::{
    Scene,
    receiver::{Receiver, Reply},
};
use crate::support::{
    browser::{Browser, Page},
    people::{EMAIL, PASSWORD},
};

async fn signed_in(scene: &Scene) -> Browser {
    let browser = scene.app.browser();
    let page = browser.get("/sign-in").await;
    browser
        .submit(&page, &[("email", EMAIL), ("password", PASSWORD)])
        .await;
    browser
}

/// Sends the form of a page that leads to this act, with what is typed.
async fn act(browser: &Browser, page: &Page, act: &str, fields: &[(&str, &str)]) -> Page {
    let mut form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path().ends_with(act))
        .unwrap_or_else(|| panic!("no form leads to {act} on {}", page.html));
    for (name, value) in fields {
        form.fields.retain(|(known, _)| known != name);
        form.fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    browser.send(&form).await
}

/// The secret on a page that shows one.
fn secret(page: &Page) -> String {
    let from = page.html.find("whsec_").expect("a secret");
    page.html[from..].split('<').next().unwrap().to_owned()
}

#[track_caller]
fn says(page: &Page, words: &str) {
    assert!(page.text().contains(words), "{words}: {}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_adds_an_endpoint_and_sees_how_it_answers() {
    let scene = Scene::start().await;
    let browser = signed_in(&scene).await;
    let app = format!("/apps/{}", scene.home.1);
    let page = browser.get(&app).await;
    says(&page, "No endpoint yet");
    let page = browser.get(&page.link(&format!("{app}/webhooks/new"))).await;
    let typed = [
        ("url", "hooks.example"),
        ("description", "Billing"),
        ("event", "key.leaked"),
    ];
    let page = act(&browser, &page, "/new", &typed).await;
    assert_eq!(page.status, 400);
    says(&page, "Write the whole URL");
    assert!(page.html.contains("value=\"Billing\""));
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.value("url").is_some())
        .unwrap();
    assert_eq!(form.value("event"), Some("key.leaked"));
    let url = scene.receiver.url("/hooks");
    let shown = act(&browser, &page, "/new", &[("url", &url)]).await;
    assert_eq!(shown.headers["cache-control"], "no-store");
    assert_eq!(shown.heading(), "The endpoint is added");
    says(&shown, "This is the only time that the secret is shown.");
    let value = secret(&shown);
    // The same form again adds no second one, and shows nothing.
    let again = act(&browser, &page, "/new", &[("url", &url)]).await;
    says(&again, "That was done already");
    assert!(!again.html.contains(&value));
    let page = browser.get(&app).await;
    says(&page, &url);
    let endpoint = page.link(&format!("{app}/webhooks/whe_"));
    let page = browser.get(&endpoint).await;
    says(&page, "It is told of key.leaked.");
    says(&page, "Nothing sent yet");
    assert!(page.html.contains(&value[..10]) && !page.html.contains(&value));

    scene.receiver.answers([Reply::Whole(
        "HTTP/1.1 500 Oh".to_owned(),
        "<b>broken</b>".to_owned(),
    )]);
    let page = act(&browser, &page, "/test", &[]).await;
    says(&page, "A test event is on its way.");
    scene.send_due().await;
    let page = browser.get(&endpoint).await;
    says(&page, "webhook.test");
    says(&page, "500 in");
    says(&page, "next try 1 Jun 2026, 12:00");
    let delivery = browser
        .get(&page.link(&format!("{endpoint}/deliveries/dlv_")))
        .await;
    assert_eq!(delivery.heading(), "Delivery of webhook.test");
    says(&delivery, "<b>broken</b>");
    assert!(!delivery.html.contains("<b>broken"));
    says(&delivery, &scene.receiver.received()[0].headers["webhook-id"]);
    let page = act(&browser, &delivery, "/redeliver", &[]).await;
    says(&page, "It is on its way again.");
    scene.send_due().await;
    says(&browser.get(&endpoint).await, "Taken");
    assert_eq!(scene.receiver.received().len(), 2);
    assert_eq!(
        scene.receiver.received()[0].headers["webhook-id"],
        scene.receiver.received()[1].headers["webhook-id"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_and_an_endpoint_switched_on_after_it_had_gone() {
    let scene = Scene::start().await;
    let (endpoint, first) = scene.endpoint(&[]).await;
    let browser = signed_in(&scene).await;
    let path = format!("/apps/{}/webhooks/{endpoint}", scene.home.1);
    let page = browser.get(&path).await;
    let refused = act(&browser, &page, "/secrets", &[("overlap", "17")]).await;
    assert_eq!(refused.status, 400);
    let shown = act(&browser, &page, "/secrets", &[("overlap", "604800")]).await;
    assert_eq!(shown.heading(), "A new secret");
    assert_eq!(shown.headers["cache-control"], "no-store");
    assert_ne!(secret(&shown), first.value.expose());
    says(
        &act(&browser, &page, "/secrets", &[("overlap", "604800")]).await,
        "That was done already",
    );
    let page = browser.get(&path).await;
    says(&page, &first.value.expose()[..10]);
    says(&page, "8 Jun 2026, 12:00");

    scene.receiver.answers([Reply::Status(410)]);
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    let page = browser.get(&path).await;
    says(&page, "Off: it answered 410");
    says(&page, "Given up");
    let forms = page.forms();
    assert!(
        !forms
            .iter()
            .any(|form| form.action.path().ends_with("/redeliver"))
    );
    let page = act(&browser, &page, "/on", &[]).await;
    says(&page, "The endpoint is switched on");
    let page = act(&browser, &page, "/redeliver", &[]).await;
    says(&page, "It is on its way again.");
    scene.send_due().await;
    let page = browser.get(&path).await;
    says(&page, "Taken");
    let page = act(&browser, &page, "/off", &[]).await;
    says(&page, "The endpoint is switched off");
    let page = act(&browser, &page, "/delete", &[]).await;
    says(&page, "The endpoint is gone.");
    assert_eq!(browser.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_test_too_many_is_told() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let browser = signed_in(&scene).await;
    for _ in 0..10 {
        scene.test(endpoint).await.unwrap();
    }
    let path = format!("/apps/{}/webhooks/{endpoint}", scene.home.1);
    let page = act(&browser, &browser.get(&path).await, "/test", &[]).await;
    says(&page, "10 tests of this endpoint wait already.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_meanwhile_is_not_overwritten() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let browser = signed_in(&scene).await;
    let path = format!("/apps/{}/webhooks/{endpoint}", scene.home.1);
    let early = browser.get(&format!("{path}/edit")).await;
    let page = browser.get(&format!("{path}/edit")).await;
    let other = Receiver::start().await;
    let page = act(&browser, &page, "/edit", &[("url", &other.url("/new"))]).await;
    says(&page, "The endpoint is changed.");
    says(&page, &other.url("/new"));
    // Also when the form comes back with something to mend in between.
    let early = act(&browser, &early, "/edit", &[("url", "")]).await;
    assert_eq!(early.status, 400);
    let page = act(&browser, &early, "/edit", &[("url", &scene.receiver.url("/old"))]).await;
    says(&page, "somebody else has changed the endpoint meanwhile");
    says(&page, &other.url("/new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_deliveries_goes_on_and_one_too_many_endpoints_is_told() {
    let scene = Scene::with(1, |config| config.webhooks.endpoints_per_app = 1).await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let browser = signed_in(&scene).await;
    let list = format!("/apps/{}/webhooks", scene.home.1);
    for _ in 0..21 {
        scene.tell(EventType::KeyCreated).await;
    }
    let page = browser.get(&format!("{list}/{endpoint}")).await;
    let older = browser
        .get(&page.link(&format!("{list}/{endpoint}?before=")))
        .await;
    assert_eq!(older.html.matches("/deliveries/dlv_").count(), 1);
    assert_eq!(page.html.matches("/deliveries/dlv_").count(), 20);
    says(&browser.get(&list).await, "An app has at most 1 endpoints here.");
    let page = browser.get(&format!("{list}/new")).await;
    let page = act(&browser, &page, "/new", &[("url", "https://hooks.example/")]).await;
    says(&page, "The app has as many endpoints as it may have.");
}
