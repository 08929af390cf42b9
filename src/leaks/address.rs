//! Addresses where something was found. Some have in them what was found there, and that must not be kept.

use url::Url;

use crate::{keys::Formats, oauth::leaked::BEGINNINGS, web::form_decoded, webhooks::SECRET_BEGINNING};

/// Characters of an address that are kept.
const LONGEST: usize = 1_000;
/// So many characters behind a beginning make it a credential and not a word.
const LONG_ENOUGH: usize = 16;

/// An address as it can be kept and shown; none if nothing is left of it.
pub(super) fn presentable(address: &str, token: &str, formats: &Formats) -> Option<String> {
    let visible: String = address
        .chars()
        .filter(|c| !c.is_control())
        .take(8 * LONGEST)
        .collect();
    let plain = without_user(visible.trim());
    let kept: String = before_credentials(&plain, token, formats)
        .chars()
        .take(LONGEST)
        .collect();
    (!kept.is_empty()).then_some(kept)
}

/// What stands before the host may be a password.
fn without_user(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if url.has_authority() => {
            // Neither fails where there is a host.
            let bare = url.set_username("").and_then(|()| url.set_password(None));
            bare.map_or_else(|()| String::new(), |()| url.into())
        }
        Ok(_) | Err(_) => address.to_owned(),
    }
}

fn before_credentials<'a>(address: &'a str, token: &str, formats: &Formats) -> &'a str {
    let cut = |text: &'a str, end: Option<usize>| end.and_then(|end| text.get(..end)).unwrap_or(text);
    let plain = cut(address, first_credential(address, token, formats));
    // What is written otherwise is found when it is read; where it stands here is not known then.
    let is_hidden = form_decoded(plain.as_bytes()).map_or(true, |decoded| {
        first_credential(&decoded, token, formats).is_some()
    });
    cut(plain, plain.find('%').filter(|_| is_hidden))
}

fn first_credential(text: &str, token: &str, formats: &Formats) -> Option<usize> {
    let itself = Some(token)
        .filter(|token| !token.is_empty())
        .and_then(|token| text.find(token));
    let others = BEGINNINGS
        .iter()
        .chain([&SECRET_BEGINNING])
        .filter_map(|beginning| {
            text.match_indices(beginning)
                .map(|(place, _)| place)
                .find(|place| is_credential(text, *place, beginning))
        });
    itself
        .into_iter()
        .chain(formats.first_in(text))
        .chain(others)
        .min()
}

/// Whether what begins there is long enough, and no part of a word.
fn is_credential(text: &str, place: usize, beginning: &str) -> bool {
    let (before, rest) = text.split_at_checked(place).unwrap_or_default();
    let rest = rest.strip_prefix(beginning).unwrap_or_default();
    let inside = before.chars().next_back().is_some_and(char::is_alphanumeric);
    let length = rest
        .chars()
        .take(LONG_ENOUGH)
        .take_while(|c| c.is_ascii_alphanumeric() || "_-+/=.".contains(*c))
        .count();
    !inside && length == LONG_ENOUGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Families;

    const KEY: &str = "sk_live_3XzphNCmUxF0v5jzl4J2XhkzWNqKL2HkghOwSBW1qE01HkzSh";

    fn kept(address: &str) -> Option<String> {
        presentable(address, KEY, &Formats::of(&Families::default()))
    }

    #[test]
    fn an_address_is_kept_up_to_what_may_be_a_credential() {
        let at = "https://github.com/acme/docs_site/blob/0f/config.py";
        for (address, left) in [
            (at.to_owned(), Some(at)),
            (String::new(), None),
            ("\u{7} ".to_owned(), None),
            ("some_url".to_owned(), Some("some_url")),
            (
                format!("https://a.example/?key={KEY}&b=c"),
                Some("https://a.example/?key="),
            ),
            (
                "https://a.example/?key=pk_test_cut".to_owned(),
                Some("https://a.example/?key="),
            ),
            (
                "https://a.example/cs_aaaaaaaaaaaaaaaaaaaa".to_owned(),
                Some("https://a.example/"),
            ),
            (
                "https://a.example/?rt_aaaaaaaaaaaaaaaaaaaa".to_owned(),
                Some("https://a.example/?"),
            ),
            (
                "https://a.example/#whsec_aaaaaaaaaaaaaaaaaa".to_owned(),
                Some("https://a.example/#"),
            ),
            (
                "https://a.example/eyJhbGciOiJFUzI1NiJ9.e30.a".to_owned(),
                Some("https://a.example/"),
            ),
            (
                "https://a.example/%73k_live_3Xzp".to_owned(),
                Some("https://a.example/"),
            ),
            (
                format!("https://a.example/%73k_live_3Xzp/{KEY}"),
                Some("https://a.example/"),
            ),
            (
                format!("https://a.example/%73k_live_3Xzp/?key={KEY}&b=c"),
                Some("https://a.example/"),
            ),
            (
                format!("https://a.example/a%20b/{KEY}"),
                Some("https://a.example/a%20b/"),
            ),
            (KEY.to_owned(), None),
            (
                "https://ada:pass@a.example/b".to_owned(),
                Some("https://a.example/b"),
            ),
        ] {
            assert_eq!(kept(&address).as_deref(), left, "{address}");
        }
        assert_eq!(kept(&"a".repeat(5_000)).map(|kept| kept.len()), Some(LONGEST));
    }

    proptest! {
        #[test]
        fn no_key_is_ever_left(before in "\\PC{0,40}", after in "\\PC{0,40}") {
            let left = kept(&format!("{before}{KEY}{after}")).unwrap_or_default();
            prop_assert!(!left.contains("sk_live_"), "{}", left);
        }

        #[test]
        fn whatever_comes_is_cut_to_something_that_can_be_shown(address: String, token: String) {
            let left = presentable(&address, &token, &Formats::of(&Families::default())).unwrap_or_default();
            prop_assert!(left.chars().count() <= LONGEST && !left.contains(char::is_control));
        }
    }
}
