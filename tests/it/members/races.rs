//! Many at once: one use of a link, always an owner, and no way in past a removal.

use claviger::{
    accounts::{self, MemberError, Role},
    audit::By,
    types::ClientContext,
};
use futures_util::future::{join, join_all};

use super::*;

fn context() -> ClientContext {
    ClientContext {
        address: "192.0.2.1".parse().unwrap(),
        user_agent: "A test".to_owned(),
        request_id: "req_test".to_owned(),
    }
}

#[tokio::test]
async fn of_many_who_accept_one_invitation_at_once_one_joins() {
    let app = TestApp::nodes(2).await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let (bob, browser) = person(&app, "bob@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    invite(&owner, &team, "bob@example.com", "developer").await;
    let page = browser.get(&last_link(&app, "bob@example.com").await).await;
    let form = form_to(&page, "/invitations/accept");
    let pages = join_all((0..8).map(|_| browser.send(&form))).await;
    let joined = pages.iter().filter(|page| page.url.path() == team).count();
    assert_eq!(joined, 1);
    let others = pages
        .iter()
        .filter(|page| page.status == StatusCode::NOT_FOUND)
        .count();
    assert_eq!(others, 7);
    assert_eq!(role_of(&app, &team, bob).await, Some("developer"));
    let records = "SELECT count(*) FROM audit_records WHERE action = 'member.joined'";
    assert_eq!(number(&app, records).await, 1);
}

#[tokio::test]
async fn of_two_owners_who_leave_or_end_each_other_at_once_one_stays() {
    let app = TestApp::start().await;
    let context = context();
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let (bob, other) = person(&app, "bob@example.com", false).await;
    for round in 0..6 {
        let team = new_team(&owner, &format!("Team {round}")).await;
        let account = id_of(&team);
        let statement = format!(
            "INSERT INTO members (account_id, user_id, role, created_at) VALUES ('{}', '{}', 'owner', now())",
            account.uuid(),
            bob.uuid()
        );
        execute(&app, &statement).await;
        assert_eq!(other.get(&team).await.status, StatusCode::OK);
        let act = async |own: UserId, whom: UserId| {
            let mut transaction = app.db.begin().await.unwrap();
            let by = By::user(own, &context);
            let clock = &app.authority.clock;
            let done = match round % 3 {
                0 => accounts::leave(&mut transaction, clock, account, by).await,
                1 => accounts::change_role(&mut transaction, clock, account, whom, Role::Viewer, by)
                    .await
                    .map(drop),
                _ => accounts::remove_member(&mut transaction, clock, account, whom, by).await,
            };
            if done.is_ok() {
                transaction.commit().await.unwrap();
            }
            done
        };
        let (one, two) = join(act(ada, bob), act(bob, ada)).await;
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let lost = one.err().or(two.err()).unwrap();
        let expected = match round % 3 {
            0 => matches!(lost, MemberError::LastOwner),
            1 => matches!(lost, MemberError::Forbidden),
            _ => matches!(lost, MemberError::NotFound),
        };
        assert!(expected, "{lost:?}");
        let owners = format!(
            "SELECT count(*) FROM members WHERE role = 'owner' AND account_id = '{}'",
            account.uuid()
        );
        assert_eq!(number(&app, &owners).await, 1);
    }
}

#[tokio::test]
async fn accepting_against_the_removal_of_the_sender_or_a_withdrawal_is_one_or_the_other() {
    let app = TestApp::start().await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let (sender, admin) = person(&app, "admin@example.com", false).await;
    let (bob, browser) = person(&app, "bob@example.com", false).await;
    for round in 0..6 {
        let team = new_team(&owner, &format!("Team {round}")).await;
        add(&app, &owner, &team, ("admin@example.com", &admin), "admin").await;
        invite(&admin, &team, "bob@example.com", "viewer").await;
        let link = last_link(&app, "bob@example.com").await;
        let accept = form_to(&browser.get(&link).await, "/invitations/accept");
        let withdraw = form_to(&owner.get(&team).await, "/withdraw");
        let against = async {
            if round % 2 == 0 {
                remove(&owner, &team, sender).await
            } else {
                owner.send(&withdraw).await
            }
        };
        let (accepted, other) = join(browser.send(&accept), against).await;
        let is_member = role_of(&app, &team, bob).await.is_some();
        assert_eq!(accepted.url.path() == team, is_member, "{}", accepted.text());
        if !is_member {
            assert_eq!(accepted.status, StatusCode::NOT_FOUND);
        }
        if round % 2 == 1 {
            let withdrawn = other.text().contains("The invitation is withdrawn.");
            assert_eq!(withdrawn, !is_member, "{}", other.text());
        }
        let left = format!(
            "SELECT count(*) FROM account_invitations WHERE account_id = '{}'",
            id_of(&team).uuid()
        );
        assert_eq!(number(&app, &left).await, 0, "nothing is left to come in by");
        app.advance(std::time::Duration::from_hours(2));
    }
}

#[tokio::test]
async fn a_role_that_goes_while_an_act_waits_for_it_does_nothing_more() {
    let app = TestApp::start().await;
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let (dev, browser) = person(&app, "dev@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    add(&app, &owner, &team, ("dev@example.com", &browser), "developer").await;
    let path = new_app_in(&owner, &team, "Fieldnotes")
        .await
        .url
        .path()
        .to_owned();
    let client = register(&owner, &path, CONFIDENTIAL).await;
    let account = id_of(&team).to_string();
    let forms = [
        (browser.get("/apps/new").await, "/apps/new"),
        (browser.get(&format!("{path}/keys/new")).await, "/keys/new"),
        (
            browser.get(&format!("{path}/webhooks/new")).await,
            "/webhooks/new",
        ),
        (browser.get(&client.path).await, "/secrets"),
        (browser.get(&client.path).await, "/disable"),
        (browser.get(&path).await, &path),
    ];
    let mut going = app.db.begin().await.unwrap();
    let context = context();
    accounts::remove_member(
        &mut going,
        &app.keys.clock,
        id_of(&team),
        dev,
        By::user(ada, &context),
    )
    .await
    .unwrap();
    let acts = join_all(forms.iter().map(|(page, to)| {
        let mut form = form_to(page, to);
        for (name, value) in [
            ("name", "Planted"),
            ("account", account.as_str()),
            ("url", "https://planted.example/"),
            ("event", "key.created"),
        ] {
            form.fields.retain(|(known, _)| known != name);
            form.fields.push((name.to_owned(), value.to_owned()));
        }
        let browser = &browser;
        async move { browser.send(&form).await }
    }));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let (answers, ()) = join(acts, async {
        until("all wait", async || number(&app, waiting).await == 6).await;
        going.commit().await.unwrap();
    })
    .await;
    for (answer, (_, to)) in answers.iter().zip(&forms) {
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{to}: {}", answer.text());
    }
    let planted = "SELECT (SELECT count(*) FROM apps WHERE name = 'Planted') + (SELECT count(*) FROM api_keys)
        + (SELECT count(*) FROM webhook_endpoints) + (SELECT count(*) FROM clients WHERE disabled_at IS NOT NULL)
        + (SELECT count(*) FROM client_secrets) - 1";
    assert_eq!(number(&app, planted).await, 0);
}
