//! Accounts and their members on the command line.

use claviger::revocation::Subject;
use serde_json::json;

use super::{PASSWORD, keys};
use crate::support::{app::TestApp, program::Program};

#[tokio::test]
async fn accounts_are_shown_limited_and_their_members_kept() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let user = async |email: &str| {
        let arguments = ["user", "create", "--email", email, "--password-stdin", "--json"];
        program.run_with(PASSWORD, &arguments).await.json()
    };
    let (ann, bob) = (user("ann@example.com").await, user("bob@example.com").await);
    let id = ann["account_id"].as_str().unwrap();
    let listed = program.run(&["account", "list", "--json"]).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(
        keys(&listed[0]),
        ["account_id", "monthly_limit", "name", "personal"]
    );

    // Every app's keys are read anew, on every node, when the command returns.
    let shown = program.run(&["account", "show", id, "--json"]).await.json();
    assert_eq!(
        shown["members"],
        json!([
            { "user_id": ann["user_id"], "email": "ann@example.com", "role": "owner" }
        ])
    );
    let app_id: claviger::types::AppId = shown["apps"][0]["app_id"].as_str().unwrap().parse().unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook = seen.clone();
    app.revocations.on_applied(move |applied| {
        if let claviger::revocation::Applied::Entry(Subject::App(id)) = applied {
            hook.lock().unwrap().push(*id);
        }
    });
    let limited = program
        .run(&["account", "limit", id, "--monthly", "5000", "--json"])
        .await
        .json();
    assert_eq!(limited, json!({ "account_id": id, "monthly_limit": 5000 }));
    assert_eq!(*seen.lock().unwrap(), [app_id]);
    let shown = program.run(&["account", "show", id, "--json"]).await.json();
    assert_eq!(shown["monthly_limit"], 5000);
    program
        .run(&["account", "limit", id, "--monthly", "none", "--json"])
        .await
        .json();
    let shown = program.run(&["account", "show", id, "--json"]).await.json();
    assert_eq!(shown["monthly_limit"], json!(null));
    for wrong in ["0", "-1", "many"] {
        let refused = program
            .run(&["account", "limit", id, &format!("--monthly={wrong}")])
            .await;
        assert_eq!(refused.code, 2, "{wrong}");
    }
    let records = "SELECT count(*) FROM audit_records WHERE action = 'account.limit_changed'";
    assert_eq!(crate::identity::number(&app, records).await, 2);

    let member = async |act: &[&str]| program.run(&[&["account", "member"][..], act].concat()).await;
    let added = member(&["add", id, "bob@example.com", "--role", "viewer", "--json"])
        .await
        .json();
    assert_eq!(
        added,
        json!({ "account_id": id, "user_id": bob["user_id"], "role": "viewer" })
    );
    let again = member(&["add", id, "bob@example.com", "--role", "viewer"]).await;
    assert_eq!(again.refusal(), "that person is a member of the account already");
    let changed = member(&["role", id, "bob@example.com", "--role", "admin", "--json"])
        .await
        .json();
    assert_eq!(changed["role"], "admin");
    let refused = member(&["role", id, "bob@example.com", "--role", "owner"]).await;
    assert_eq!(
        refused.refusal(),
        "a personal account has its person as its one owner"
    );
    member(&["remove", id, "bob@example.com", "--json"]).await.json();
    let gone = member(&["remove", id, "bob@example.com"]).await;
    assert_eq!(gone.refusal(), "that person is not a member of the account");
    let nobody = member(&["remove", id, "no@body.example"]).await;
    assert_eq!(nobody.refusal(), "nobody has the address no@body.example");
    let nowhere = "acc_00000000000000000000000001";
    for arguments in [
        &["account", "show", nowhere][..],
        &["account", "limit", nowhere, "--monthly", "1"],
        &["account", "member", "remove", nowhere, "bob@example.com"],
    ] {
        let refused = program.run(arguments).await;
        assert_eq!(refused.refusal(), format!("there is no account {nowhere}"));
    }
}
