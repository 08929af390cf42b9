//! What a single key can hold.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use toml::Value;
use url::Url;

use super::key::Leaf;

/// A length of time, written with its unit: `2s`, `15m`, `30d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let whole = |unit: u64| seconds > 0 && seconds.is_multiple_of(unit) && self.0.subsec_nanos() == 0;
        match [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")]
            .into_iter()
            .find(|(unit, _)| whole(*unit))
        {
            Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
            None => write!(f, "{}", humantime::format_duration(self.0)),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|error| {
            D::Error::custom(format!(
                "'{text}' is no length of time such as 15m or 30d: {error}"
            ))
        })
    }
}

/// A secret: it is read, used, and never shown again.
#[derive(Clone, Debug)]
pub struct Hidden(SecretString);

impl Hidden {
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Hidden {
    fn from(secret: String) -> Self {
        Self(secret.into())
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

macro_rules! leaf_as_string {
    ($($type:ty),+) => {$(
        impl Leaf for $type {
            fn from_text(text: &str) -> Result<toml::Value, String> {
                Ok(toml::Value::String(text.to_owned()))
            }
        }
    )+};
}
pub(super) use leaf_as_string;

leaf_as_string!(String, Span, Hidden, Url, PathBuf, SocketAddr, IpNet);

macro_rules! leaf_as_integer {
    ($($type:ty),+) => {$(
        impl Leaf for $type {
            fn from_text(text: &str) -> Result<Value, String> {
                text.parse().map(Value::Integer).map_err(|_cause| format!("'{text}' is no whole number"))
            }
        }
    )+};
}

leaf_as_integer!(u8, u16, u32, u64, usize);

impl Leaf for bool {
    fn from_text(text: &str) -> Result<Value, String> {
        text.parse()
            .map(Value::Boolean)
            .map_err(|_cause| format!("'{text}' is neither true nor false"))
    }
}

impl<T: Leaf> Leaf for Option<T> {
    fn from_text(text: &str) -> Result<Value, String> {
        T::from_text(text)
    }
}

impl<T: Leaf> Leaf for Vec<T> {
    /// Several values stand in one variable with commas between them.
    fn from_text(text: &str) -> Result<Value, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(T::from_text)
            .collect::<Result<_, _>>()
            .map(Value::Array)
    }
}
