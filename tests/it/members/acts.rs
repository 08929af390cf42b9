//! Who may do what to whom, and what nobody may.

use super::*;
use crate::dashboard::join;

const ACTS: &[(&str, &str)] = &[
    ("", "admin"),
    ("/invite", "admin"),
    ("/resend", "admin"),
    ("/withdraw", "admin"),
    ("/role", "admin"),
    ("/remove", "admin"),
    ("/hand-over", "owner"),
    ("/close", "owner"),
];

#[tokio::test]
async fn strangers_see_nothing_and_each_role_reaches_as_far_as_it_says() {
    let app = TestApp::start().await;
    let (owner_id, owner) = person(&app, "ada@example.com", false).await;
    let (_, stranger) = person(&app, "eve@example.com", false).await;
    let (_, operator) = person(&app, "op@example.com", true).await;
    let team = new_team(&owner, "Marsh").await;
    let owner_field = owner_id.to_string();
    let fields = [
        ("name", "Taken over"),
        ("email", "eve@example.com"),
        ("role", "admin"),
        ("id", "lnk_00000000000000000000000001"),
        ("member", owner_field.as_str()),
    ];
    assert_eq!(stranger.get(&team).await.status, StatusCode::NOT_FOUND);
    // Whoever runs the server looks, and does nothing here.
    assert_eq!(operator.get(&team).await.status, StatusCode::OK);
    for (end, _) in ACTS.iter().chain(&[("/leave", "")]) {
        let path = format!("{team}{end}");
        let page = post(&stranger, "/apps", &path, &fields).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "a stranger at {end}");
        let page = post(&operator, "/apps", &path, &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "an operator at {end}");
        let page = post(&app.browser(), "/sign-in", &path, &fields).await;
        assert_eq!(page.url.path(), "/sign-in", "nobody at {end}");
        let mut form = owner.get("/apps").await.forms().remove(0);
        form.action = form.action.join(&path).unwrap();
        form.fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(
            owner.send(&form).await.status,
            StatusCode::FORBIDDEN,
            "no form of ours: {end}"
        );
    }
    for role in ["viewer", "developer", "admin"] {
        let email = format!("{role}@example.com");
        let (_, member) = person(&app, &email, false).await;
        add(&app, &owner, &team, (&email, &member), role).await;
        assert_eq!(member.get(&team).await.status, StatusCode::OK);
        for (end, least) in ACTS {
            if *least == "owner" || role != "admin" {
                let page = post(&member, "/apps", &format!("{team}{end}"), &fields).await;
                assert_eq!(page.status, StatusCode::FORBIDDEN, "{role} at {end}");
            }
        }
    }
    assert_eq!(owner.get(&team).await.heading(), "Marsh");
    assert_eq!(role_of(&app, &team, owner_id).await, Some("owner"));
}

#[tokio::test]
async fn nobody_deals_with_what_is_above_them() {
    let app = TestApp::start().await;
    let (owner_id, owner) = person(&app, "ada@example.com", false).await;
    let (admin_id, admin) = person(&app, "bob@example.com", false).await;
    let (cyd_id, cyd) = person(&app, "cyd@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    add(&app, &owner, &team, ("bob@example.com", &admin), "admin").await;
    add(&app, &admin, &team, ("cyd@example.com", &cyd), "admin").await;
    for (member, role) in [(owner_id, "admin"), (admin_id, "owner"), (cyd_id, "owner")] {
        assert_eq!(
            set_role(&admin, &team, member, role).await.status,
            StatusCode::FORBIDDEN,
            "{role}"
        );
    }
    assert_eq!(
        remove(&admin, &team, owner_id).await.status,
        StatusCode::FORBIDDEN
    );
    let fields = [("email", "dan@example.com"), ("role", "owner")];
    for browser in [&admin, &owner] {
        let page = post(browser, &team, &format!("{team}/invite"), &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "owners are made of members");
    }
    let page = set_role(&admin, &team, admin_id, "emperor").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    // Admins deal with each other, and lower themselves.
    set_role(&admin, &team, cyd_id, "developer").await;
    assert_eq!(role_of(&app, &team, cyd_id).await, Some("developer"));
    assert_eq!(
        set_role(&cyd, &team, cyd_id, "admin").await.status,
        StatusCode::FORBIDDEN
    );
    set_role(&admin, &team, admin_id, "viewer").await;
    assert_eq!(
        set_role(&admin, &team, admin_id, "admin").await.status,
        StatusCode::FORBIDDEN
    );
    // Whoever is no member is not made one so.
    let (eve_id, _) = person(&app, "eve@example.com", false).await;
    let page = set_role(&owner, &team, eve_id, "viewer").await;
    assert!(page.text().contains("was gone already"), "{}", page.text());
    let page = remove(&owner, &team, eve_id).await;
    assert!(page.text().contains("was gone already"), "{}", page.text());
    assert_eq!(role_of(&app, &team, eve_id).await, None);
}

#[tokio::test]
async fn an_account_keeps_an_owner_until_it_is_handed_over() {
    let app = TestApp::start().await;
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let (bob, heir) = person(&app, "bob@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    add(&app, &owner, &team, ("bob@example.com", &heir), "viewer").await;
    for page in [
        post(&owner, &team, &format!("{team}/leave"), &[]).await,
        set_role(&owner, &team, ada, "admin").await,
        remove(&owner, &team, ada).await,
    ] {
        assert!(page.text().contains("at least one owner"), "{}", page.text());
    }
    let form = form_to(&owner.get(&team).await, "/hand-over");
    assert!(form.value("csrf_token").is_some());
    let heir_field = bob.to_string();
    let page = post(
        &owner,
        &team,
        &format!("{team}/hand-over"),
        &[("member", &heir_field)],
    )
    .await;
    assert!(page.text().contains("has its new owner"), "{}", page.text());
    assert_eq!(role_of(&app, &team, bob).await, Some("owner"));
    assert_eq!(role_of(&app, &team, ada).await, Some("admin"));
    let page = post(
        &owner,
        &team,
        &format!("{team}/hand-over"),
        &[("member", &heir_field)],
    )
    .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "it is not theirs any more");
    let page = post(&owner, &team, &format!("{team}/leave"), &[]).await;
    assert_eq!(page.url.path(), "/apps");
    assert!(
        page.text().contains("You have left the account."),
        "{}",
        page.text()
    );
    assert_eq!(owner.get(&team).await.status, StatusCode::NOT_FOUND);
    assert!(trail_has(&app, ada, "member.left").await);
}

#[tokio::test]
async fn a_personal_account_can_be_shared_and_stays_its_persons() {
    let app = TestApp::start().await;
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let (bob, member) = person(&app, "bob@example.com", false).await;
    let own = owner.get("/apps").await.link("/accounts/acc_");
    join(&app, ada, bob, "admin").await;
    for page in [
        post(&owner, &own, &format!("{own}/leave"), &[]).await,
        set_role(&owner, &own, ada, "viewer").await,
        set_role(&owner, &own, bob, "owner").await,
        post(
            &owner,
            &own,
            &format!("{own}/hand-over"),
            &[("member", &bob.to_string())],
        )
        .await,
        post(&owner, &own, &format!("{own}/close"), &[]).await,
    ] {
        assert!(
            page.text().contains("its person as its one owner"),
            "{}",
            page.text()
        );
    }
    let page = owner.get(&own).await;
    for act in ["/leave\"", "/hand-over\"", "/close\""] {
        assert!(!page.html.contains(act), "{act}");
    }
    assert_eq!(role_of(&app, &own, ada).await, Some("owner"));
    set_role(&owner, &own, bob, "viewer").await;
    assert_eq!(role_of(&app, &own, bob).await, Some("viewer"));
    let page = post(&member, &own, &format!("{own}/leave"), &[]).await;
    assert_eq!(page.url.path(), "/apps");
    assert_eq!(role_of(&app, &own, bob).await, None);
}

#[tokio::test]
async fn whoever_has_not_shown_that_their_address_is_theirs_deals_with_nobody() {
    let app = TestApp::start().await;
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    let (bob, _) = person(&app, "bob@example.com", false).await;
    let unverified = format!(
        "UPDATE users SET email_verified_at = NULL WHERE id = '{}'",
        ada.uuid()
    );
    assert_eq!(execute(&app, &unverified).await, 1);
    assert_eq!(owner.get("/accounts/new").await.url.path(), "/account");
    assert_eq!(
        set_role(&owner, &team, bob, "viewer").await.url.path(),
        "/account"
    );
    let page = post(
        &owner,
        &team,
        &format!("{team}/invite"),
        &[("email", "x@example.com"), ("role", "viewer")],
    )
    .await;
    assert!(
        page.text().contains("Confirm your e-mail address first"),
        "{}",
        page.text()
    );
    assert!(mails(&app, "x@example.com").await.is_empty());
}

#[tokio::test]
async fn whoever_is_concerned_is_told_by_mail_what_others_did_and_not_what_they_did_themselves() {
    let app = TestApp::start().await;
    let (ada, owner) = person(&app, "ada@example.com", false).await;
    let (bob, member) = person(&app, "bob@example.com", false).await;
    let team = new_team(&owner, "Marsh").await;
    add(&app, &owner, &team, ("bob@example.com", &member), "developer").await;
    let last = async |email: &str| mails(&app, email).await.pop().unwrap_or_default();
    let joined = last("ada@example.com").await;
    assert!(
        joined.contains("Subject: Your invitation was accepted"),
        "{joined}"
    );
    assert!(joined.contains("bob@example.com"), "{joined}");
    let count = async |email: &str| mails(&app, email).await.len();
    let (of_ada, of_bob) = (count("ada@example.com").await, count("bob@example.com").await);

    set_role(&owner, &team, bob, "developer").await;
    assert_eq!(count("bob@example.com").await, of_bob, "that is what he was");
    set_role(&owner, &team, bob, "admin").await;
    let changed = last("bob@example.com").await;
    assert!(
        changed.contains("Subject: Your role in an account was changed"),
        "{changed}"
    );
    assert!(changed.contains("made you admin"), "{changed}");
    set_role(&member, &team, bob, "viewer").await;
    assert_eq!(count("bob@example.com").await, of_bob + 1, "he did that himself");
    remove(&owner, &team, bob).await;
    let removed = last("bob@example.com").await;
    assert!(
        removed.contains("Subject: You were removed from an account"),
        "{removed}"
    );
    assert_eq!(count("ada@example.com").await, of_ada);
    assert_eq!(role_of(&app, &team, bob).await, None);
    assert_eq!(role_of(&app, &team, ada).await, Some("owner"));
}
