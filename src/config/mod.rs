//! Configuration: one TOML file, `CLAVIGER_…` variables over it, one struct per concern. The only reader of
//! the environment. Every key is documented where it is declared; `claviger config print` and
//! `docs/configuration.md` are made from that.

mod check;
mod families;
mod key;
mod load;
mod render;
mod sections;
mod value;

pub use families::{DEFAULT_FAMILY, Families, Family, Tier, Tiers};
pub use key::Key;
pub use load::{ConfigError, Environment, load};
pub use render::{print, reference};
pub use sections::{
    Config, Database, Jobs, Keys, Leaks, Lifetimes, Limits, Log, LogFormat, Mail, MasterKeySettings,
    MasterKeySource, OAuth, Passwords, Revocation, Server, SignUp, SignUpMode, SigningAlgorithm, Tls, Usage,
    Webhooks,
};
pub use value::{Hidden, Span};
