//! Who may see and do what: by role, from another account, without a form of ours, and without signing in.

use super::*;

/// Every page of an app and a client, by path from the app, with the least role that may ask for it.
const PAGES: &[(&str, &str)] = &[
    ("", "viewer"),
    ("/clients/{client}", "viewer"),
    ("/clients/new", "developer"),
    ("/delete", "admin"),
    ("/clients/{client}/delete", "admin"),
    ("/usage", "viewer"),
    ("/usage.csv", "viewer"),
    ("/webhooks", "viewer"),
    ("/webhooks/{hook}", "viewer"),
    ("/webhooks/new", "developer"),
    ("/webhooks/{hook}/edit", "developer"),
    ("/keys/{key}", "viewer"),
    ("/keys/former", "viewer"),
    ("/keys/new", "developer"),
    ("/keys/{key}/rotate", "developer"),
    ("/keys/{key}/retire", "developer"),
    ("/keys/{key}/regenerate", "developer"),
    ("/keys/{key}/revoke", "developer"),
    ("/policy", "developer"),
];

/// Every act likewise. What is sent is refused, or does nothing that would be in the way of the next.
const ACTS: &[(&str, &str)] = &[
    ("", "developer"),
    ("/clients/new", "developer"),
    ("/clients/{client}", "developer"),
    ("/clients/{client}/logo", "developer"),
    ("/clients/{client}/logo/remove", "developer"),
    ("/clients/{client}/secrets", "developer"),
    ("/clients/{client}/secrets/revoke", "developer"),
    ("/clients/{client}/disable", "developer"),
    ("/clients/{client}/enable", "developer"),
    ("/clients/{client}/operator", "operator"),
    ("/clients/{client}/shut-out", "operator"),
    ("/clients/{client}/let-in", "operator"),
    ("/clients/{client}/delete", "admin"),
    ("/webhooks/new", "developer"),
    ("/webhooks/{hook}/edit", "developer"),
    ("/webhooks/{hook}/secrets", "developer"),
    ("/webhooks/{hook}/test", "developer"),
    ("/webhooks/{hook}/redeliver", "developer"),
    ("/webhooks/{hook}/off", "developer"),
    ("/webhooks/{hook}/on", "developer"),
    ("/webhooks/{hook}/delete", "developer"),
    ("/delete", "admin"),
    ("/keys/new", "developer"),
    ("/keys/{key}", "developer"),
    ("/keys/{key}/rotate", "developer"),
    ("/keys/{key}/retire", "developer"),
    ("/keys/{key}/regenerate", "developer"),
    ("/keys/{key}/revoke", "developer"),
    ("/policy", "developer"),
];

const ROLES: [&str; 4] = ["viewer", "developer", "admin", "owner"];

fn reaches(role: &str, least: &str) -> bool {
    let rank = |name: &str| ROLES.iter().position(|role| *role == name).unwrap_or(ROLES.len());
    rank(role) >= rank(least)
}

struct House {
    app: TestApp,
    owner: UserId,
    browser: Browser,
    path: String,
    client: NewClient,
    hook: String,
    key: String,
}

impl House {
    async fn build() -> Self {
        let app = TestApp::start().await;
        let (owner, browser) = person(&app, "ada@example.com", false).await;
        let path = new_app(&browser, "Fieldnotes").await;
        let client = register(&browser, &path, CONFIDENTIAL).await;
        let page = browser.get(&format!("{path}/webhooks/new")).await;
        let page = browser
            .submit(&page, &[("url", "https://hooks.example/claviger")])
            .await;
        let hook = page.link(&format!("{path}/webhooks/whe_"));
        let page = browser.get(&format!("{path}/keys/new")).await;
        browser.submit(&page, &[("name", "Warehouse")]).await;
        let key = browser.get(&path).await.link(&format!("{path}/keys/key_"));
        Self {
            hook: hook.rsplit('/').next().unwrap().to_owned(),
            app,
            owner,
            browser,
            client,
            key: key.rsplit('/').next().unwrap().to_owned(),
            path,
        }
    }

    fn at(&self, end: &str) -> String {
        self.under(&self.path, end)
    }

    /// The same under another app.
    fn under(&self, app: &str, end: &str) -> String {
        let end = end
            .replace("{client}", &self.client.id)
            .replace("{hook}", &self.hook)
            .replace("{key}", &self.key);
        format!("{app}{end}")
    }

    /// What its owner sees of it, to tell that nothing was done.
    async fn state(&self) -> String {
        let client = self.browser.get(&self.client.path).await;
        let app = self.browser.get(&self.path).await;
        let hook = self
            .browser
            .get(&format!("{}/webhooks/{}", self.path, self.hook))
            .await;
        let key = self.browser.get(&self.at("/keys/{key}")).await;
        format!("{} {} {} {}", app.text(), client.text(), hook.text(), key.text())
    }
}

#[tokio::test]
async fn each_role_reaches_as_far_as_it_says() {
    let house = House::build().await;
    for role in ["viewer", "developer", "admin"] {
        let (member, browser) = person(&house.app, &format!("{role}@example.com"), false).await;
        join(&house.app, house.owner, member, role).await;
        for (end, least) in PAGES {
            let page = browser.get(&house.at(end)).await;
            let expected = if reaches(role, least) {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(page.status, expected, "{role} at {end}");
        }
        let page = browser.get(&house.path).await;
        assert_eq!(page.html.contains("/clients/new"), role != "viewer", "{role}");
        assert_eq!(page.html.contains("/delete\""), role == "admin", "{role}");
        let page = browser.get(&house.client.path).await;
        assert!(page.text().contains(CALLBACK), "{role} reads the settings");
        for (act, least) in [
            ("/secrets", "developer"),
            ("/disable", "developer"),
            ("/delete", "admin"),
        ] {
            let shown = page.html.contains(&format!("{}{act}\"", house.client.path));
            assert_eq!(shown, reaches(role, least), "{role}: {act}");
        }
        let page = browser.get(&house.at("/keys/{key}")).await;
        for act in ["", "/rotate", "/regenerate", "/revoke"] {
            let shown = page
                .html
                .contains(&format!("=\"{}\"", house.at(&format!("/keys/{{key}}{act}"))));
            assert_eq!(shown, role != "viewer", "{role}: {act}");
        }
        let before = house.state().await;
        for (end, least) in ACTS {
            // A wrong name and a bad id: whoever may try gets a 400 or 404 for what was sent, or a page.
            if !reaches(role, least) {
                let page = post(
                    &browser,
                    "/apps",
                    &house.at(end),
                    &[("name", "Taken over"), ("type", "public")],
                )
                .await;
                assert_eq!(page.status, StatusCode::FORBIDDEN, "{role} posts to {end}");
            }
        }
        assert_eq!(house.state().await, before, "{role}");
    }
}

#[tokio::test]
async fn roles_do_what_they_may() {
    let house = House::build().await;
    let (member, browser) = person(&house.app, "dev@example.com", false).await;
    join(&house.app, house.owner, member, "developer").await;
    let account = {
        let page = browser.get("/apps/new").await;
        let html = Html::parse_document(&page.html);
        let option = Selector::parse("select[name=account] option:not([selected])").unwrap();
        let values: Vec<_> = html
            .select(&option)
            .map(|option| option.attr("value").unwrap().to_owned())
            .collect();
        values.last().unwrap().clone()
    };
    let page = browser.get("/apps/new").await;
    let page = browser
        .submit(&page, &[("name", "Warehouse"), ("account", account.as_str())])
        .await;
    assert_eq!(page.heading(), "Warehouse");
    let theirs = page.url.path().to_owned();
    assert_eq!(
        house.browser.get(&theirs).await.heading(),
        "Warehouse",
        "it is the account's"
    );
    register(&browser, &house.path, PUBLIC).await;
    let page = post(
        &browser,
        "/apps",
        &format!("{theirs}/delete"),
        &[("name", "Warehouse")],
    )
    .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let (admin, browser) = person(&house.app, "admin@example.com", false).await;
    join(&house.app, house.owner, admin, "admin").await;
    let page = browser.get(&format!("{theirs}/delete")).await;
    let page = browser.submit(&page, &[("name", "Warehouse")]).await;
    assert_eq!(page.url.path(), "/apps");
    assert_eq!(house.browser.get(&theirs).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_of_another_account_exists() {
    let house = House::build().await;
    {
        let (_, stranger) = person(&house.app, "mallory@example.com", false).await;
        let own = new_app(&stranger, "Mine").await;
        register(&stranger, &own, CONFIDENTIAL).await;
        let before = house.state().await;
        // Under the app that it belongs to, and smuggled under one's own.
        let smuggled = |end: &str| house.under(&own, end);
        for (end, _) in PAGES {
            assert_eq!(
                stranger.get(&house.at(end)).await.status,
                StatusCode::NOT_FOUND,
                "{end}"
            );
            if end.contains('{') {
                assert_eq!(
                    stranger.get(&smuggled(end)).await.status,
                    StatusCode::NOT_FOUND,
                    "{end}"
                );
            }
        }
        for (end, _) in ACTS {
            let fields = [("name", "Fieldnotes"), ("type", "public")];
            let page = post(&stranger, "/apps", &house.at(end), &fields).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{end}");
            if end.contains('{') {
                let page = post(&stranger, "/apps", &smuggled(end), &fields).await;
                assert_eq!(page.status, StatusCode::NOT_FOUND, "{end}");
            }
        }
        assert_eq!(house.state().await, before);
        assert!(!stranger.get("/apps").await.text().contains("Fieldnotes"));
    }
    // An account that one does not belong to takes no app.
    let (_, stranger) = person(&house.app, "eve@example.com", false).await;
    let account = {
        let mut connection = house.app.db.connection().await.unwrap();
        claviger::accounts::personal_account_of(&mut connection, house.owner)
            .await
            .unwrap()
            .unwrap()
            .to_string()
    };
    let page = post(
        &stranger,
        "/apps",
        "/apps/new",
        &[("name", "Mine"), ("account", account.as_str())],
    )
    .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    // What cannot be an id is nothing either.
    for path in ["/apps/app_x", "/apps/%00", "/apps/app_x/clients/cli_y"] {
        assert_eq!(stranger.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn no_act_without_a_form_of_ours_and_none_without_signing_in() {
    let house = House::build().await;
    let before = house.state().await;
    let acts: Vec<String> = ACTS
        .iter()
        .map(|(end, _)| house.at(end))
        .chain(["/apps/new".to_owned(), "/operator/scopes/new".to_owned()])
        .collect();
    let page = house.browser.get("/apps").await;
    let mut form = page.forms().into_iter().next().unwrap();
    let foreign = {
        let page = house.app.browser().get("/sign-in").await;
        let forms = page.forms();
        forms
            .iter()
            .find_map(|form| form.value("csrf_token"))
            .unwrap()
            .to_owned()
    };
    for path in &acts {
        if path.ends_with("/logo") || path.starts_with("/operator") {
            continue; // Tested with their own.
        }
        for token in ["", "forged", foreign.as_str()] {
            let fields = [("name", "Fieldnotes"), ("type", "public"), ("id", "csi_x")];
            let page = post_with(&house.browser, &mut form, token, path, &fields).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    let nobody = house.app.browser();
    for path in acts
        .iter()
        .map(String::as_str)
        .chain(["/apps", "/operator/scopes"])
    {
        let page = nobody.get(path).await;
        let is_act_alone =
            page.status == StatusCode::METHOD_NOT_ALLOWED || page.status == StatusCode::NOT_FOUND;
        assert!(
            is_act_alone || page.url.path() == "/sign-in",
            "{path}: {}",
            page.url
        );
        let page = post_with(&nobody, &mut form, "forged", path, &[]).await;
        assert!(
            page.url.path() == "/sign-in" || page.status.is_client_error(),
            "{path}: {}",
            page.status
        );
    }
    assert_eq!(house.state().await, before);
}
