use std::fmt::Write as _;

use toml::Value;

use super::{Config, Key, key::Section as _};

/// The configuration in force, as a TOML file that says the same, each key with its documentation. Secrets
/// are hidden.
#[must_use]
pub fn print(config: &Config) -> String {
    let values = Value::try_from(config).unwrap_or(Value::Boolean(false));
    let mut out = String::new();
    let mut group: Vec<&str> = Vec::new();
    for key in keys() {
        let Some((name, path)) = key.path.split_last() else {
            continue;
        };
        if path != group.as_slice() {
            path.clone_into(&mut group);
            let _ = write!(out, "\n[{}]\n", group.join("."));
        }
        for line in key.doc.lines() {
            let _ = writeln!(out, "# {}", line.trim());
        }
        let value = key.path.iter().try_fold(&values, |value, step| value.get(step));
        let _ = match value {
            Some(value) => writeln!(out, "{name} = {value}"),
            None => writeln!(out, "# {name} is not set"),
        };
    }
    out
}

const HEAD: &str = "# Configuration

Every key has a default. A TOML file (`claviger --config FILE`, or `CLAVIGER_CONFIG`) goes over the defaults, and
variables go over the file. Lengths of time are written with their unit: `2s`, `15m`, `30d`; lists in variables have
commas between their values. A key that is not known is an error.

`claviger config print` shows what is in force, as a file that says the same; `claviger config check` names the line
or the variable at fault. This page is what `claviger config reference` prints.

";

/// All keys as a page of Markdown: `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(HEAD);
    out.push_str("| key | variable | default | meaning |\n| --- | --- | --- | --- |\n");
    for key in keys() {
        let default = key
            .default
            .as_ref()
            .map_or_else(|| "–".to_owned(), |value| format!("`{value}`"));
        let doc = key.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            out,
            "| `{}` | `{}` | {default} | {doc} |",
            key.dotted(),
            key.variable()
        );
    }
    out
}

fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    Config::keys(&[], &mut keys);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let text = print(&Config::default());
        let read: Config = toml::from_str(&text).expect("valid TOML");
        assert_eq!(print(&read), text);
    }

    #[test]
    fn every_key_says_what_it_is() {
        assert!(keys().iter().all(|key| key.doc.len() > 10));
    }
}
