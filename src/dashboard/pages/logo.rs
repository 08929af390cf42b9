//! The picture beside a client's name: the one form here that carries a file.

use std::time::Duration;

use actix_multipart::{Field as Part, Multipart, MultipartError};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use futures_util::TryStreamExt as _;
use tokio::time::timeout;

use super::{
    act::{ClientAct, ToWriteClients},
    client::page,
};
use crate::{
    identity::http::Sent,
    oauth::clients::{InvalidLogo, Logo, RegisterError, set_logo},
    web::{
        Failure, News, Parameters, Unreadable, html_with,
        page::{Field, Notice},
    },
};

/// How long the form may take to come.
const PATIENCE: Duration = Duration::from_mins(1);
/// Parts that are looked at; the form has two.
const MOST_PARTS: usize = 8;
/// Bytes that are read and thrown away, so that whoever sends a large picture still gets an answer that says so.
const MOST_READ: usize = 8 * 1024 * 1024;
const LARGEST_TOKEN: usize = 1024;

const NO_PICTURE: &str = "Choose a picture.";

fn sentence(error: InvalidLogo) -> String {
    match error {
        InvalidLogo::TooLarge => format!("The picture is larger than {}.", Logo::LARGEST_IN_WORDS),
        InvalidLogo::Format => "PNG, JPEG or WebP only.".to_owned(),
        InvalidLogo::Sides => format!(
            "The picture may be {} pixels wide and high at most.",
            Logo::LONGEST_SIDE
        ),
        InvalidLogo::Animated => "The picture moves. Choose one that does not.".to_owned(),
    }
}

fn unreadable(error: &MultipartError) -> Failure {
    Failure::BadRequest(format!("The form could not be read: {error}."))
}

/// One part of the form, if it has no more than `most` bytes.
async fn read(part: &mut Part, most: usize, total: &mut usize) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Some(Vec::new());
    while let Some(chunk) = part.try_next().await.map_err(|error| unreadable(&error))? {
        *total = total.saturating_add(chunk.len());
        if *total > MOST_READ {
            return Err(Failure::TooLarge);
        }
        bytes = bytes.filter(|bytes| bytes.len().saturating_add(chunk.len()) <= most);
        if let Some(bytes) = &mut bytes {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}

/// The form's token as a form of its own, and the file, or why there is none.
async fn read_all(mut parts: Multipart) -> Result<(Parameters, Result<Logo, String>), Failure> {
    let mut token = Parameters::default();
    let mut logo = Err(NO_PICTURE.to_owned());
    let mut total = 0;
    let mut count = 0;
    while let Some(mut part) = parts.try_next().await.map_err(|error| unreadable(&error))? {
        count += 1;
        if count > MOST_PARTS {
            return Err(Failure::TooLarge);
        }
        match part.name().map(str::to_owned).as_deref() {
            Some("csrf_token") => {
                let text = read(&mut part, LARGEST_TOKEN, &mut total)
                    .await?
                    .unwrap_or_default();
                token = Parameters::parse(&[b"csrf_token=", text.as_slice()].concat())?;
            }
            Some("logo") => {
                logo = match read(&mut part, Logo::LARGEST, &mut total).await? {
                    None => Err(sentence(InvalidLogo::TooLarge)),
                    Some(bytes) if bytes.is_empty() => Err(NO_PICTURE.to_owned()),
                    Some(bytes) => Logo::from_bytes(bytes).map_err(sentence),
                };
            }
            _ => {
                read(&mut part, 0, &mut total).await?;
            }
        }
    }
    Ok((token, logo))
}

async fn change(
    act: &ClientAct<ToWriteClients>,
    logo: Option<&Logo>,
    news: News,
) -> Result<HttpResponse, Failure> {
    match set_logo(&act.authority, &act.client, logo, act.by()).await {
        Ok(()) => Ok(act.back(news)),
        Err(RegisterError::Fault(fault)) => Err(fault.into()),
        Err(_) => Err(Failure::NotFound),
    }
}

async fn refuse(act: &ClientAct<ToWriteClients>, words: String) -> Result<HttpResponse, Failure> {
    let mut page = page(act, 0).await?;
    page.logo_file = Field::default().with_error(words);
    page.frame.notice = Some(Notice::danger(
        "The logo was not saved. Why not, is written beside it below.",
    ));
    html_with(StatusCode::BAD_REQUEST, &page)
}

/// `POST /apps/{app}/clients/{client}/logo`
pub(super) async fn upload(request: HttpRequest, parts: Multipart) -> Result<HttpResponse, Failure> {
    let (token, logo) = timeout(PATIENCE, read_all(parts))
        .await
        .map_err(|_elapsed| Unreadable::CutOff)??;
    let act = ClientAct::of(&request, Sent::with(&request, token).await?).await?;
    match logo {
        Ok(logo) => change(&act, Some(&logo), News::LogoSaved).await,
        Err(words) => refuse(&act, words).await,
    }
}

/// `POST /apps/{app}/clients/{client}/logo/remove`
pub(super) async fn remove(act: ClientAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    change(&act, None, News::LogoRemoved).await
}
