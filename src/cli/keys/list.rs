use serde_json::json;
use time::OffsetDateTime;

use super::{
    super::{
        Refused,
        output::{answer, table},
    },
    moment,
};
use crate::{
    app::App,
    crypto::{KeyState, Purpose},
    oauth::derived_keys::{self, KeyUse},
};

pub(super) async fn run(app: &App, all: bool, json: bool) -> Result<(), Refused> {
    let mut derived = derived_keys::overview(&app.authority).await?;
    derived.retain(|own| all || own.key.state != KeyState::Retired);
    let signing = app.authority.signing.status();
    let now = app.clock.now();
    let value = json!({
        "derived": derived.iter().map(|own| json!({
            "id": own.key.id.0,
            "purpose": own.key.purpose.name(),
            "master_key": own.key.master_key_id,
            "active_from": moment(own.key.active_from),
            "state": name(own.key.state),
            "serves_until": serves_until(own).map(moment),
            "hanging": own.hanging,
        })).collect::<Vec<_>>(),
        "signing": signing.iter().map(|key| json!({
            "kid": key.kid,
            "alg": format!("{:?}", key.algorithm),
            "signs_from": moment(key.signs_from),
            "signs_until": key.signs_until.map(moment),
        })).collect::<Vec<_>>(),
    });
    answer(json, &value, || {
        let derived = table(
            [
                "derived key",
                "purpose",
                "master key",
                "active from",
                "state",
                "what hangs on it",
            ],
            derived.iter().map(|own| {
                [
                    own.key.id.0.to_string(),
                    own.key.purpose.name().to_owned(),
                    own.key.master_key_id.clone(),
                    moment(own.key.active_from),
                    state(own, now),
                    hanging(own),
                ]
            }),
        );
        let signing = table(
            ["signing key", "alg", "signs from", "until"],
            signing.iter().map(|key| {
                [
                    key.kid.clone(),
                    format!("{:?}", key.algorithm),
                    moment(key.signs_from),
                    key.signs_until.map(moment).unwrap_or_default(),
                ]
            }),
        );
        format!("{derived}\n\n{signing}")
    });
    Ok(())
}

const fn name(state: KeyState) -> &'static str {
    match state {
        KeyState::Waiting => "waiting",
        KeyState::Current => "current",
        KeyState::Serving => "serving",
        KeyState::Retired => "retired",
    }
}

fn serves_until(own: &KeyUse) -> Option<OffsetDateTime> {
    own.key.retired_at.or(own.needed_until)
}

fn state(own: &KeyUse, now: OffsetDateTime) -> String {
    match (own.key.state, serves_until(own)) {
        (KeyState::Serving, Some(until)) if until > now => format!("serving until {}", moment(until)),
        // It is over its time, and something hangs on it still; or the job is about to come.
        (KeyState::Serving, _) if own.hanging > 0 => "serving until that has moved".to_owned(),
        (KeyState::Current, Some(until)) if own.key.retired_at.is_some() => {
            format!("current until {}", moment(until))
        }
        (state, _) => name(state).to_owned(),
    }
}

/// What would be lost with it, counted where it can be.
pub(super) fn hanging(own: &KeyUse) -> String {
    let count = grouped(own.hanging);
    match own.key.purpose {
        Purpose::RefreshToken => format!("{count} refresh tokens"),
        Purpose::ClientSecret => format!("{count} client secrets"),
        Purpose::SigningKey => format!("{count} signing keys"),
        Purpose::ClientContext => format!("{count} addresses of sessions and grants"),
        Purpose::AuthorizationCode => "codes on their way".to_owned(),
        Purpose::KnownBrowser => "cookies of known browsers".to_owned(),
        Purpose::Csrf => "forms that are open".to_owned(),
        Purpose::Fingerprint => "counts of failed sign-ins".to_owned(),
        Purpose::ApiKey => format!("{count} API keys"),
        Purpose::ApiKeyBody => "requests for API keys that may come again".to_owned(),
        Purpose::WebhookSecret => format!("{count} secrets of webhooks"),
    }
}

/// With commas between thousands: these are read by somebody who decides whether to lose them.
fn grouped(count: i64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1_204, "1,204"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), text);
        }
    }
}
