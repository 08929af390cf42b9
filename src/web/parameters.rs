//! Parameters as OAuth and forms send them (`application/x-www-form-urlencoded`), read strictly.

use std::{collections::HashSet, fmt};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    web::{Bytes, BytesMut},
};
use futures_util::{StreamExt as _, future::LocalBoxFuture};

use super::in_time;

/// Name and value pairs, in the order in which they came. Values without content count as not sent
/// (RFC 6749 §3.1).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// Why parameters could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the body must be application/x-www-form-urlencoded")]
    ContentType,
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    #[error("parameters must be UTF-8 without NUL characters")]
    Encoding,
    #[error("the body was cut off")]
    CutOff,
}

/// A parameter that was sent more than once (RFC 6749 §3.1, §3.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter {0} must not be sent more than once")]
pub struct Repeated(pub String);

impl Parameters {
    /// Bytes that a body may have.
    pub const LARGEST_BODY: usize = 64 * 1024;

    /// Reads the text of a query or a body.
    ///
    /// # Errors
    ///
    /// [`Unreadable::Encoding`] for what is no UTF-8 or holds NUL.
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        text.split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                    Some(place) => pair.split_at(place),
                    None => (pair, &b""[..]),
                };
                Ok((
                    form_decoded(name)?,
                    form_decoded(value.strip_prefix(b"=").unwrap_or(value))?,
                ))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The one value of `name`, if it was sent.
    ///
    /// # Errors
    ///
    /// [`Repeated`] if it was sent more than once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self
            .0
            .iter()
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(Repeated(name.to_owned()));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// The first value of `name`, or nothing: for forms of our own, where a repetition does no harm.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map_or("", |(_, value)| value)
    }

    /// Every value of `name`.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.0
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The first name, if any, that was sent more than once.
    #[must_use]
    pub fn repeated(&self) -> Option<Repeated> {
        // By a set: comparing each of a full body's names with each other one would take half a second.
        let mut seen = HashSet::with_capacity(self.0.len());
        let (again, _) = self.0.iter().find(|(name, _)| !seen.insert(name.as_str()))?;
        Some(Repeated(again.clone()))
    }
}

impl fmt::Debug for Parameters {
    /// Leaves the values out: some of them are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Undoes the form encoding of one name or value.
///
/// # Errors
///
/// If it is not UTF-8, or has a NUL in it.
pub fn form_decoded(text: &[u8]) -> Result<String, Unreadable> {
    // Tokens and ids are plain: nothing in them is encoded.
    let bytes = if text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        unescaped(text)
    } else {
        text.to_vec()
    };
    if bytes.contains(&0) {
        return Err(Unreadable::Encoding);
    }
    String::from_utf8(bytes).map_err(|_cause| Unreadable::Encoding)
}

/// A percent sign without two hexadecimal digits stands for itself, as the URL standard says.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digit = |place: usize| tail.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = tail.get(2..).unwrap_or_default();
                continue;
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = tail;
    }
    bytes
}

/// The query of a request, read strictly.
pub struct Query(pub Result<Parameters, Unreadable>);

impl FromRequest for Query {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(Parameters::parse(request.query_string().as_bytes()))))
    }
}

/// The body of a request, read strictly. What is wrong with it is told to the handler, which answers as its
/// endpoint does.
pub struct Form(pub Result<Parameters, Unreadable>);

impl FromRequest for Form {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_form = request
            .content_type()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let mut payload = payload.take();
        Box::pin(async move {
            if !is_form {
                return Ok(Self(Err(Unreadable::ContentType)));
            }
            let body = in_time(read_body(&mut payload)).await;
            Ok(Self(
                body.unwrap_or(Err(Unreadable::CutOff))
                    .and_then(|body| Parameters::parse(&body)),
            ))
        })
    }
}

async fn read_body(payload: &mut Payload) -> Result<BytesMut, Unreadable> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let Ok(chunk): Result<Bytes, _> = chunk else {
            return Err(Unreadable::CutOff);
        };
        if body.len().saturating_add(chunk.len()) > Parameters::LARGEST_BODY {
            return Err(Unreadable::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parameters {
        Parameters::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn pairs_are_decoded() {
        let parameters = read("a=1+2&b=%C3%A9&c&d=&e=%zz%2&=x&a%20b=%26");
        assert_eq!(parameters.one("a"), Ok(Some("1 2")));
        assert_eq!(parameters.one("b"), Ok(Some("é")));
        assert_eq!(parameters.one("c"), Ok(None));
        assert_eq!(parameters.one("d"), Ok(None));
        assert_eq!(parameters.one("e"), Ok(Some("%zz%2")));
        assert_eq!(parameters.one("a b"), Ok(Some("&")));
    }

    #[test]
    fn repetition_and_bad_bytes_are_refused() {
        assert_eq!(read("a=1&b=2&a=1").one("a"), Err(Repeated("a".into())));
        assert_eq!(read("a=&a=").repeated(), Some(Repeated("a".into())));
        for bad in ["a=%00", "a=%FF", "a=%C3", "%00=a"] {
            assert_eq!(
                Parameters::parse(bad.as_bytes()),
                Err(Unreadable::Encoding),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_repetition_is_found_among_as_many_names_as_a_body_holds() {
        let names: Vec<String> = (0..12_000).map(|name| format!("{name:x}")).collect();
        let full = names.join("&") + "&";
        assert!(full.len() <= Parameters::LARGEST_BODY);
        assert_eq!(read(&full).repeated(), None);
        assert_eq!(read(&format!("{full}7")).repeated(), Some(Repeated("7".into())));
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>) {
            let _ = Parameters::parse(&bytes);
        }

        #[test]
        fn what_a_library_writes_is_read(pairs: Vec<(String, String)>) {
            let sound = pairs.iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0'));
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            match Parameters::parse(text.as_bytes()) {
                Ok(read) => assert!(sound && read.0 == pairs),
                Err(_) => assert!(!sound),
            }
        }
    }
}
