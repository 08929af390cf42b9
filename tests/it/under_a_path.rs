//! A server whose issuer has a path, behind a proxy that passes everything on as it comes: people and clients reach all of
//! it below that path, and nothing leads out of it.

use std::collections::{BTreeSet, VecDeque};

use claviger::{config::Config, identity::NewUser};
use reqwest::StatusCode;
use scraper::{Html, Selector};
use serde_json::Value;
use url::Url;

use crate::support::{
    app::TestApp,
    browser::{Browser, Page},
};

const PASSWORD: &str = "correct horse battery staple";
/// Those of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://fieldnotes.example/callback";

fn with_path(config: &mut Config) {
    config.issuer = Some("http://localhost/tenant/one".parse().unwrap());
}

/// Where a page links, posts and loads from.
fn ways(page: &Page) -> BTreeSet<(String, String)> {
    let document = Html::parse_document(&page.html);
    let mut ways = BTreeSet::new();
    for attribute in ["href", "action", "src"] {
        let selector = Selector::parse(&format!("[{attribute}]")).unwrap();
        for element in document.select(&selector) {
            let way = element.attr(attribute).unwrap();
            if !way.starts_with('#') {
                ways.insert((element.value().name().to_owned(), way.to_owned()));
            }
        }
    }
    ways
}

fn leads_nowhere_else(page: &Page) {
    assert!(page.url.path().starts_with("/tenant/one/"), "{}", page.url);
    for (element, way) in ways(page) {
        assert!(
            way.starts_with("/tenant/one/"),
            "<{element}> to {way} on {}",
            page.url
        );
    }
}

async fn person(app: &TestApp, email: &str, operator: bool) -> Browser {
    let new = NewUser {
        name: "Ada".to_owned(),
        email: email.to_owned(),
        password: PASSWORD.to_owned().into(),
    };
    app.identity.create_user(new, operator).await.unwrap();
    let browser = app.browser();
    let page = browser.get("/tenant/one/apps").await;
    leads_nowhere_else(&page);
    let page = browser
        .submit(&page, &[("email", email), ("password", PASSWORD)])
        .await;
    assert_eq!(page.url.path(), "/tenant/one/apps", "{}", page.text());
    browser
}

/// Registers a client in an app of its own, and gives its id.
async fn client(browser: &Browser) -> String {
    let page = browser.get("/tenant/one/apps/new").await;
    let page = browser.submit(&page, &[("name", "Fieldnotes")]).await;
    let new_client = format!("{}/clients/new", page.url.path());
    let page = browser.get(&page.link(&new_client)).await;
    leads_nowhere_else(&page);
    let fields = [
        ("name", "Fieldnotes"),
        ("type", "public"),
        ("redirect_uris", CALLBACK),
        ("scope", "openid"),
        ("grant", "authorization_code"),
    ];
    let page = browser.submit(&page, &fields).await;
    leads_nowhere_else(&page);
    let document = Html::parse_document(&page.html);
    let id = document.select(&Selector::parse("#client-id").unwrap()).next();
    id.unwrap().text().collect()
}

async fn json(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.url());
    answer.json().await.unwrap()
}

#[tokio::test]
async fn somebody_who_is_new_signs_up_allows_an_app_and_it_gets_its_tokens() {
    let app = TestApp::with(with_path).await;
    let client = client(&person(&app, "owner@example.com", false).await).await;
    let http = reqwest::Client::new();
    // Behind the host and the well-known path (RFC 8414 §3.1), or behind the issuer (OpenID Connect Discovery §4).
    let metadata = app.url("/.well-known/oauth-authorization-server/tenant/one");
    let metadata = json(http.get(metadata)).await;
    let discovery = app.url("/tenant/one/.well-known/openid-configuration");
    assert_eq!(json(http.get(discovery)).await["issuer"], metadata["issuer"]);
    let endpoint = |name: &str| {
        let url: Url = metadata[name].as_str().unwrap().parse().unwrap();
        url.path().to_owned()
    };

    let browser = app.browser();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", &client),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("state", "xyz"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    let page = browser
        .get(&format!("{}?{query}", endpoint("authorization_endpoint")))
        .await;
    leads_nowhere_else(&page);
    assert_eq!(page.url.path(), "/tenant/one/sign-in");
    // Whatever else is on that host does not get our cookies.
    assert_eq!(browser.cookies("/"), "");
    assert!(browser.cookies("/tenant/one/apps").contains("claviger-browser="));
    let page = browser.get(&page.link("/tenant/one/sign-up?")).await;
    leads_nowhere_else(&page);
    let fields = [
        ("name", "Bea"),
        ("email", "bea@example.com"),
        ("password", PASSWORD),
    ];
    let page = browser.submit(&page, &fields).await;
    assert_eq!(page.url.path(), "/tenant/one/oauth/authorize/continue");
    leads_nowhere_else(&page);
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    let back = page.leads_to().unwrap();
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1;

    let token = http.post(app.url(&endpoint("token_endpoint"))).form(&[
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]);
    let token = json(token).await;
    let userinfo = http
        .get(app.url(&endpoint("userinfo_endpoint")))
        .bearer_auth(token["access_token"].as_str().unwrap());
    assert!(json(userinfo).await["sub"].is_string());
    let keys = json(http.get(app.url(&endpoint("jwks_uri")))).await;
    assert!(keys["keys"].is_array());

    // Where a proxy cuts the path off, pages are the same.
    let page = app.browser().get("/sign-in").await;
    assert_eq!(page.status, StatusCode::OK);
    for (_, way) in ways(&page) {
        assert!(way.starts_with("/tenant/one/"), "{way}");
    }
}

#[tokio::test]
async fn no_page_leads_out_of_it() {
    let app = TestApp::with(with_path).await;
    let operator = person(&app, "boss@example.com", true).await;
    client(&operator).await;
    let mut waiting = VecDeque::from(["/tenant/one".to_owned()]);
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop_front() {
        let page = operator.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        if !page.is_html() {
            continue;
        }
        leads_nowhere_else(&page);
        for (element, way) in ways(&page) {
            let way = way.split('#').next().unwrap().to_owned();
            if element != "form" && seen.insert(way.clone()) {
                waiting.push_back(way);
            }
        }
    }
    for place in [
        "apps/new",
        "account/apps",
        "account/sessions",
        "account/activity",
        "operator/clients",
        "operator/scopes",
        "operator/invitations",
        "static/claviger.css",
    ] {
        assert!(
            seen.contains(&format!("/tenant/one/{place}")),
            "{place}: {seen:?}"
        );
    }
    let gone = operator.get("/tenant/one/nothing/here").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    leads_nowhere_else(&gone);
    let beside = operator.get("/tenant/ones").await;
    assert_eq!(beside.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn cookies_over_tls_say_that_they_are_for_it_alone() {
    let app =
        TestApp::with(|config| config.issuer = Some("https://id.example/tenant/one".parse().unwrap())).await;
    let page = app.browser().get("/tenant/one/sign-in").await;
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Secure-claviger-browser="), "{cookie}");
    for attribute in ["; Path=/tenant/one;", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{attribute}: {cookie}");
    }
}
