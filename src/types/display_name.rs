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
    #[error("Use a letter, a digit or a sign that can be seen.")]
    Blank,
}

impl DisplayName {
    pub const LONGEST: usize = 80;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that show nothing, or turn the direction of what follows: with them one name can pass for
/// another. Those of `Default_Ignorable_Code_Point`, but for what scripts and emoji cannot do without, and blanks that
/// count as letters or signs.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Joiners and selectors, which shape what is beside them and are nothing alone.
fn is_shaping(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
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
        } else if text.chars().all(is_shaping) {
            Err(InvalidDisplayName::Blank)
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
        assert!("Love \u{2764}\u{FE0F}".parse::<DisplayName>().is_ok());
        assert!("ü".repeat(80).parse::<DisplayName>().is_ok());
        for (bad, why) in [
            ("  ", InvalidDisplayName::Empty),
            (&"x".repeat(81), InvalidDisplayName::TooLong),
            ("Ann\u{202E}nimda", InvalidDisplayName::Invisible),
            ("a\nb", InvalidDisplayName::Invisible),
            ("\u{3164}", InvalidDisplayName::Invisible),
            ("\u{2800}", InvalidDisplayName::Invisible),
            ("Fieldnotes\u{AD}", InvalidDisplayName::Invisible),
            ("Ann\u{E0041}", InvalidDisplayName::Invisible),
            ("\u{200D}\u{FE0F}", InvalidDisplayName::Blank),
        ] {
            assert_eq!(bad.parse::<DisplayName>(), Err(why), "{bad:?}");
        }
    }
}
