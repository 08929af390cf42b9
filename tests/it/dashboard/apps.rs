//! Apps: made, renamed, deleted with all that their clients hold.

use claviger::{
    accounts::{self, AppError},
    audit::By,
    types::AppId,
};

use super::*;

#[tokio::test]
async fn an_app_is_made_renamed_and_deleted() {
    let app = TestApp::start().await;
    let (ada, browser) = person(&app, "ada@example.com", false).await;
    let home = browser.get("/apps").await;
    assert!(home.text().contains("My first app"), "{}", home.text());

    let page = browser.get("/apps/new").await;
    let page = browser.submit(&page, &[("name", "  ")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(words(&page, "#f-name-error").as_deref(), Some("Fill this in."));

    let path = new_app(&browser, "Fieldnotes").await;
    let page = browser.get(&path).await;
    assert!(page.text().contains("No client yet"), "{}", page.text());
    let page = browser.submit(&page, &[("name", "Field notes & more")]).await;
    assert_eq!(page.heading(), "Field notes & more");
    let long = "x".repeat(81);
    let page = browser.submit(&page, &[("name", long.as_str())]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(page.heading(), "Field notes & more");
    assert_eq!(form_to(&page, &path).value("name"), Some(long.as_str()));

    let page = browser.get(&format!("{path}/delete")).await;
    let page = browser.submit(&page, &[("name", "Fieldnotes")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        words(&page, "#f-name-error").as_deref(),
        Some("That is not its name.")
    );
    let page = browser.submit(&page, &[("name", "Field notes & more")]).await;
    assert_eq!(page.url.path(), "/apps");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    for action in ["app.created", "app.renamed", "app.deleted"] {
        assert!(trail_has(&app, ada, action).await, "{action}");
    }
}

#[tokio::test]
async fn a_deleted_app_takes_its_clients_and_their_tokens_along_on_every_node() {
    let app = TestApp::nodes(2).await;
    let (ada, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    register(&browser, &path, PUBLIC).await;
    let tokens = tokens_of(&app, &browser, &client).await;
    assert_eq!(userinfo(&app, &tokens).await, StatusCode::OK);
    let at_the_other = async || {
        reqwest::Client::new()
            .get(app.nodes[1].url("/oauth/userinfo"))
            .bearer_auth(tokens["access_token"].as_str().unwrap())
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(at_the_other().await, StatusCode::OK);

    let page = browser.get(&format!("{path}/delete")).await;
    browser.submit(&page, &[("name", "Fieldnotes")]).await;
    assert_eq!(userinfo(&app, &tokens).await, StatusCode::UNAUTHORIZED);
    assert_eq!(at_the_other().await, StatusCode::UNAUTHORIZED);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let (status, answer) = token_with(&app, &client.id, client.secret.as_deref().unwrap(), &refresh).await;
    assert_eq!(
        (status, &answer["error"]),
        (StatusCode::UNAUTHORIZED, &"invalid_client".into())
    );
    assert!(trail_has(&app, ada, "client.deleted").await && trail_has(&app, ada, "app.deleted").await);
}

#[tokio::test]
async fn an_account_has_so_many_apps_and_an_app_so_many_clients() {
    let app = TestApp::with(|config| {
        config.limits.apps_per_account = 2;
        config.limits.clients_per_app = 2;
    })
    .await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    // Beside the first one, which everybody gets, there is room for one, whoever is fastest.
    let page = browser.get("/apps/new").await;
    let pages = futures_util::future::join_all((0..4).map(async |number: u32| {
        let other = browser.get("/apps/new").await;
        let name = format!("App {number}");
        browser.submit(&other, &[("name", name.as_str())]).await
    }))
    .await;
    let made: Vec<_> = pages
        .iter()
        .filter(|page| page.status == StatusCode::OK)
        .collect();
    assert_eq!(made.len(), 1);
    let page = browser.submit(&page, &[("name", "One more")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let why = words(&page, "#f-name-error").unwrap();
    assert_eq!(
        why,
        "This account has 2 apps, the most that are allowed here. Delete one first."
    );
    let path = made[0].url.path();
    for _ in 0..2 {
        register(&browser, path, PUBLIC).await;
    }
    let page = browser.get(&format!("{path}/clients/new")).await;
    let page = browser.submit(&page, PUBLIC).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let why = words(&page, "#f-name-error").unwrap();
    assert_eq!(
        why,
        "This app has 2 clients, the most that are allowed here. Delete one first."
    );
    let rows = "DELETE FROM clients";
    assert_eq!(execute(&app, rows).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_the_last_app_at_once_one_does() {
    let app = TestApp::start().await;
    let (ada, _) = person(&app, "ada@example.com", false).await;
    let mut connection = app.db.connection().await.unwrap();
    let account = accounts::personal_account_of(&mut connection, ada).await.unwrap();
    drop(connection);
    let account = account.unwrap();
    for most in 2..12 {
        let tries = (0..6).map(|_| {
            let authority = app.authority.clone();
            tokio::spawn(async move {
                let id = AppId::new(&authority.clock, &authority.entropy);
                let name = "One more".parse().unwrap();
                let mut transaction = authority.db.begin().await.unwrap();
                let place = (account, most);
                let clock = &authority.clock;
                accounts::create_app(&mut transaction, clock, id, place, &name, By::OPERATOR).await?;
                transaction.commit().await?;
                Ok::<_, AppError>(())
            })
        });
        let all = futures_util::future::join_all(tries).await;
        let made = all.iter().filter(|made| made.as_ref().unwrap().is_ok()).count();
        assert_eq!(made, 1, "{all:?}");
    }
}
