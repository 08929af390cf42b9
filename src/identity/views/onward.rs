use url::form_urlencoded::Serializer;

use crate::web::page::RequestBanner;

/// Where a page leads to that somebody meets on their way: carried by its form and by its links to the other such pages,
/// so that signing up, or going back, loses nothing.
#[derive(Clone, Debug, Default)]
pub struct Onward {
    /// The authorization request that waits behind it.
    pub request: Option<RequestBanner>,
    /// The path on this server that the person wanted to see. The handler checks it again.
    pub return_to: Option<String>,
    /// Whether somebody who is signed in would rather be somebody else.
    pub another: bool,
}

impl Onward {
    /// For the end of a link to another page on the way.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(request) = &self.request {
            query.append_pair("request", &request.id);
        }
        if let Some(path) = &self.return_to {
            query.append_pair("return_to", path);
        }
        if self.another {
            query.append_pair("another", "1");
        }
        match query.finish() {
            query if query.is_empty() => query,
            query => format!("?{query}"),
        }
    }

    /// The same, for somebody else than who is signed in.
    #[must_use]
    pub fn query_for_another(&self) -> String {
        let another = Self {
            another: true,
            ..self.clone()
        };
        another.query()
    }

    /// Behind which an app waits.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            request: Some(RequestBanner::sample()),
            ..Self::default()
        }
    }
}
