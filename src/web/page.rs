//! What every page shares: who is signed in, the notice that an act left behind, fields with their errors, times.
//! Templates get these as plain values, so that a page can be rendered, and tested, without a server.

use std::fmt;

use askama::Template;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

use super::browser_in_words;
use crate::crypto::Origin;

/// What surrounds each page. Templates call it `frame`.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Goes into every form as `csrf_token`.
    pub csrf_token: String,
    /// Who is signed in, if anybody is.
    pub person: Option<Person>,
    /// What the last act has to say, shown once.
    pub notice: Option<Notice>,
}

/// Who is signed in, as pages show them.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub email_verified: bool,
    pub operator: bool,
}

/// A sentence above the page.
#[derive(Clone, Debug)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Success,
    Warning,
    Danger,
}

impl Tone {
    /// The word that style sheet and icons know it by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

impl Notice {
    pub fn success(text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Success,
            text: text.into(),
        }
    }

    pub fn danger(text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Danger,
            text: text.into(),
        }
    }
}

impl Frame {
    /// A frame for somebody who is signed in.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            csrf_token: "sample-csrf-token".to_owned(),
            person: Some(Person {
                name: "Ada Marsh".to_owned(),
                email: "ada@example.com".to_owned(),
                email_verified: true,
                operator: false,
            }),
            notice: None,
        }
    }

    /// A frame for somebody who is not.
    #[must_use]
    pub fn sample_signed_out() -> Self {
        Self {
            person: None,
            ..Self::sample()
        }
    }

    /// A frame for an operator.
    #[must_use]
    pub fn sample_operator() -> Self {
        let mut frame = Self::sample();
        if let Some(person) = &mut frame.person {
            person.operator = true;
        }
        frame
    }
}

/// One field of a form: what was typed, and what was wrong with it. A password's value is never written back.
#[derive(Clone, Default)]
pub struct Field {
    pub value: String,
    pub error: Option<String>,
}

impl Field {
    pub fn of(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            error: None,
        }
    }

    #[must_use]
    pub fn with_error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }
}

impl fmt::Debug for Field {
    /// Leaves the value out: it may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// One of several things to choose from.
#[derive(Clone, Debug)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub hint: Option<String>,
    pub chosen: bool,
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>, chosen: bool) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            hint: None,
            chosen,
        }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Where the pages before and after this one are.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    pub newer: Option<String>,
    pub older: Option<String>,
}

/// A point in time as pages write it: in UTC, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(OffsetDateTime);

impl Moment {
    /// The form that machines read (RFC 3339).
    #[must_use]
    pub fn iso(self) -> String {
        self.0.format(&Rfc3339).unwrap_or_default()
    }

    /// A moment for samples: `minutes` before a certain evening.
    #[must_use]
    pub fn sample(minutes: i64) -> Self {
        Self(time::macros::datetime!(2026-11-23 20:30 UTC) - time::Duration::minutes(minutes))
    }
}

impl From<OffsetDateTime> for Moment {
    fn from(time: OffsetDateTime) -> Self {
        Self(time.to_offset(UtcOffset::UTC))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]");
        f.write_str(&self.0.format(&form).or(Err(fmt::Error))?)
    }
}

/// From where a session is used.
#[derive(Clone, Debug)]
pub struct Place(Option<(String, String)>);

impl Place {
    /// None is not known: what it was sealed under is gone.
    #[must_use]
    pub fn of(origin: Option<&Origin>) -> Self {
        Self(origin.map(|origin| (browser_in_words(&origin.user_agent), origin.address.to_string())))
    }

    /// "Firefox on Linux"
    #[must_use]
    pub fn browser(&self) -> &str {
        self.0
            .as_ref()
            .map_or("A browser that is not known", |(browser, _)| browser)
    }

    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.0.as_ref().map(|(_, address)| address.as_str())
    }

    #[must_use]
    pub fn sample(browser: &str, address: &str) -> Self {
        Self(Some((browser.to_owned(), address.to_owned())))
    }
}

/// The letter that stands for whoever has no picture.
#[must_use]
pub fn letter(name: &str) -> String {
    name.chars()
        .find(|character| character.is_alphanumeric())
        .map_or_else(|| "?".to_owned(), |character| character.to_uppercase().collect())
}

/// The id of a field in its page: its name, unless two forms of one page share that name.
#[must_use]
pub fn id_of(name: &str, own: &str) -> String {
    format!("f-{}", if own.is_empty() { name } else { own })
}

/// The authorization request that waits behind a sign-in page.
#[derive(Clone, Debug)]
pub struct RequestBanner {
    /// Goes with the form as `request`.
    pub id: String,
    pub app_name: String,
    /// The path of the app's logo.
    pub logo: Option<String>,
}

impl RequestBanner {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            id: "arq_01kasample0000000000000000".to_owned(),
            app_name: "Fieldnotes".to_owned(),
            logo: None,
        }
    }
}

/// A request that came to nothing, with a sentence that a person can act on.
#[derive(Template)]
#[template(path = "web/error.html")]
pub struct ErrorPage {
    pub frame: Frame,
    pub status: u16,
    pub heading: String,
    pub text: String,
    /// Where the page is that is to be opened again.
    pub again: Option<String>,
    pub request_id: String,
}

impl ErrorPage {
    /// Says that a form was too old, and where there is a fresh one.
    pub(super) fn be_stale(&mut self, page: &str) {
        "That page was out of date".clone_into(&mut self.heading);
        "You have signed in or out since you opened it, or it was open for very long. Nothing was changed. Open it again and try once more."
            .clone_into(&mut self.text);
        self.again = Some(page.to_owned());
    }

    /// The page for a status, in general words.
    #[must_use]
    pub fn for_status(frame: Frame, status: u16, request_id: String) -> Self {
        let (heading, text) = match status {
            400 => (
                "That request did not make sense",
                "Go back and try once more. If you followed a link, it may have been cut off.",
            ),
            403 => (
                "You may not do that",
                "Your role does not reach so far. Ask whoever owns the account.",
            ),
            404 => (
                "Nothing here",
                "The page does not exist, or it is not yours to see. Check the address.",
            ),
            405 => (
                "That is not how this page works",
                "Go back and use the buttons of the page.",
            ),
            413 => (
                "Too much at once",
                "What you sent is larger than we accept. Send less.",
            ),
            429 => (
                "Too many attempts",
                "We slowed things down to keep accounts safe. Wait a little, then try again.",
            ),
            503 => (
                "We cannot answer right now",
                "Part of the service cannot be reached. Nothing was lost: try again in a few seconds.",
            ),
            _ => (
                "Something went wrong on our side",
                "It is not your doing, and we have made a note of it. Try again in a moment.",
            ),
        };
        Self {
            frame,
            status,
            heading: heading.to_owned(),
            text: text.to_owned(),
            again: None,
            request_id,
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        Self::for_status(Frame::sample_signed_out(), 500, "req_01kasample".to_owned())
    }

    #[must_use]
    pub fn sample_stale() -> Self {
        let mut page = Self::for_status(Frame::sample_signed_out(), 403, "req_01kasample".to_owned());
        page.be_stale("/apps/app_one");
        page
    }
}
