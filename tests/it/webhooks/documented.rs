//! What `docs/webhooks.md` says of each event is what is sent.

use std::{collections::BTreeMap, fs};

use claviger::webhooks::EventType;
use serde_json::Value;

/// What is written under the heading of an event.
fn section(kind: &str) -> String {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/webhooks.md")).unwrap();
    let (_, rest) = document
        .split_once(&format!("\n### `{kind}`\n"))
        .unwrap_or_else(|| panic!("docs/webhooks.md has no heading for {kind}"));
    rest.split("\n#").next().unwrap().to_owned()
}

fn example(kind: &str) -> Value {
    let section = section(kind);
    let (_, rest) = section.split_once("```json\n").expect("an example");
    serde_json::from_str(rest.split("```").next().unwrap()).unwrap()
}

/// Names of fields, with what they hold; null stands for whatever there may be instead.
fn shape(data: &Value) -> BTreeMap<&str, &'static str> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fields = data.as_object().unwrap();
    fields
        .iter()
        .map(|(name, value)| (name.as_str(), kind(value)))
        .collect()
}

/// Fails unless an event that was sent has the fields that its example has, and a reason that is written there.
#[track_caller]
pub fn check(event: &Value) {
    let kind = event["type"].as_str().unwrap();
    let example = example(kind);
    let (written, sent) = (shape(&example), shape(&event["data"]));
    assert!(
        written.keys().eq(sent.keys()),
        "{kind}: {written:?} is written, {sent:?} is sent"
    );
    for (name, own) in sent {
        let there = written[name];
        assert!(
            own == there || [own, there].contains(&"null"),
            "{kind}: {name} is {own}, and {there} is written"
        );
    }
    if let Some(reason) = event["data"]["reason"].as_str() {
        let words = format!("`{reason}`");
        assert!(
            section(kind).contains(&words) || example["reason"] == reason,
            "{kind}: nothing is written of the reason {reason}"
        );
    }
}

#[test]
fn every_event_has_its_example() {
    for kind in EventType::ALL {
        assert!(example(kind.name()).is_object());
    }
}
