//! `/docs`: the document of the interface as a page, made from the same document.

use actix_web::{HttpResponse, web::Data};
use serde_json::{Map, Value};

use super::{
    answer::refusals,
    document,
    example::{self, Schemas, at},
};
use crate::{
    api::views::{Answer, Credential, Docs, Field, Group, Operation, Refusal, Words},
    oauth::Authority,
    web::{Failure, html},
};

/// `/docs`
pub(super) async fn serve(authority: Data<Authority>) -> Result<HttpResponse, Failure> {
    html(&docs(&authority.issuer))
}

/// The page of the interface that is served under this issuer.
#[must_use]
pub fn docs(issuer: &str) -> Docs {
    let document = serde_json::to_value(document(issuer)).unwrap_or_default();
    let schemas = Schemas::of(&document);
    let text = |value: &Value, name: &str| at(value, [name]).as_str().unwrap_or_default().to_owned();
    let credentials = at(&document, ["components", "securitySchemes"]);
    let groups = at(&document, ["tags"])
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| {
            let name = text(tag, "name");
            Group {
                operations: operations(&document, &schemas, issuer, &name),
                title: capitalized(&name),
                words: Words::of(&text(tag, "description")),
                id: name,
            }
        });
    Docs {
        issuer: issuer.to_owned(),
        about: Words::of(&text(at(&document, ["info"]), "description")),
        credentials: [
            ("key", "An API key"),
            ("oauth", "An access token"),
            ("session", "A session"),
        ]
        .into_iter()
        .map(|(scheme, name)| Credential {
            name: name.to_owned(),
            words: Words::of(&text(at(credentials, [scheme]), "description")),
        })
        .collect(),
        refusals: refusals()
            .into_iter()
            .map(|(status, error, message)| Refusal {
                status,
                error,
                message,
            })
            .collect(),
        groups: groups.collect(),
    }
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn operations(document: &Value, schemas: &Schemas<'_>, issuer: &str, tag: &str) -> Vec<Operation> {
    let all = entries(at(document, ["paths"])).flat_map(|(path, item)| {
        entries(item).map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    let mut own: Vec<_> = all.filter(|(_, _, operation)| of_tag(operation, tag)).collect();
    // As somebody meets them: looked at, made, changed, taken away.
    own.sort_by_key(|(path, method, _)| {
        let order = ["get", "post", "patch", "delete"];
        (*path, order.iter().position(|known| known == method))
    });
    own.into_iter()
        .map(|(path, method, operation)| one(schemas, issuer, path, method, operation))
        .collect()
}

fn one(schemas: &Schemas<'_>, issuer: &str, path: &str, method: &str, operation: &Value) -> Operation {
    let text = |name: &str| at(operation, [name]).as_str().unwrap_or_default();
    let parameters = at(operation, ["parameters"]).as_array().into_iter().flatten();
    let parameters = parameters.map(|parameter| Field {
        name: at(parameter, ["name"]).as_str().unwrap_or_default().to_owned(),
        kind: schemas.kind(at(parameter, ["schema"])),
        place: at(parameter, ["in"])
            .as_str()
            .map(|place| format!("in the {place}")),
        required: at(parameter, ["required"]).as_bool().unwrap_or_default(),
        words: Words::of(at(parameter, ["description"]).as_str().unwrap_or_default()),
    });
    let body = at(
        operation,
        ["requestBody", "content", "application/json", "schema"],
    );
    Operation {
        id: text("operationId").to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text("summary").to_owned(),
        details: Some(text("description"))
            .filter(|details| !details.is_empty())
            .map(Words::of),
        callers: callers(at(operation, ["security"])),
        parameters: parameters.collect(),
        body: schemas.fields(body),
        curl: curl(schemas, issuer, path, method, operation),
        answers: answers(schemas, at(operation, ["responses"])),
    }
}

/// The first one is what a request gets that makes something; the others in their order.
fn answers(schemas: &Schemas<'_>, responses: &Value) -> Vec<Answer> {
    let mut all: Vec<_> = entries(responses)
        .map(|(status, response)| answer(schemas, status, response))
        .collect();
    all.sort_by_key(|answer| (!answer.is_good(), answer.is_good() && answer.status != "201"));
    all
}

fn of_tag(operation: &Value, tag: &str) -> bool {
    let tags = at(operation, ["tags"]).as_array();
    tags.into_iter().flatten().any(|own| own == tag)
}

fn callers(security: &Value) -> Vec<Words> {
    let all = security.as_array().into_iter().flatten().flat_map(entries);
    all.map(|(scheme, scopes)| {
        let scopes: Vec<&str> = scopes
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let with = if scopes.is_empty() {
            String::new()
        } else {
            format!(" with `{}`", scopes.join(" "))
        };
        Words::of(&match scheme.as_str() {
            "key" => format!("an API key{with}"),
            "oauth" => format!("an access token{with}"),
            _ => "a session of the dashboard".to_owned(),
        })
    })
    .collect()
}

fn answer(schemas: &Schemas<'_>, status: &str, answer: &Value) -> Answer {
    let content = at(answer, ["content", "application/json"]);
    let schema = at(content, ["schema"]);
    let is_refusal = at(schema, ["$ref"])
        .as_str()
        .is_some_and(|name| name.ends_with("/Problem"));
    let example = match at(content, ["example"]) {
        Value::Null if schema.is_object() => Some(schemas.example(schema)),
        Value::Null => None,
        given => Some(given.clone()),
    };
    Answer {
        status: status.to_owned(),
        words: Words::of(answer["description"].as_str().unwrap_or_default()),
        // The shape of refusals is said once for all.
        fields: if is_refusal {
            Vec::new()
        } else {
            schemas.fields(schema)
        },
        example: example.map(|example| example::pretty(&example)),
    }
}

/// A command that works once its variables are set.
fn curl(schemas: &Schemas<'_>, issuer: &str, path: &str, method: &str, operation: &Value) -> String {
    let path = path.replace("{app}", "$APP_ID").replace("{id}", "$KEY_ID");
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for parameter in at(operation, ["parameters"]).as_array().into_iter().flatten() {
        if at(parameter, ["in"]) == "query"
            && let (Some(name), Some(example)) = (
                at(parameter, ["name"]).as_str(),
                at(parameter, ["example"]).as_str(),
            )
        {
            query.append_pair(name, example);
        }
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut parts = vec![format!("curl \"{issuer}{path}{mark}{query}\"")];
    if method != "get" {
        parts.push(format!("--request {}", method.to_uppercase()));
    }
    parts.push("--header \"Authorization: Bearer $CLAVIGER_KEY\"".to_owned());
    let body = at(
        operation,
        ["requestBody", "content", "application/json", "schema"],
    );
    if body.is_object() {
        parts.push("--header \"Content-Type: application/json\"".to_owned());
        let body = example::pretty(&schemas.request(body));
        parts.push(format!("--data '{}'", body.replace('\'', "'\\''")));
    }
    parts.join(" \\\n  ")
}
