//! Accounts: a new team, one with its members and invitations, and what the link of an invitation opens.

use askama::Template;

use crate::{
    accounts::Role,
    web::page::{Choice, Field, Frame, Moment},
};

/// What a role may, in a sentence.
#[must_use]
pub fn what_it_may(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Sees apps, clients and members, and changes nothing.",
        Role::Developer => "Makes and changes apps, clients, keys and webhooks.",
        Role::Admin => "Also deletes apps and clients, and says who else belongs to the account.",
        Role::Owner => "Does all that an admin does, and makes other owners.",
    }
}

/// `/accounts/new`: field `name`.
#[derive(Template)]
#[template(path = "dashboard/new_team.html")]
pub struct NewTeam {
    pub frame: Frame,
    /// Goes with the form, so that it opens one account however often it is sent.
    pub form_id: String,
    pub name: Field,
}

impl NewTeam {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            form_id: "sample-form-id".to_owned(),
            name: Field::default(),
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            name: Field::of("Marsh").with_error(
                "You own 20 teams, the most that are allowed here. Close one, or hand it over, first.",
            ),
            ..Self::sample()
        }
    }
}

/// Somebody in an account.
#[derive(Clone, Debug)]
pub struct MemberRow {
    pub id: String,
    pub name: String,
    pub email: String,
    /// "Admin"
    pub role: String,
    pub since: Moment,
    /// Whether that is the reader.
    pub own: bool,
    /// Whether they are shut out.
    pub blocked: bool,
    /// What the reader may make of them; fewer than two is nothing.
    pub roles: Vec<Choice>,
    pub can_remove: bool,
}

/// Somebody who is invited.
#[derive(Clone, Debug)]
pub struct InvitedRow {
    pub id: String,
    pub email: String,
    pub role: String,
    pub sent: Moment,
    pub expires: Moment,
}

/// `/accounts/{account}`
#[derive(Template)]
#[template(path = "dashboard/account.html")]
pub struct AccountPage {
    pub frame: Frame,
    pub id: String,
    /// As it is.
    pub title: String,
    /// As it is being changed.
    pub name: Field,
    /// "Team"
    pub kind: String,
    /// The reader's; none for an operator who only looks.
    pub role: Option<String>,
    pub created: Moment,
    pub apps: usize,
    pub members: Vec<MemberRow>,
    pub invitations: Vec<InvitedRow>,
    pub can_manage: bool,
    /// Of whom to invite.
    pub email: Field,
    pub roles: Vec<Choice>,
    /// Who can become its owner in the reader's place.
    pub heirs: Vec<Choice>,
    pub can_leave: bool,
    pub can_close: bool,
}

impl AccountPage {
    #[must_use]
    pub fn sample() -> Self {
        let choices = |roles: &[Role], chosen: Role| -> Vec<Choice> {
            roles
                .iter()
                .rev()
                .map(|role| {
                    Choice::new(role.name(), format!("{role:?}"), *role == chosen)
                        .with_hint(what_it_may(*role))
                })
                .collect()
        };
        let member = |id: &str, name: &str, email: &str, role: Role, own: bool| MemberRow {
            id: id.to_owned(),
            name: name.to_owned(),
            email: email.to_owned(),
            role: format!("{role:?}"),
            since: Moment::sample(40_000),
            own,
            blocked: false,
            roles: if own {
                Vec::new()
            } else {
                choices(&Role::ALL, role)
            },
            can_remove: !own,
        };
        Self {
            frame: Frame::sample(),
            id: "acc_one".to_owned(),
            title: "Marsh & Daughters".to_owned(),
            name: Field::of("Marsh & Daughters"),
            kind: "Team".to_owned(),
            role: Some("Owner".to_owned()),
            created: Moment::sample(50_000),
            apps: 2,
            members: vec![
                member("usr_one", "Ada Marsh", "ada@example.com", Role::Owner, true),
                member("usr_two", "Bea Marsh", "bea@example.com", Role::Admin, false),
                member(
                    "usr_three",
                    "Konstantin Papadopoulos-Featherstonehaugh",
                    "konstantin.papadopoulos-featherstonehaugh@warehouse.example",
                    Role::Developer,
                    false,
                ),
            ],
            invitations: vec![InvitedRow {
                id: "lnk_one".to_owned(),
                email: "dora@example.com".to_owned(),
                role: "Viewer".to_owned(),
                sent: Moment::sample(60),
                expires: Moment::sample(-1_380),
            }],
            can_manage: true,
            email: Field::default(),
            roles: choices(&Role::INVITED, Role::Developer),
            heirs: vec![
                Choice::new("usr_two", "Bea Marsh (bea@example.com)", false),
                Choice::new("usr_three", "Konstantin (konstantin@warehouse.example)", false),
            ],
            can_leave: false,
            can_close: false,
        }
    }

    /// Just opened: nobody but its owner, and nothing in it.
    #[must_use]
    pub fn sample_empty() -> Self {
        let mut page = Self::sample();
        page.members.truncate(1);
        page.invitations.clear();
        page.heirs.clear();
        page.apps = 0;
        page.can_close = true;
        page
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            email: Field::of("bea@example.com").with_error("That person is a member already."),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_viewer() -> Self {
        let mut page = Self::sample();
        for member in &mut page.members {
            member.roles.clear();
            member.can_remove = false;
        }
        Self {
            role: Some("Viewer".to_owned()),
            invitations: Vec::new(),
            can_manage: false,
            roles: Vec::new(),
            heirs: Vec::new(),
            can_leave: true,
            ..page
        }
    }
}

/// What stands between a visitor and the account that they are invited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinStep {
    SignIn {
        /// Whether to offer sign-up.
        sign_up_open: bool,
    },
    /// They are signed in with another address than the one that was invited.
    OtherAddress { own: String },
    /// Nobody has shown that the address is theirs.
    Verify,
    /// Nothing but a click.
    Join,
}

/// `/invitations/accept?token=…`: hidden `token`.
#[derive(Template)]
#[template(path = "dashboard/join.html")]
pub struct Join {
    pub frame: Frame,
    pub account: String,
    /// Who sent the invitation.
    pub by: String,
    pub role: String,
    /// What that role may.
    pub may: String,
    /// The address that was invited.
    pub email: String,
    pub token: String,
    pub step: JoinStep,
}

impl Join {
    /// The path of this page, to come back to.
    fn path(&self) -> String {
        format!("/invitations/accept?token={}", self.token)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            account: "Marsh & Daughters".to_owned(),
            by: "Bea Marsh".to_owned(),
            role: "Developer".to_owned(),
            may: what_it_may(Role::Developer).to_owned(),
            email: "ada@example.com".to_owned(),
            token: "sample-token".to_owned(),
            step: JoinStep::Join,
        }
    }

    #[must_use]
    pub fn sample_signed_out() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            step: JoinStep::SignIn { sign_up_open: true },
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_other_address() -> Self {
        Self {
            email: "bea@example.com".to_owned(),
            step: JoinStep::OtherAddress {
                own: "ada@example.com".to_owned(),
            },
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_unverified() -> Self {
        Self {
            step: JoinStep::Verify,
            ..Self::sample()
        }
    }
}
