//! The fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11: lists of structured
//! fields (RFC 9651), one item for each limit.

use std::fmt::Write as _;

use super::model::{Stand, Standing};

/// The largest integer that a structured field may hold (RFC 9651 §3.3.1).
const LARGEST: u64 = 999_999_999_999_999;

/// The value of `RateLimit-Policy`: the quota of each limit, and its window in seconds. None without limits.
#[must_use]
pub fn policy(standing: &Standing) -> Option<String> {
    list(standing, |text, stand| {
        write!(text, ";q={};w={}", stand.quota.min(LARGEST), stand.window)
    })
}

/// The value of `RateLimit`: what is left of each limit, and for how many seconds that is all. None without limits.
#[must_use]
pub fn rate_limit(standing: &Standing) -> Option<String> {
    list(standing, |text, stand| {
        write!(text, ";r={};t={}", stand.remaining.min(LARGEST), stand.reset)
    })
}

fn list(standing: &Standing, parameters: impl Fn(&mut String, &Stand) -> std::fmt::Result) -> Option<String> {
    let mut text = String::new();
    for stand in standing.iter() {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}\"{}\"", stand.span.name()).ok()?;
        parameters(&mut text, stand).ok()?;
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::limits::Span;

    #[test]
    fn each_limit_is_one_item() {
        let mut standing = Standing::default();
        assert_eq!((policy(&standing), rate_limit(&standing)), (None, None));
        standing.stands[1] = Some(Stand {
            span: Span::Hour,
            quota: 1_000,
            window: 3_600,
            remaining: 999,
            reset: 1_800,
        });
        assert_eq!(policy(&standing).unwrap(), r#""hour";q=1000;w=3600"#);
        assert_eq!(rate_limit(&standing).unwrap(), r#""hour";r=999;t=1800"#);
        standing.stands[3] = Some(Stand {
            span: Span::Account,
            quota: u64::MAX,
            window: 2_592_000,
            remaining: u64::MAX,
            reset: 60,
        });
        assert_eq!(
            policy(&standing).unwrap(),
            r#""hour";q=1000;w=3600, "account";q=999999999999999;w=2592000"#
        );
        assert_eq!(
            rate_limit(&standing).unwrap(),
            r#""hour";r=999;t=1800, "account";r=999999999999999;t=60"#
        );
    }
}
