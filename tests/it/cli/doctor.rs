//! `claviger doctor`.

use crate::support::{
    app::{MASTER_KEY, TestApp},
    program::Program,
};

#[tokio::test]
async fn doctor_says_what_to_mend() {
    let app = TestApp::at_real_time(|_| {}).await;
    let well = Program::beside(&app).run(&["doctor"]).await;
    for line in [
        "ok    database",
        "ok    clock",
        "ok    migrations",
        "ok    issuer",
        "ok    webhooks",
    ] {
        assert!(
            well.out.lines().any(|own| own.starts_with(line)),
            "{line}: {}",
            well.out
        );
    }
    // The tests' own cluster does without: that must be noticed.
    assert!(well.out.contains("FAIL  durability"), "{}", well.out);
    assert_eq!(well.code, 1);

    let ill = Program::beside(&app)
        .with("CLAVIGER_ISSUER", "http://localhost:1")
        .with("CLAVIGER_LISTEN", "0.0.0.0:1")
        .with("CLAVIGER_MAIL__SMTP_URL", "smtp://127.0.0.1:1")
        .with("CLAVIGER_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true")
        .run(&["doctor"])
        .await;
    for line in ["warn  issuer", "FAIL  TLS", "FAIL  mail", "warn  webhooks"] {
        assert!(
            ill.out.lines().any(|own| own.starts_with(line)),
            "{line}: {}",
            ill.out
        );
    }
    assert!(ill.err.contains("things must be mended"), "{}", ill.err);

    let other = Program::beside(&app)
        .with("CLAVIGER_ISSUER", &app.url("/elsewhere"))
        .run(&["doctor"])
        .await;
    assert!(other.out.contains("FAIL  issuer"), "{}", other.out);
}

#[tokio::test]
async fn doctor_names_a_master_key_that_is_missing_or_old() {
    let app = TestApp::at_real_time(|_| {}).await;
    let newer = "dGhlIG5ld2VyIG9uZSBvZiB0d28gbWFzdGVyIGtleXM=";
    let doctor = async |keys: &str| {
        let answer = Program::beside(&app)
            .with("CLAVIGER_MASTER_KEY__VALUE", keys)
            .run(&["doctor"])
            .await;
        let line = answer.out.lines().find(|line| line.contains("derived keys"));
        line.expect("a line about the derived keys").to_owned()
    };
    let line = doctor(MASTER_KEY).await;
    assert!(line.starts_with("ok  "), "{line}");
    let line = doctor(&format!("{newer},{MASTER_KEY}")).await;
    assert!(line.starts_with("warn"), "{line}");
    assert!(line.contains("`claviger keys rotate`"), "{line}");
    let line = doctor(newer).await;
    assert!(line.starts_with("FAIL"), "{line}");
    assert!(line.contains("which is not here"), "{line}");
}
