//! An explanation for a person.

use std::fmt::Write;

use super::{Explanation, Key};

/// The explanation as lines of text: what each step settles, and below it the keys that decide.
pub fn table(explanation: &Explanation) -> String {
    let mut text = format!("{} {}\n", explanation.method, explanation.url);
    let width = explanation.steps.iter().map(|step| step.step.len()).max().unwrap_or_default() + 2;
    // Writing to a text cannot fail.
    for step in &explanation.steps {
        let _written = writeln!(text, "{:width$}{}", step.step, plain(&step.says));
        for key in &step.keys {
            let _written = writeln!(text, "{:width$}  {}", "", line(key));
        }
    }
    for server in &explanation.servers_now {
        let (name, address) = (&server.server, &server.address);
        let _written =
            writeln!(text, "{:width$}{name} ({address}): {}, {} in flight", "now", server.state, server.in_flight);
    }
    let _written = match (explanation.status, explanation.reason) {
        (Some(status), Some(reason)) => writeln!(text, "=> the edge answers {status}, reason {reason}"),
        (Some(status), None) => writeln!(text, "=> the edge answers {status}"),
        (None, _) if explanation.answered_by == "edge" => writeln!(text, "=> the edge answers"),
        (None, _) => writeln!(text, "=> a server is asked"),
    };
    text
}

fn line(key: &Key) -> String {
    let value = key.value.as_ref().and_then(|value| serde_json::to_string(value).ok());
    let value = value.map(|value| format!(" = {}", plain(&value))).unwrap_or_default();
    match (&key.file, key.line) {
        (Some(file), Some(line)) => format!("{}{value}  {file}:{line}", key.key),
        _ if key.value.is_none() => format!("{}  not set", key.key),
        _ => format!("{}{value}  (default)", key.key),
    }
}

/// What a terminal may be sent.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
