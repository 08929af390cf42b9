//! What the documents say of the code is there: files, functions, tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use claviger::{config::Families, keys::Formats};

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/keys.md",
    "docs/oauth.md",
    "docs/security.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pieces between backticks, each with the text that stands before it.
fn quoted(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    parts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// The rows of the tables: section, word, rule, place, tests.
fn rows(document: &str) -> impl Iterator<Item = Vec<&str>> {
    document
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| {
            line.trim_matches('|')
                .split(" | ")
                .map(str::trim)
                .collect::<Vec<_>>()
        })
        .filter(|cells| cells[0] != "section" && cells[0] != "---")
}

fn file(name: &str) -> Option<PathBuf> {
    [root().join("src").join(name), root().join(name)]
        .into_iter()
        .find(|path| path.is_file())
}

fn holds(text: &str, item: &str) -> bool {
    ["fn ", "struct ", "enum ", "trait ", "const ", "type "]
        .iter()
        .map(|kind| format!("{kind}{item}"))
        .chain([format!("{item}:"), format!("{item} = \"")])
        .any(|declared| {
            text.match_indices(&declared).any(|(place, found)| {
                let before = text[..place].chars().next_back();
                let after = text[place + found.len()..].chars().next();
                let of_a_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                !of_a_name(before) && (found.ends_with([':', '"']) || !of_a_name(after))
            })
        })
}

/// Where the test of that name would be: unit tests are in the module that they test.
fn file_of_test(name: &str) -> Option<(PathBuf, &str)> {
    let (module, function) = name.rsplit_once("::")?;
    let (folder, module) = match module.strip_suffix("::tests") {
        Some(module) => ("src", module),
        None => ("tests/it", module),
    };
    let path = root().join(folder).join(module.replace("::", "/"));
    [path.with_extension("rs"), path.join("mod.rs")]
        .into_iter()
        .find(|path| path.is_file())
        .map(|path| (path, function))
}

#[test]
fn each_rule_is_kept_where_its_row_says() {
    let document = read("docs/oauth.md");
    let mut wrong = Vec::new();
    let mut named = 0;
    for row in rows(&document) {
        assert_eq!(row.len(), 5, "{row:?}");
        let mut current: Option<(&str, String)> = None;
        let mut of_file = false;
        for (before, name) in quoted(row[3]) {
            if Path::new(name)
                .extension()
                .is_some_and(|kind| kind == "rs" || kind == "html")
            {
                named += 1;
                current = file(name).map(|path| (name, read(path)));
                of_file = false;
                if current.is_none() {
                    wrong.push(format!("no file {name}"));
                }
                continue;
            }
            of_file = before == " → " || (of_file && before == ", ");
            if let (true, Some((path, text))) = (of_file, &current)
                && !holds(text, name)
            {
                wrong.push(format!("no {name} in {path}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/oauth.md names what is not there:\n{}",
        wrong.join("\n")
    );
    assert!(named > 50, "the table was not read: {named} places");
}

#[test]
fn each_test_that_shows_a_rule_exists() {
    let document = read("docs/oauth.md");
    let mut wrong = Vec::new();
    let mut named = 0;
    for row in rows(&document) {
        for (_, name) in quoted(row[4]) {
            named += 1;
            let exists = file_of_test(name)
                .is_some_and(|(path, function)| read(path).contains(&format!("fn {function}(")));
            if !exists {
                wrong.push(name.to_owned());
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/oauth.md names tests that do not exist:\n{}",
        wrong.join("\n")
    );
    assert!(named > 100, "the table was not read: {named} tests");
}

#[test]
fn paths_in_the_documents_exist() {
    let folders = [
        "src/",
        "tests/",
        "templates/",
        "static/",
        "tools/",
        "benches/",
        "examples/",
        "deploy/",
    ];
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        for (_, name) in quoted(&read(document)) {
            let is_path = folders.iter().any(|folder| name.starts_with(folder))
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if is_path && !root().join(name).exists() {
                wrong.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "documents name paths that do not exist:\n{}",
        wrong.join("\n")
    );
}

/// Scanners copy the expression, and people the example, so both are those of the code.
#[test]
fn the_form_of_keys_is_that_of_the_code() {
    let formats = Formats::of(&Families::default());
    let document = read("docs/keys.md");
    let expression = formats.expression();
    assert!(document.contains(&expression), "docs/keys.md lacks {expression}");
    let example = document
        .lines()
        .find(|line| line.starts_with("sk_live_"))
        .expect("an example");
    assert!(formats.read(example).is_some(), "{example} is no key");
}
