//! Every page, rendered from its samples: what holds for all of them, and what each says.
//!
//! The pages are also written to `target/tmp/pages`, beside the files of `static/`, to be looked at in a browser.

use std::{collections::HashSet, fs, path::Path};

use askama::Template;
use claviger::{
    api::views as api,
    dashboard::views as dashboard,
    identity::views as identity,
    oauth::views as oauth,
    web::{
        assets::ASSETS,
        page::{self, ErrorPage, Frame},
    },
};
use scraper::{ElementRef, Html, Selector};

#[allow(clippy::too_many_lines, reason = "a list")]
fn all() -> Vec<(&'static str, String)> {
    macro_rules! pages {
        ($($name:literal: $view:expr;)+) => { vec![$(($name, $view.render().unwrap())),+] };
    }
    pages! {
        "error-500": ErrorPage::sample();
        "error-stale": ErrorPage::sample_stale();
        "error-404": ErrorPage::for_status(Frame::sample(), 404, "req_01kasample".to_owned());
        "sign-up": identity::SignUp::sample();
        "sign-up-refused": identity::SignUp::sample_refused();
        "sign-up-invited": identity::SignUp::sample_invited();
        "sign-up-closed": identity::SignUpClosed::sample();
        "sign-in": identity::SignIn::sample();
        "sign-in-refused": identity::SignIn::sample_refused();
        "forgotten-password": identity::ForgottenPassword::sample();
        "check-mail-reset": identity::CheckMail::sample();
        "check-mail-verify": identity::CheckMail::sample_verify();
        "reset-password": identity::ResetPassword::sample();
        "confirm-link": identity::ConfirmLink::sample();
        "confirm-link-change": identity::ConfirmLink::sample_change();
        "link-expired": identity::LinkExpired::sample();
        "sign-in-to-confirm": identity::SignInToConfirm::sample();
        "sign-in-to-confirm-change": identity::SignInToConfirm::sample_change();
        "outcome": identity::Outcome::sample();
        "outcome-reset": identity::Outcome::sample_reset();
        "outcome-taken": identity::Outcome::sample_taken();
        "first-operator": identity::FirstOperator::sample();
        "reauthenticate": identity::Reauthenticate::sample();
        "account": identity::Account::sample();
        "account-pending": identity::Account::sample_pending();
        "sessions": identity::Sessions::sample();
        "sessions-alone": identity::Sessions::sample_alone();
        "sessions-unknown": identity::Sessions::sample_unknown();
        "activity": identity::Activity::sample();
        "activity-empty": identity::Activity::sample_empty();
        "invite": identity::Invite::sample();
        "invite-closed": identity::Invite::sample_closed();
        "consent": oauth::Consent::sample();
        "consent-wider": oauth::Consent::sample_wider();
        "consent-changed": oauth::Consent::sample_changed();
        "consent-changed-meanwhile": oauth::Consent::sample_changed_meanwhile();
        "select-account": oauth::SelectAccount::sample();
        "authorize-error": oauth::AuthorizeError::sample();
        "form-post": oauth::FormPost::sample();
        "connected-apps": oauth::ConnectedApps::sample();
        "connected-apps-empty": oauth::ConnectedApps::sample_empty();
        "connected-app": oauth::ConnectedAppPage::sample();
        "connected-app-idle": oauth::ConnectedAppPage::sample_idle();
        "home": dashboard::Home::sample();
        "home-new": dashboard::Home::sample_new();
        "home-empty": dashboard::Home::sample_empty();
        "new-app": dashboard::NewApp::sample();
        "new-app-refused": dashboard::NewApp::sample_refused();
        "app": dashboard::AppPage::sample();
        "app-empty": dashboard::AppPage::sample_empty();
        "app-viewer": dashboard::AppPage::sample_viewer();
        "new-key": dashboard::NewKey::sample();
        "new-key-empty": dashboard::NewKey::sample_empty();
        "new-key-refused": dashboard::NewKey::sample_refused();
        "key-shown": dashboard::KeyShown::sample();
        "key-shown-publishable": dashboard::KeyShown::sample_publishable();
        "key": dashboard::KeyPage::sample();
        "key-new": dashboard::KeyPage::sample_new();
        "key-rotated": dashboard::KeyPage::sample_rotated();
        "key-revoked": dashboard::KeyPage::sample_revoked();
        "key-refused": dashboard::KeyPage::sample_refused();
        "key-viewer": dashboard::KeyPage::sample_viewer();
        "key-question": dashboard::KeyQuestion::sample();
        "key-question-in-use": dashboard::KeyQuestion::sample_in_use();
        "former-keys": dashboard::FormerKeys::sample();
        "former-keys-empty": dashboard::FormerKeys::sample_empty();
        "policy": dashboard::PolicyPage::sample();
        "policy-operator": dashboard::PolicyPage::sample_operator();
        "policy-refused": dashboard::PolicyPage::sample_refused();
        "new-team": dashboard::NewTeam::sample();
        "new-team-refused": dashboard::NewTeam::sample_refused();
        "account-team": dashboard::AccountPage::sample();
        "account-team-empty": dashboard::AccountPage::sample_empty();
        "account-team-refused": dashboard::AccountPage::sample_refused();
        "account-team-viewer": dashboard::AccountPage::sample_viewer();
        "join": dashboard::Join::sample();
        "join-signed-out": dashboard::Join::sample_signed_out();
        "join-other-address": dashboard::Join::sample_other_address();
        "join-unverified": dashboard::Join::sample_unverified();
        "new-client": dashboard::NewClient::sample();
        "new-client-refused": dashboard::NewClient::sample_refused();
        "secret-shown": dashboard::SecretShown::sample();
        "secret-shown-public": dashboard::SecretShown::sample_public();
        "secret-shown-added": dashboard::SecretShown::sample_added();
        "client": dashboard::ClientPage::sample();
        "client-public": dashboard::ClientPage::sample_public();
        "client-refused": dashboard::ClientPage::sample_refused();
        "client-viewer": dashboard::ClientPage::sample_viewer();
        "delete-confirm": dashboard::DeleteConfirm::sample();
        "usage": dashboard::UsagePage::sample();
        "usage-small": dashboard::UsagePage::sample_small();
        "usage-big": dashboard::UsagePage::sample_big();
        "usage-empty": dashboard::UsagePage::sample_empty();
        "usage-key": dashboard::UsagePage::sample_key();
        "webhooks": dashboard::Webhooks::sample();
        "webhooks-empty": dashboard::Webhooks::sample_empty();
        "webhooks-viewer": dashboard::Webhooks::sample_viewer();
        "webhook": dashboard::WebhookPage::sample();
        "webhook-silent": dashboard::WebhookPage::sample_silent();
        "webhook-viewer": dashboard::WebhookPage::sample_viewer();
        "webhook-new": dashboard::WebhookForm::sample();
        "webhook-refused": dashboard::WebhookForm::sample_refused();
        "webhook-secret-shown": dashboard::WebhookSecretShown::sample();
        "webhook-secret-rotated": dashboard::WebhookSecretShown::sample_rotated();
        "webhook-delivery": dashboard::WebhookDelivery::sample();
        "webhook-delivery-viewer": dashboard::WebhookDelivery::sample_viewer();
        "all-clients": dashboard::AllClients::sample();
        "all-clients-none": dashboard::AllClients::sample_none();
        "docs": api::Docs::sample();
        "scopes": dashboard::Scopes::sample();
        "scope-new": dashboard::ScopeForm::sample();
        "scope-editing": dashboard::ScopeForm::sample_editing();
        "scope-refused": dashboard::ScopeForm::sample_refused();
    }
}

fn each(mut check: impl FnMut(&str, &Html)) {
    for (name, text) in all() {
        check(name, &Html::parse_document(&text));
    }
}

fn found<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

#[test]
fn samples_can_be_looked_at() {
    write_samples(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages"));
}

/// Writes every sample, and the static files that they need, into a folder.
pub fn write_samples(folder: &Path) {
    fs::create_dir_all(folder.join("static")).unwrap();
    for asset in ASSETS {
        fs::write(folder.join("static").join(asset.name), asset.bytes).unwrap();
    }
    for (name, text) in all() {
        fs::write(folder.join(format!("{name}.html")), text).unwrap();
    }
}

#[test]
fn a_page_has_one_heading_a_title_a_language_and_landmarks() {
    each(|name, page| {
        assert_eq!(found(page, "h1").len(), 1, "{name}: h1");
        assert_eq!(found(page, "main#content").len(), 1, "{name}: main");
        assert_eq!(found(page, "html[lang=en]").len(), 1, "{name}: lang");
        assert_eq!(
            found(page, "a.skip[href='#content']").len(),
            1,
            "{name}: skip link"
        );
        let title: String = found(page, "title")[0].text().collect();
        assert!(
            title.len() > " · Claviger".len() && title.ends_with(" · Claviger"),
            "{name}: {title}"
        );
    });
}

#[test]
fn a_page_obeys_the_content_security_policy() {
    each(|name, page| {
        assert!(found(page, "style, [style]").is_empty(), "{name}: inline style");
        for script in found(page, "script") {
            assert!(
                script.attr("src").is_some_and(|src| src.starts_with("/static/")),
                "{name}: inline script"
            );
        }
        for element in found(page, "*") {
            for (attribute, value) in element.value().attrs() {
                assert!(!attribute.starts_with("on"), "{name}: {attribute}");
                assert!(!value.starts_with("javascript:"), "{name}: {value}");
            }
        }
        for element in found(page, "link, img") {
            let source = element.attr("href").or(element.attr("src")).unwrap();
            assert!(source.starts_with('/'), "{name}: {source} is not ours");
        }
    });
}

#[test]
fn every_form_that_posts_carries_the_csrf_token() {
    each(|name, page| {
        let tokens =
            Selector::parse("input[type=hidden][name=csrf_token][value='sample-csrf-token']").unwrap();
        for form in found(page, "form[method=post]")
            .into_iter()
            .filter(|form| !form.attr("action").unwrap().contains("://"))
        {
            assert_eq!(
                form.select(&tokens).count(),
                1,
                "{name}: {:?}",
                form.attr("action")
            );
        }
    });
}

#[test]
fn ids_are_unique_and_whatever_names_one_finds_it() {
    each(|name, page| {
        let ids: Vec<_> = found(page, "[id]")
            .iter()
            .map(|element| element.attr("id").unwrap())
            .collect();
        let known: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), known.len(), "{name}: an id twice in {ids:?}");
        for attribute in [
            "for",
            "aria-describedby",
            "aria-labelledby",
            "popovertarget",
            "data-copy",
            "data-reveal",
        ] {
            for element in found(page, &format!("[{attribute}]")) {
                for id in element.attr(attribute).unwrap().split(' ') {
                    assert!(known.contains(id), "{name}: {attribute}={id}");
                }
            }
        }
    });
}

#[test]
fn every_control_has_a_label_and_what_was_wrong_is_named_beside_it() {
    each(|name, page| {
        for control in found(page, "input:not([type=hidden]), select, textarea") {
            let id = control
                .attr("id")
                .unwrap_or_else(|| panic!("{name}: a control without id"));
            assert_eq!(
                found(page, &format!("label[for='{id}']")).len(),
                1,
                "{name}: label of {id}"
            );
        }
        for wrong in found(page, "[aria-invalid=true]") {
            assert!(
                wrong.attr("aria-describedby").unwrap().contains("-error"),
                "{name}"
            );
        }
        for password in found(page, "input[type=password]") {
            assert!(
                password.attr("value").is_none(),
                "{name}: a password is written back"
            );
            assert!(
                password.attr("autocomplete").unwrap().ends_with("-password"),
                "{name}"
            );
        }
    });
}

#[test]
fn whatever_is_shown_is_escaped() {
    let mut page = identity::SignIn::sample_refused();
    page.email = page::Field::of("\"><script>alert(1)</script>");
    page.onward.request.as_mut().unwrap().app_name = "<b>Bank</b>".to_owned();
    let text = page.render().unwrap();
    assert!(!text.contains("<script>") && !text.contains("<b>"), "{text}");
}

#[test]
fn what_only_works_with_scripts_is_hidden_without_them() {
    each(|name, page| {
        for button in found(page, "[data-copy], [data-reveal]") {
            assert!(button.attr("hidden").is_some(), "{name}");
        }
    });
}

fn words(page: &Html, selector: &str) -> String {
    let found = found(page, selector);
    let texts = found.iter().flat_map(ElementRef::text);
    texts
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn consent_says_who_asks_for_what_and_where_it_leads() {
    let page = Html::parse_document(&oauth::Consent::sample().render().unwrap());
    let all = words(&page, "main");
    for said in [
        "Fieldnotes wants to use your account",
        "by Marsh & Daughters Ltd Verified",
        "Ada Marsh ada@example.com Use another account",
        "Know who you are when you sign in",
        "You will be sent to fieldnotes.example",
    ] {
        assert!(all.contains(said), "{said}: {all}");
    }
    let ticked: Vec<_> = found(&page, "input[name=scope][checked]")
        .iter()
        .filter_map(|scope| scope.attr("value"))
        .collect();
    assert_eq!(ticked, ["profile", "email", "offline_access"]);
    let decisions: Vec<_> = found(&page, "button[type=submit][name=decision]")
        .iter()
        .filter_map(|button| button.attr("value"))
        .collect();
    assert_eq!(decisions, ["deny", "approve"]);
    assert_eq!(
        found(&page, "form[method=post] input[type=hidden][name=request]").len(),
        1
    );
}

#[test]
fn consent_warns_of_a_program_on_this_computer_and_shows_what_is_new() {
    let page = Html::parse_document(&oauth::Consent::sample_wider().render().unwrap());
    let all = words(&page, "main");
    assert!(
        all.contains("127.0.0.1 , a program on this very computer"),
        "{all}"
    );
    assert!(
        all.contains("It would also be able to Place, change and cancel your orders Sensitive"),
        "{all}"
    );
    assert!(
        all.contains("You have already allowed Know who you are when you sign in See your name"),
        "{all}"
    );
    assert!(all.contains("Publisher not verified"), "{all}");
}

#[test]
fn a_form_keeps_what_was_typed_and_says_what_was_wrong_beside_it() {
    let page = Html::parse_document(&identity::SignUp::sample_refused().render().unwrap());
    let email = found(&page, "input[name=email]")[0];
    assert_eq!(email.attr("value"), Some("ada@example"));
    assert_eq!(email.attr("aria-describedby"), Some("f-email-error"));
    assert!(words(&page, "#f-email-error").contains("That is no e-mail address"));
    assert_eq!(found(&page, "input[name=request]").len(), 1);
}

#[test]
fn a_secret_is_shown_once_with_a_warning_and_a_public_client_has_none() {
    let shown = Html::parse_document(&dashboard::SecretShown::sample().render().unwrap());
    assert!(words(&shown, "#client-secret").starts_with("sample-secret"));
    assert!(words(&shown, "main").contains("This is the only time that the secret is shown."));
    let public = Html::parse_document(&dashboard::SecretShown::sample_public().render().unwrap());
    assert!(found(&public, "#client-secret").is_empty());
}

#[test]
fn whoever_may_only_look_finds_nothing_to_change() {
    for text in [
        dashboard::AppPage::sample_viewer().render().unwrap(),
        dashboard::ClientPage::sample_viewer().render().unwrap(),
        dashboard::KeyPage::sample_viewer().render().unwrap(),
    ] {
        let page = Html::parse_document(&text);
        let ways = "/delete /new /policy /rotate /retire /regenerate /revoke"
            .split(' ')
            .map(|end| format!("main a[href$='{end}']"));
        let selector: Vec<_> = ways.chain(["main form".to_owned()]).collect();
        assert!(found(&page, &selector.join(", ")).is_empty());
    }
}

#[test]
fn whoever_may_only_look_at_an_account_finds_nothing_but_the_way_out() {
    let page = Html::parse_document(&dashboard::AccountPage::sample_viewer().render().unwrap());
    let forms: Vec<_> = found(&page, "main form")
        .iter()
        .filter_map(|form| form.attr("action"))
        .collect();
    assert_eq!(forms, ["/accounts/acc_one/leave"]);
}

/// The relative luminance of `#rrggbb` (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let channel = |place: usize| {
        let value = f64::from(u8::from_str_radix(&colour[place..place + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn every_text_stands_out_from_its_ground_in_light_and_dark() {
    let sheet = include_str!("../../static/claviger.css");
    let (light, rest) = sheet.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let dark = rest.split_once("/* ---").unwrap().0;
    for (scheme, tokens) in [("light", light), ("dark", dark)] {
        let colour = |name: &str| {
            let start = tokens
                .find(&format!("--{name}: #"))
                .unwrap_or_else(|| panic!("{scheme} has no {name}"));
            luminance(&tokens[start + name.len() + 4..][..7])
        };
        let mut pairs = vec![
            ("on-accent", "accent"),
            ("on-accent", "accent-strong"),
            ("on-danger", "danger"),
        ];
        for ground in ["ground", "surface", "raised", "sunken"] {
            pairs.extend(["ink", "ink-soft", "accent", "danger"].map(|text| (text, ground)));
        }
        for tone in ["accent", "success", "warning", "danger"] {
            pairs.extend([
                (tone, format!("{tone}-soft").leak() as &str),
                ("ink", format!("{tone}-soft").leak()),
            ]);
        }
        for (text, ground) in pairs {
            let (one, other) = (colour(text), colour(ground));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(contrast >= 4.5, "{scheme}: {text} on {ground} is {contrast:.2}");
        }
        for ground in ["ground", "surface", "raised"] {
            let (one, other) = (colour("line-strong"), colour(ground));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(
                contrast >= 3.0,
                "{scheme}: the edge of controls on {ground} is {contrast:.2}"
            );
        }
    }
}

#[test]
fn every_link_of_ours_begins_where_the_issuer_does() {
    let mut templates = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
    let mut read = 0;
    while let Some(path) = templates.pop() {
        if path.is_dir() {
            templates.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        read += 1;
        let text = fs::read_to_string(&path).unwrap();
        for attribute in [" href=\"", " action=\"", " src=\""] {
            for (place, _) in text.match_indices(attribute) {
                let way = &text[place + attribute.len()..];
                let sound = ["{{ crate::web::base() }}", "#", "{{ redirect_uri }}"];
                assert!(
                    sound.iter().any(|start| way.starts_with(start)),
                    "{}:{attribute}{}",
                    path.display(),
                    way.chars().take(40).collect::<String>()
                );
            }
        }
    }
    assert!(read > 30, "the templates were not read");
}
