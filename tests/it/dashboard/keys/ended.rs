//! Keys replaced and taken back: rotation, retirement, a new value, revocation, the end that was set.

use super::*;

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
    assert!(
        page.text().contains("The old key lives on until you retire it."),
        "{}",
        page.text()
    );
    let (new, successor) = shown(&page);
    let again = shop.browser.send(&form).await;
    assert_eq!(again.url.path(), successor);
    assert!(
        again.text().contains("it cannot be shown again"),
        "{}",
        again.text()
    );
    let offered = shop.browser.get(&path).await;
    for act in ["rotate", "regenerate"] {
        assert!(!offered.html.contains(&format!("{path}/{act}\"")), "{act}");
        let asked = shop.browser.get(&format!("{path}/{act}")).await;
        let done = post(&shop.browser, &path, &format!("{path}/{act}"), &[]).await;
        for again in [asked, done] {
            assert_eq!(again.url.path(), successor, "{act}");
            assert!(again.text().contains("rotated already"), "{}", again.text());
        }
    }

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
    let page = shop.browser.send(&form_to(&page, "/rotate")).await;
    assert!(
        page.text()
            .contains("The old key lives on until 2 Jun 2026, 12:00."),
        "{}",
        page.text()
    );
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
    // The browser still has the page two days later, and sends its form once more.
    shop.app.advance(Duration::from_hours(48));
    assert!(shop.app.run_job("keys.idempotent-requests").await > 0);
    let late = shop.browser.send(&form).await;
    assert_eq!(late.url.path(), path);
    assert!(late.text().contains("nothing was done"), "{}", late.text());
    assert_eq!(shop.status(&new).await, StatusCode::OK);
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
    assert!(page.text().contains("Revoked by hand."), "{}", page.text());
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
    for act in ["", "/rotate", "/retire", "/regenerate"] {
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
