use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Whether a key is for the real thing or for trying it out. Keys of one are good for nothing in the other.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Live,
    Test,
}

/// A string that is no environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an environment is live or test")]
pub struct InvalidEnvironment;

impl Environment {
    pub const ALL: [Self; 2] = [Self::Live, Self::Test];

    /// As it stands in keys and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Environment {
    type Err = InvalidEnvironment;

    fn from_str(text: &str) -> Result<Self, InvalidEnvironment> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.name() == text)
            .ok_or(InvalidEnvironment)
    }
}
