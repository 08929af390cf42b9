//! Keys made and changed: what a form takes, shows once, and refuses.

use super::*;

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
    assert_eq!(
        words(&second, ".notice--warning").as_deref(),
        Some(
            "That was done already, and once. The key was shown then; it cannot be shown again. If you have not seen it, \
             regenerate it."
        )
    );
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
    for not_utc in ["2026-12-01T09:30+05:00", "2026-12-01T09:30:00Z"] {
        let page = shop.ask(&asked("sk", &[("expires_at", not_utc)])).await;
        assert!(
            beside(&page, "expires_at").contains("A day and a time"),
            "{not_utc}"
        );
    }
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
    let page = shop
        .browser
        .submit(&page, &[("per_hour", "3"), ("expires_at", "2026-09-01T08:31:59")])
        .await;
    assert!(page.text().contains("1 Sep 2026, 08:31"), "{}", page.text());
}

#[tokio::test]
async fn a_restricted_key_is_refused_with_a_word_where_there_is_no_scope_to_give_it() {
    let shop = Shop::with(|config| {
        config.keys.families = toml::from_str("hypervize = { prefix = \"hvz\" }").unwrap();
    })
    .await;
    grant(&shop.app, shop.id(), "").await;
    let page = shop.ask(&[("name", "Shop window"), ("kind", "rk")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.text().contains("This app was granted none yet"),
        "{}",
        page.text()
    );
    assert!(beside(&page, "scope").starts_with("A restricted key names its scopes"));
}

#[tokio::test]
async fn limits_that_cannot_be_counted_are_refused_beside_their_fields() {
    let shop = Shop::open().await;
    let (_, path) = shop.make(&[("name", "Warehouse")]).await;
    for form in [format!("{}/keys/new", shop.path), path] {
        for (field, limit) in [
            ("per_second", "2000000000"),
            ("per_hour", "1000000000000000"),
            ("per_month", "1000000000000000"),
        ] {
            let page = shop.browser.get(&form).await;
            let page = shop
                .browser
                .submit(&page, &[("name", "Shop window"), (field, limit)])
                .await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST);
            assert!(beside(&page, field).contains("at the most"), "{field}");
            let typed = form_to(&page, &form);
            assert_eq!(typed.value(field), Some(limit));
            assert_eq!(typed.value("name"), Some("Shop window"));
        }
    }
}

#[tokio::test]
async fn a_page_that_was_overtaken_saves_nothing() {
    let shop = Shop::open().await;
    let (_, path) = shop.make(&[("name", "Warehouse")]).await;
    let old = shop.browser.get(&path).await;
    let page = shop.browser.get(&path).await;
    shop.browser.submit(&page, &[("name", "Newer")]).await;
    for (per_hour, said) in [("many", "A whole number"), ("5", "")] {
        let page = shop
            .browser
            .submit(&old, &[("name", "Older"), ("per_hour", per_hour)])
            .await;
        assert_eq!(page.status, StatusCode::CONFLICT);
        assert!(page.text().contains("Somebody changed this key") && page.text().contains(said));
        assert_eq!(page.heading(), "Newer");
        let form = form_to(&page, &path);
        assert_eq!(form.value("name"), Some("Older"));
        assert_eq!(form.value("per_hour"), Some(per_hour));
    }
    let page = shop.browser.submit(&old, &[("name", "Older")]).await;
    let page = shop.browser.send(&form_to(&page, &path)).await;
    assert_eq!(
        page.heading(),
        "Older",
        "whoever has seen it saves it all the same"
    );
    let policy = format!("{}/policy", shop.path);
    let old = shop.browser.get(&policy).await;
    grant(&shop.app, shop.id(), "read:orders").await;
    let page = shop.browser.submit(&old, &[("prefixes", "read:*")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text().contains("nothing was saved"), "{}", page.text());
    assert_eq!(form_to(&page, "/policy").value("prefixes"), Some("read:*"));
}
