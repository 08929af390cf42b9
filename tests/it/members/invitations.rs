//! Invitations: the whole way by mail, and every way in which one is good for nobody.

use std::time::Duration;

use claviger::config::SignUpMode;

use super::*;
use crate::{dashboard::PASSWORD, support::logs};

#[tokio::test]
async fn somebody_new_is_invited_signs_up_joins_and_does_what_their_role_says() {
    let app = TestApp::start().await;
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let team = new_team(&owner, "Marsh & Daughters").await;
    let theirs = new_app_in(&owner, &team, "Warehouse").await.url.path().to_owned();
    let page = invite(&owner, &team, "bob@example.com", "developer").await;
    assert!(page.text().contains("bob@example.com"), "{}", page.text());
    let mail = mails(&app, "bob@example.com").await.remove(0);
    assert!(mail.contains("Subject: You are invited to an account"), "{mail}");
    let link = last_link(&app, "bob@example.com").await;

    let token = link.split_once("token=").unwrap().1;
    // Its digest is enough at rest.
    let rows = "SELECT count(*) FROM account_invitations AS own WHERE octet_length(token_hash) = 32";
    assert_eq!(number(&app, rows).await, 1);
    let held =
        format!("{rows} AND (own::text LIKE '%{token}%' OR encode(token_hash, 'escape') LIKE '%{token}%')");
    assert_eq!(number(&app, &held).await, 0);

    // Nobody is signed in: the page says what to do, and leads back.
    let bob = app.browser();
    let page = bob.get(&link).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.heading(), "Join Marsh & Daughters?");
    let sign_up = bob.get(&page.link("/sign-up?")).await;
    let fields = [
        ("name", "Bob"),
        ("email", "bob@example.com"),
        ("password", PASSWORD),
    ];
    let page = bob.submit(&sign_up, &fields).await;
    assert_eq!(page.url.path(), "/invitations/accept");
    assert!(
        page.text().contains("Confirm your e-mail address first"),
        "{}",
        page.text()
    );
    let page = post(&bob, &link, "/invitations/accept", &[("token", token)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "not before");

    let page = bob.get(&last_link(&app, "bob@example.com").await).await;
    bob.send(&form_to(&page, "/verify-email")).await;
    let page = bob.get(&link).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = bob.send(&form_to(&page, "/invitations/accept")).await;
    assert_eq!(page.url.path(), team);
    assert!(page.text().contains("Welcome"), "{}", page.text());

    // A developer makes apps, sees that of the others, and deals with nobody.
    assert_eq!(bob.get(&theirs).await.heading(), "Warehouse");
    assert!(bob.get("/apps").await.html.contains(&format!("href=\"{team}\"")));
    assert_eq!(new_app_in(&bob, &team, "Yard").await.heading(), "Yard");
    assert!(!bob.get(&team).await.html.contains("/invite\""));
    let id = number(&app, "SELECT count(*) FROM account_invitations").await;
    assert_eq!(id, 0, "the link is used up");
    assert_eq!(app.browser().get(&link).await.status, StatusCode::NOT_FOUND);
    let user = claviger::identity::user_by_email(
        &mut app.db.connection().await.unwrap(),
        &"bob@example.com".parse().unwrap(),
    )
    .await
    .unwrap()
    .unwrap()
    .id;

    // Another role is in force at the next request, and so is none.
    let page = set_role(&owner, &team, user, "viewer").await;
    assert!(
        page.text().contains("The new role is in force."),
        "{}",
        page.text()
    );
    assert_eq!(
        bob.get(&format!("{theirs}/clients/new")).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(bob.get(&theirs).await.status, StatusCode::OK);
    set_role(&owner, &team, user, "admin").await;
    assert!(bob.get(&team).await.html.contains("/invite\""));
    remove(&owner, &team, user).await;
    for path in [&team, &theirs] {
        assert_eq!(bob.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for action in [
        "account.opened",
        "member.invited",
        "member.role_changed",
        "member.removed",
    ] {
        assert!(trail_has(&app, ada, action).await, "{action}");
    }
    assert!(trail_has(&app, user, "member.joined").await);
    let of_the_account =
        "SELECT count(*) FROM audit_records WHERE action LIKE 'member.%' AND account_id IS NULL";
    assert_eq!(number(&app, of_the_account).await, 0);

    assert_eq!(token.len(), 43);
    assert!(!logs::text().contains(token));
}

#[tokio::test]
async fn an_invitation_is_for_its_address() {
    let app = TestApp::start().await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let (bob_id, bob) = person(&app, "bob@example.com", false).await;
    let (eve_id, eve) = person(&app, "eve@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    invite(&owner, &team, "Bob@Example.com", "admin").await;
    let link = last_link(&app, "Bob@Example.com").await;
    let token = link.split_once("token=").unwrap().1;
    let page = eve.get(&link).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(
        page.text().contains("You are signed in as eve@example.com"),
        "{}",
        page.text()
    );
    let page = post(&eve, "/account", "/invitations/accept", &[("token", token)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(role_of(&app, &team, eve_id).await, None);
    // It is as good as before for whom it is for, however the address is written.
    let page = bob.get(&link).await;
    bob.send(&form_to(&page, "/invitations/accept")).await;
    assert_eq!(role_of(&app, &team, bob_id).await, Some("admin"));
    // Once.
    let page = post(&bob, "/account", "/invitations/accept", &[("token", token)]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = post(&eve, "/account", "/invitations/accept", &[("token", "guessed")]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    // Without a form of ours, nothing.
    let page = bob.get("/account").await;
    let mut form = page.forms().remove(0);
    form.action = form.action.join("/invitations/accept").unwrap();
    form.fields = vec![("token".to_owned(), token.to_owned())];
    assert_eq!(bob.send(&form).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_invitation_that_was_withdrawn_sent_again_or_is_too_old_leads_nowhere() {
    let app = TestApp::start().await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let (_, bob) = person(&app, "bob@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    let status = async |link: &str| bob.get(link).await.status;

    invite(&owner, &team, "bob@example.com", "viewer").await;
    let first = last_link(&app, "bob@example.com").await;
    let page = owner.get(&team).await;
    owner.send(&form_to(&page, "/resend")).await;
    let second = last_link(&app, "bob@example.com").await;
    assert_eq!(
        (status(&first).await, status(&second).await),
        (StatusCode::NOT_FOUND, StatusCode::OK)
    );
    // Invited once more, with another role.
    invite(&owner, &team, "bob@example.com", "admin").await;
    let third = last_link(&app, "bob@example.com").await;
    assert_eq!(
        (status(&second).await, status(&third).await),
        (StatusCode::NOT_FOUND, StatusCode::OK)
    );
    assert!(bob.get(&third).await.text().contains("as admin"));
    let page = owner.get(&team).await;
    let withdraw = form_to(&page, "/withdraw");
    let page = owner.send(&withdraw).await;
    assert!(
        page.text().contains("The invitation is withdrawn."),
        "{}",
        page.text()
    );
    assert_eq!(status(&third).await, StatusCode::NOT_FOUND);
    let page = owner.send(&withdraw).await;
    assert!(
        page.text().contains("was used or gone already"),
        "{}",
        page.text()
    );

    invite(&owner, &team, "bob@example.com", "viewer").await;
    let last = last_link(&app, "bob@example.com").await;
    app.advance(app.config.lifetimes.mail_link.duration());
    assert_eq!(status(&last).await, StatusCode::NOT_FOUND);
    assert!(!owner.get(&team).await.text().contains("bob@example.com"));
    assert_eq!(app.run_job("accounts.invitations").await, 1);
    assert_eq!(number(&app, "SELECT count(*) FROM account_invitations").await, 0);
}

#[tokio::test]
async fn whoever_may_invite_no_more_leaves_no_way_back() {
    let app = TestApp::start().await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let (admin_id, admin) = person(&app, "admin@example.com", false).await;
    let (_, other) = person(&app, "other@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    add(&app, &owner, &team, ("admin@example.com", &admin), "admin").await;
    for end in ["demoted", "removed", "gone"] {
        set_role(&owner, &team, admin_id, "admin").await;
        invite(&admin, &team, "other@example.com", "admin").await;
        let link = last_link(&app, "other@example.com").await;
        assert_eq!(other.get(&link).await.status, StatusCode::OK, "{end}");
        match end {
            "demoted" => drop(set_role(&owner, &team, admin_id, "developer").await),
            "removed" => {
                remove(&owner, &team, admin_id).await;
                app.advance(Duration::from_secs(1));
                add(&app, &owner, &team, ("admin@example.com", &admin), "admin").await;
            }
            _ => drop(post(&admin, &team, &format!("{team}/leave"), &[]).await),
        }
        assert_eq!(other.get(&link).await.status, StatusCode::NOT_FOUND, "{end}");
    }
}

#[tokio::test]
async fn where_sign_up_is_not_open_an_invitation_to_an_account_does_not_open_it() {
    let app = TestApp::with(|config| config.sign_up.mode = SignUpMode::Invitation).await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    invite(&owner, &team, "bob@example.com", "viewer").await;
    let link = last_link(&app, "bob@example.com").await;
    let page = app.browser().get(&link).await;
    assert!(
        page.text().contains("ask whoever runs this server"),
        "{}",
        page.text()
    );
    assert!(!page.html.contains("/sign-up"));
    let token = link.split_once("token=").unwrap().1;
    let page = app.browser().get(&format!("/sign-up?invitation={token}")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nobody_sends_and_nobody_gets_much_mail() {
    let app = TestApp::with(|config| config.limits.invitations_per_person = 8).await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    for _ in 0..5 {
        invite(&owner, &team, "bob@example.com", "viewer").await;
    }
    // To count a sixth sets the delay, and the seventh has to wait.
    invite(&owner, &team, "bob@example.com", "viewer").await;
    let page = invite(&owner, &team, "bob@example.com", "viewer").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.headers.contains_key("retry-after"));
    assert!(page.text().contains("Too many attempts."), "{}", page.text());
    let form = form_to(&owner.get(&team).await, "/resend");
    assert_eq!(owner.send(&form).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(mails(&app, "bob@example.com").await.len(), 6);
    let mut sent = 6;
    for number in 0..5 {
        let page = invite(&owner, &team, &format!("p{number}@example.com"), "viewer").await;
        sent += usize::from(page.status == StatusCode::OK);
    }
    assert_eq!(sent, 9, "eight, and the one that sets the delay");
    // What was refused costs nothing.
    app.advance(Duration::from_hours(2));
    for _ in 0..12 {
        let page = invite(&owner, &team, "ada@example.com", "viewer").await;
        assert!(
            page.text().contains("That person is a member already."),
            "{}",
            page.text()
        );
    }
    let page = invite(&owner, &team, "new@example.com", "viewer").await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn an_account_has_room_for_so_many() {
    let app = TestApp::with(|config| config.limits.members_per_account = 2).await;
    let (_, owner) = person(&app, "ada@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    let page = invite(&owner, &team, "bob@example.com", "viewer").await;
    assert_eq!(page.status, StatusCode::OK);
    let page = invite(&owner, &team, "cyd@example.com", "viewer").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text().contains("room for 2 members"), "{}", page.text());
    let page = invite(&owner, &team, "bob@example.com", "admin").await;
    assert_eq!(
        page.status,
        StatusCode::OK,
        "the same one again takes no more room"
    );
    let page = invite(&owner, &team, "no address", "viewer").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("value=\"no address\""));
}

#[tokio::test]
async fn whoever_is_shut_out_leaves_no_way_back_and_no_account_without_an_owner() {
    let app = TestApp::start().await;
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let (bob, second) = person(&app, "bob@example.com", false).await;
    let (_, other) = person(&app, "other@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    add(&app, &owner, &team, ("bob@example.com", &second), "admin").await;
    set_role(&owner, &team, bob, "owner").await;
    invite(&second, &team, "other@example.com", "admin").await;
    let link = last_link(&app, "other@example.com").await;
    let accept = form_to(&other.get(&link).await, "/invitations/accept");
    claviger::oauth::block_user(&app.authority, bob, claviger::audit::Actor::Operator)
        .await
        .unwrap();
    assert_eq!(other.send(&accept).await.status, StatusCode::NOT_FOUND);

    // One owner is left who can sign in.
    let page = post(&owner, &team, &format!("{team}/leave"), &[]).await;
    assert!(page.text().contains("at least one owner"), "{}", page.text());
    let bobs = bob.to_string();
    let heir = [("member", bobs.as_str())];
    let page = post(&owner, &team, &format!("{team}/hand-over"), &heir).await;
    assert!(page.text().contains("at least one owner"), "{}", page.text());
    let page = owner.get(&team).await;
    assert!(page.text().contains("Blocked"), "{}", page.text());
    assert_eq!(role_of(&app, &team, ada).await, Some("owner"));
    remove(&owner, &team, bob).await;
    assert_eq!(role_of(&app, &team, bob).await, None);
}
