use serde::{Deserialize, Serialize};

use super::{AuthorizationError, ResponseMode};

/// Where and how the client is answered; kept with the request until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    pub state: Option<String>,
}

/// An answer on its way to the client through the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The error that it carries, if any, for the client's request log.
    pub error: Option<AuthorizationError>,
    pub way: Way,
}

/// How it travels, with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    Redirect {
        location: String,
    },
    FormPost {
        redirect_uri: String,
        fields: Vec<(String, String)>,
    },
}

impl Reply {
    /// The answer that carries a code (RFC 6749 §4.1.2, RFC 9207 §2).
    #[must_use]
    pub fn code(&self, code: String, issuer: &str) -> Answer {
        Answer {
            error: None,
            way: self.way(vec![("code".into(), code)], issuer),
        }
    }

    /// The answer that carries an error (RFC 6749 §4.1.2.1, RFC 9207 §2).
    #[must_use]
    pub fn error(&self, error: &AuthorizationError, issuer: &str) -> Answer {
        let fields = vec![
            ("error".into(), error.code.name().into()),
            ("error_description".into(), error.description.clone()),
        ];
        Answer {
            error: Some(error.clone()),
            way: self.way(fields, issuer),
        }
    }

    fn way(&self, mut fields: Vec<(String, String)>, issuer: &str) -> Way {
        fields.extend(self.state.clone().map(|state| ("state".to_owned(), state)));
        fields.push(("iss".to_owned(), issuer.to_owned()));
        match self.mode {
            ResponseMode::FormPost => Way::FormPost {
                redirect_uri: self.redirect_uri.clone(),
                fields,
            },
            // The registered URI is kept to the byte, with a query of its own if it has one (RFC 6749 §3.1.2).
            ResponseMode::Query => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields)
                    .finish();
                let separator = if self.redirect_uri.contains('?') { '&' } else { '?' };
                Way::Redirect {
                    location: format!("{}{separator}{query}", self.redirect_uri),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_the_registered_query_and_the_state_to_the_byte() {
        let state = "a b+c&d=é%\"'<>/?#";
        let reply = Reply {
            redirect_uri: "https://app.example/cb?tenant=1".into(),
            mode: ResponseMode::Query,
            state: Some(state.into()),
        };
        let Way::Redirect { location } = reply.code("x".into(), "https://id.example").way else {
            panic!("a redirect")
        };
        assert!(location.starts_with("https://app.example/cb?tenant=1&code=x&state="));
        let url = url::Url::parse(&location).expect("a URL");
        let find = |name: &str| {
            url.query_pairs()
                .find(|(own, _)| own == name)
                .map(|(_, value)| value.into_owned())
        };
        assert_eq!(find("state").as_deref(), Some(state));
        assert_eq!(find("iss").as_deref(), Some("https://id.example"));
        assert_eq!(url.fragment(), None);
    }
}
