//! The first operator, and those whom operators invite.

use claviger::{config::SignUpMode, crypto::Token};
use reqwest::StatusCode;

use super::*;

fn path_of(link: &str) -> String {
    let url: url::Url = link.parse().unwrap();
    format!("{}?{}", url.path(), url.query().unwrap())
}

#[tokio::test]
async fn a_fresh_server_gets_its_operator_by_a_link_once() {
    let app = TestApp::start().await;
    let link = path_of(&app.identity.first_operator_link().await.unwrap().unwrap());
    let other = path_of(&app.identity.first_operator_link().await.unwrap().unwrap());
    let browser = app.browser();
    let page = browser.get(&link).await;
    assert_eq!(page.heading(), "Set up this server");
    let page = browser
        .submit(
            &page,
            &[
                ("name", "Ada"),
                ("email", "ada@example.com"),
                ("password", "password"),
            ],
        )
        .await;
    assert!(page.text().contains("guessed quickly"), "{}", page.text());
    browser
        .submit(
            &page,
            &[
                ("name", "Ada"),
                ("email", "ada@example.com"),
                ("password", PASSWORD),
            ],
        )
        .await;
    assert!(browser.get("/account").await.text().contains("ada@example.com"));
    let id = guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.1")
        .await
        .unwrap()
        .user_id;
    let user = load(&app, id).await;
    assert!(user.operator && user.email_verified);
    assert!(actions(&app, id).await.contains("operator.appointed"));

    for used in [link, other] {
        assert_eq!(app.browser().get(&used).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(app.identity.first_operator_link().await.unwrap(), None);
}

#[tokio::test]
async fn of_many_who_hold_links_of_several_servers_one_becomes_the_first_operator() {
    let app = TestApp::start().await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        let link = app.identity.first_operator_link().await.unwrap().unwrap();
        tokens.push(Token::presented(link.split_once("token=").unwrap().1));
    }
    let context = context("192.0.2.1");
    let tries = tokens.iter().cycle().take(12).enumerate().map(|(place, token)| {
        app.identity
            .set_up(token, new_user(&format!("p{place}@example.com")), None, &context)
    });
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(number(&app, "SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn an_invitation_is_for_its_address_and_once() {
    let app = TestApp::with(|config| config.sign_up.mode = SignUpMode::Invitation).await;
    app.identity
        .create_user(new_user("boss@example.com"), true)
        .await
        .unwrap();
    person(&app, "bob@example.com").await;
    // For others than operators there is no such page.
    assert_eq!(
        signed_in(&app, "bob@example.com")
            .await
            .get("/operator/invitations")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    let boss = signed_in(&app, "boss@example.com").await;
    let page = boss.get("/operator/invitations").await;
    let refused = boss.submit(&page, &[("email", "bob@example.com")]).await;
    assert!(
        refused.text().contains("There is an account with this address."),
        "{}",
        refused.text()
    );
    let sent = boss.submit(&page, &[("email", "ada@example.com")]).await;
    assert!(
        sent.text().contains("The invitation is on its way."),
        "{}",
        sent.text()
    );
    let link = last_link(&app, "ada@example.com").await;

    let browser = app.browser();
    let page = browser.get(&link).await;
    let form = page.forms().remove(0);
    assert_eq!(form.value("email"), Some("ada@example.com"));
    // Whatever the form says, the address is the invited one.
    browser
        .submit(
            &page,
            &[
                ("name", "Ada"),
                ("email", "eve@example.com"),
                ("password", PASSWORD),
            ],
        )
        .await;
    assert!(browser.get("/account").await.text().contains("ada@example.com"));
    let id = guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.1")
        .await
        .unwrap()
        .user_id;
    assert!(load(&app, id).await.email_verified);
    assert_eq!(app.browser().get(&link).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_operator_sees_the_invitations_that_are_out_and_withdraws_them() {
    let app = TestApp::start().await;
    app.identity
        .create_user(new_user("boss@example.com"), true)
        .await
        .unwrap();
    let boss = signed_in(&app, "boss@example.com").await;
    let invite = async |email: &str| {
        let page = boss.get("/operator/invitations").await;
        boss.submit(&page, &[("email", email)]).await;
        last_link(&app, email).await
    };
    let first = invite("Ada@Example.com").await;
    app.advance(std::time::Duration::from_secs(1));
    // However it is written, it is the same address.
    let second = invite("ada@example.com").await;
    assert_eq!(app.browser().get(&first).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.browser().get(&second).await.status, StatusCode::OK);
    let page = boss.get("/operator/invitations").await;
    assert_eq!(
        page.text().matches("ada@example.com").count(),
        2,
        "{}",
        page.text()
    );
    let withdraw = |page: &Page| {
        let mut forms = page.forms().into_iter();
        let path = "/operator/invitations/withdraw";
        forms.find(|form| form.action.path() == path)
    };
    let form = withdraw(&page).unwrap();

    // Nobody else withdraws one.
    person(&app, "bob@example.com").await;
    let bob = signed_in(&app, "bob@example.com").await;
    let mut forged = form.clone();
    let token = bob.get("/account").await.forms()[0]
        .value("csrf_token")
        .unwrap()
        .to_owned();
    for (name, value) in &mut forged.fields {
        if name == "csrf_token" {
            value.clone_from(&token);
        }
    }
    assert_eq!(bob.send(&forged).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.browser().get(&second).await.status, StatusCode::OK);

    let page = boss.send(&form).await;
    assert!(
        page.text().contains("The invitation is withdrawn."),
        "{}",
        page.text()
    );
    assert!(withdraw(&page).is_none() && !page.text().contains("ada@example.com"));
    assert_eq!(app.browser().get(&second).await.status, StatusCode::NOT_FOUND);
    let withdrawn = "SELECT count(*) FROM audit_records WHERE action = 'invitation.withdrawn'";
    assert_eq!(number(&app, withdrawn).await, 1);
    let page = boss.send(&form).await;
    assert!(
        page.text().contains("was used or gone already"),
        "{}",
        page.text()
    );

    // Whoever has signed up is invited no more.
    invite("Cyd@example.com").await;
    let browser = app.browser();
    let page = browser.get("/sign-up").await;
    let fields = [
        ("name", "Cyd"),
        ("email", "cyd@example.com"),
        ("password", PASSWORD),
    ];
    browser.submit(&page, &fields).await;
    assert!(withdraw(&boss.get("/operator/invitations").await).is_none());
}
