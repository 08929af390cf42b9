//! Teams: opened once however often the form is sent, so many of them, renamed, closed.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn whoever_has_two_accounts_and_no_app_finds_the_way_to_a_first_one() {
    let app = TestApp::start().await;
    let (_, ada) = person(&app, "ada@example.com", false).await;
    new_team(&ada, "Marsh").await;
    execute(&app, "DELETE FROM apps").await;
    let home = ada.get("/apps").await;
    assert!(home.text().contains("No apps yet"), "{}", home.text());
    let page = ada.get(&home.link("/apps/new")).await;
    assert_eq!(page.heading(), "New app");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_opens_one_team_and_a_person_owns_so_many() {
    let app = TestApp::with(|config| config.limits.teams_per_person = 2).await;
    let (_, ada) = person(&app, "ada@example.com", false).await;
    let page = ada.get("/accounts/new").await;
    let page_of = |page: Page| page.url.path().to_owned();
    let first = page_of(ada.submit(&page, &[("name", "Marsh")]).await);
    let again = page_of(ada.submit(&page, &[("name", "Marsh")]).await);
    assert_eq!(first, again);
    assert_eq!(
        number(
            &app,
            "SELECT count(*) FROM accounts WHERE personal_user_id IS NULL"
        )
        .await,
        1
    );

    // There is room for one more, whoever is fastest.
    let pages = join_all((0..4).map(async |number: u32| {
        let page = ada.get("/accounts/new").await;
        let name = format!("Team {number}");
        ada.submit(&page, &[("name", name.as_str())]).await
    }))
    .await;
    let opened = pages.iter().filter(|page| page.status == StatusCode::OK).count();
    assert_eq!(opened, 1);
    let refused = pages
        .iter()
        .find(|page| page.status == StatusCode::BAD_REQUEST)
        .unwrap();
    assert!(refused.text().contains("You own 2 teams"), "{}", refused.text());
    let page = ada.submit(&page, &[("name", " ")]).await;
    assert!(page.text().contains("Fill this in."), "{}", page.text());
}

#[tokio::test]
async fn a_team_is_renamed_and_closed_when_it_is_empty() {
    let app = TestApp::start().await;
    let (id, ada) = person(&app, "ada@example.com", false).await;
    let team = new_team(&ada, "Marsh").await;
    let page = post(&ada, &team, &team, &[("name", "Marsh & Daughters")]).await;
    assert_eq!(page.heading(), "Marsh & Daughters");
    let page = post(&ada, &team, &team, &[("name", "x\u{202E}")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(page.heading(), "Marsh & Daughters");
    let theirs = new_app_in(&ada, &team, "Yard").await.url.path().to_owned();
    let page = post(&ada, &team, &format!("{team}/close"), &[]).await;
    assert!(page.text().contains("Delete them first"), "{}", page.text());
    let page = ada.get(&format!("{theirs}/delete")).await;
    ada.submit(&page, &[("name", "Yard")]).await;
    let page = post(&ada, &team, &format!("{team}/close"), &[]).await;
    assert!(page.text().contains("The team is closed."), "{}", page.text());
    assert_eq!(ada.get(&team).await.status, StatusCode::NOT_FOUND);
    for action in ["account.opened", "account.renamed", "account.closed"] {
        assert!(trail_has(&app, id, action).await, "{action}");
    }
}
