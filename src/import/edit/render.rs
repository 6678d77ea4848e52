//! An MCP client as YAML.

use serde::Serialize;
use std::{fmt::Write, io};

use serde_json::ser::{Formatter, Serializer};
use serde_yaml::{Mapping, Value};

/// An entry of a list in block style, its dash at this column, each line with this line break.
pub(in crate::import) fn block(client: &Mapping, column: usize, line_break: &str) -> String {
    let list = serde_yaml::to_string(&[client]).expect("texts, numbers, flags, and lists of them always serialize");
    let indent = " ".repeat(column);
    list.lines()
        .map(|line| if line.is_empty() { line_break.to_owned() } else { format!("{indent}{line}{line_break}") })
        .collect()
}

/// What stands behind the colon of a key at this column, in block style, without the line break at its end.
pub(super) fn block_value(value: &Value, column: usize, line_break: &str) -> String {
    let text = serde_yaml::to_string(value).expect("texts, numbers, flags, and lists of them always serialize");
    let (first, indent) = match value {
        Value::Mapping(mapping) if !mapping.is_empty() => (line_break, column + 2),
        Value::Sequence(list) if !list.is_empty() => (line_break, column),
        _ => (" ", column),
    };
    let indent = " ".repeat(indent);
    let mut block = String::new();
    for (place, line) in text.lines().enumerate() {
        block.push_str(if place == 0 { first } else { line_break });
        if !line.is_empty() && (place > 0 || first != " ") {
            block.push_str(&indent);
        }
        block.push_str(line);
    }
    block
}

/// A key.
pub(super) fn scalar(key: &Value) -> String {
    let text = serde_yaml::to_string(key).expect("texts, numbers, flags, and lists of them always serialize");
    // One of several lines can be no key.
    if text.trim_end().contains('\n') { flow(key) } else { text.trim_end().to_owned() }
}

/// An entry of a list, or any value, in flow style, on one line: JSON is YAML, too.
pub(super) fn flow<T: Serialize>(client: &T) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, OneLine);
    client.serialize(&mut serializer).expect("texts, numbers, flags, and lists of them always serialize");
    // JSON lets characters stand that YAML does not, or takes for line breaks.
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                // Writing to a text cannot fail.
                let _written = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// JSON with a space after each comma and colon.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
