//! The settings of a key as a form: filled from what is there, read from what was typed, and given back with what is wrong
//! next to its field.

use std::str::FromStr;

use ipnet::IpNet;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset, macros::format_description};

use super::{
    super::views::{KeyForm, KeyScopeChoice, Tag},
    words,
};
use crate::{
    config::Tier,
    keys::{ApiKey, AppPolicy, Asker, KeyKind, Keys, OwnLimits, Settings, network},
    scopes::Catalogue,
    types::{DisplayName, Scope, ScopeSet},
    web::{Parameters, page::Field},
};

/// What there is to choose from.
pub(super) struct Offer<'a> {
    pub(super) keys: &'a Keys,
    /// Whoever chooses: some scopes only operators give.
    pub(super) asker: Asker<'a>,
    pub(super) policy: &'a AppPolicy,
    pub(super) catalogue: &'a Catalogue,
    /// Of what a key exists already: its family and kind are fixed.
    pub(super) key: Option<&'a ApiKey>,
}

impl Offer<'_> {
    /// The limits of whatever says nothing of its own.
    fn tier(&self) -> Tier {
        self.keys.config.keys.tiers.get(&self.policy.tier)
    }

    /// Every scope that a key could have, with what limits it to some keys.
    fn scopes(&self) -> Vec<(String, Option<String>)> {
        let (policy, catalogue) = (self.policy, self.catalogue);
        let fits = |name: &str| match self.key {
            Some(key) if key.kind == KeyKind::Publishable => {
                catalogue.find(name).is_some_and(|entry| entry.publishable)
            }
            _ => true,
        };
        let covered = catalogue.0.iter().map(|entry| entry.scope.as_str());
        let granted: ScopeSet = policy
            .scopes
            .iter()
            .map(Scope::as_str)
            .chain(covered.filter(|name| policy.covers(name)))
            .filter(|name| fits(name))
            .filter_map(|name| name.parse().ok())
            .collect();
        let mut all: Vec<(String, Option<String>)> = catalogue
            .in_order(&granted)
            .into_iter()
            .map(|scope| (scope.to_string(), None))
            .collect();
        let mut add = |scopes: &ScopeSet, only: Option<String>| {
            for scope in scopes {
                if !all.iter().any(|(name, _)| name == scope.as_str()) {
                    all.push((scope.to_string(), only.clone()));
                }
            }
        };
        if let Some(key) = self.key {
            add(&key.settings.scopes, None);
            add(&self.keys.scopes_to_give(&key.family, &self.asker), None);
        } else {
            for (family, _) in self.keys.config.keys.families.iter() {
                let scopes = self.keys.scopes_to_give(family, &self.asker);
                add(&scopes, Some(format!("{family} keys only")));
            }
        }
        all
    }

    fn choices(&self, chosen: impl Fn(&str) -> bool) -> Vec<KeyScopeChoice> {
        let legacy = words::all_legacy(self.keys);
        self.scopes()
            .into_iter()
            .map(|(name, only)| {
                let mut marks = words::marks(&name, &legacy);
                let publishable = self.catalogue.find(&name).is_some_and(|entry| entry.publishable);
                if publishable && self.key.is_none() {
                    marks.push(Tag::new("Publishable", "info"));
                }
                let meaning = words::meaning(&name, self.catalogue, &legacy);
                let description = [Some(meaning), only]
                    .into_iter()
                    .flatten()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(" · ");
                KeyScopeChoice {
                    chosen: chosen(&name),
                    name,
                    description,
                    marks,
                }
            })
            .collect()
    }

    /// For a new key.
    pub(super) fn fresh(&self) -> KeyForm {
        KeyForm {
            name: Field::default(),
            scopes: self.choices(|_| false),
            scopes_error: None,
            per_second: Field::default(),
            per_hour: Field::default(),
            per_month: Field::default(),
            usual: words::usual(&self.tier()),
            expires_at: Field::default(),
            networks: Field::default(),
        }
    }

    /// As a key is.
    pub(super) fn filled(&self, settings: &Settings) -> KeyForm {
        let OwnLimits {
            per_second,
            per_hour,
            per_month,
        } = settings.limits;
        let count = |limit: Option<String>| Field::of(limit.unwrap_or_default());
        KeyForm {
            name: Field::of(settings.name.as_str()),
            scopes: self.choices(|name| settings.scopes.contains(name)),
            per_second: count(per_second.map(|limit| limit.to_string())),
            per_hour: count(per_hour.map(|limit| limit.to_string())),
            per_month: count(per_month.map(|limit| limit.to_string())),
            expires_at: Field::of(settings.expires_at.map(written).unwrap_or_default()),
            networks: Field::of(lines(&settings.networks)),
            ..self.fresh()
        }
    }

    /// As it was typed.
    pub(super) fn typed(&self, form: &Parameters) -> KeyForm {
        KeyForm {
            name: Field::of(form.text("name")),
            scopes: self.choices(|name| form.all("scope").any(|typed| typed == name)),
            per_second: Field::of(form.text("per_second")),
            per_hour: Field::of(form.text("per_hour")),
            per_month: Field::of(form.text("per_month")),
            expires_at: Field::of(form.text("expires_at")),
            networks: Field::of(form.text("networks")),
            ..self.fresh()
        }
    }

    /// What was typed as settings, or the form with all that is wrong with it.
    pub(super) fn read(&self, form: &Parameters) -> Result<Settings, Box<KeyForm>> {
        let mut page = self.typed(form);
        let name = parsed(&mut page.name, |text| {
            text.parse::<DisplayName>().map_err(|error| error.to_string())
        });
        let scopes = form.all("scope").map(str::parse).collect::<Result<ScopeSet, _>>();
        if scopes.is_err() {
            page.scopes_error = Some("Choose from these.".to_owned());
        }
        let limits = OwnLimits {
            per_second: count(&mut page.per_second),
            per_hour: count(&mut page.per_hour),
            per_month: count(&mut page.per_month),
        };
        let own_end = self.key.and_then(|key| key.settings.expires_at);
        let expires_at = end(&mut page.expires_at, own_end);
        let networks = networks(&mut page.networks);
        let fields = [
            &page.per_second,
            &page.per_hour,
            &page.per_month,
            &page.expires_at,
            &page.networks,
        ];
        match (name, scopes) {
            (Some(name), Ok(scopes)) if fields.iter().all(|field| field.error.is_none()) => Ok(Settings {
                name,
                scopes,
                limits,
                expires_at,
                networks,
            }),
            _ => Err(Box::new(page)),
        }
    }
}

/// Puts what an act has against some field next to it; says whether the form has that field.
pub(super) fn mark(page: &mut KeyForm, field: &str, problem: &str) -> bool {
    let words = words::sentence(problem);
    match field {
        "scopes" => page.scopes_error = Some(words),
        "per_second" => page.per_second.error = Some(words),
        "rate_limit_per_hour" => page.per_hour.error = Some(words),
        "monthly_limit" => page.per_month.error = Some(words),
        "expires_at" => page.expires_at.error = Some(words),
        "allowed_ips" => page.networks.error = Some(words),
        _ => return false,
    }
    true
}

fn parsed<T>(field: &mut Field, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    match parse(&field.value) {
        Ok(value) => Some(value),
        Err(error) => {
            field.error = Some(error);
            None
        }
    }
}

/// A limit: `T` is a number that is not zero.
fn count<T: FromStr>(field: &mut Field) -> Option<T> {
    parsed(field, |text| match text.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_cause| "A whole number, 1 or more.".to_owned()),
    })
    .flatten()
}

/// As browsers write a time to choose: to the minute.
const MOMENT: &[time::format_description::BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]");
/// As they write it where it has seconds.
const MOMENT_WITH_SECONDS: &[time::format_description::BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

fn written(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(MOMENT).unwrap_or_default()
}

/// The end that was typed. `own` is the one that there is: its seconds are not in the form, and stay while it is not touched.
fn end(field: &mut Field, own: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    parsed(field, |text| match text.trim() {
        "" => Ok(None),
        text if own.is_some_and(|own| written(own) == text) => Ok(own),
        text => PrimitiveDateTime::parse(text, MOMENT)
            .or_else(|_cause| PrimitiveDateTime::parse(text, MOMENT_WITH_SECONDS))
            .map(|time| Some(time.assume_utc()))
            .map_err(|_cause| "A day and a time, such as 2026-12-01T09:30.".to_owned()),
    })
    .flatten()
}

pub(super) fn lines(networks: &[IpNet]) -> String {
    let lines: Vec<String> = networks.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// One network a line.
pub(super) fn networks(field: &mut Field) -> Vec<IpNet> {
    of_lines(field, |line| network(line).map_err(|error| error.to_string()))
}

/// What each line says, without those that are empty; what is wrong names its line.
pub(super) fn of_lines<T>(field: &mut Field, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let mut all = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in (1_usize..).zip(field.value.lines()) {
        match line.trim() {
            "" => {}
            line => match read(line) {
                Ok(value) => all.push(value),
                Err(error) => problems.push(format!("Line {number}: {error}.")),
            },
        }
    }
    if !problems.is_empty() {
        field.error = Some(problems.join(" "));
    }
    all
}
