//! Configuration: one TOML file, `CLAVIGER_…` variables over it, one struct per concern. The only reader of
//! the environment. Every key is documented where it is declared; `claviger config print` and
//! `docs/configuration.md` are made from that.

mod key;
mod load;
mod render;
mod sections;
mod value;

pub use key::Key;
pub use load::{ConfigError, Environment, load};
pub use render::{print, reference};
pub use sections::{
    Config, Database, Jobs, Lifetimes, Limits, Log, LogFormat, Mail, MasterKeySettings, MasterKeySource,
    OAuth, Passwords, Revocation, Server, SignUp, SignUpMode, SigningAlgorithm, Tls,
};
pub use value::{Hidden, Span};
