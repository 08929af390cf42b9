//! The house rules that the compiler does not know: see `docs/architecture.md`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The folders of `src/` from the top down. Imports run downward, or within a folder; folders in one line are on
/// one level and do not see each other, but for [`BESIDE`].
const LEVELS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["server"],
    &["dashboard", "api"],
    &["leaks"],
    &["oauth"],
    &["keys"],
    &["webhooks"],
    &["identity"],
    &["accounts", "scopes"],
    &["audit", "revocation", "jobs"],
    &["web", "crypto", "db"],
    &["config", "types"],
];

/// Arrows between folders on one level, each with its reason.
const BESIDE: &[(&str, &str, &str)] = &[
    ("web", "crypto", "form tokens are authenticated by derived keys"),
    ("crypto", "db", "the names of derived keys are rows"),
    ("revocation", "jobs", "its cleanup is a job"),
    ("config", "types", "keys of the configuration are typed"),
];

/// Every source file, by its path from `src/`.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, without_comments(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    walk(&root, &root, &mut files);
    assert!(files.len() > 50, "the sources are found");
    files
}

/// Comments may speak of anything.
fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| {
            if line.trim_start().starts_with("//") {
                ""
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// `oauth` for `oauth/token/mod.rs`, `app` for `app.rs`.
fn folder_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

fn level_of(folder: &str, file: &str) -> usize {
    LEVELS
        .iter()
        .position(|level| level.contains(&folder))
        .unwrap_or_else(|| panic!("src/{file}: src/{folder} has no place in LEVELS"))
}

/// The folders that follow `crate::` in a file, also in nested `use crate::{…}`.
fn used_folders(text: &str) -> Vec<String> {
    let mut folders = Vec::new();
    for (place, root) in text.match_indices("crate::") {
        let before = text[..place].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &text[place + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => folders.extend(heads(group)),
            None => folders.push(word(rest)),
        }
    }
    folders.retain(|folder| !folder.is_empty());
    folders
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// The first word of each item of a `{…}` list whose opening brace is gone.
fn heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(std::mem::take(&mut item).trim())),
            _ => {}
        }
        if depth == 0 && character != ',' {
            item.push(character);
        }
    }
    heads.push(word(item.trim()));
    heads
}

#[test]
fn imports_run_downward() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let from = folder_of(&file).to_owned();
        if from == "lib" {
            continue;
        }
        for to in used_folders(&text) {
            let named = BESIDE
                .iter()
                .any(|(above, below, _)| *above == from && *below == to);
            if to != from && level_of(&to, &file) <= level_of(&from, &file) && !named {
                wrong.push(format!("src/{file} uses {to}"));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "arrows that run up:\n{}", wrong.join("\n"));
}

/// Whether a file belongs to one of the rooms `<name>.rs` or `<name>/`, at any depth.
fn in_room(file: &str, rooms: &[&str]) -> bool {
    file.trim_end_matches(".rs")
        .split('/')
        .any(|part| rooms.contains(&part))
}

/// Lines of `text` that name the crate `name`.
fn names_crate(text: &str, name: &str) -> Vec<usize> {
    let path = format!("{name}::");
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.match_indices(&path).any(|(place, _)| {
                let before = line[..place].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
            })
        })
        .map(|(number, _)| number + 1)
        .collect()
}

fn assert_only_in(crate_names: &[&str], rooms: &[&str], allowed: &[&str]) {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if in_room(&file, rooms) {
            continue;
        }
        for name in crate_names {
            for number in names_crate(&text, name) {
                let line = text.lines().nth(number - 1).unwrap().trim();
                if !allowed.contains(&line) {
                    wrong.push(format!("src/{file}:{number}: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "out of place:\n{}", wrong.join("\n"));
}

#[test]
fn only_stores_know_diesel() {
    assert_only_in(
        &["diesel", "diesel_async"],
        &["store", "db"],
        // The type of a connection is how callers compose transactions.
        &["use diesel_async::AsyncPgConnection;"],
    );
}

#[test]
fn only_http_rooms_know_actix() {
    assert_only_in(
        &["actix_web", "actix_multipart", "actix_http"],
        &["http", "pages", "server", "web"],
        &[],
    );
}

/// Pages take `Posted`, `SignedPost` or an act, which ask who it is once the body is there, and look at the form's token.
#[test]
fn forms_are_read_in_one_place() {
    let places = [
        "web/",
        "identity/http",
        "oauth/http.rs",
        "oauth/pages/authorize.rs",
    ];
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|(file, _)| !places.iter().any(|place| file.starts_with(place)))
        .filter(|(_, text)| text.contains(": Form,") || text.contains(": Form)") || text.contains(".gave("))
        .map(|(file, _)| file)
        .collect();
    assert!(wrong.is_empty(), "forms that are read elsewhere: {wrong:?}");
}

#[test]
fn only_the_configuration_reads_the_environment() {
    assert_only_in(&["std::env", "env"], &["config"], &[]);
}

#[test]
fn files_are_short_enough_to_read() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|(file, _)| file != "db/schema.rs")
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > 450)
        .collect();
    assert!(long.is_empty(), "a second act has its own file: {long:?}");
}
