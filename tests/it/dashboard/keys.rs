//! API keys in the dashboard: made, shown once, used, changed, rotated, taken back; and what those of an app may do.

use claviger::{
    config::Span,
    keys::Asker,
    types::{ApiKeyId, AppId},
};

use super::*;
use crate::keys::{add_scope, grant};

const HOUR: Duration = Duration::from_hours(1);

/// Ada's app, which was granted `read:orders` and `write:orders`.
struct Shop {
    app: TestApp,
    ada: UserId,
    browser: Browser,
    path: String,
}

impl Shop {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut claviger::config::Config)) -> Self {
        let app = TestApp::with(|config| {
            config.usage.flush = Span::hours(24);
            change(config);
        })
        .await;
        for (name, publishable) in [("read:orders", true), ("write:orders", false)] {
            add_scope(&app, name, publishable).await;
        }
        let (ada, browser) = person(&app, "ada@example.com", false).await;
        let path = new_app(&browser, "Fieldnotes").await;
        let this = Self {
            app,
            ada,
            browser,
            path,
        };
        grant(&this.app, this.id(), "read:orders write:orders").await;
        this
    }

    fn id(&self) -> AppId {
        self.path.rsplit('/').next().unwrap().parse().unwrap()
    }

    async fn ask(&self, fields: &[(&str, &str)]) -> Page {
        let page = self.browser.get(&format!("{}/keys/new", self.path)).await;
        self.browser.submit(&page, fields).await
    }

    /// Makes a key, and gives its value and the path of its page.
    async fn make(&self, fields: &[(&str, &str)]) -> (String, String) {
        let page = self.ask(fields).await;
        shown(&page)
    }

    async fn status(&self, key: &str) -> StatusCode {
        let asked = reqwest::Client::new()
            .get(self.app.url("/v1/auth"))
            .bearer_auth(key);
        asked.send().await.unwrap().status()
    }
}

/// The value on a page that shows one, and where the key has its page.
fn shown(page: &Page) -> (String, String) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(
        page.text()
            .contains("This is the only time that the key is shown."),
        "{}",
        page.text()
    );
    let value = words(page, "#key").unwrap();
    let document = Html::parse_document(&page.html);
    let on = document
        .select(&Selector::parse("main a.btn--primary").unwrap())
        .next()
        .unwrap();
    (value, on.attr("href").unwrap().to_owned())
}

/// What stands beside a field that was wrong.
fn beside(page: &Page, field: &str) -> String {
    words(page, &format!("#f-{field}-error"))
        .unwrap_or_else(|| panic!("nothing beside {field}: {}", page.html))
}

#[tokio::test]
async fn a_first_key_is_made_shown_once_used_and_counted() {
    let shop = Shop::open().await;
    let page = shop.browser.get(&shop.path).await;
    assert!(page.text().contains("No key yet"), "{}", page.text());
    let page = shop
        .browser
        .get(&page.link(&format!("{}/keys/new", shop.path)))
        .await;
    let page = shop
        .browser
        .submit(&page, &[("name", "Warehouse sync"), ("scope", "read:orders")])
        .await;
    assert_eq!(page.heading(), "Warehouse sync is ready");
    let (value, path) = shown(&page);
    assert!(value.starts_with("sk_live_") && page.text().contains(&format!("Authorization: Bearer {value}")));
    for place in [
        path.as_str(),
        &shop.path,
        "/apps",
        &format!("{}/keys/new", shop.path),
    ] {
        let page = shop.browser.get(place).await;
        assert!(!page.html.contains(&value[..20]), "{place}");
    }
    assert_eq!(shop.status(&value).await, StatusCode::OK);
    shop.app.usage.flush().await.unwrap();
    let page = shop.browser.get(&path).await;
    let text = page.text();
    for said in [&value[..12], "Active", "read:orders", "/v1/auth", "Accepted 1"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let page = shop.browser.get("/apps").await;
    assert!(page.text().contains("1 key"), "{}", page.text());
    assert!(trail_has(&shop.app, shop.ada, "key.created").await);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_key_and_shows_it_once() {
    let shop = Shop::open().await;
    let page = shop.browser.get(&format!("{}/keys/new", shop.path)).await;
    let mut form = form_to(&page, "/keys/new");
    form.fields.retain(|(name, _)| name != "name");
    form.fields.push(("name".to_owned(), "Warehouse".to_owned()));
    let (one, other) = tokio::join!(shop.browser.send(&form), shop.browser.send(&form));
    let (first, second) = if one.html.contains("id=\"key\"") {
        (one, other)
    } else {
        (other, one)
    };
    let (value, path) = shown(&first);
    assert_eq!(second.url.path(), path);
    assert!(
        second.text().contains("it cannot be shown again"),
        "{}",
        second.text()
    );
    assert!(!second.html.contains(&value[..20]));
    let page = shop.browser.get(&shop.path).await;
    assert_eq!(page.html.matches(">Warehouse ").count(), 1, "{}", page.html);
    assert_eq!(shop.status(&value).await, StatusCode::OK);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_what_was_typed_stays() {
    let shop = Shop::with(|config| config.keys.per_app = 2).await;
    let page = shop
        .ask(&[
            ("name", " "),
            ("scope", "write:orders"),
            ("per_second", "0"),
            ("per_hour", "many"),
            ("per_month", "18446744073709551616"),
            ("expires_at", "tomorrow"),
            ("networks", "192.0.2.0/24\nhere"),
        ])
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    for (field, said) in [
        ("name", "Fill this in."),
        ("per_second", "A whole number, 1 or more."),
        ("per_hour", "A whole number, 1 or more."),
        ("per_month", "A whole number, 1 or more."),
        ("expires_at", "A day and a time"),
        ("networks", "Line 2: 'here' is no network"),
    ] {
        assert!(
            beside(&page, field).contains(said),
            "{field}: {}",
            beside(&page, field)
        );
    }
    let form = form_to(&page, "/keys/new");
    assert_eq!(form.value("per_hour"), Some("many"));
    assert_eq!(form.value("scope"), Some("write:orders"));
    assert!(form.value("networks").unwrap().contains("192.0.2.0/24\nhere"));
    assert!(page.html.contains("<details class=\"details\" open>"));

    let asked = |kind, more: &[(&'static str, &'static str)]| {
        let mut fields = vec![("name", "Shop window"), ("kind", kind)];
        fields.extend(more);
        fields
    };
    let page = shop.ask(&asked("pk", &[("scope", "write:orders")])).await;
    assert!(
        beside(&page, "scope").starts_with("write:orders is not marked publishable"),
        "{}",
        beside(&page, "scope")
    );
    let page = shop.ask(&asked("rk", &[])).await;
    assert!(beside(&page, "scope").starts_with("A restricted key names its scopes"));
    let page = shop
        .ask(&asked("sk", &[("expires_at", "2026-06-01T11:59")]))
        .await;
    assert_eq!(beside(&page, "expires_at"), "The end is in the past.");
    let page = shop
        .ask(&asked("sk", &[("family", "hypervize"), ("environment", "test")]))
        .await;
    assert_eq!(
        beside(&page, "environment"),
        "Keys of this family are not made for test."
    );
    for _ in 0..2 {
        shop.make(&asked("pk", &[("scope", "read:orders")])).await;
    }
    let page = shop.ask(&asked("sk", &[])).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.text()
            .contains("This app has 2 keys that can be used, the most that are allowed here."),
        "{}",
        page.text()
    );
    assert_eq!(form_to(&page, "/keys/new").value("name"), Some("Shop window"));
}

#[tokio::test]
async fn all_that_was_typed_is_what_the_key_is() {
    let shop = Shop::open().await;
    let (value, path) = shop
        .make(&[
            ("name", "Shop window"),
            ("kind", "pk"),
            ("environment", "test"),
            ("scope", "read:orders"),
            ("per_hour", "2"),
            ("expires_at", "2026-09-01T08:30"),
            ("networks", "127.0.0.1\n::1\n2001:db8::1/32"),
        ])
        .await;
    assert!(value.starts_with("pk_test_"));
    let page = shop.browser.get(&path).await;
    for said in [
        "Publishable Test",
        "1 Sep 2026, 08:30",
        "127.0.0.1/32",
        "2001:db8::/32",
        "This hour 2 left of 2",
    ] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(shop.status(&value).await, expected);
    }
    let page = shop.browser.get(&path).await;
    assert!(
        page.text()
            .contains("This hour 0 left of 2 All of it is there again at 1 Jun 2026, 13:00."),
        "{}",
        page.text()
    );
    // The form has it all, and what is not touched stays, to the second.
    let form = form_to(&page, &path);
    assert_eq!(form.value("expires_at"), Some("2026-09-01T08:30"));
    assert_eq!(
        form.value("networks"),
        Some("127.0.0.1/32\n::1/128\n2001:db8::/32")
    );
    let page = shop
        .browser
        .submit(&page, &[("per_hour", "3"), ("name", "Window"), ("networks", "")])
        .await;
    assert!(page.text().contains("The settings are saved"), "{}", page.text());
    assert_eq!(page.heading(), "Window");
    assert!(
        page.text().contains("Anywhere") && page.text().contains("1 left of 3"),
        "{}",
        page.text()
    );
    assert_eq!(shop.status(&value).await, StatusCode::OK);
    assert!(trail_has(&shop.app, shop.ada, "key.changed").await);
    let page = shop.browser.submit(&page, &[("per_hour", "none")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(beside(&page, "per_hour"), "A whole number, 1 or more.");
    assert!(page.text().contains("Nothing was saved."));
}

#[tokio::test]
async fn a_page_that_was_overtaken_saves_nothing() {
    let shop = Shop::open().await;
    let (_, path) = shop.make(&[("name", "Warehouse")]).await;
    let old = shop.browser.get(&path).await;
    let page = shop.browser.get(&path).await;
    shop.browser.submit(&page, &[("name", "Newer")]).await;
    let page = shop.browser.submit(&old, &[("name", "Older")]).await;
    assert!(
        page.text().contains("Somebody changed this key"),
        "{}",
        page.text()
    );
    assert_eq!(page.heading(), "Newer");
    let policy = format!("{}/policy", shop.path);
    let old = shop.browser.get(&policy).await;
    grant(&shop.app, shop.id(), "read:orders").await;
    let page = shop.browser.submit(&old, &[("prefixes", "read:*")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text().contains("Nothing was saved"), "{}", page.text());
}

#[tokio::test]
async fn a_rotation_shows_the_traffic_of_both_and_retiring_asks_who_still_has_the_old_key() {
    let shop = Shop::open().await;
    let (old, path) = shop
        .make(&[("name", "Warehouse"), ("scope", "read:orders")])
        .await;
    let page = shop.browser.get(&path).await;
    let page = shop.browser.get(&page.link(&format!("{path}/rotate"))).await;
    assert_eq!(form_to(&page, "/rotate").value("overlap"), Some("86400"));
    let wrong = post(
        &shop.browser,
        &path,
        &format!("{path}/rotate"),
        &[("overlap", "259201")],
    )
    .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(beside(&wrong, "overlap").contains("72 hours at the most"));
    let mut form = form_to(&page, "/rotate");
    form.fields.retain(|(name, _)| name != "overlap");
    form.fields.push(("overlap".to_owned(), "never".to_owned()));
    let page = shop.browser.send(&form).await;
    assert_eq!(page.heading(), "Warehouse has a successor");
    let (new, successor) = shown(&page);
    let again = shop.browser.send(&form).await;
    assert_eq!(again.url.path(), successor);
    assert!(
        again.text().contains("it cannot be shown again"),
        "{}",
        again.text()
    );
    let again = shop.browser.get(&format!("{path}/rotate")).await;
    assert_eq!(again.url.path(), successor);
    assert!(again.text().contains("rotated already"), "{}", again.text());

    for (key, times) in [(&old, 3), (&new, 2)] {
        for _ in 0..times {
            assert_eq!(shop.status(key).await, StatusCode::OK);
        }
    }
    shop.app.usage.flush().await.unwrap();
    for (page, expected) in [
        (&path, ["Old key, this one", "Successor"]),
        (&successor, ["Old key", "Successor, this one"]),
    ] {
        let page = shop.browser.get(page).await;
        let text = page.text();
        assert!(
            text.contains("The old key lives on until it is retired."),
            "{text}"
        );
        for (said, (key, state)) in expected
            .into_iter()
            .zip([(&old, "Rotated 3"), (&new, "Active 2")])
        {
            let row = format!("{said} {}… {state}", &key[..12]);
            assert!(text.contains(&row), "{row}: {text}");
        }
        assert!(text.contains("Old key 3 Successor 2"), "{text}");
    }
    let page = shop.browser.get(&successor).await;
    let page = shop.browser.get(&page.link(&format!("{path}/retire"))).await;
    assert!(
        page.text().contains("3 requests came with it in the last hour."),
        "{}",
        page.text()
    );
    let page = shop.browser.send(&form_to(&page, "/retire")).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        page.text()
            .contains("used in the last hour, so something still has it"),
        "{}",
        page.text()
    );
    assert_eq!(shop.status(&old).await, StatusCode::OK);
    let page = shop.browser.send(&form_to(&page, "/retire")).await;
    assert!(page.text().contains("The old key is retired"), "{}", page.text());
    assert!(
        page.text().contains("Retired after it was rotated"),
        "{}",
        page.text()
    );
    assert_eq!(shop.status(&old).await, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.status(&new).await, StatusCode::OK);
    let page = shop.browser.get(&successor).await;
    assert!(page.text().contains("The old key is out of use.") && !page.html.contains("/retire"));
    assert!(trail_has(&shop.app, shop.ada, "key.rotated").await);
}

#[tokio::test]
async fn an_old_key_that_nothing_uses_is_retired_at_once_and_one_without_a_successor_is_not() {
    let shop = Shop::open().await;
    let (old, path) = shop.make(&[("name", "Warehouse")]).await;
    let page = shop.browser.get(&format!("{path}/retire")).await;
    assert!(page.text().contains("The key was not rotated"), "{}", page.text());
    assert_eq!(shop.status(&old).await, StatusCode::OK);
    let page = shop.browser.get(&format!("{path}/rotate")).await;
    shop.browser.send(&form_to(&page, "/rotate")).await;
    shop.app.usage.flush().await.unwrap();
    shop.app.advance(HOUR + Duration::from_secs(1));
    let page = shop.browser.get(&format!("{path}/retire")).await;
    assert!(
        page.text().contains("No request came with it in the last hour."),
        "{}",
        page.text()
    );
    let page = shop.browser.send(&form_to(&page, "/retire")).await;
    assert!(page.text().contains("The old key is retired"), "{}", page.text());
    assert_eq!(shop.status(&old).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_regenerated_key_has_one_new_value_however_often_the_form_is_sent() {
    let shop = Shop::open().await;
    let (old, path) = shop.make(&[("name", "Warehouse")]).await;
    let page = shop.browser.get(&format!("{path}/regenerate")).await;
    let form = form_to(&page, "/regenerate");
    let (one, other) = tokio::join!(shop.browser.send(&form), shop.browser.send(&form));
    let (first, second) = if one.html.contains("id=\"key\"") {
        (one, other)
    } else {
        (other, one)
    };
    let (new, same) = shown(&first);
    assert_eq!(same, path);
    assert!(!second.html.contains(&new[..20]) && second.text().contains("it cannot be shown again"));
    assert_eq!(shop.status(&old).await, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.status(&new).await, StatusCode::OK);
    assert!(trail_has(&shop.app, shop.ada, "key.regenerated").await);
}

#[tokio::test]
async fn a_revoked_key_leaves_a_tombstone_and_nothing_to_do() {
    let shop = Shop::open().await;
    let (value, path) = shop.make(&[("name", "Warehouse")]).await;
    let page = shop.browser.get(&path).await;
    let page = shop.browser.get(&page.link(&format!("{path}/revoke"))).await;
    assert!(page.text().contains("This cannot be undone."), "{}", page.text());
    assert_eq!(shop.status(&value).await, StatusCode::OK, "asking does nothing");
    let page = shop.browser.send(&form_to(&page, "/revoke")).await;
    assert!(page.text().contains("The key is revoked"), "{}", page.text());
    assert!(
        page.text().contains("Revoked by a member of the account."),
        "{}",
        page.text()
    );
    assert_eq!(shop.status(&value).await, StatusCode::UNAUTHORIZED);
    for act in ["rotate", "retire", "regenerate", "revoke"] {
        assert!(
            !page.html.contains(&format!("{path}/{act}\"")),
            "{act} is offered"
        );
        let page = shop.browser.get(&format!("{path}/{act}")).await;
        assert!(
            page.text().contains("nothing more can be done to it"),
            "{act}: {}",
            page.text()
        );
    }
    for act in ["", "/rotate", "/regenerate"] {
        let page = post(
            &shop.browser,
            "/apps",
            &format!("{path}{act}"),
            &[("name", "Warehouse")],
        )
        .await;
        assert!(
            page.text().contains("nothing more can be done to it"),
            "{act}: {}",
            page.text()
        );
    }
    let page = shop.browser.get(&shop.path).await;
    assert!(page.text().contains("No key yet"), "{}", page.text());
    let page = shop
        .browser
        .get(&page.link(&format!("{}/keys/former", shop.path)))
        .await;
    assert!(page.text().contains("Warehouse Revoked"), "{}", page.text());
    assert!(trail_has(&shop.app, shop.ada, "key.revoked").await);
}

#[tokio::test]
async fn many_former_keys_are_on_several_pages() {
    let shop = Shop::open().await;
    let keys = &shop.app.keys;
    for number in 0..27 {
        let mut new = crate::keys::new_key(shop.id());
        new.name = format!("Former {number}").parse().unwrap();
        let id = ApiKeyId::new(&keys.clock, &keys.entropy);
        keys.create(id, &new, None, Asker::OPERATOR).await.unwrap();
        keys.revoke(id, Asker::OPERATOR).await.unwrap();
        shop.app.advance(Duration::from_secs(1));
    }
    let page = shop.browser.get(&format!("{}/keys/former", shop.path)).await;
    assert!(page.text().contains("Former 26") && page.text().contains("Former 2 "));
    assert!(!page.text().contains("Former 1 "), "{}", page.text());
    let page = shop
        .browser
        .get(&page.link(&format!("{}/keys/former?before=", shop.path)))
        .await;
    assert!(
        page.text().contains("Former 1 ") && page.text().contains("Former 0 "),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("Former 2 "));
}

#[tokio::test]
async fn keys_that_end_within_14_days_are_spoken_of_until_they_are_rotated() {
    let shop = Shop::open().await;
    let (_, path) = shop
        .make(&[("name", "Warehouse"), ("expires_at", "2026-06-15T12:01")])
        .await;
    assert!(
        !shop
            .browser
            .get("/apps")
            .await
            .text()
            .contains("Keys that end soon")
    );
    shop.app.advance(Duration::from_mins(1));
    let page = shop.browser.get("/apps").await;
    assert!(
        page.text().contains("Keys that end soon Warehouse")
            && page.text().contains("ends 15 Jun 2026, 12:01"),
        "{}",
        page.text()
    );
    let (_, stranger) = person(&shop.app, "bea@example.com", false).await;
    assert!(!stranger.get("/apps").await.text().contains("Warehouse"));
    assert!(
        shop.browser
            .get(&shop.path)
            .await
            .text()
            .contains("A key ends within 14 days.")
    );
    let page = shop.browser.get(&path).await;
    assert!(
        page.text().contains("It ends 15 Jun 2026, 12:01"),
        "{}",
        page.text()
    );
    let page = shop.browser.get(&format!("{path}/rotate")).await;
    shop.browser.send(&form_to(&page, "/rotate")).await;
    // The successor lives 14 days and a minute from now on.
    assert!(
        !shop
            .browser
            .get("/apps")
            .await
            .text()
            .contains("Keys that end soon")
    );
    shop.app.advance(Duration::from_hours(24 * 13));
    assert!(
        shop.browser
            .get(&path)
            .await
            .text()
            .contains("Its time beside its successor is over.")
    );
}

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
