//! What requests bring along: JSON bodies, pages of lists, conditions, keys of idempotency.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::header, web::BytesMut};
use futures_util::{StreamExt as _, future::LocalBoxFuture};
use serde::{Serialize, de::DeserializeOwned};

use super::answer::ApiError;
use crate::{
    crypto,
    keys::Once,
    types::Fault,
    web::{Parameters, Unreadable, in_time},
};

/// A body of JSON of up to so many bytes, read strictly; and as it came.
pub(super) struct Body<T, const LARGEST: usize = USUALLY_LARGEST> {
    pub(super) value: T,
    bytes: BytesMut,
}

const USUALLY_LARGEST: usize = 64 * 1024;

impl<T: DeserializeOwned + 'static, const LARGEST: usize> FromRequest for Body<T, LARGEST> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let mut payload = payload.take();
        Box::pin(async move {
            if !is_json {
                return Err(ApiError::NotJson);
            }
            Self::of(whole(&mut payload, LARGEST).await?)
        })
    }
}

impl<T: DeserializeOwned, const LARGEST: usize> Body<T, LARGEST> {
    fn of(bytes: BytesMut) -> Result<Self, ApiError> {
        Ok(Self {
            value: parse(&bytes)?,
            bytes,
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/json")
}

/// A body of up to `largest` bytes, as it came.
pub(super) async fn whole(payload: &mut Payload, largest: usize) -> Result<BytesMut, ApiError> {
    let (body, _) = whole_in_place(payload, largest, || Ok(())).await?;
    Ok(body)
}

/// The same, for whoever sends without being known yet: what is larger than bodies usually are needs a place, and is read
/// no further where there is none.
pub(super) async fn whole_in_place<P>(
    payload: &mut Payload,
    largest: usize,
    place: impl Fn() -> Result<P, Fault>,
) -> Result<(BytesMut, Option<P>), ApiError> {
    in_time(read(payload, largest, place)).await.ok_or_else(cut_off)?
}

/// Reads JSON, and quotes nothing of it where it is wrong.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|cause| ApiError::Unsound {
        field: None,
        problem: misfit(&cause),
    })
}

/// What is wrong with a body. The library's own words quote what was sent, and that may be a key.
fn misfit(cause: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", cause.line(), cause.column());
    let words = cause.to_string();
    // These name fields of ours alone.
    let named = ["missing field", "duplicate field"]
        .iter()
        .any(|beginning| words.starts_with(beginning));
    match cause.classify() {
        serde_json::error::Category::Data if named => format!("The JSON does not fit: {words}"),
        serde_json::error::Category::Data => format!(
            "The JSON does not fit at {place}: a field is not known there, or its value is of another type or form"
        ),
        serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof
        | serde_json::error::Category::Io => {
            format!("The body is no JSON: it breaks off or goes wrong at {place}")
        }
    }
}

async fn read<P>(
    payload: &mut Payload,
    largest: usize,
    place: impl Fn() -> Result<P, Fault>,
) -> Result<(BytesMut, Option<P>), ApiError> {
    let (mut body, mut taken) = (BytesMut::new(), None);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_cause| cut_off())?;
        let length = body.len().saturating_add(chunk.len());
        if length > largest {
            return Err(ApiError::TooLarge);
        }
        if length > USUALLY_LARGEST && taken.is_none() {
            taken = Some(place()?);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, taken))
}

fn cut_off() -> ApiError {
    ApiError::Unsound {
        field: None,
        problem: "The body was cut off".to_owned(),
    }
}

/// A body that may be left out.
pub(super) struct MaybeBody<T>(pub(super) Body<T>);

impl<T: DeserializeOwned + Default + 'static> FromRequest for MaybeBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = is_json(request);
        let mut payload = payload.take();
        Box::pin(async move {
            // No header says so for certain: with HTTP/2 a body comes without a length (RFC 9113 §8.1.1).
            let bytes = whole(&mut payload, USUALLY_LARGEST).await?;
            if bytes.is_empty() {
                let value = T::default();
                return Ok(Self(Body { value, bytes }));
            }
            if !is_json {
                return Err(ApiError::NotJson);
            }
            Body::of(bytes).map(Self)
        })
    }
}

/// The `Idempotency-Key` of a request, if it has one.
pub(super) fn once<T>(
    request: &HttpRequest,
    caller: String,
    body: &Body<T>,
) -> Result<Option<Once>, ApiError> {
    const LONGEST: usize = 255;

    let mut values = request.headers().get_all("idempotency-key");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    if values.next().is_some() || key.is_empty() || key.len() > LONGEST {
        return Err(ApiError::unsound(
            "Idempotency-Key",
            "Idempotency-Key is one value of 1 to 255 ASCII characters",
        ));
    }
    // The same key on another path, or with another body, is another request.
    let body = crypto::digest(&body.bytes);
    let asked = [
        request.method().as_str().as_bytes(),
        request.path().as_bytes(),
        body.as_slice(),
    ]
    .join(&0);
    Ok(Some(Once {
        caller,
        key: key.to_owned(),
        digest: crypto::digest(&asked),
    }))
}

/// The version that a change is made from: `If-Match` with one strong tag. Several would ask for a change from whichever
/// it is (RFC 9110 §13.1.1); nobody has seen more than one.
pub(super) fn if_match(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let mut values = request.headers().get_all(header::IF_MATCH);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    if values.next().is_some() || text.contains(',') {
        return Err(ApiError::unsound("If-Match", "If-Match is one `ETag`, or *"));
    }
    let tag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // What is no tag of ours is no version of anything.
    tag.map(|tag| Some(tag.to_owned()))
        .ok_or(ApiError::PreconditionFailed)
}

/// The query of a request, of which nothing is asked twice. What is wrong with it is said when it is looked at, which is
/// after it is known who asks.
pub(super) struct Params(Result<Parameters, Unreadable>);

impl FromRequest for Params {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Parameters::parse(request.query_string().as_bytes()))))
    }
}

impl Params {
    fn all(&self) -> Result<&Parameters, ApiError> {
        self.0.as_ref().map_err(|unreadable| ApiError::Unsound {
            field: None,
            problem: format!("The query could not be read: {unreadable}"),
        })
    }

    pub(super) fn names(&self) -> Result<impl Iterator<Item = &str>, ApiError> {
        self.all().map(Parameters::names)
    }

    /// The one value of a parameter, if it was sent.
    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        self.all()?
            .one(name)
            .map_err(|repeated| ApiError::unsound(name, repeated.to_string()))
    }

    /// The same, as what it stands for; `is` says what that is. Nothing at all stands for nothing.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        is: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let empty = self.all()?.all(name).next().filter(|text| text.is_empty());
        self.one(name)?
            .or(empty)
            .map(|text| read(text).ok_or_else(|| ApiError::unsound(name, format!("{name} is {is}"))))
            .transpose()
    }
}

/// Which part of a list.
pub(super) struct Page {
    pub(super) most: u32,
    pub(super) cursor: Option<String>,
}

impl Page {
    const USUAL: u32 = 50;
    const MOST: u32 = 200;

    /// Reads `limit` and `cursor`.
    pub(super) fn of(query: &Params) -> Result<Self, ApiError> {
        let is = format!("1 to {}", Self::MOST);
        let most = query.read("limit", &is, |text| {
            text.parse().ok().filter(|most| (1..=Self::MOST).contains(most))
        })?;
        Ok(Self {
            most: most.unwrap_or(Self::USUAL),
            cursor: query.one("cursor")?.map(str::to_owned),
        })
    }

    /// The cursor as the id that it is.
    pub(super) fn before<I: std::str::FromStr>(&self) -> Result<Option<I>, ApiError> {
        self.cursor
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_cause| ApiError::unsound("cursor", "cursor is not one that a list gave"))
    }
}

/// Part of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Listing<T> {
    pub(super) data: Vec<T>,
    /// Where the next part begins; null at the end.
    pub(super) next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// Of up to one more than were asked for.
    pub(super) fn of(mut data: Vec<T>, page: &Page, cursor: impl Fn(&T) -> String) -> Self {
        let most = usize::try_from(page.most).unwrap_or(usize::MAX);
        let more = data.len() > most;
        data.truncate(most);
        let next_cursor = data.last().filter(|_| more).map(cursor);
        Self { data, next_cursor }
    }

    /// Of a whole list that is short enough to be read at once, in the order of what its cursors are made of.
    pub(super) fn part_of(mut all: Vec<T>, page: &Page, cursor: impl Fn(&T) -> String) -> Self {
        all.sort_by_cached_key(&cursor);
        all.retain(|item| page.cursor.as_ref().is_none_or(|last| cursor(item) > *last));
        Self::of(all, page, cursor)
    }
}
