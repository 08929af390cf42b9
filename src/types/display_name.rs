use std::{fmt, str::FromStr};

/// What people call themselves, their apps and their clients: 1 to 80 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

/// A string that is no name for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDisplayName {
    #[error("Enter a name.")]
    Empty,
    #[error("Use 80 characters at most.")]
    TooLong,
    #[error("Leave out characters that cannot be seen.")]
    Invisible,
}

impl DisplayName {
    pub const LONGEST: usize = 80;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that show nothing, or turn the direction of what follows: with them one name can pass for
/// another.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

impl FromStr for DisplayName {
    type Err = InvalidDisplayName;

    fn from_str(text: &str) -> Result<Self, InvalidDisplayName> {
        let text = text.trim();
        if text.is_empty() {
            Err(InvalidDisplayName::Empty)
        } else if text.chars().count() > Self::LONGEST {
            Err(InvalidDisplayName::TooLong)
        } else if text.chars().any(is_invisible) {
            Err(InvalidDisplayName::Invisible)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_or_refused() {
        assert_eq!(
            " Ann Ö. ".parse::<DisplayName>().map(|name| name.to_string()),
            Ok("Ann Ö.".into())
        );
        assert!("ü".repeat(80).parse::<DisplayName>().is_ok());
        for (bad, why) in [
            ("  ", InvalidDisplayName::Empty),
            (&"x".repeat(81), InvalidDisplayName::TooLong),
            ("Ann\u{202E}nimda", InvalidDisplayName::Invisible),
            ("a\nb", InvalidDisplayName::Invisible),
        ] {
            assert_eq!(bad.parse::<DisplayName>(), Err(why), "{bad:?}");
        }
    }
}
