//! Schemas of the document in words, and examples of what fits them.

use serde_json::{Map, Value, json};

use crate::api::views::{Field, Words};

/// The schemas of a document.
pub(super) struct Schemas<'d> {
    document: &'d Value,
}

/// How deep fields are told of: a thing in a list in an answer.
const DEEPEST: usize = 3;

/// In a form that is read easily.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What stands in there, a name within a name; null where nothing does.
pub(super) fn at<'v, const N: usize>(value: &'v Value, names: [&str; N]) -> &'v Value {
    names
        .iter()
        .fold(value, |value, name| value.get(name).unwrap_or(&Value::Null))
}

fn first(value: &Value) -> &Value {
    value.get(0).unwrap_or(&Value::Null)
}

impl<'d> Schemas<'d> {
    pub(super) const fn of(document: &'d Value) -> Self {
        Self { document }
    }

    /// What a schema comes to: the one that it names, or the first that is not null.
    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        if let Some(pointer) = at(schema, ["$ref"])
            .as_str()
            .and_then(|name| name.strip_prefix('#'))
        {
            return self.document.pointer(pointer).unwrap_or(&Value::Null);
        }
        let choices = at(schema, ["oneOf"])
            .as_array()
            .or_else(|| at(schema, ["anyOf"]).as_array());
        let choice = choices
            .into_iter()
            .flatten()
            .find(|choice| at(choice, ["type"]) != "null");
        choice.map_or(schema, |choice| self.resolved(choice))
    }

    /// Its properties, those of all its parts; each with whether it is always there.
    fn properties<'s>(&'s self, schema: &'s Value) -> Vec<(&'s str, &'s Value, bool)> {
        let schema = self.resolved(schema);
        let parts = at(schema, ["allOf"]).as_array().into_iter().flatten();
        let mut all: Vec<_> = parts.flat_map(|part| self.properties(part)).collect();
        let required = at(schema, ["required"]).as_array();
        let own = at(schema, ["properties"]).as_object().into_iter().flatten();
        all.extend(own.map(|(name, property)| {
            let mut names = required.into_iter().flatten();
            (name.as_str(), property, names.any(|own| own == name))
        }));
        all
    }

    /// Each thing in it, those within others with the names of those before theirs.
    pub(super) fn fields(&self, schema: &Value) -> Vec<Field> {
        let mut fields = Vec::new();
        self.collect("", schema, DEEPEST, &mut fields);
        fields
    }

    fn collect(&self, before: &str, schema: &Value, deeper: usize, fields: &mut Vec<Field>) {
        for (name, property, required) in self.properties(schema) {
            let is_named = at(property, ["description"]).as_str();
            let words = is_named.or_else(|| at(self.resolved(property), ["description"]).as_str());
            fields.push(Field {
                name: format!("{before}{name}"),
                kind: self.kind(property),
                place: None,
                required,
                words: Words::of(words.unwrap_or_default()),
            });
            if deeper > 0 {
                let items = at(self.resolved(property), ["items"]);
                if items.is_object() {
                    self.collect(&format!("{before}{name}[]."), items, deeper - 1, fields);
                } else {
                    self.collect(&format!("{before}{name}."), property, deeper - 1, fields);
                }
            }
        }
    }

    /// "string", "integer, 1 to 200", "array of string", "live or test", "string or null"
    pub(super) fn kind(&self, schema: &Value) -> String {
        let own = self.resolved(schema);
        let choices: Vec<&str> = at(own, ["enum"])
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let types: Vec<&str> = match at(own, ["type"]) {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let kind = types
            .iter()
            .find(|kind| **kind != "null")
            .copied()
            .unwrap_or("object");
        let words = match kind {
            _ if !choices.is_empty() => choices.join(" | "),
            "array" => format!("array of {}", self.kind(at(own, ["items"]))),
            "string" if at(own, ["format"]) == "date-time" => "time (RFC 3339)".to_owned(),
            other => other.to_owned(),
        };
        let bounds = match (at(own, ["minimum"]).as_i64(), at(own, ["maximum"]).as_i64()) {
            (Some(least), Some(most)) => format!(", {least} to {most}"),
            (Some(least), None) => format!(", at least {least}"),
            _ => String::new(),
        };
        let length = at(own, ["maxLength"]).as_u64();
        let length = length.map_or_else(String::new, |most| format!(", up to {most} characters"));
        let mut choices = at(schema, ["oneOf"]).as_array().into_iter().flatten();
        let may_be_null = types.contains(&"null") || choices.any(|choice| at(choice, ["type"]) == "null");
        let null = if may_be_null { " or null" } else { "" };
        format!("{words}{bounds}{length}{null}")
    }

    /// Something that fits it.
    pub(super) fn example(&self, schema: &Value) -> Value {
        self.made(schema, |_, _| true)
    }

    /// Something to send: what has to be there, and what the document has an example of.
    pub(super) fn request(&self, schema: &Value) -> Value {
        self.made(schema, |property, required| {
            required || !at(property, ["example"]).is_null()
        })
    }

    fn made(&self, schema: &Value, is_told: impl Fn(&Value, bool) -> bool + Copy) -> Value {
        let own = self.resolved(schema);
        for given in [
            at(schema, ["example"]),
            at(own, ["example"]),
            first(at(own, ["enum"])),
            at(own, ["default"]),
        ] {
            if !given.is_null() {
                return given.clone();
            }
        }
        let properties = self.properties(own);
        if !properties.is_empty() {
            let told = properties
                .into_iter()
                .filter(|(_, property, required)| is_told(property, *required));
            let object: Map<String, Value> = told
                .map(|(name, property, _)| (name.to_owned(), self.made(property, is_told)))
                .collect();
            return object.into();
        }
        let kind = match at(own, ["type"]) {
            Value::Array(types) => types.iter().find(|kind| *kind != "null").unwrap_or(&Value::Null),
            one => one,
        };
        match kind.as_str().unwrap_or_default() {
            "string" if at(own, ["format"]) == "date-time" => json!("2026-06-01T12:00:00Z"),
            "string" => json!("…"),
            "integer" => at(own, ["minimum"])
                .as_i64()
                .map_or(json!(1), |least| json!(least)),
            "number" => json!(1.5),
            "boolean" => json!(true),
            "array" => json!([self.made(at(own, ["items"]), is_told)]),
            _ => json!({}),
        }
    }
}
