//! What a scope of an API key is good for. Scopes are `verb:resource`; `admin:orders` implies `read:orders` and
//! `write:orders`; `read:*` is every `read:`.

use crate::types::{Scope, ScopeSet};

/// Whether a key that has `granted` may do what needs `required`.
#[must_use]
pub fn covers(granted: &str, required: &str) -> bool {
    if granted == required {
        return true;
    }
    let (Some((verb, resource)), Some((asked, of))) = (granted.split_once(':'), required.split_once(':'))
    else {
        return false;
    };
    let verb_is_enough = verb == asked || (verb == "admin" && matches!(asked, "read" | "write"));
    verb_is_enough && (resource == "*" || resource == of)
}

/// The first of `required` that nothing of `granted` covers.
#[must_use]
pub fn missing<'r>(granted: &ScopeSet, required: &'r ScopeSet) -> Option<&'r Scope> {
    required
        .iter()
        .find(|required| !granted.iter().any(|own| covers(own.as_str(), required.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_it_says() {
        for (granted, required, is) in [
            ("read:orders", "read:orders", true),
            ("read:orders", "write:orders", false),
            ("write:orders", "read:orders", false),
            ("admin:orders", "read:orders", true),
            ("admin:orders", "write:orders", true),
            ("admin:orders", "delete:orders", false),
            ("admin:orders", "read:invoices", false),
            ("read:*", "read:orders", true),
            ("read:*", "read:*", true),
            ("read:*", "write:orders", false),
            ("admin:*", "write:orders", true),
            ("read:orders", "read:*", false),
            ("inference", "inference", true),
            ("inference", "inference:fast", false),
            ("*", "read:orders", false),
            ("read:", "read:orders", false),
        ] {
            assert_eq!(covers(granted, required), is, "{granted} for {required}");
        }
    }

    #[test]
    fn the_first_that_is_missing_is_named() {
        let granted: ScopeSet = "read:* write:orders".parse().expect("scopes");
        let asked: ScopeSet = "read:x write:invoices write:orders".parse().expect("scopes");
        assert_eq!(
            missing(&granted, &asked).map(Scope::as_str),
            Some("write:invoices")
        );
        assert_eq!(
            missing(&granted, &"read:x write:orders".parse().expect("scopes")),
            None
        );
    }
}
