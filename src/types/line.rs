use std::{fmt, str::FromStr};

/// Words of ours to people, by whomever they were written: 1 to `LONGEST` characters on one line, and none that pages would
/// show as something else than it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<const LONGEST: usize>(String);

/// What people call themselves, their apps and their clients.
pub type DisplayName = Line<80>;
/// What a scope lets an app do, as people read it when they are asked.
pub type Description = Line<200>;

/// A string that is no such line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    #[error("Fill this in.")]
    Empty,
    #[error("Use {0} characters at most.")]
    TooLong(usize),
    #[error("Leave out characters that cannot be seen.")]
    Invisible,
    #[error("Use a letter, a digit or a sign that can be seen.")]
    Blank,
}

impl<const LONGEST: usize> Line<LONGEST> {
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

impl<const LONGEST: usize> FromStr for Line<LONGEST> {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        let text = text.trim();
        if text.is_empty() {
            Err(InvalidLine::Empty)
        } else if text.chars().count() > LONGEST {
            Err(InvalidLine::TooLong(LONGEST))
        } else if text.chars().any(is_invisible) {
            Err(InvalidLine::Invisible)
        } else if text.chars().all(is_shaping) {
            Err(InvalidLine::Blank)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl<const LONGEST: usize> fmt::Display for Line<LONGEST> {
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
            ("  ", InvalidLine::Empty),
            (&"x".repeat(81), InvalidLine::TooLong(80)),
            ("Ann\u{202E}nimda", InvalidLine::Invisible),
            ("a\nb", InvalidLine::Invisible),
            ("\u{3164}", InvalidLine::Invisible),
            ("\u{2800}", InvalidLine::Invisible),
            ("Fieldnotes\u{AD}", InvalidLine::Invisible),
            ("Ann\u{E0041}", InvalidLine::Invisible),
            ("\u{200D}\u{FE0F}", InvalidLine::Blank),
        ] {
            assert_eq!(bad.parse::<DisplayName>(), Err(why), "{bad:?}");
        }
    }
}
