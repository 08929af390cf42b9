use std::{fmt, str::FromStr};

/// An e-mail address as a person typed it, without the white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// A string that no mail can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Enter an e-mail address like name@example.com.")]
pub struct InvalidEmail;

impl Email {
    /// SMTP's limit for a path (RFC 5321 §4.5.3.1.3), less the angle brackets.
    const LONGEST: usize = 254;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two addresses are compared. Case is folded in the local part too: whoever can
    /// register `Ann@…` beside `ann@…` could pass for her.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let plain = |c: char| {
            !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"' | ',' | ';' | '@')
        };
        let labels = domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
        let sound = text.len() <= Self::LONGEST
            && (1..=64).contains(&local.len())
            && local.chars().all(plain)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && labels;
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidEmail)
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused() {
        for good in ["a@b", " Ann.O'Neil+x@Example.COM ", "ü@exämple.org"] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        for bad in [
            "", "@", "a@", "@b", "a b@c.d", "a@b..c", "a@-b.c", "a\n@b.c", "<a@b.c>", ".a@b.c", "a@b@c",
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
        assert_eq!(
            "Ann@Example.com".parse::<Email>().map(|e| e.key()),
            Ok("ann@example.com".into())
        );
    }
}
