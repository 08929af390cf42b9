//! What keys of an app may do, and who says so: policy, legacy scopes, default keys, operators.

use super::*;

#[tokio::test]
async fn the_policy_says_what_its_keys_may_do_and_what_operators_alone_grant() {
    let shop = Shop::with(|config| {
        config.keys.tiers = toml::from_str("gold = { per_hour = 10000 }").unwrap();
    })
    .await;
    let (_, path) = shop
        .make(&[
            ("name", "Warehouse"),
            ("scope", "read:orders"),
            ("scope", "write:orders"),
        ])
        .await;
    let policy = format!("{}/policy", shop.path);
    let page = shop.browser.get(&policy).await;
    assert!(
        page.text().contains("Only an operator of this server grants"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("keys:verify") && !page.html.contains("value=\"keys:verify\""));
    assert!(!page.html.contains("name=\"tier\"") && page.text().contains("standard: no limit"));
    // Smuggled in all the same.
    let page = shop.browser.submit(&page, &[("scope", "keys:verify")]).await;
    assert!(beside(&page, "scope").contains("keys:verify is for operators to grant"));
    let page = post(
        &shop.browser,
        &policy,
        &policy,
        &[
            ("environment", "live"),
            ("scope", "read:orders"),
            ("tier", "gold"),
        ],
    )
    .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text());
    let page = post(
        &shop.browser,
        &policy,
        &policy,
        &[("scope", "read:orders"), ("prefixes", "read")],
    )
    .await;
    assert_eq!(beside(&page, "environment"), "Choose live, test, or both.");
    assert!(beside(&page, "prefixes").contains("a prefix ends with :*"));
    assert!(
        shop.browser.get(&path).await.text().contains("write:orders"),
        "nothing was done"
    );

    let fields = [
        ("environment", "live"),
        ("scope", "read:orders"),
        ("prefixes", "read:*"),
        ("networks", "127.0.0.0/8"),
    ];
    let page = post(&shop.browser, &policy, &policy, &fields).await;
    assert!(
        page.text().contains("Saved: what the keys of this app may do"),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains("read:* Prefix") && page.text().contains("127.0.0.0/8"),
        "{}",
        page.text()
    );
    let page = shop.browser.get(&path).await;
    assert!(!page.text().contains("write:orders"), "{}", page.text());
    assert!(
        page.text().contains("Every scope that begins with read:"),
        "{}",
        page.text()
    );
    let page = shop.browser.get(&format!("{}/keys/new", shop.path)).await;
    assert!(!page.html.contains("name=\"environment\" value=\"test\""));

    // An operator, who is none of the account's members.
    let (operator, browser) = person(&shop.app, "operator@example.com", true).await;
    let page = browser.get(&policy).await;
    let page = browser
        .submit(&page, &[("tier", "gold"), ("scope", "keys:verify")])
        .await;
    assert!(page.text().contains("gold: 10,000 an hour"), "{}", page.text());
    assert!(trail_has(&shop.app, operator, "app.policy_changed").await);
    let page = shop.browser.get(&policy).await;
    assert!(
        page.text().contains("keys:verify Operators grant it"),
        "{}",
        page.text()
    );
    let page = shop.browser.get(&path).await;
    assert!(page.text().contains("10,000 left of 10,000"), "{}", page.text());
}

#[tokio::test]
async fn of_two_who_save_the_policy_at_once_one_is_told_and_keeps_what_they_typed() {
    let shop = Shop::open().await;
    let policy = format!("{}/policy", shop.path);
    let page = shop.browser.get(&policy).await;
    // Both have looked at what there is, and wait to change it.
    let mut blocker = connect(&shop.app).await;
    let held = blocker.transaction().await.unwrap();
    held.execute("SELECT * FROM apps FOR UPDATE", &[]).await.unwrap();
    let save = async |networks: &str| shop.browser.submit(&page, &[("networks", networks)]).await;
    let release = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("two who wait", async || number(&shop.app, waiting).await == 2).await;
        held.commit().await.unwrap();
    };
    let (one, other, ()) = tokio::join!(save("192.0.2.0/24"), save("198.51.100.0/24"), release);
    let (saved, told) = if one.status == StatusCode::OK {
        (one, other)
    } else {
        (other, one)
    };
    assert!(saved.text().contains("Saved:"), "{}", saved.text());
    assert_eq!(told.status, StatusCode::CONFLICT, "{}", told.text());
    assert!(told.text().contains("Somebody changed this"), "{}", told.text());
    let typed = form_to(&told, "/policy");
    let networks = typed.value("networks").unwrap();
    assert!(!saved.text().contains(networks), "{}", saved.text());
    let kept = shop.browser.get(&policy).await;
    assert!(!kept.html.contains(networks));
    // Whoever was told saves it again.
    let page = shop.browser.send(&typed).await;
    assert!(page.text().contains(networks), "{}", page.text());
}

#[tokio::test]
async fn a_tier_that_is_configured_no_more_stays_until_another_is_chosen() {
    let shop = Shop::with(|config| {
        config.keys.tiers = toml::from_str("gold = { per_hour = 10000 }").unwrap();
    })
    .await;
    execute(&shop.app, "UPDATE apps SET tier = 'silver'").await;
    let (_, browser) = person(&shop.app, "operator@example.com", true).await;
    let policy = format!("{}/policy", shop.path);
    let page = browser.get(&policy).await;
    assert_eq!(form_to(&page, "/policy").value("tier"), Some("silver"));
    let page = browser.submit(&page, &[("networks", "192.0.2.0/24")]).await;
    assert!(
        page.text().contains("silver (not configured): no limit"),
        "{}",
        page.text()
    );
    let page = browser.get(&policy).await;
    let page = browser.submit(&page, &[("tier", "gold")]).await;
    assert!(page.text().contains("gold: 10,000 an hour"), "{}", page.text());
}

#[tokio::test]
async fn what_implies_every_scope_is_marked_and_given_by_operators_alone() {
    let shop = Shop::open().await;
    let page = shop.browser.get(&format!("{}/keys/new", shop.path)).await;
    assert!(page.html.contains("value=\"inference\"") && !page.html.contains("value=\"global\""));
    let (value, path) = shop.make(&[("name", "Model"), ("family", "hypervize")]).await;
    assert!(value.starts_with("hvz_live_"));
    assert!(shop.browser.get(&path).await.text().contains("inference"));
    let id: ApiKeyId = path.rsplit('/').next().unwrap().parse().unwrap();
    let change = |settings: &mut claviger::keys::Settings| settings.scopes = "global".parse().unwrap();
    shop.app
        .keys
        .change(id, None, change, Asker::OPERATOR)
        .await
        .unwrap();
    let page = shop.browser.get(&path).await;
    assert!(page.text().contains("global Deprecated"), "{}", page.text());
    assert!(page.text().contains("Kept for old keys"), "{}", page.text());
    assert!(
        shop.browser
            .get(&shop.path)
            .await
            .text()
            .contains("global Deprecated")
    );
    // Whoever changes the rest keeps it.
    let page = shop.browser.submit(&page, &[("name", "Old model")]).await;
    assert!(page.text().contains("The settings are saved") && page.text().contains("global Deprecated"));
}

#[tokio::test]
async fn the_default_key_is_revealed_once() {
    let shop = Shop::with(|config| {
        config.keys.default_key_scope = Some("inference".to_owned());
        config.keys.default_key_family = "hypervize".to_owned();
    })
    .await;
    let page = shop.browser.get("/apps").await;
    assert!(page.text().contains("Your default key"), "{}", page.text());
    let form = form_to(&page, "/default-key");
    let page = shop.browser.send(&form).await;
    assert_eq!(page.heading(), "Your default key");
    let (value, path) = shown(&page);
    assert!(value.starts_with("hvz_live_") && path.starts_with("/apps/app_"));
    assert_eq!(shop.status(&value).await, StatusCode::OK);
    let page = shop.browser.send(&form).await;
    assert_eq!(page.url.path(), path);
    assert!(
        page.text().contains("it cannot be shown again"),
        "{}",
        page.text()
    );
    assert!(
        !shop
            .browser
            .get("/apps")
            .await
            .text()
            .contains("Your default key")
    );
    assert_eq!(shop.browser.get("/default-key").await.url.path(), "/apps");
}

#[tokio::test]
async fn an_operator_looks_at_every_key_and_takes_back_what_has_leaked() {
    let shop = Shop::open().await;
    let (value, path) = shop.make(&[("name", "Warehouse")]).await;
    let (operator, browser) = person(&shop.app, "operator@example.com", true).await;
    let page = browser.get(&path).await;
    assert_eq!(page.heading(), "Warehouse");
    for act in ["/rotate", "/regenerate"] {
        assert!(!page.html.contains(&format!("{path}{act}")), "{act}");
        assert_eq!(
            browser.get(&format!("{path}{act}")).await.status,
            StatusCode::FORBIDDEN
        );
    }
    let page = browser.get(&page.link(&format!("{path}/revoke"))).await;
    browser.send(&form_to(&page, "/revoke")).await;
    assert_eq!(shop.status(&value).await, StatusCode::UNAUTHORIZED);
    assert!(trail_has(&shop.app, operator, "key.revoked").await);
}

#[tokio::test]
async fn a_role_takes_nothing_from_what_an_operator_may() {
    let shop = Shop::open().await;
    let (value, path) = shop.make(&[("name", "Warehouse")]).await;
    let (operator, browser) = person(&shop.app, "operator@example.com", true).await;
    let viewer = format!(
        "INSERT INTO members (account_id, user_id, role, created_at)
         SELECT account_id, '{}', 'viewer', now() FROM api_keys LIMIT 1",
        operator.uuid()
    );
    execute(&shop.app, &viewer).await;
    let page = browser.get(&path).await;
    let page = browser.get(&page.link(&format!("{path}/revoke"))).await;
    browser.send(&form_to(&page, "/revoke")).await;
    assert_eq!(shop.status(&value).await, StatusCode::UNAUTHORIZED);
}
