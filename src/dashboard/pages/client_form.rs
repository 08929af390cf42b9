//! The settings of a client as a form: filled from what is registered, read from what was typed, and given back with
//! what is wrong next to its field.

use std::time::Duration;

use super::{kind as kind_in_words, views};
use crate::{
    config::SigningAlgorithm,
    oauth::clients::{Client, ClientKind, GrantType, Registration, RegistrationError},
    scopes::{Audience, Catalogue, Entry},
    types::{DisplayName, RedirectUri, ScopeSet},
    web::{
        Parameters,
        page::{Choice, Field},
    },
};

const ALGORITHMS: [(SigningAlgorithm, &str); 3] = [
    (SigningAlgorithm::ES256, "ES256"),
    (SigningAlgorithm::EdDSA, "EdDSA"),
    (SigningAlgorithm::RS256, "RS256"),
];

/// What most clients that people sign in to ask for.
const USUAL_SCOPES: [&str; 3] = ["openid", "profile", "email"];

fn scope_choices(
    catalogue: &Catalogue,
    (kind, first_party): (Option<ClientKind>, bool),
    asked: impl Fn(&str) -> bool,
    optional: impl Fn(&str) -> bool,
) -> Vec<views::ScopeChoice> {
    let admitted = |entry: &&Entry| match kind {
        Some(kind) => {
            entry
                .audience
                .admits(kind == ClientKind::Confidential, first_party)
                || asked(entry.scope.as_str())
        }
        None => entry.audience != Audience::FirstParty,
    };
    let choice = |entry: &Entry| views::ScopeChoice {
        name: entry.scope.to_string(),
        description: entry.description.to_string(),
        only_for: match entry.audience {
            Audience::Any => None,
            Audience::Confidential => Some("Confidential clients only".to_owned()),
            Audience::FirstParty => Some("First-party clients only".to_owned()),
        },
        asked: asked(entry.scope.as_str()),
        optional: optional(entry.scope.as_str()),
    };
    catalogue.0.iter().filter(admitted).map(choice).collect()
}

fn grant_choices(kind: Option<ClientKind>, chosen: impl Fn(GrantType) -> bool) -> Vec<Choice> {
    let words = |grant| match grant {
        GrantType::AuthorizationCode => ("Authorization code", "People sign in. Always with PKCE."),
        GrantType::RefreshToken => (
            "Refresh token",
            "Stays signed in, with tokens that change on each use. With openid, ask for offline_access too.",
        ),
        GrantType::ClientCredentials => (
            "Client credentials",
            "Acts for itself, with nobody signed in. Confidential clients only.",
        ),
    };
    GrantType::ALL
        .into_iter()
        .filter(|grant| {
            *grant != GrantType::ClientCredentials || kind != Some(ClientKind::Public) || chosen(*grant)
        })
        .map(|grant| {
            let (label, hint) = words(grant);
            Choice::new(grant.name(), label, chosen(grant)).with_hint(hint)
        })
        .collect()
}

fn algorithm_choices(chosen: &str) -> Vec<Choice> {
    ALGORITHMS
        .iter()
        .map(|(_, name)| Choice::new(*name, *name, *name == chosen))
        .collect()
}

/// For a new client, with what most of them need.
pub(super) fn fresh(catalogue: &Catalogue) -> views::ClientForm {
    views::ClientForm {
        name: Field::default(),
        kind: views::ClientKind::Confidential,
        kind_error: None,
        redirect_uris: Field::default(),
        scopes: scope_choices(
            catalogue,
            (None, false),
            |name| USUAL_SCOPES.contains(&name),
            |_| false,
        ),
        scopes_error: None,
        grants: grant_choices(None, |grant| grant == GrantType::AuthorizationCode),
        grants_error: None,
        publisher: Field::default(),
        algorithms: algorithm_choices("ES256"),
        algorithms_error: None,
        retry_window: Field::default(),
    }
}

/// As it is registered.
pub(super) fn of_client(client: &Client, catalogue: &Catalogue) -> views::ClientForm {
    let registration = &client.registration;
    let lines: Vec<&str> = registration
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    let algorithm = ALGORITHMS
        .iter()
        .find(|(algorithm, _)| *algorithm == registration.id_token_alg)
        .map_or("", |(_, name)| name);
    views::ClientForm {
        name: Field::of(&registration.name),
        kind: kind_in_words(registration.kind),
        kind_error: None,
        redirect_uris: Field::of(lines.join("\n")),
        scopes: scope_choices(
            catalogue,
            (Some(registration.kind), client.first_party),
            |name| registration.scopes.contains(name),
            |name| registration.optional_scopes.contains(name),
        ),
        scopes_error: None,
        grants: grant_choices(Some(registration.kind), |grant| client.allows(grant)),
        grants_error: None,
        publisher: Field::of(registration.publisher.as_deref().unwrap_or_default()),
        algorithms: algorithm_choices(algorithm),
        algorithms_error: None,
        retry_window: Field::of(
            registration
                .retry_window
                .map(|window| window.as_secs().to_string())
                .unwrap_or_default(),
        ),
    }
}

/// As it was typed.
pub(super) fn typed(
    form: &Parameters,
    kind: ClientKind,
    catalogue: &Catalogue,
    first_party: bool,
) -> views::ClientForm {
    // A new client's kind can still be changed on the page that says what is wrong.
    let fixed = form.text("type").is_empty().then_some(kind);
    views::ClientForm {
        name: Field::of(form.text("name")),
        kind: kind_in_words(kind),
        kind_error: None,
        redirect_uris: Field::of(form.text("redirect_uris")),
        scopes: scope_choices(
            catalogue,
            (fixed, first_party),
            |name| scopes(form, "scope").any(|typed| typed == name),
            |name| scopes(form, "optional_scope").any(|typed| typed == name),
        ),
        scopes_error: None,
        grants: grant_choices(fixed, |grant| {
            form.all("grant").any(|typed| typed == grant.name())
        }),
        grants_error: None,
        publisher: Field::of(form.text("publisher")),
        algorithms: algorithm_choices(form.text("id_token_alg")),
        algorithms_error: None,
        retry_window: Field::of(form.text("retry_window")),
    }
}

/// The form of a new client that does not say where it runs, with what else is wrong with it.
pub(super) fn without_kind(form: &Parameters, catalogue: &Catalogue) -> views::ClientForm {
    let kind = ClientKind::Confidential;
    let mut page = match read(form, kind, catalogue, false) {
        Err(page) => *page,
        Ok(_) => typed(form, kind, catalogue, false),
    };
    page.kind_error = Some("Choose where it runs: it cannot be changed later.".to_owned());
    page
}

/// Boxes send one scope each; scripts may send several with spaces between them, as OAuth writes them.
fn scopes<'f>(form: &'f Parameters, name: &'f str) -> impl Iterator<Item = &'f str> {
    form.all(name).flat_map(str::split_whitespace)
}

/// What was typed as a registration, or the form with all that is wrong with it.
pub(super) fn read(
    form: &Parameters,
    kind: ClientKind,
    catalogue: &Catalogue,
    first_party: bool,
) -> Result<Registration, Box<views::ClientForm>> {
    let mut page = typed(form, kind, catalogue, first_party);
    let registration = Registration {
        name: checked_name(&mut page.name),
        kind,
        redirect_uris: checked_uris(&mut page.redirect_uris),
        grant_types: checked_grants(form, &mut page.grants_error),
        scopes: checked_scopes(form, "scope", &mut page.scopes_error),
        optional_scopes: checked_scopes(form, "optional_scope", &mut page.scopes_error),
        publisher: Some(checked_publisher(&mut page.publisher)).filter(|name| !name.is_empty()),
        id_token_alg: checked_algorithm(form, &mut page.algorithms_error),
        retry_window: checked_window(&mut page.retry_window),
    };
    let registration = Registration {
        optional_scopes: registration
            .optional_scopes
            .iter()
            .filter(|scope| registration.scopes.contains(scope.as_str()))
            .cloned()
            .collect(),
        ..registration
    };
    for error in registration.faults(catalogue, first_party) {
        mark(&mut page, &error);
    }
    let wrong = [&page.scopes_error, &page.grants_error, &page.algorithms_error]
        .into_iter()
        .any(Option::is_some)
        || [
            &page.name,
            &page.redirect_uris,
            &page.publisher,
            &page.retry_window,
        ]
        .into_iter()
        .any(|field| field.error.is_some());
    if wrong {
        Err(Box::new(page))
    } else {
        Ok(registration)
    }
}

fn wrong(field: &mut Field, words: impl Into<String>) {
    field.error.get_or_insert_with(|| words.into());
}

fn checked_name(field: &mut Field) -> String {
    match field.value.parse::<DisplayName>() {
        Ok(name) => name.to_string(),
        Err(error) => {
            wrong(field, error.to_string());
            String::new()
        }
    }
}

fn checked_publisher(field: &mut Field) -> String {
    if field.value.trim().is_empty() {
        String::new()
    } else {
        checked_name(field)
    }
}

fn checked_uris(field: &mut Field) -> Vec<RedirectUri> {
    let mut uris = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in (1_usize..).zip(field.value.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match line.parse::<RedirectUri>() {
            Ok(uri) if uris.contains(&uri) => {}
            Ok(uri) => uris.push(uri),
            Err(error) => problems.push(format!("Line {number}: {error}.")),
        }
    }
    if !problems.is_empty() {
        wrong(field, problems.join(" "));
    }
    uris
}

fn checked_grants(form: &Parameters, error: &mut Option<String>) -> Vec<GrantType> {
    let mut grants = Vec::new();
    for name in form.all("grant") {
        match name.parse::<GrantType>() {
            Ok(grant) if grants.contains(&grant) => {}
            Ok(grant) => grants.push(grant),
            Err(_) => {
                error.get_or_insert_with(|| "Choose from these.".to_owned());
            }
        }
    }
    grants
}

/// What is wrong stays so: signed with another algorithm, ID tokens would be refused by a client that was not told.
fn checked_algorithm(form: &Parameters, error: &mut Option<String>) -> SigningAlgorithm {
    let typed = form.text("id_token_alg");
    let known = ALGORITHMS.iter().find(|(_, name)| *name == typed);
    known.map_or_else(
        || {
            error.get_or_insert_with(|| "Choose one of these.".to_owned());
            SigningAlgorithm::ES256
        },
        |(algorithm, _)| *algorithm,
    )
}

fn checked_scopes(form: &Parameters, name: &str, error: &mut Option<String>) -> ScopeSet {
    let all: Vec<&str> = scopes(form, name).collect();
    all.join(" ").parse().unwrap_or_else(|invalid| {
        error.get_or_insert_with(|| format!("{invalid}."));
        ScopeSet::default()
    })
}

fn checked_window(field: &mut Field) -> Option<Duration> {
    let text = field.value.trim();
    if text.is_empty() {
        return None;
    }
    let window = text.parse().ok().map(Duration::from_secs);
    if window.is_none() {
        wrong(field, "A whole number of seconds, 0 to 60.");
    }
    window
}

/// Puts what is wrong next to its field, unless that field says something already.
pub(super) fn mark(page: &mut views::ClientForm, error: &RegistrationError) {
    match error {
        RegistrationError::Name(error) => wrong(&mut page.name, error.to_string()),
        RegistrationError::Publisher(error) => wrong(&mut page.publisher, error.to_string()),
        RegistrationError::NoRedirectUri => wrong(
            &mut page.redirect_uris,
            "The authorization code grant needs at least one redirect URI.",
        ),
        RegistrationError::ManyRedirectUris => {
            wrong(&mut page.redirect_uris, "Register 20 redirect URIs at most.");
        }
        RegistrationError::NoGrantType => {
            page.grants_error
                .get_or_insert_with(|| "Choose at least one.".to_owned());
        }
        RegistrationError::RefreshAlone => {
            page.grants_error.get_or_insert_with(|| {
                "Refresh tokens come with authorization codes: choose that too.".to_owned()
            });
        }
        RegistrationError::PublicCredentials => {
            page.grants_error.get_or_insert_with(|| {
                "Client credentials need a client that can keep a secret: make it confidential.".to_owned()
            });
        }
        RegistrationError::UnknownScope(scope) => {
            page.scopes_error
                .get_or_insert_with(|| format!("{scope} is not in the catalogue."));
        }
        RegistrationError::ConfidentialScope(scope) => {
            page.scopes_error
                .get_or_insert_with(|| format!("{scope} is for confidential clients only."));
        }
        RegistrationError::HouseScope(scope) => {
            page.scopes_error.get_or_insert_with(|| {
                format!("{scope} is for first-party clients only: an operator has to mark this one first.")
            });
        }
        RegistrationError::FirstPartyRedirectUri(uri) => wrong(
            &mut page.redirect_uris,
            format!(
                "{uri} is new. People are not asked before they are sent to a first-party client, so only an operator adds one."
            ),
        ),
        RegistrationError::FirstPartyScope(scope) => {
            page.scopes_error.get_or_insert_with(|| {
                format!("{scope} is new. People are not asked what a first-party client may do, so only an operator adds one.")
            });
        }
        RegistrationError::NoPublisher => wrong(&mut page.publisher, "Name a publisher first."),
        RegistrationError::RetryWindow => wrong(&mut page.retry_window, "Between 0 and 60 seconds."),
    }
}
