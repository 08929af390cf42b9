//! Many at once: one wins, or the documented answer comes, every time.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::{join, join_all};
use reqwest::StatusCode;
use tokio::sync::Barrier;

use super::flow::{Answer, Client, Login, World, landed, parameter, text};

const CROWD: usize = 200;

/// Starts `CROWD` requests as nearly at once as can be, and counts what came.
async fn crowd(
    world: &Arc<World>,
    request: impl AsyncFn(&World, usize) -> Answer + Copy,
) -> (Vec<Answer>, HashMap<(u16, String), usize>) {
    let start = Arc::new(Barrier::new(CROWD));
    let answers = join_all((0..CROWD).map(|number| {
        let (world, start) = (world.clone(), start.clone());
        async move {
            start.wait().await;
            request(&world, number).await
        }
    }))
    .await;
    let mut counts = HashMap::new();
    for answer in &answers {
        *counts.entry(answer.error()).or_default() += 1;
    }
    (answers, counts)
}

fn expect(counts: &HashMap<(u16, String), usize>, good: usize) {
    let expected: HashMap<(u16, String), usize> = [
        ((200, String::new()), good),
        ((400, "invalid_grant".to_owned()), CROWD - good),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect();
    assert_eq!(*counts, expected);
}

fn good(answers: &[Answer]) -> Vec<&Answer> {
    answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .collect()
}

async fn redeem_by_crowd(nodes: usize) {
    let world = Arc::new(World::nodes_with(nodes, |_| {}).await);
    let client = world.public().await;
    let asker = world.confidential().await;
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    let (client, login): (&Client, &Login) = (&client, &login);
    let (answers, counts) = crowd(&world, async |world, number| {
        world
            .redeem_at(&world.app.nodes[number % nodes], client, login)
            .await
    })
    .await;
    expect(&counts, 1);
    assert_eq!(world.number("SELECT count(*) FROM grants").await, 1);
    // The others have replayed it: nothing of it is good any more, on no node.
    let tokens = good(&answers)[0].json();
    for token in ["access_token", "refresh_token"] {
        for node in &world.app.nodes {
            let answer = world
                .post_as_to(
                    node,
                    &asker,
                    "/oauth/introspect",
                    &[("token", &text(&tokens, token))],
                )
                .await;
            assert_eq!(answer.text, r#"{"active":false}"#, "{token}");
        }
    }
    let revoked = "SELECT count(*) FROM audit_records WHERE action = 'grant.replayed'";
    assert_eq!(world.number(revoked).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_redemptions_one_wins() {
    redeem_by_crowd(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_redemptions_on_two_nodes_one_wins() {
    redeem_by_crowd(2).await;
}

async fn refresh_by_crowd(nodes: usize) {
    let world = Arc::new(World::nodes_with(nodes, |_| {}).await);
    let browser = world.browser().await;

    // Inside the window everybody gets the one successor.
    let client = world.confidential().await;
    let first = text(&world.tokens(&browser, &client).await, "refresh_token");
    let (one, token): (&Client, &str) = (&client, &first);
    let (answers, counts) = crowd(&world, async |world, number| {
        world
            .refresh_at(&world.app.nodes[number % nodes], one, token)
            .await
    })
    .await;
    expect(&counts, CROWD);
    let mut successors: Vec<String> = answers
        .iter()
        .map(|answer| text(&answer.json(), "refresh_token"))
        .collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(world.number("SELECT generation::bigint FROM grants").await, 1);
    world.refresh(&client, &successors[0]).await.good();

    // Without one, the first takes it and the others are replays.
    let client = world.public().await;
    let first = text(&world.tokens(&browser, &client).await, "refresh_token");
    let (one, token): (&Client, &str) = (&client, &first);
    let (answers, counts) = crowd(&world, async |world, number| {
        world
            .refresh_at(&world.app.nodes[number % nodes], one, token)
            .await
    })
    .await;
    expect(&counts, 1);
    let successor = text(&good(&answers)[0].json(), "refresh_token");
    assert_eq!(
        world.refresh(&client, &successor).await.error(),
        (400, "invalid_grant".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_refreshes_all_get_one_successor_or_one_wins() {
    refresh_by_crowd(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_refreshes_on_two_nodes_all_get_one_successor_or_one_wins() {
    refresh_by_crowd(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_is_dead_whatever_ran_beside_it() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    for round in 0..20 {
        let first = text(&world.tokens(&browser, &client).await, "refresh_token");
        let node = &world.app.nodes[round % 2];
        let (refreshed, revoked) = join(
            world.refresh_at(node, &client, &first),
            world.revoke(&client, &first),
        )
        .await;
        assert_eq!(revoked.status, StatusCode::OK);
        if refreshed.status == StatusCode::OK {
            let tokens = refreshed.json();
            for node in &world.app.nodes {
                for token in ["access_token", "refresh_token"] {
                    let fields = [("token", tokens[token].as_str().unwrap())];
                    let answer = world
                        .post_as_to(node, &client, "/oauth/introspect", &fields)
                        .await;
                    assert_eq!(answer.text, r#"{"active":false}"#, "round {round}: {token}");
                }
            }
            let again = world.refresh(&client, &text(&tokens, "refresh_token")).await;
            assert_eq!(again.error(), (400, "invalid_grant".to_owned()));
        } else {
            assert_eq!(refreshed.error(), (400, "invalid_grant".to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_disconnected_holds_nothing_whatever_it_redeemed_meanwhile() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    for round in 0..20 {
        let login = world.login(&browser, &client).await;
        let page = browser.get(&format!("/account/apps/{}", client.id)).await;
        let form = page
            .forms()
            .into_iter()
            .find(|form| form.action.path().ends_with("/disconnect"))
            .unwrap();
        let node = &world.app.nodes[round % 2];
        let (redeemed, done) = join(world.redeem_at(node, &client, &login), browser.send(&form)).await;
        assert!(done.text().contains("disconnected"), "{}", done.text());
        if redeemed.status == StatusCode::OK {
            let tokens = redeemed.json();
            for token in ["access_token", "refresh_token"] {
                assert!(
                    !world.is_active(&client, &text(&tokens, token)).await,
                    "round {round}"
                );
            }
        } else {
            assert_eq!(redeemed.error(), (400, "invalid_grant".to_owned()));
        }
        let live = "SELECT count(*) FROM grants WHERE revoked_at IS NULL";
        assert_eq!(world.number(live).await, 0, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_gives_one_code() {
    let world = World::start().await;
    let browser = world.browser().await;
    for _ in 0..10 {
        let client = world.confidential().await;
        let page = browser.get(&world.ask(&client).path()).await;
        let click = || browser.submit(&page, &[("decision", "approve")]);
        let (one, two) = join(click(), click()).await;
        let codes = [&one, &two].map(|page| page.leads_to().is_some());
        assert_eq!(codes.iter().filter(|led| **led).count(), 1, "{codes:?}");
        for page in [&one, &two] {
            assert!(
                page.leads_to().is_some() || page.text().contains("no longer waiting"),
                "{}",
                page.text()
            );
        }
    }
    let consents = "SELECT count(*) FROM audit_records WHERE action = 'consent.granted'";
    assert_eq!(world.number(consents).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tabs_neither_loses_what_the_other_allowed() {
    let world = World::start().await;
    let browser = world.browser().await;
    for round in 0..10 {
        let client = world.confidential().await;
        // Once with a consent that stands already, once without.
        if round % 2 == 0 {
            let page = browser
                .get(&world.ask(&client).with("scope", "openid").path())
                .await;
            browser.submit(&page, &[("decision", "approve")]).await;
        }
        let mut clicks = Vec::new();
        for scope in ["email", "profile", "offline_access", "openid"] {
            let page = browser.get(&world.ask(&client).with("scope", scope).path()).await;
            if page.leads_to().is_none() {
                clicks.push(page);
            }
        }
        let click = async |page| browser.submit(page, &[("decision", "approve")]).await;
        for page in join_all(clicks.iter().map(click)).await {
            assert!(page.leads_to().is_some(), "{}", page.text());
        }
        let silent = world.ask(&client).with("prompt", "none");
        let answer = landed(&browser.get(&silent.path()).await);
        assert!(parameter(&answer, "code").is_some(), "round {round}: {answer}");
    }
}
