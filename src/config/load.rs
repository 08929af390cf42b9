use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{Config, Key, key::Section as _};

/// Why there is no configuration to start with. Each names what to mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {cause}")]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: toml::de::Error },
    #[error("{variable}: no such key; `claviger config print` lists them all")]
    UnknownVariable { variable: String },
    #[error("{variable}: {cause}")]
    Variable { variable: String, cause: String },
    #[error("{0}")]
    Unsound(String),
}

/// The environment, read once.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// What a single variable says, for what is no configuration: `PATH` and the like.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Reads `file`, if there is one, and lays the variables over it.
///
/// # Errors
///
/// Names the line or the variable at fault.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    let file = file
        .map(Path::to_owned)
        .or_else(|| environment.get("CLAVIGER_CONFIG").map(PathBuf::from));
    let mut table = match &file {
        Some(path) => read_file(path)?,
        None => Table::new(),
    };
    let mut keys = Vec::new();
    Config::keys(&[], &mut keys);
    if let Some(url) = environment.get("DATABASE_URL").filter(|url| !url.is_empty()) {
        set(&mut table, &["database", "url"], Value::String(url.to_owned()));
    }
    for (variable, text) in &environment.0 {
        if !variable.starts_with("CLAVIGER_") || variable == "CLAVIGER_CONFIG" {
            continue;
        }
        let key = find(&keys, variable).ok_or_else(|| ConfigError::UnknownVariable {
            variable: variable.clone(),
        })?;
        let value = (key.from_text)(text).map_err(|cause| ConfigError::Variable {
            variable: variable.clone(),
            cause,
        })?;
        set(&mut table, &key.path, value);
        Config::deserialize_table(&table).map_err(|cause| ConfigError::Variable {
            variable: variable.clone(),
            cause: cause.message().to_owned(),
        })?;
    }
    let config =
        Config::deserialize_table(&table).map_err(|cause| ConfigError::Unsound(cause.to_string()))?;
    config.check().map_err(ConfigError::Unsound)?;
    Ok(config)
}

/// `CLAVIGER_PG_BIN` is the documented short form of `database.pg_bin`.
fn find<'k>(keys: &'k [Key], variable: &str) -> Option<&'k Key> {
    let variable = if variable == "CLAVIGER_PG_BIN" {
        "CLAVIGER_DATABASE__PG_BIN"
    } else {
        variable
    };
    keys.iter().find(|key| key.variable() == variable)
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
        path: path.to_owned(),
        cause,
    })?;
    let at_fault = |cause| ConfigError::File {
        path: path.to_owned(),
        cause,
    };
    // Read as a whole first: only then does an error know its line.
    toml::from_str::<Config>(&text).map_err(at_fault)?;
    toml::from_str(&text).map_err(at_fault)
}

impl Config {
    fn deserialize_table(table: &Table) -> Result<Self, toml::de::Error> {
        Value::Table(table.clone()).try_into()
    }
}

fn set(table: &mut Table, path: &[&'static str], value: Value) {
    match path {
        [] => {}
        [name] => {
            table.insert((*name).to_owned(), value);
        }
        [group, rest @ ..] => {
            let inner = table
                .entry((*group).to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;

    #[test]
    fn variables_lie_over_the_defaults() {
        let environment = Environment::from_iter([
            ("CLAVIGER_LISTEN", "127.0.0.1:9999"),
            ("CLAVIGER_LIFETIMES__AUTHORIZATION_CODE", "2s"),
            ("CLAVIGER_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1/32"),
            ("DATABASE_URL", "postgres://somewhere"),
            ("PATH", "/bin"),
        ]);
        let config = load(None, &environment).expect("a sound configuration");
        assert_eq!(config.issuer(), "http://localhost:9999");
        assert_eq!(config.lifetimes.authorization_code, Span::seconds(2));
        assert_eq!(config.server.trusted_proxies.len(), 2);
        assert_eq!(
            config.database.url.map(|url| url.expose().to_owned()).as_deref(),
            Some("postgres://somewhere")
        );
    }

    #[test]
    fn an_error_names_what_to_mend() {
        for (variable, value, said) in [
            ("CLAVIGER_LISTENN", "x", "CLAVIGER_LISTENN: no such key"),
            (
                "CLAVIGER_LIFETIMES__ACCESS_TOKEN",
                "soon",
                "CLAVIGER_LIFETIMES__ACCESS_TOKEN: 'soon' is no length",
            ),
            (
                "CLAVIGER_DATABASE__CONNECTIONS",
                "many",
                "'many' is no whole number",
            ),
            (
                "CLAVIGER_ISSUER",
                "https://a.example/?x",
                "issuer: an http(s) URL without",
            ),
            (
                "CLAVIGER_SIGN_UP__MODE",
                "perhaps",
                "CLAVIGER_SIGN_UP__MODE: unknown variant",
            ),
            ("CLAVIGER_JOBS__BATCH", "0", "jobs.batch: at least 1"),
        ] {
            let error = load(None, &Environment::from_iter([(variable, value)]))
                .expect_err(variable)
                .to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn an_issuer_is_a_url_and_nothing_more() {
        let load = |issuer| load(None, &Environment::from_iter([("CLAVIGER_ISSUER", issuer)]));
        for bad in [
            "https://id.example/?tenant=one",
            "https://id.example/#here",
            "https://ada@id.example/",
            "ftp://id.example/",
            "id.example",
        ] {
            let error = load(bad).expect_err(bad).to_string();
            assert!(error.to_lowercase().contains("issuer"), "{error}");
        }
        for (good, issuer) in [
            ("https://id.example/", "https://id.example"),
            ("https://id.example/tenant/one", "https://id.example/tenant/one"),
        ] {
            assert_eq!(load(good).expect(good).issuer(), issuer);
        }
    }

    #[test]
    fn a_file_is_checked_with_its_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(
            file.path(),
            "listen = \"127.0.0.1:1\"\n[lifetimes]\naccess_tokn = \"1m\"\n",
        )
        .expect("written");
        let error = load(Some(file.path()), &Environment::default())
            .expect_err("unknown key")
            .to_string();
        assert!(
            error.contains("line 3") && error.contains("access_tokn"),
            "{error}"
        );
    }
}
