//! Pages for people who are signed in.

use askama::Template;

use crate::web::page::{Choice, Field, Frame, Moment, Pages, Place};

/// A change of address that waits for one or both confirmations.
#[derive(Clone, Debug)]
pub struct PendingEmail {
    pub new_email: String,
    pub old_confirmed: bool,
    pub new_confirmed: bool,
    pub expires: Moment,
}

/// `/account`: three forms. `POST /account/name` (`name`), `POST /account/email` (`email`, `password`) and
/// `POST /account/password` (`password`, `new_password`).
#[derive(Template)]
#[template(path = "identity/account.html")]
pub struct Account {
    pub frame: Frame,
    pub email: String,
    pub since: Moment,
    pub name: Field,
    pub new_email: Field,
    /// The password, as asked for by the change of address.
    pub email_password: Field,
    pub pending: Option<PendingEmail>,
    /// The password so far, as asked for by the change of password.
    pub password: Field,
    pub new_password: Field,
}

impl Account {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            email: "ada@example.com".to_owned(),
            since: Moment::sample(90_000),
            name: Field::of("Ada Marsh"),
            new_email: Field::default(),
            email_password: Field::default(),
            pending: None,
            password: Field::default(),
            new_password: Field::default(),
        }
    }

    #[must_use]
    pub fn sample_pending() -> Self {
        let mut frame = Frame::sample();
        frame.notice = Some(crate::web::page::Notice::success("Your name has been changed."));
        if let Some(person) = &mut frame.person {
            person.email_verified = false;
        }
        Self {
            frame,
            pending: Some(PendingEmail {
                new_email: "ada@marsh.example".to_owned(),
                old_confirmed: true,
                new_confirmed: false,
                expires: Moment::sample(-1_440),
            }),
            password: Field::default().with_error("That is not your password."),
            ..Self::sample()
        }
    }
}

/// One sign-in session.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Goes with the form that ends it as `id`.
    pub id: String,
    /// Whether it is the one that shows this page.
    pub current: bool,
    pub place: Place,
    pub signed_in: Moment,
    pub last_seen: Moment,
}

/// `/account/sessions`
#[derive(Template)]
#[template(path = "identity/sessions.html")]
pub struct Sessions {
    pub frame: Frame,
    /// This one first.
    pub sessions: Vec<SessionRow>,
}

impl Sessions {
    #[must_use]
    pub fn sample() -> Self {
        let row = |id: &str, current, browser: &str, address: &str, age| SessionRow {
            id: id.to_owned(),
            current,
            place: Place::sample(browser, address),
            signed_in: Moment::sample(age * 10),
            last_seen: Moment::sample(age),
        };
        Self {
            frame: Frame::sample(),
            sessions: vec![
                row("ses_one", true, "Firefox on Linux", "192.0.2.17", 1),
                row(
                    "ses_two",
                    false,
                    "Safari on iPhone",
                    "2001:db8:85a3::8a2e:370:7334",
                    190,
                ),
                row("ses_three", false, "Chrome on Windows", "198.51.100.4", 3_000),
            ],
        }
    }

    #[must_use]
    pub fn sample_unknown() -> Self {
        let mut page = Self::sample();
        for session in &mut page.sessions {
            session.place = Place::of(None);
        }
        page
    }

    #[must_use]
    pub fn sample_alone() -> Self {
        let mut page = Self::sample();
        page.sessions.truncate(1);
        page
    }
}

/// One line of the trail, in a person's words.
#[derive(Clone, Debug)]
pub struct ActivityRecord {
    /// `AU-<number>`
    pub reference: String,
    pub at: Moment,
    /// "You signed in", "You let Fieldnotes see your name"
    pub what: String,
    /// What else is worth saying.
    pub more: Option<String>,
    /// "Firefox on Linux"
    pub browser: Option<String>,
    pub address: Option<String>,
    pub refused: bool,
}

/// `/account/activity?action=…`
#[derive(Template)]
#[template(path = "identity/activity.html")]
pub struct Activity {
    pub frame: Frame,
    /// What to filter by; the first, with an empty value, is everything.
    pub actions: Vec<Choice>,
    pub records: Vec<ActivityRecord>,
    pub pages: Pages,
}

impl Activity {
    #[must_use]
    pub fn sample() -> Self {
        let record = |number: i64, what: &str, more: Option<&str>, refused| ActivityRecord {
            reference: format!("AU-{}", 1_204 - number),
            at: Moment::sample(number * 47),
            what: what.to_owned(),
            more: more.map(str::to_owned),
            browser: Some("Firefox on Linux".to_owned()),
            address: Some("192.0.2.17".to_owned()),
            refused,
        };
        Self {
            frame: Frame::sample(),
            actions: vec![
                Choice::new("", "Everything", true),
                Choice::new("session", "Signing in and out", false),
                Choice::new("consent", "Connected apps", false),
                Choice::new("client", "Apps and clients", false),
            ],
            records: vec![
                record(
                    1,
                    "You connected Fieldnotes",
                    Some("See your name · See your e-mail address"),
                    false,
                ),
                record(2, "You signed in", None, false),
                record(3, "Somebody tried to sign in with a wrong password", None, true),
                record(
                    4,
                    "You made the client “Fieldnotes web”",
                    Some("cli_01kav7sample"),
                    false,
                ),
            ],
            pages: Pages {
                newer: None,
                older: Some("/account/activity?before=1200".to_owned()),
            },
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            records: Vec::new(),
            pages: Pages::default(),
            ..Self::sample()
        }
    }
}

/// An invitation that nobody has used yet.
#[derive(Clone, Debug)]
pub struct InvitationRow {
    /// Goes with the form that withdraws it as `id`.
    pub id: String,
    pub email: String,
    pub sent: Moment,
    pub expires: Moment,
}

/// `/operator/invitations`: field `email`.
#[derive(Template)]
#[template(path = "identity/invite.html")]
pub struct Invite {
    pub frame: Frame,
    pub email: Field,
    /// How long the link is good, in words: "1 day".
    pub good_for: String,
    /// Whether nobody can sign up without one.
    pub by_invitation: bool,
    /// Whether nobody can sign up even with one.
    pub closed: bool,
    pub invitations: Vec<InvitationRow>,
}

impl Invite {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_operator(),
            email: Field::of("ada@example").with_error("Enter an e-mail address like name@example.com."),
            good_for: "1 day".to_owned(),
            by_invitation: true,
            closed: false,
            invitations: [
                "bea@example.com",
                "a.rather.long.address@department.university.example",
            ]
            .map(|email| InvitationRow {
                id: format!("lnk_{}", email.len()),
                email: email.to_owned(),
                sent: Moment::sample(300),
                expires: Moment::sample(-1_140),
            })
            .to_vec(),
        }
    }

    #[must_use]
    pub fn sample_closed() -> Self {
        Self {
            by_invitation: false,
            closed: true,
            invitations: Vec::new(),
            ..Self::sample()
        }
    }
}
