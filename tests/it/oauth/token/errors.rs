//! What is answered to requests that are not good (RFC 6749 §5.2).

use reqwest::header::CONTENT_TYPE;

use super::is;
use crate::oauth::flow::{World, answer, raw, text, verifier};

#[tokio::test]
async fn nothing_that_comes_in_is_more_than_an_invalid_request() {
    let world = World::start().await;
    let client = world.public().await;
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    let url = world.app.url("/oauth/token");
    let whole = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(login.fields())
        .append_pair("client_id", &client.id.to_string())
        .finish();
    let post = || world.http.post(&url);
    let mut refused = Vec::new();
    refused.push(("no body", post()));
    refused.push(("no content type", post().body(whole.clone())));
    for content_type in ["application/json", "multipart/form-data", "text/plain"] {
        refused.push((
            content_type,
            post().header(CONTENT_TYPE, content_type).body(whole.clone()),
        ));
    }
    for (what, more) in [
        (
            "twice the grant type",
            "&grant_type=authorization_code".to_owned(),
        ),
        ("twice the code", format!("&code={}", login.code)),
        ("twice what nobody knows", "&x=1&x=1".to_owned()),
        ("twice the client", format!("&client_id={}", client.id)),
        ("invalid UTF-8", "&x=%FF".to_owned()),
        ("half a character", "&x=%C3".to_owned()),
        ("NUL", "&x=a%00b".to_owned()),
        ("more than 64 KiB", format!("&x={}", "a".repeat(64 * 1024))),
    ] {
        refused.push((what, raw(post(), format!("{whole}{more}"))));
    }
    refused.push((
        "bytes",
        raw(post(), [whole.as_bytes(), b"&x=\xff\xfe\0"].concat()),
    ));
    for (name, _) in login.fields() {
        let fields: Vec<_> = login
            .fields()
            .into_iter()
            .filter(|(own, _)| *own != name)
            .collect();
        if name != "redirect_uri" {
            let client_id = client.id.to_string();
            let form = fields.iter().map(|(name, value)| (*name, value.as_str()));
            let form: Vec<_> = form.chain([("client_id", client_id.as_str())]).collect();
            refused.push((name, post().form(&form)));
        }
    }
    for bad in [
        "a".repeat(42),
        "a".repeat(129),
        format!("{} ", "a".repeat(42)),
        "é".repeat(43),
    ] {
        let form: Vec<(&str, String)> = login
            .fields()
            .into_iter()
            .map(|(name, value)| {
                (
                    name,
                    if name == "code_verifier" {
                        bad.clone()
                    } else {
                        value
                    },
                )
            })
            .chain([("client_id", client.id.to_string())])
            .collect();
        let answer = answer(post().form(&form)).await;
        assert!(
            is(&answer.error(), (400, "invalid_grant")),
            "{bad}: {}",
            answer.text
        );
    }
    for (what, request) in refused {
        let answer = answer(request).await;
        assert!(
            is(&answer.error(), (400, "invalid_request")),
            "{what}: {} {}",
            answer.status,
            answer.text
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        assert!(answer.json()["error_description"].is_string(), "{what}");
    }
    // What is not known is ignored, and content type parameters are, too.
    let sound = post()
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
        .body(format!("{whole}&x=1&y=&z"));
    answer(sound).await.good();
}

#[tokio::test]
async fn each_error_is_worded_once() {
    let world = World::with(|config| config.limits.client_failures_per_minute = 1).await;
    let (client, public) = (world.confidential().await, world.public().await);
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let refresh_token = text(&tokens, "refresh_token");
    let mut wire = String::new();
    let mut keep = |what: &str, answer: crate::oauth::flow::Answer| {
        wire.push_str(&format!("{what}\n  {} {}\n", answer.status, answer.text));
        for name in [
            "cache-control",
            "pragma",
            "content-type",
            "www-authenticate",
            "retry-after",
        ] {
            if answer.headers.contains_key(name) {
                wire.push_str(&format!("  {name}: {}\n", answer.header(name)));
            }
        }
    };
    let as_client = async |path: &str, fields: &[(&str, &str)]| world.post_as(&client, path, fields).await;
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        keep(
            &format!("{path}: no body"),
            answer(world.http.post(world.app.url(path))).await,
        );
        keep(
            &format!("{path}: nothing asked for"),
            as_client(path, &[("x", "1")]).await,
        );
        keep(
            &format!("{path}: no client"),
            world.post(path, &[("token", "x")]).await,
        );
    }
    keep(
        "unsupported_grant_type",
        as_client("/oauth/token", &[("grant_type", "password")]).await,
    );
    keep(
        "unauthorized_client",
        as_client("/oauth/token", &[("grant_type", "client_credentials")]).await,
    );
    keep(
        "invalid_grant: code",
        as_client(
            "/oauth/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", "x"),
                ("code_verifier", &verifier()),
            ],
        )
        .await,
    );
    keep("invalid_grant: refresh", world.refresh(&client, "x").await);
    keep(
        "invalid_scope",
        as_client(
            "/oauth/token",
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", &refresh_token),
                ("scope", "tokens:introspect"),
            ],
        )
        .await,
    );
    keep(
        "introspection by a public client",
        world.introspect(&public, "x").await,
    );
    keep(
        "userinfo without a token",
        answer(world.http.get(world.app.url("/oauth/userinfo"))).await,
    );
    keep("userinfo with a bad token", world.userinfo("x").await);
    let basic = world.http.post(world.app.url("/oauth/token"));
    let basic = basic
        .basic_auth(client.id, Some("wrong"))
        .form(&[("grant_type", "client_credentials")]);
    keep("invalid_client: basic", answer(basic).await);
    keep(
        "throttled",
        as_client("/oauth/token", &[("grant_type", "client_credentials")]).await,
    );
    insta::assert_snapshot!(wire);
}

#[tokio::test]
async fn a_developer_finds_every_refusal_in_the_request_log() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let mut unproved = client.clone();
    unproved.secret = None;
    world.refresh(&client, "x").await;
    world.introspect(&unproved, "x").await;
    world.post_as(&client, "/oauth/revoke", &[("x", "1")]).await;
    let elsewhere = world.ask(&client).with("redirect_uri", "https://evil.example/");
    browser.get(&elsewhere.path()).await;
    let page = browser.get(&world.ask(&client).path()).await;
    browser.submit(&page, &[("decision", "deny")]).await;
    let expected = [
        ("authorize", "access_denied"),
        ("authorize", "invalid_request"),
        ("introspect", "invalid_client"),
        ("revoke", "invalid_request"),
        ("token", "invalid_grant"),
    ];
    let sql =
        "SELECT endpoint, error, description FROM client_requests WHERE error IS NOT NULL ORDER BY 1, 2";
    let mut descriptions = String::new();
    crate::support::wait::until("the request log", async || {
        let rows = world.database().await.query(sql, &[]).await.unwrap();
        let logged: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        descriptions = rows.iter().map(|row| row.get::<_, String>(2)).collect();
        logged
            .iter()
            .map(|(endpoint, error)| (endpoint.as_str(), error.as_str()))
            .eq(expected)
    })
    .await;
    // In the log alone: what was sent, and what is registered.
    assert!(
        descriptions.contains("got https://evil.example/, registered: https://app.example/callback"),
        "{descriptions}"
    );
}
