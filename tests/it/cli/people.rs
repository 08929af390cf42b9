//! People on the command line.

use super::{PASSWORD, keys};
use crate::support::{app::TestApp, program::Program};

#[tokio::test]
async fn people_are_made_and_can_sign_in() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let create = ["user", "create", "--email", "ada@example.com", "--password-stdin"];
    let created = program
        .run_with(
            &format!("{PASSWORD}\n"),
            &[&create[..], &["--name", "Ada", "--operator", "--json"]].concat(),
        )
        .await
        .json();
    assert_eq!(keys(&created), ["account_id", "email", "user_id"]);
    assert_eq!(created["email"], "ada@example.com");

    let browser = app.browser();
    let page = browser.get("/sign-in").await;
    browser
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    let account = browser.get("/account").await;
    assert_eq!(account.url.path(), "/account", "{}", account.text());
    assert!(account.text().contains("ada@example.com"));

    let again = program.run_with(PASSWORD, &create).await;
    assert!(again.refusal().contains("There is an account with this address"));
    let weak = program
        .run_with(
            "short",
            &["user", "create", "--email", "b@example.com", "--password-stdin"],
        )
        .await;
    assert!(weak.refusal().starts_with("password: "));
    let nothing = program
        .run_with(
            "",
            &["user", "create", "--email", "b@example.com", "--password-stdin"],
        )
        .await;
    assert_eq!(nothing.refusal(), "no password came on standard input");
}

#[tokio::test]
async fn whoever_is_blocked_is_out_until_they_are_let_in() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let email = "ada@example.com";
    let create = ["user", "create", "--email", email, "--password-stdin", "--json"];
    program.run_with(PASSWORD, &create).await.json();
    let browser = app.browser();
    let fields = [("email", email), ("password", PASSWORD)];
    browser.submit(&browser.get("/sign-in").await, &fields).await;
    let is_in = async || browser.get("/account").await.url.path() == "/account";
    assert!(is_in().await);

    let blocked = program.run(&["user", "block", email, "--json"]).await.json();
    assert_eq!(blocked["blocked"], true);
    assert!(!is_in().await);
    browser.submit(&browser.get("/sign-in").await, &fields).await;
    assert!(!is_in().await, "not by signing in anew either");
    assert_eq!(
        program.run(&["user", "block", email]).await.refusal(),
        "ada@example.com is blocked already"
    );

    program.run(&["user", "unblock", email, "--json"]).await.json();
    assert!(!is_in().await, "what was ended stays so");
    browser.submit(&browser.get("/sign-in").await, &fields).await;
    assert!(is_in().await);
}
