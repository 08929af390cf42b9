//! What was counted, as a file for spreadsheets (RFC 4180).

use std::collections::HashMap;

use time::format_description::well_known::Rfc3339;

use super::{KeyName, Line};
use crate::types::{ApiKeyId, Fault};

/// Lines of one file.
pub const LINES: usize = 100_000;

/// The file of these lines, with the names of their keys as far as they are known.
///
/// # Errors
///
/// If a time has no form.
pub fn csv(lines: &[Line], names: &[KeyName]) -> Result<String, Fault> {
    let mut text = "time,app_id,key_id,key,scope,outcome,requests,cost\r\n".to_owned();
    let names: HashMap<ApiKeyId, &str> = names.iter().map(|key| (key.id, key.name.as_str())).collect();
    for line in lines {
        let fields = [
            line.at.format(&Rfc3339).map_err(Fault::internal)?,
            line.app.to_string(),
            line.key.to_string(),
            field(names.get(&line.key).copied().unwrap_or_default()),
            field(&line.scope),
            line.outcome.name().to_owned(),
            line.count.requests.to_string(),
            line.count.cost.to_string(),
        ];
        text.push_str(&fields.join(","));
        text.push_str("\r\n");
    }
    Ok(text)
}

/// One field. Spreadsheets take what begins like a formula for one, whatever stands around it: an apostrophe before it
/// makes it text.
fn field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        "'"
    } else {
        ""
    };
    if text.contains([',', '"', '\n', '\r']) || !guard.is_empty() {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
