//! The settings of a client, its logo, its requests, its end.

use super::*;

/// Saves the settings with some of them changed.
async fn save(browser: &Browser, client: &NewClient, fields: &[(&str, &str)]) -> Page {
    let page = browser.get(&client.path).await;
    browser.submit(&page, fields).await
}

#[tokio::test]
async fn what_is_wrong_stands_next_to_its_field_and_what_was_typed_stays() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let page = browser.get(&format!("{path}/clients/new")).await;
    let typed = "https://fieldnotes.example/ok\r\nhttp://fieldnotes.example/cb\r\nmyapp:/x#y";
    let page = browser
        .submit(
            &page,
            &[
                ("name", ""),
                ("type", "public"),
                ("redirect_uris", typed),
                ("scope", "openid"),
                ("scope", "tokens:introspect"),
                ("grant", "client_credentials"),
                ("publisher", "Marsh & Daughters"),
                ("retry_window", "90"),
            ],
        )
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(words(&page, "#f-name-error").as_deref(), Some("Fill this in."));
    for (field, said) in [
        ("grant", "make it confidential"),
        ("retry_window", "Between 0 and 60"),
    ] {
        let shown = words(&page, &format!("#f-{field}-error")).unwrap_or_default();
        assert!(shown.contains(said), "all at once: {field}: {shown}");
    }
    let uris = words(&page, "#f-redirect_uris-error").unwrap();
    assert!(
        uris.contains("Line 2: http is for 127.0.0.1, [::1] and localhost only; use https.")
            && uris.contains("Line 3: a redirect URI has no fragment"),
        "{uris}"
    );
    let form = form_to(&page, "/clients/new");
    assert_eq!(
        form.value("redirect_uris").map(|text| text.replace("\r\n", "\n")),
        Some(typed.replace("\r\n", "\n"))
    );
    assert_eq!(form.value("publisher"), Some("Marsh & Daughters"));
    assert_eq!(form.value("retry_window"), Some("90"));
    assert_eq!(form.value("type"), Some("public"));
    assert!(
        form.fields
            .contains(&("scope".to_owned(), "tokens:introspect".to_owned()))
    );

    // Then one after the other, as they are mended.
    for (changed, error, words_of_it) in [
        (
            vec![("grant", "client_credentials")],
            "grant",
            "make it confidential",
        ),
        (vec![("grant", "refresh_token")], "grant", "choose that too"),
        (
            vec![("scope", "tokens:introspect")],
            "scope",
            "for confidential clients only",
        ),
        (
            vec![("redirect_uris", "")],
            "redirect_uris",
            "at least one redirect URI",
        ),
        (vec![("retry_window", "61")], "retry_window", "Between 0 and 60"),
        (vec![("retry_window", "soon")], "retry_window", "whole number"),
        (vec![("name", "Ann\u{202e}nimda")], "name", "cannot be seen"),
        (vec![("name", "\u{3164}")], "name", "cannot be seen"),
        (vec![("publisher", "\u{2800}")], "publisher", "cannot be seen"),
        (
            vec![("redirect_uris", "https://Fieldnotes.example?x=1")],
            "redirect_uris",
            "into https://fieldnotes.example/?x=1: register that",
        ),
        (vec![("type", "")], "type", "where it runs"),
        (vec![("type", "odd")], "type", "where it runs"),
    ] {
        let page = browser.get(&format!("{path}/clients/new")).await;
        let names: Vec<_> = changed.iter().map(|(name, _)| *name).collect();
        let fields: Vec<_> = PUBLIC
            .iter()
            .filter(|(name, _)| !names.contains(name))
            .chain(&changed)
            .copied()
            .collect();
        let page = browser.submit(&page, &fields).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{changed:?}");
        let shown = words(&page, &format!("#f-{error}-error")).unwrap_or_default();
        assert!(shown.contains(words_of_it), "{changed:?}: {shown}");
    }
    assert!(browser.get(&path).await.text().contains("No client yet"));
}

#[tokio::test]
async fn settings_are_saved_and_in_force_at_once() {
    let app = TestApp::start().await;
    let (ada, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let page = save(
        &browser,
        &client,
        &[
            ("name", "Fieldnotes online"),
            ("redirect_uris", "http://fieldnotes.example/cb"),
        ],
    )
    .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(page.heading(), "Fieldnotes web", "nothing is saved");
    let form = form_to(&page, &client.path);
    assert_eq!(form.value("name"), Some("Fieldnotes online"));
    assert!(
        words(&page, "#f-redirect_uris-error")
            .unwrap()
            .contains("use https")
    );

    let page = save(
        &browser,
        &client,
        &[
            ("name", "Fieldnotes online"),
            (
                "redirect_uris",
                "https://fieldnotes.example/callback\r\nhttp://127.0.0.1/callback",
            ),
            ("scope", "openid"),
            ("scope", "email"),
            ("optional_scope", "email"),
            ("optional_scope", "offline_access"),
            ("grant", "authorization_code"),
            ("id_token_alg", "RS256"),
            ("retry_window", "30"),
        ],
    )
    .await;
    assert_eq!(
        (page.status, page.heading().as_str()),
        (StatusCode::OK, "Fieldnotes online")
    );
    let stored = claviger::oauth::clients::client(
        &mut app.db.connection().await.unwrap(),
        client.id.parse().unwrap(),
    )
    .await
    .unwrap()
    .unwrap()
    .registration;
    assert_eq!(stored.redirect_uris.len(), 2);
    assert_eq!(stored.scopes.to_string(), "email openid");
    assert_eq!(
        stored.optional_scopes.to_string(),
        "email",
        "only what is asked for"
    );
    assert_eq!(stored.retry_window, Some(Duration::from_secs(30)));
    assert_eq!(stored.publisher.as_deref(), Some("Marsh & Daughters Ltd"));
    let (_, answer) = token(&app, &client.id, client.secret.as_deref().unwrap()).await;
    assert_eq!(answer["error"], "unauthorized_client", "{answer}");
    let page = browser.get(&client.path).await;
    let form = form_to(&page, &client.path);
    assert_eq!(form.value("id_token_alg"), Some("RS256"));
    assert!(trail_has(&app, ada, "client.changed").await);
}

#[tokio::test]
async fn the_request_log_says_exactly_why_a_token_was_refused() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    assert!(browser.get(&client.path).await.text().contains("No request yet"));
    let fields = [
        ("grant_type", "client_credentials"),
        ("scope", "openid tokens:introspect"),
    ];
    let (_, answer) = token_with(&app, &client.id, client.secret.as_deref().unwrap(), &fields).await;
    let error = answer["error"].as_str().unwrap();
    let description = answer["error_description"].as_str().unwrap();
    let page = logged(&browser, &client, description).await;
    assert!(page.text().contains("/oauth/token") && page.text().contains(error));

    // A redirect URI that is not registered: the person sees a page, the developer what it was.
    let query = format!(
        "response_type=code&client_id={}&redirect_uri=https%3A%2F%2Fevil.example%2Fcb",
        client.id
    );
    let page = browser.get(&format!("/oauth/authorize?{query}")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = logged(&browser, &client, "https://evil.example/cb").await;
    assert!(page.text().contains(CALLBACK) && page.text().contains("/oauth/authorize"));
    assert!(browser.get(&path).await.text().contains("Last request"));
}

/// The client's page, once its log has those words.
async fn logged(browser: &Browser, client: &NewClient, words: &str) -> Page {
    for _ in 0..100 {
        let page = browser.get(&client.path).await;
        if page.text().contains(words) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not logged: {words}")
}

#[tokio::test]
async fn many_requests_are_on_several_pages() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let id: claviger::types::ClientId = client.id.parse().unwrap();
    let statement = format!(
        "INSERT INTO client_requests (client_id, at, endpoint, error, description, request_id) \
         SELECT '{}', now(), 'token', NULL, NULL, 'req_number_' || lpad(n::text, 2, '0') || '_' \
         FROM generate_series(1, 31) n",
        id.uuid()
    );
    assert_eq!(execute(&app, &statement).await, 31);
    let mut page = browser.get(&client.path).await;
    assert!(page.text().contains("req_number_31_") && !page.text().contains("req_number_16_"));
    for _ in 0..2 {
        let older = Html::parse_document(&page.html)
            .select(&Selector::parse("a[rel=next]").unwrap())
            .next()
            .and_then(|link| link.attr("href").map(str::to_owned))
            .expect("older ones");
        page = browser.get(&older).await;
    }
    assert!(page.text().contains("req_number_01_") && !page.text().contains("req_number_02_"));
    assert!(!page.html.contains("rel=\"next\"") && page.html.contains("rel=\"prev\""));
    let page = browser.get(&format!("{}?page=4000000000", client.path)).await;
    assert!(
        page.text().contains("req_number_01_"),
        "past the end is the last page"
    );
    assert!(page.html.contains("?page=1#requests"));
}

#[tokio::test]
async fn what_strangers_send_does_not_push_out_what_the_client_asked() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let id: claviger::types::ClientId = client.id.parse().unwrap();
    let line = |endpoint: &str, error: &str, words: &str, count: u32| {
        format!(
            "INSERT INTO client_requests (client_id, at, endpoint, error, description, request_id) \
             SELECT '{}', now(), '{endpoint}', '{error}', '{words}', 'req_x' FROM generate_series(1, {count})",
            id.uuid()
        )
    };
    execute(&app, &line("token", "invalid_grant", "the real trouble", 1)).await;
    execute(&app, &line("authorize", "invalid_request", "noise", 90)).await;
    execute(&app, &line("token", "invalid_client", "noise", 90)).await;
    // The next line that is written trims the log.
    let query = format!(
        "client_id={}&redirect_uri=https%3A%2F%2Fevil.example%2Flast",
        client.id
    );
    browser.get(&format!("/oauth/authorize?{query}")).await;
    logged(&browser, &client, "https://evil.example/last").await;
    let page = browser.get(&format!("{}?page=3", client.path)).await;
    assert!(page.text().contains("the real trouble"), "{}", page.text());
    assert!(!page.html.contains("rel=\"next\""));
}

#[tokio::test]
async fn a_client_is_shut_out_let_in_again_and_deleted() {
    let app = TestApp::start().await;
    let (ada, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let secret = client.secret.clone().unwrap();
    let tokens = tokens_of(&app, &browser, &client).await;

    let page = browser.get(&client.path).await;
    let page = browser.send(&form_to(&page, "/disable")).await;
    assert!(page.text().contains("Disabled"), "{}", page.text());
    assert_eq!(token(&app, &client.id, &secret).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(userinfo(&app, &tokens).await, StatusCode::UNAUTHORIZED);
    let page = browser.get(&client.path).await;
    browser.send(&form_to(&page, "/enable")).await;
    assert_eq!(token(&app, &client.id, &secret).await.0, StatusCode::OK);

    let page = browser.get(&format!("{}/delete", client.path)).await;
    let page = browser.submit(&page, &[("name", "fieldnotes WEB")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        words(&page, "#f-name-error").as_deref(),
        Some("That is not its name.")
    );
    let page = browser.submit(&page, &[("name", "Fieldnotes web")]).await;
    assert_eq!(page.url.path(), path);
    assert_eq!(browser.get(&client.path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(token(&app, &client.id, &secret).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(userinfo(&app, &tokens).await, StatusCode::UNAUTHORIZED);
    for action in ["client.disabled", "client.enabled", "client.deleted"] {
        assert!(trail_has(&app, ada, action).await, "{action}");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_known_is_no_other_one() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, PUBLIC).await;
    let new = format!("{path}/clients/new");
    for place in [&new, &client.path] {
        for wrong in ["HS256", "none", ""] {
            let fields = [PUBLIC, &[("id_token_alg", wrong)]].concat();
            let page = post(&browser, place, place, &fields).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{wrong}");
            let why = words(&page, "#f-id_token_alg-error");
            assert_eq!(why.as_deref(), Some("Choose one of these."), "{wrong}");
        }
        let fields = [PUBLIC, &[("id_token_alg", "EdDSA")]].concat();
        assert_eq!(post(&browser, place, place, &fields).await.status, StatusCode::OK);
    }
}

/// The head of a picture of that size, and an empty body.
fn png(width: u32, height: u32) -> Vec<u8> {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".as_slice(),
        &sides,
        b"\x08\x06\0\0\0\0\0\0\0\0\0\0\0IDAT\0\0\0\0",
    ]
    .concat()
}

/// Sends the form of the logo with a file.
async fn upload(browser: &Browser, client: &NewClient, file: &[u8], token: Option<&str>) -> Page {
    let page = browser.get(&client.path).await;
    let form = form_to(&page, "/logo");
    let token = token.unwrap_or_else(|| form.value("csrf_token").unwrap());
    let parts = [("csrf_token", token.as_bytes()), ("logo", file)];
    post_parts(browser, form.action.as_str(), &parts).await
}

#[tokio::test]
async fn a_logo_is_a_picture_of_modest_size() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let png = png(1024, 1);
    let forged = upload(&browser, &client, &png, Some("forged")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    for (file, why) in [
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            "PNG, JPEG or WebP only.",
        ),
        (
            [png.as_slice(), &vec![0; 128 * 1024]].concat(),
            "larger than 64 KiB",
        ),
        (
            [png.as_slice(), &vec![0; 3 * 1024 * 1024]].concat(),
            "larger than 64 KiB",
        ),
        (Vec::new(), "Choose a picture."),
        (b"\x89PNG\r\n\x1a\n".to_vec(), "PNG, JPEG or WebP only."),
        (self::png(16, 1025), "1024 pixels wide and high at most"),
        (self::png(0, 16), "1024 pixels wide and high at most"),
        (
            [
                &png[..33],
                b"\0\0\0\x08acTL\0\0\0\x02\0\0\0\0\0\0\0\0",
                &png[33..],
            ]
            .concat(),
            "The picture moves.",
        ),
    ] {
        let page = upload(&browser, &client, &file, None).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{why}");
        assert!(words(&page, "#f-logo-error").unwrap().contains(why), "{why}");
    }
    let saved = upload(&browser, &client, &png, None).await;
    assert!(saved.text().contains("The logo is saved."), "{}", saved.text());
    let page = browser.get(&client.path).await;
    let source = Html::parse_document(&page.html)
        .select(&Selector::parse("img.avatar").unwrap())
        .next()
        .and_then(|picture| picture.attr("src").map(str::to_owned))
        .expect("the logo is on the page");
    let logo = browser.client.get(app.url(&source)).send().await.unwrap();
    assert_eq!(logo.headers()["content-type"], "image/png");
    assert_eq!(logo.bytes().await.unwrap(), png);
    browser.send(&form_to(&page, "/logo/remove")).await;
    assert!(
        !browser
            .get(&client.path)
            .await
            .html
            .contains("img class=\"avatar")
    );
}
