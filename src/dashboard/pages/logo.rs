//! The picture beside a client's name: the one form here that carries a file.

use actix_multipart::{Field as Part, Multipart, MultipartError};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use futures_util::TryStreamExt as _;

use super::{
    act::{ClientAct, ToWriteClients},
    client::page,
};
use crate::{
    identity::http::Sent,
    oauth::clients::{Logo, LogoChange, RegisterError, edit_client},
    web::{Failure, Parameters, html_with},
};

/// Bytes that are read and thrown away, so that whoever sends a large picture still gets an answer that says so.
const MOST_READ: usize = 8 * 1024 * 1024;
const LARGEST_TOKEN: usize = 1024;

fn unreadable(error: &MultipartError) -> Failure {
    Failure::BadRequest(format!("The form could not be read: {error}."))
}

/// One part of the form, if it has no more than `most` bytes.
async fn read(part: &mut Part, most: usize, total: &mut usize) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Some(Vec::new());
    while let Some(chunk) = part.try_next().await.map_err(|error| unreadable(&error))? {
        *total = total.saturating_add(chunk.len());
        if *total > MOST_READ {
            return Err(Failure::BadRequest("The file is far too large.".to_owned()));
        }
        bytes = bytes.filter(|bytes| bytes.len().saturating_add(chunk.len()) <= most);
        if let Some(bytes) = &mut bytes {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}

/// The form's token as a form of its own, and the file, or why there is none.
async fn read_all(mut parts: Multipart) -> Result<(Parameters, Result<Logo, &'static str>), Failure> {
    let mut token = Parameters::default();
    let mut logo = Err("Choose a picture.");
    let mut total = 0;
    while let Some(mut part) = parts.try_next().await.map_err(|error| unreadable(&error))? {
        match part.name().map(str::to_owned).as_deref() {
            Some("csrf_token") => {
                let text = read(&mut part, LARGEST_TOKEN, &mut total)
                    .await?
                    .unwrap_or_default();
                token = Parameters::parse(&[b"csrf_token=", text.as_slice()].concat())?;
            }
            Some("logo") => {
                logo = match read(&mut part, Logo::LARGEST, &mut total).await? {
                    None => Err("The picture is larger than 128 KiB."),
                    Some(bytes) if bytes.is_empty() => Err("Choose a picture."),
                    Some(bytes) => Logo::from_bytes(bytes).or(Err("PNG, JPEG or WebP only.")),
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
    logo: LogoChange,
    code: &str,
) -> Result<HttpResponse, Failure> {
    let (authority, client) = (&act.authority, &act.client);
    match edit_client(authority, client, &client.registration, logo, act.by()).await {
        Ok(()) => Ok(act.back(code)),
        Err(RegisterError::Registration(error)) => {
            refuse(act, format!("Mend the settings first: {error}.")).await
        }
        Err(RegisterError::Fault(fault)) => Err(fault.into()),
    }
}

async fn refuse(act: &ClientAct<ToWriteClients>, words: String) -> Result<HttpResponse, Failure> {
    let mut page = page(act, 0).await?;
    page.logo_error = Some(words);
    html_with(StatusCode::BAD_REQUEST, &page)
}

/// `POST /apps/{app}/clients/{client}/logo`
pub(super) async fn upload(request: HttpRequest, parts: Multipart) -> Result<HttpResponse, Failure> {
    let (token, logo) = read_all(parts).await?;
    let act = ClientAct::of(&request, Sent::with(&request, token).await?).await?;
    match logo {
        Ok(logo) => change(&act, LogoChange::Set(logo), "logo-saved").await,
        Err(words) => refuse(&act, words.to_owned()).await,
    }
}

/// `POST /apps/{app}/clients/{client}/logo/remove`
pub(super) async fn remove(act: ClientAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    change(&act, LogoChange::Remove, "logo-removed").await
}
