//! The form of API keys: `<prefix>_<environment>_<body><checksum>`. The checksum is CRC-32 over all that stands before it,
//! so a typo, a key that was cut off, or a live key that somebody calls a test key is known without a look-up, and
//! scanners find keys and nothing else. It is no secret and proves nothing.

use crate::{
    config::{Families, Family},
    crypto::Token,
    types::Environment,
};

use super::KeyKind;

/// Digits of base 62, as GitHub's and others' keys have them.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters that 32 bits take.
const CHECKSUM: usize = 6;
/// Characters of the body that may be shown: nobody guesses the rest from them.
const SHOWN: usize = 4;

/// What can be read off a key without looking it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub family: String,
    /// None where the family's keys do not say.
    pub kind: Option<KeyKind>,
    pub environment: Environment,
}

/// One beginning that keys can have.
#[derive(Clone, Debug)]
struct Beginning {
    text: String,
    body: usize,
    reading: Reading,
}

/// All forms that this deployment knows.
#[derive(Clone, Debug)]
pub struct Formats(Vec<Beginning>);

impl Formats {
    #[must_use]
    pub fn of(families: &Families) -> Self {
        let mut all = Vec::new();
        for (name, family) in families.iter() {
            let prefixes: Vec<(String, Option<KeyKind>)> = match &family.prefix {
                Some(prefix) => vec![(prefix.clone(), None)],
                None => KeyKind::ALL
                    .map(|kind| (kind.name().to_owned(), Some(kind)))
                    .to_vec(),
            };
            for (prefix, kind) in prefixes {
                all.extend(family.environments.iter().map(|environment| Beginning {
                    text: beginning(&prefix, *environment),
                    body: usize::from(family.body),
                    reading: Reading {
                        family: name.to_owned(),
                        kind,
                        environment: *environment,
                    },
                }));
            }
        }
        Self(all)
    }

    /// Reads a key; none for whatever has not the form of one, or a checksum that is wrong.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<&Reading> {
        let beginning = self.0.iter().find(|own| text.starts_with(&own.text))?;
        let rest = text.get(beginning.text.len()..)?;
        let sound =
            rest.len() == beginning.body + CHECKSUM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (before, sum) = text.split_at_checked(text.len().checked_sub(CHECKSUM)?)?;
        (sound && checksum(before) == sum.as_bytes()).then_some(&beginning.reading)
    }

    /// Whether it begins as a key does: what a person pasted, or cut off, was meant for one.
    #[must_use]
    pub fn begins(&self, text: &str) -> bool {
        self.0.iter().any(|own| text.starts_with(&own.text))
    }

    /// Where the first thing in a text begins that may be a key, whole or not.
    #[must_use]
    pub fn first_in(&self, text: &str) -> Option<usize> {
        // Every beginning has one, and few paths do.
        text.find('_')?;
        self.0.iter().filter_map(|own| text.find(&own.text)).min()
    }

    /// What stands before the first thing that may be a key: that much of a path can be kept and shown.
    #[must_use]
    pub fn before_keys<'t>(&self, text: &'t str) -> &'t str {
        let end = self.first_in(text);
        end.and_then(|end| text.get(..end)).unwrap_or(text)
    }

    /// The regular expression by which scanners find keys, one alternative a form.
    #[must_use]
    pub fn expression(&self) -> String {
        let forms: Vec<String> = self
            .0
            .iter()
            .map(|own| format!("{}[0-9A-Za-z]{{{}}}", own.text, own.body + CHECKSUM))
            .collect();
        format!(r"\b(?:{})\b", forms.join("|"))
    }
}

fn beginning(prefix: &str, environment: Environment) -> String {
    format!("{prefix}_{environment}_")
}

/// How many random bytes a body takes: the most that its characters hold for certain.
#[must_use]
pub fn body_bytes(family: &Family) -> usize {
    // 62^n is more than 2^(5.954 n).
    (usize::from(family.body) * 5954 / 8000).min(64)
}

/// A key of this family with this body, and what of it may be shown. `body` is as long as the family takes, or longer.
#[must_use]
pub fn compose(family: &Family, kind: KeyKind, environment: Environment, body: &[u8]) -> (Token, String) {
    let prefix = family.prefix.as_deref().unwrap_or_else(|| kind.name());
    let used = body.get(..body_bytes(family)).unwrap_or(body);
    let mut text = beginning(prefix, environment);
    let shown = text.len() + SHOWN;
    text.push_str(&base62(used, usize::from(family.body)));
    let hint = text.chars().take(shown).collect();
    let sum = checksum(&text);
    text.extend(sum.map(char::from));
    (Token::from(text), hint)
}

/// In digits of base 62.
fn checksum(before: &str) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(before.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(rest % 62);
        rest /= 62;
    }
    digits
}

fn digit_of(value: u32) -> u8 {
    let place = usize::try_from(value).unwrap_or_default();
    DIGITS.get(place).copied().unwrap_or(b'0')
}

/// A number, its first byte the greatest, in so many digits of base 62, with zeros before it.
fn base62(number: &[u8], length: usize) -> String {
    let mut rest = number.to_vec();
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut rest {
            let value = remainder * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = digit_of(remainder);
    }
    String::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn family(name: &str) -> Family {
        Families::default().get(name).expect(name).clone()
    }

    fn made(name: &str, kind: KeyKind, environment: Environment, byte: u8) -> (String, String) {
        let (key, hint) = compose(&family(name), kind, environment, &[byte; 64]);
        (key.expose().to_owned(), hint)
    }

    #[test]
    fn the_shipped_forms_are_as_documented() {
        let (key, hint) = made("default", KeyKind::Secret, Environment::Live, 7);
        assert!(key.starts_with("sk_live_") && key.len() == 8 + 43 + 6, "{key}");
        assert_eq!(hint, &key[..12]);
        let (key, _) = made("default", KeyKind::Publishable, Environment::Test, 7);
        assert!(key.starts_with("pk_test_"));
        let (key, hint) = made("hypersave", KeyKind::Secret, Environment::Test, 7);
        assert!(key.starts_with("hs_test_") && hint.len() == 12, "{key}");
        let (key, hint) = made("hypervize", KeyKind::Secret, Environment::Live, 7);
        assert!(key.starts_with("hvz_live_") && key.len() == 42, "{key}");
        assert_eq!(hint, &key[..13]);
    }

    #[test]
    fn the_digits_are_those_of_the_number() {
        assert_eq!(base62(&[0], 3), "000");
        assert_eq!(base62(&[61], 3), "00z");
        assert_eq!(base62(&[62], 3), "010");
        assert_eq!(base62(&u32::MAX.to_be_bytes(), 6), "4gfFC3");
        // The greatest number of 256 bits takes all 43 digits, and no more.
        let greatest = base62(&[255; 32], 44);
        assert!(greatest.starts_with('0') && !greatest.starts_with("00"));
        // Those of GitHub's published example: CRC-32 of "123456789" is CBF43926.
        assert_eq!(
            checksum("123456789"),
            base62(&0xCBF4_3926_u32.to_be_bytes(), 6).as_bytes()
        );
    }

    #[test]
    fn bodies_hold_what_they_promise() {
        assert_eq!(body_bytes(&family("default")), 32);
        assert_eq!(body_bytes(&family("hypervize")), 20);
        for body in 22..=86 {
            let family = Family {
                body,
                ..family("default")
            };
            let bytes = vec![255; body_bytes(&family)];
            assert!(bytes.len() >= 16);
            // It fits: with one digit more there is a zero before it.
            assert!(base62(&bytes, usize::from(body) + 1).starts_with('0'), "{body}");
        }
    }

    #[test]
    fn a_live_key_that_calls_itself_a_test_key_is_none() {
        let formats = Formats::of(&Families::default());
        let (key, _) = made("default", KeyKind::Secret, Environment::Live, 9);
        assert_eq!(
            formats.read(&key).map(|own| own.environment),
            Some(Environment::Live)
        );
        for other in [
            key.replace("live", "test"),
            key.replace("sk", "rk"),
            key[..key.len() - 1].to_owned(),
            format!("{key}0"),
            key.to_uppercase(),
            format!(" {key}"),
        ] {
            assert_eq!(formats.read(&other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(body: [u8; 64], kind in 0_usize..3, live: bool) {
            let formats = Formats::of(&Families::default());
            let environment = if live { Environment::Live } else { Environment::Test };
            for name in ["default", "hypersave"] {
                let (key, hint) = compose(&family(name), KeyKind::ALL[kind], environment, &body);
                let reading = formats.read(key.expose()).expect("a key of ours");
                prop_assert_eq!(&reading.family, name);
                prop_assert_eq!(reading.environment, environment);
                prop_assert!(key.expose().starts_with(&hint));
            }
        }

        #[test]
        fn no_typo_is_a_key(body: [u8; 64], place in 0_usize..57, other in "[0-9A-Za-z]") {
            let formats = Formats::of(&Families::default());
            let (key, _) = compose(&family("default"), KeyKind::Secret, Environment::Live, &body);
            let mut typo = key.expose().to_owned();
            typo.replace_range(place..=place, &other);
            prop_assert_eq!(formats.read(&typo).is_some(), typo == key.expose());
        }

        #[test]
        fn whatever_comes_is_read_or_refused(text: String) {
            let _ = Formats::of(&Families::default()).read(&text);
        }
    }
}
