//! What the page of the interface shows: `/docs`.

use askama::Template;

use super::http;

/// The document of the interface, to be read.
#[derive(Template)]
#[template(path = "api/docs.html")]
pub struct Docs {
    /// Where the server answers.
    pub issuer: String,
    pub about: Words,
    pub credentials: Vec<Credential>,
    pub refusals: Vec<Refusal>,
    pub groups: Vec<Group>,
}

/// Text in which some words are code.
pub struct Words(Vec<Piece>);

struct Piece {
    text: String,
    is_code: bool,
}

impl Words {
    /// Reads text with backticks around code.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let pieces = text.split('`').enumerate().map(|(place, text)| Piece {
            text: text.to_owned(),
            is_code: place % 2 == 1,
        });
        Self(pieces.filter(|piece| !piece.text.is_empty()).collect())
    }
}

/// A way in which callers prove who they are.
pub struct Credential {
    pub name: String,
    pub words: Words,
}

/// One way to be refused.
pub struct Refusal {
    pub status: u16,
    pub error: &'static str,
    pub message: String,
}

/// Operations that belong together.
pub struct Group {
    pub id: String,
    pub title: String,
    pub words: Words,
    pub operations: Vec<Operation>,
}

/// One method of one path.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub details: Option<Words>,
    /// "An API key", "an access token with `keys:manage`" …
    pub callers: Vec<Words>,
    pub parameters: Vec<Field>,
    pub body: Vec<Field>,
    /// A command that calls it.
    pub curl: String,
    pub answers: Vec<Answer>,
}

impl Operation {
    fn curl_id(&self) -> String {
        format!("{}-curl", self.id)
    }

    /// The path in pieces between which a line may end.
    fn parts(&self) -> impl Iterator<Item = &str> {
        self.path.split_inclusive('/')
    }

    /// The look of the method's badge.
    fn tone(&self) -> &'static str {
        match self.method.as_str() {
            "GET" => "info",
            "POST" => "success",
            "DELETE" => "danger",
            _ => "warning",
        }
    }
}

/// Something that is sent or answered.
pub struct Field {
    pub name: String,
    /// "string", "integer, 1 to 200", "array of string" …
    pub kind: String,
    /// Where it stands, for parameters: `query`, `path`, `header`.
    pub place: Option<String>,
    pub required: bool,
    pub words: Words,
}

/// One answer of an operation.
pub struct Answer {
    pub status: String,
    pub words: Words,
    pub fields: Vec<Field>,
    pub example: Option<String>,
}

impl Answer {
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.status.starts_with('2')
    }
}

impl Docs {
    #[must_use]
    pub fn sample() -> Self {
        http::docs("https://id.example")
    }
}
