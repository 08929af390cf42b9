//! `/v1/leaks`: whoever finds credentials in public says so. GitHub signs its reports, other scanners have a service key.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::{ApiError, Problem},
    body::{self, Body},
    caller::{Called, ToReportLeaks, context},
};
use crate::{
    audit::{Actor, By},
    crypto::{Token, digest, encode_hex},
    leaks::{Find, Label, Leaks, ReportError, Reporter, Signature},
};

/// Bytes of a report: several thousand finds.
const LARGEST: usize = 4 * 1024 * 1024;

/// A string that was found, as GitHub reports it. What else there is, such as `source`, is passed over.
#[derive(Deserialize, ToSchema)]
pub(super) struct Found {
    /// The string.
    #[schema(example = "sk_live_3XzphNCmUxF0v5jzl4J2XhkzWNqKL2HkghOwSBW1qE01HkzSh")]
    token: String,
    /// What the scanner takes it for; it comes back in the answer. Whatever it says, the string is looked up as each kind
    /// of credential.
    #[serde(default, rename = "type")]
    #[schema(example = "claviger_api_key")]
    kind: String,
    /// Where it was found; may be empty.
    #[serde(default)]
    #[schema(
        example = "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt"
    )]
    url: String,
}

/// What a string turned out to be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// A credential of this server. If it was good, it is good no more.
    TruePositive,
    FalsePositive,
}

/// The answer to one find, in the order of the report.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Labelled {
    /// SHA-256 of the string, in hexadecimal digits: a credential is not sent back.
    token_hash: String,
    /// As it was reported.
    token_type: String,
    label: Verdict,
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Again => Self::Conflict(error.to_string()),
            ReportError::Fault(fault) => Self::Fault(fault),
        }
    }
}

async fn take(
    leaks: &Leaks,
    found: Vec<Found>,
    notice: Option<[u8; 32]>,
    reporter: Reporter<'_>,
) -> Result<HttpResponse, ApiError> {
    let mut answers = Vec::with_capacity(found.len());
    let mut finds = Vec::with_capacity(found.len());
    for Found { token, kind, url, .. } in found {
        let token = Token::from(token);
        answers.push((encode_hex(&token.digest()), kind));
        finds.push(Find { token, url });
    }
    let labels = leaks.report(finds, notice, reporter).await?;
    let labelled: Vec<Labelled> = answers
        .into_iter()
        .zip(labels)
        .map(|((token_hash, token_type), label)| Labelled {
            token_hash,
            token_type,
            label: match label {
                Label::TruePositive => Verdict::TruePositive,
                Label::FalsePositive => Verdict::FalsePositive,
            },
        })
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(labelled))
}

/// One value of a header.
fn one<'r>(request: &'r HttpRequest, name: &str) -> Result<&'r str, ApiError> {
    let mut values = request.headers().get_all(name);
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(ApiError::Unsigned(
            "This report is not signed: send Github-Public-Key-Identifier and Github-Public-Key-Signature, once each",
        )),
    }
}

/// GitHub reports leaked credentials
///
/// The end of GitHub's secret scanning partner programme. Live credentials are revoked everywhere before it answers. A body
/// that came before is refused.
#[utoipa::path(
    post,
    path = "/v1/leaks/github",
    tag = "leaks",
    params(
        ("Github-Public-Key-Identifier" = String, Header, description = "Which of GitHub's keys has signed the body"),
        ("Github-Public-Key-Signature" = String, Header, description = "ECDSA over P-256 and SHA-256, of the body as it is, in base64"),
    ),
    request_body = Vec<Found>,
    responses(
        (status = 200, description = "Dealt with", body = Vec<Labelled>),
        (status = 400, description = "The body is no report", body = Problem),
        (status = 401, description = "Not signed by GitHub", body = Problem),
        (status = 409, description = "This body came before, and was dealt with", body = Problem),
        (status = 413, description = "Larger than 4 MiB", body = Problem),
        (status = 503, description = "It cannot be dealt with now; nothing was done, so it can be sent again", body = Problem),
    ),
)]
pub(super) async fn github(
    request: HttpRequest,
    payload: Payload,
    leaks: Data<Leaks>,
) -> Result<HttpResponse, ApiError> {
    let context = context(&request)?;
    let signature = Signature {
        key_id: one(&request, "github-public-key-identifier")?,
        signature: one(&request, "github-public-key-signature")?,
    };
    let by_others = ApiError::Unsigned(
        "This report is not signed by one of GitHub's keys: the signature is over the body as it is sent",
    );
    // Whoever cannot be GitHub has nothing of theirs kept in memory.
    let Some(signed) = leaks.signed(signature).await? else {
        return Err(by_others);
    };
    let (bytes, _place) = body::whole_in_place(&mut payload.into_inner(), LARGEST, || leaks.place()).await?;
    if !leaks.is_from_github(&signed, &bytes) {
        return Err(by_others);
    }
    let reporter = Reporter {
        source: "github",
        by: By {
            actor: Actor::System,
            context: Some(&context),
            operator: false,
        },
    };
    take(&leaks, body::parse(&bytes)?, Some(digest(&bytes)), reporter).await
}

/// A scanner reports leaked credentials
///
/// For any other scanner, with a service key that has the scope `leaks:report`. Live credentials are revoked everywhere
/// before it answers. The same report may come again.
#[utoipa::path(
    post,
    path = "/v1/leaks",
    tag = "leaks",
    request_body = Vec<Found>,
    responses(
        (status = 200, description = "Dealt with", body = Vec<Labelled>),
        (status = 413, description = "Larger than 4 MiB", body = Problem),
    ),
    security(("key" = []), ("oauth" = ["leaks:report"])),
)]
pub(super) async fn report(
    Called {
        caller, body: found, ..
    }: Called<ToReportLeaks, Body<Vec<Found>, LARGEST>>,
    leaks: Data<Leaks>,
) -> Result<HttpResponse, ApiError> {
    let reporter = Reporter {
        source: "scanner",
        by: caller.asker().by,
    };
    take(&leaks, found.value, None, reporter).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Result<Vec<Found>, ApiError> {
        body::parse(body)
    }

    #[test]
    fn a_report_is_read_as_it_is_published() {
        let found = read(
            br#"[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"},
            {"token":"other","more":{"of":["it"]}}]"#,
        )
        .expect("a report");
        let read: Vec<_> = found
            .iter()
            .map(|found| (found.token.as_str(), found.kind.as_str(), found.url.as_str()))
            .collect();
        assert_eq!(read, [("some_token", "some_type", "some_url"), ("other", "", "")]);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body: Vec<u8>) {
            let _ = read(&body);
        }

        #[test]
        fn what_is_no_report_is_refused_without_being_quoted(
            secret in "[a-zA-Z0-9_]{12,40}", shape in 0_usize..6
        ) {
            let body = [
                format!(r#"[{{"token":"{secret}","token":"{secret}"}}]"#),
                format!(r#"[{{"token":["{secret}"]}}]"#),
                format!(r#"{{"token":"{secret}"}}"#),
                format!(r#"["{secret}"]"#),
                format!(r#"[{{"token":"{secret}","url":{{"{secret}":1}}}}]"#),
                format!(r#"[{{"token":"{secret}""#),
            ][shape].clone();
            let error = read(body.as_bytes()).err().expect("no report");
            let ApiError::Unsound { problem, .. } = error else {
                panic!("{error}");
            };
            prop_assert!(!problem.contains(&secret), "{}", problem);
        }
    }
}
