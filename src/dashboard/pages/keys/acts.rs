//! What is done to a key: rotated, retired, regenerated, revoked. Each is asked for on a page of its own, which says what
//! comes of it.

use std::time::Duration;

use actix_web::{HttpResponse, http::StatusCode};
use time::OffsetDateTime;

use super::{
    super::{
        act::{AtKey, KeyAct, KeyView, ToGovernKeys, ToWriteKeys},
        views,
    },
    refused, shown,
};
use crate::{
    crypto,
    keys::{
        KeyError, Once, Overlap,
        usage::{Of, Span, series},
    },
    types::ApiKeyId,
    web::{
        Failure, News, html, html_with,
        page::{Choice, Moment},
    },
};

const NEVER: &str = "never";
/// Seconds for which an old key may live on, beside what is configured.
const OVERLAPS: [u64; 5] = [0, 3_600, 86_400, 172_800, 259_200];

fn in_words(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0 => return "Ends at once".to_owned(),
        seconds if seconds.is_multiple_of(3_600) => (seconds / 3_600, "hour"),
        seconds if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("Lives on for {count} {unit}{plural}")
}

/// How long the old key may live on; `chosen` is what is configured, or was chosen before.
fn overlaps(at: &AtKey, chosen: Option<&str>) -> Vec<Choice> {
    let usual = at.keys.config.keys.rotation_overlap.duration().as_secs();
    let mut seconds = OVERLAPS.to_vec();
    if !seconds.contains(&usual) {
        seconds.push(usual);
        seconds.sort_unstable();
    }
    let is_chosen = |value: &str| chosen.map_or(value == usual.to_string(), |chosen| chosen == value);
    let mut all: Vec<Choice> = seconds
        .into_iter()
        .map(|seconds| {
            let value = seconds.to_string();
            let chosen = is_chosen(&value);
            Choice::new(value, in_words(seconds), chosen)
        })
        .collect();
    all.push(Choice::new(NEVER, "Lives on until I retire it", is_chosen(NEVER)));
    all
}

fn sentences(all: &[&str]) -> Vec<String> {
    all.iter().map(|sentence| (*sentence).to_owned()).collect()
}

/// A question that is yet to be filled in.
fn question(at: &AtKey, act: &'static str) -> Result<views::KeyQuestion, Failure> {
    Ok(views::KeyQuestion {
        frame: at.visitor.frame()?,
        app: at.seen.app_ref(),
        path: at.path(),
        name: at.key.settings.name.as_str().to_owned(),
        hint: at.key.hint.clone(),
        title: String::new(),
        lead: "This cannot be undone.".to_owned(),
        consequences: Vec::new(),
        problem: None,
        act,
        button: String::new(),
        danger: true,
        form_id: None,
        version: None,
        overlaps: Vec::new(),
        overlap_error: None,
        force: false,
    })
}

fn form_id(at: &AtKey) -> Result<Option<String>, Failure> {
    let id = ApiKeyId::new(&at.keys.clock, &at.keys.entropy);
    Ok(Some(at.visitor.form_id(id.uuid())?))
}

/// What becomes of an act on a key that can be used no more, or was rotated already.
fn too_late(at: &AtKey) -> Option<HttpResponse> {
    if at.key.is_usable(at.keys.clock.now()) {
        None
    } else {
        Some(at.back(News::KeyOver))
    }
}

fn rotate_question(at: &AtKey, chosen: Option<&str>) -> Result<views::KeyQuestion, Failure> {
    Ok(views::KeyQuestion {
        title: format!("Rotate {}", at.key.settings.name.as_str()),
        lead: "It gets a successor with the same settings, whose value is shown once.".to_owned(),
        consequences: sentences(&[
            "Put the new key wherever the old one is. The page of the key shows the traffic of both.",
            "The old key lives on as long as you say here, so that nothing stops meanwhile.",
        ]),
        button: "Make the successor".to_owned(),
        danger: false,
        form_id: form_id(at)?,
        overlaps: overlaps(at, chosen),
        ..question(at, "rotate")?
    })
}

/// `/apps/{app}/keys/{key}/rotate`
pub(in super::super) async fn ask_to_rotate(view: KeyView<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    if let Some(answer) = too_late(&view) {
        return Ok(answer);
    }
    match view.key.successor_id {
        Some(successor) => Ok(News::KeyRotatedAlready.on(&view.path_of(successor))),
        None => html(&rotate_question(&view, None)?),
    }
}

/// What is said of both keys when the successor is shown.
fn successor_lead(at: &AtKey, overlap: Option<Overlap>, now: OffsetDateTime) -> String {
    let usual = Overlap::For(at.keys.config.keys.rotation_overlap.duration());
    match overlap.unwrap_or(usual).end(at.key.settings.expires_at, now) {
        None => "It can be used at once. The old key lives on until you retire it.".to_owned(),
        Some(end) if end <= now => "It can be used at once. The old key has ended.".to_owned(),
        Some(end) => format!(
            "It can be used at once. The old key lives on until {}.",
            Moment::from(end)
        ),
    }
}

/// `POST /apps/{app}/keys/{key}/rotate`
pub(in super::super) async fn rotate(act: KeyAct<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    let (keys, typed) = (&act.keys, act.form.text("overlap"));
    let overlap = match (typed, typed.parse()) {
        ("", _) => None,
        (NEVER, _) => Some(Overlap::UntilRetired),
        (_, Ok(seconds)) => Some(Overlap::For(Duration::from_secs(seconds))),
        (_, Err(_)) => return again(&act),
    };
    let made_for = act.visitor.id_in(&act.form).map(ApiKeyId::from_uuid);
    let successor = made_for.unwrap_or_else(|| ApiKeyId::new(&keys.clock, &keys.entropy));
    match keys
        .rotate(act.key.id, successor, overlap, None, act.asker())
        .await
    {
        Ok(made) => {
            let title = format!("{} has a successor", act.key.settings.name.as_str());
            let lead = successor_lead(&act, overlap, made.key.created_at);
            shown(
                (&act.visitor, &act.authority),
                act.seen.app_ref(),
                made,
                title,
                &lead,
            )
        }
        Err(KeyError::Rotated(known)) if known == successor => {
            Ok(News::KeyShownAlready.on(&act.path_of(successor)))
        }
        Err(KeyError::Rotated(known)) => Ok(News::KeyRotatedAlready.on(&act.path_of(known))),
        Err(KeyError::Again) => Ok(News::KeyShownAlready.on(&act.path_of(successor))),
        Err(KeyError::Over(_)) => Ok(act.back(News::KeyOver)),
        Err(KeyError::Unsound {
            field: "overlap_seconds",
            ..
        }) => again(&act),
        Err(error) => Err(refused(error)),
    }
}

fn again(act: &KeyAct<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    let mut page = rotate_question(act, Some(act.form.text("overlap")))?;
    page.overlap_error =
        Some("Choose one of these: 72 hours at the most, or until it is retired.".to_owned());
    html_with(StatusCode::BAD_REQUEST, &page)
}

/// With how often the key was used lately.
async fn retire_question(at: &AtKey) -> Result<views::KeyQuestion, Failure> {
    let window = Span::Hour.window(at.keys.clock.now());
    let points = series(&mut *at.keys.db.connection().await?, Of::Key(at.key.id), &window).await?;
    let requests: u64 = points.iter().map(|point| point.count.requests).sum();
    let mut consequences = sentences(&["The old key is refused at once, everywhere. Its successor goes on."]);
    consequences.push(match requests {
        0 => "No request came with it in the last hour.".to_owned(),
        1 => "One request came with it in the last hour.".to_owned(),
        some => format!("{some} requests came with it in the last hour."),
    });
    Ok(views::KeyQuestion {
        title: format!("Retire {}?", at.key.settings.name.as_str()),
        consequences,
        button: "Retire the old key".to_owned(),
        ..question(at, "retire")?
    })
}

/// `/apps/{app}/keys/{key}/retire`
pub(in super::super) async fn ask_to_retire(view: KeyView<ToGovernKeys>) -> Result<HttpResponse, Failure> {
    if let Some(answer) = too_late(&view) {
        return Ok(answer);
    }
    if view.key.successor_id.is_none() {
        return Ok(view.back(News::KeyNotRotated));
    }
    html(&retire_question(&view).await?)
}

/// `POST /apps/{app}/keys/{key}/retire`
pub(in super::super) async fn retire(act: KeyAct<ToGovernKeys>) -> Result<HttpResponse, Failure> {
    let force = act.form.text("force") == "true";
    match act.keys.retire(act.key.id, force, act.asker()).await {
        Ok(_) => Ok(act.back(News::KeyRetired)),
        Err(KeyError::NotRotated) => Ok(too_late(&act).unwrap_or_else(|| act.back(News::KeyNotRotated))),
        Err(KeyError::InUse) => {
            let page = views::KeyQuestion {
                problem: Some(
                    "It was not retired: it was used in the last hour, so something still has it. Find out what, and move it to the successor. Whatever still has the key when you retire it all the same is refused."
                        .to_owned(),
                ),
                button: "Retire it all the same".to_owned(),
                force: true,
                ..retire_question(&act).await?
            };
            html_with(StatusCode::CONFLICT, &page)
        }
        Err(error) => Err(refused(error)),
    }
}

/// `/apps/{app}/keys/{key}/regenerate`
pub(in super::super) async fn ask_to_regenerate(view: KeyView<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    if let Some(answer) = too_late(&view) {
        return Ok(answer);
    }
    if let Some(successor) = view.key.successor_id {
        return Ok(News::KeyRotatedAlready.on(&view.path_of(successor)));
    }
    html(&views::KeyQuestion {
        title: format!("Regenerate {}?", view.key.settings.name.as_str()),
        consequences: sentences(&[
            "The key gets a new value, which is shown once. Its id, settings and counts stay.",
            "The value that it has now is refused at once, everywhere. Whatever uses it stops until it has the new one.",
            "To change it without a stop, rotate it instead.",
        ]),
        button: "Give it a new value".to_owned(),
        form_id: form_id(&view)?,
        version: Some(view.key.version()),
        ..question(&view, "regenerate")?
    })
}

/// `POST /apps/{app}/keys/{key}/regenerate`
pub(in super::super) async fn regenerate(act: KeyAct<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    let key = act.key.id;
    let version = Some(act.form.text("version")).filter(|version| !version.is_empty());
    // A form that is sent twice must not end the value that its first answer shows.
    let once = act.visitor.id_in(&act.form).map(|id| Once {
        caller: act.seen.user.to_string(),
        key: format!("form {id}"),
        digest: crypto::digest(format!("regenerate {key}").as_bytes()),
    });
    match act
        .keys
        .regenerate_seen(key, version, once.as_ref(), act.asker())
        .await
    {
        Ok(made) if made.again => Ok(act.back(News::KeyShownAlready)),
        Ok(made) => {
            let title = format!("{} has a new value", act.key.settings.name.as_str());
            let lead = "The old value is refused everywhere.";
            shown(
                (&act.visitor, &act.authority),
                act.seen.app_ref(),
                made,
                title,
                lead,
            )
        }
        Err(KeyError::Rotated(successor)) => Ok(News::KeyRotatedAlready.on(&act.path_of(successor))),
        Err(KeyError::Changed) => Ok(act.back(News::KeyOvertaken)),
        Err(KeyError::Over(_)) => Ok(act.back(News::KeyOver)),
        Err(error) => Err(refused(error)),
    }
}

/// `/apps/{app}/keys/{key}/revoke`
pub(in super::super) async fn ask_to_revoke(view: KeyView<ToGovernKeys>) -> Result<HttpResponse, Failure> {
    if view.key.revoked.is_some() {
        return Ok(view.back(News::KeyOver));
    }
    html(&views::KeyQuestion {
        title: format!("Revoke {}?", view.key.settings.name.as_str()),
        consequences: sentences(&[
            "The key is refused at once, everywhere. Whatever uses it stops.",
            "Its name, its counts and the records of what was done with it stay.",
        ]),
        button: "Revoke the key".to_owned(),
        ..question(&view, "revoke")?
    })
}

/// `POST /apps/{app}/keys/{key}/revoke`
pub(in super::super) async fn revoke(act: KeyAct<ToGovernKeys>) -> Result<HttpResponse, Failure> {
    act.keys.revoke(act.key.id, act.asker()).await.map_err(refused)?;
    Ok(act.back(News::KeyRevoked))
}
