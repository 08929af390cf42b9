//! What of an app's credentials somebody found in public.

use crate::web::page::Moment;

/// One find.
#[derive(Clone, Debug)]
pub struct LeakRow {
    /// "API key" and the like.
    pub what: &'static str,
    /// What may be shown of it.
    pub hint: String,
    /// Where it was found, if that is known: text, for nobody should follow it without a look.
    pub found_at: Option<String>,
    pub found: Moment,
    /// "Revoked" and the like.
    pub outcome: &'static str,
    /// Whether something was taken back for it.
    pub revoked: bool,
}

impl LeakRow {
    #[must_use]
    pub fn sample() -> Vec<Self> {
        let found = |what, hint: &str, found_at: Option<&str>, outcome, revoked| Self {
            what,
            hint: hint.to_owned(),
            found_at: found_at.map(str::to_owned),
            found: Moment::sample(90),
            outcome,
            revoked,
        };
        vec![
            found(
                "API key",
                "sk_live_3xKj",
                Some(
                    "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt",
                ),
                "Revoked",
                true,
            ),
            found("Refresh token", "", None, "Was no good any more", false),
        ]
    }
}
