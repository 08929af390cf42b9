//! The answers that follow from how an operation is called, said once for all of them: handlers name what is theirs alone.

use utoipa::{
    Modify,
    openapi::{
        ContentBuilder, Header, HeaderBuilder, Object, OpenApi, RefOr, Response, ResponseBuilder, Type,
        path::{Operation, ParameterIn},
        schema::Ref,
    },
};

use super::answer::ApiError;
use crate::{keys::limits::Standing, types::Fault};

/// Adds them to the document.
pub(super) struct UsualAnswers;

impl Modify for UsualAnswers {
    fn modify(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            let all = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in all.into_iter().flatten() {
                // What takes no credential is called in a way of its own, and says all of its answers.
                if operation.security.is_some() {
                    complete(operation);
                }
            }
        }
    }
}

fn complete(operation: &mut Operation) {
    for answer in &mut operation.responses.responses {
        if let (status, RefOr::T(answer)) = answer
            && status.starts_with('2')
        {
            limits(answer);
        }
    }
    for (status, answer) in usual(operation) {
        let known = operation.responses.responses.entry(status.to_owned());
        known.or_insert(RefOr::T(answer));
    }
}

fn usual(operation: &Operation) -> Vec<(&'static str, Response)> {
    let mut answers = vec![
        (
            "401",
            refusal(
                "No credential, or one that is not good",
                &ApiError::InvalidCredential,
            )
            .header("WWW-Authenticate", said("The challenge (RFC 6750 §3)"))
            .build(),
        ),
        (
            "403",
            refusal(
                "The credential is good, but not for this, or not from there",
                &ApiError::Forbidden,
            )
            .build(),
        ),
        ("429", over_a_limit()),
        (
            "503",
            refusal(
                "It cannot be known now",
                &ApiError::Fault(Fault::unavailable("an example")),
            )
            .header("Retry-After", said("Seconds until it makes sense to try again"))
            .build(),
        ),
    ];
    let mut asks = operation.request_body.is_some();
    for parameter in operation.parameters.iter().flatten() {
        let RefOr::T(parameter) = parameter else {
            continue;
        };
        match (&parameter.parameter_in, parameter.name.as_str()) {
            (ParameterIn::Path, "app") => {
                answers.push(("404", refusal("No such app", &ApiError::NotFound("app")).build()));
            }
            (ParameterIn::Path, _) => {
                answers.push(("404", refusal("No such key", &ApiError::NotFound("key")).build()));
            }
            (ParameterIn::Header, "If-Match") => {
                let answer = refusal("It was changed meanwhile", &ApiError::PreconditionFailed);
                answers.push(("412", answer.build()));
            }
            (ParameterIn::Header, "Idempotency-Key") => {
                asks = true;
                let other = ApiError::from(crate::keys::KeyError::OtherRequest);
                let answer = refusal("The `Idempotency-Key` came with another request", &other);
                answers.push(("409", answer.build()));
            }
            _ => asks = true,
        }
    }
    if asks {
        let unsound = ApiError::unsound("name", "a name is not empty");
        let answer = refusal("Something of it cannot stand; `field` says what", &unsound);
        answers.push(("400", answer.build()));
    }
    if operation.request_body.is_some() {
        answers.push(("413", refusal("Too large", &ApiError::TooLarge).build()));
        answers.push(("415", refusal("Not JSON", &ApiError::NotJson).build()));
    }
    answers
}

/// An answer as the server words it.
fn refusal(description: &str, error: &ApiError) -> ResponseBuilder {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(serde_json::to_value(error.example()).ok())
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/json", content)
}

fn over_a_limit() -> Response {
    let limited = ApiError::RateLimited {
        retry_after: std::time::Duration::from_hours(1),
        standing: Box::new(Standing::default()),
    };
    let mut answer = refusal("Over a limit", &limited)
        .header("Retry-After", said("Seconds until it makes sense to try again"))
        .build();
    limits(&mut answer);
    answer
}

/// What the answer to a request with a limited key says of its limits.
fn limits(answer: &mut Response) {
    for (name, words) in [
        (
            "RateLimit-Policy",
            "The limits of the key that asks (draft-ietf-httpapi-ratelimit-headers)",
        ),
        ("RateLimit", "What is left of them"),
    ] {
        answer.headers.insert(name.to_owned(), RefOr::T(said(words)));
    }
}

fn said(words: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some(words))
        .build()
}
