//! Merges a table into the text of a configuration, which otherwise stays as it is, byte for byte.

use std::{collections::HashMap, ops::Range, path::Path};

use serde_yaml::{Mapping, Value};

use super::{
    KEY,
    layout::{Edits, Layout, line_break, line_end},
    render,
    table::{Table, name_of, sanitized},
};
use crate::config::{AuthType, Loaded, Problems};

/// A configuration with a table merged into it, which has passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The text of the file.
    pub text: String,
    /// MCP clients that the file did not have.
    pub added: usize,
    /// Those that it had otherwise.
    pub replaced: usize,
    /// Those that only the file has, and that were taken out.
    pub removed: usize,
    /// Those that only the file has, and that are still there.
    pub kept: usize,
    /// How many with `auth_type: per_user_oauth` the file had.
    pub deciding_before: usize,
    /// How many it has now; with none of them discovery is off.
    pub deciding: usize,
}

/// Why a table cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeFault {
    /// The file is not one to begin with, or would not be one any more.
    #[error("{0}")]
    Invalid(Problems),
    /// The file's own table is no list.
    #[error("mcp_clients is no list in it; mend that first")]
    NoList,
    /// The imported table has the same name more than once.
    #[error("the source has more than one MCP client of the name {0}; names are unique, mend that first")]
    SameName(String),
    /// The text around the table cannot be edited so that only the table changes.
    #[error(
        "mcp_clients cannot be edited in it without touching anything else, perhaps because of an anchor, an alias or \
         a tag; import without --into, and put the table there by hand"
    )]
    Layout,
}

/// What an entry of the file is, next to the imported table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate<'a> {
    /// It says the same as the imported one.
    Same,
    /// Only the file has it.
    Only,
    /// Only the file has it, and should not.
    Goes,
    Becomes(&'a Mapping),
}

/// Merges a table into the text of a file, whose name is for messages. Entries are the same when they have the same
/// name. One that only the file has stays, unless `prune` is set; one that says the same, but for its secrets, stays
/// as it is written.
///
/// # Errors
/// Why it cannot be.
pub fn merge(file: &Path, text: &str, table: &Table, prune: bool) -> Result<Merged, MergeFault> {
    if let Some(names) = table.names_twice() {
        return Err(MergeFault::SameName(names));
    }
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => (&text[..text.len() - body.len()], body),
        None => ("", text),
    };
    let tree: Value = match serde_yaml::from_str(body) {
        Ok(tree @ Value::Mapping(_)) => tree,
        _ => return Err(Loaded::from_text(file, text).err().map_or(MergeFault::Layout, MergeFault::Invalid)),
    };
    let entries = match tree.get(KEY) {
        None | Some(Value::Null) => &[][..],
        Some(Value::Sequence(entries)) => entries,
        Some(_) => return Err(MergeFault::NoList),
    };
    let (fates, added) = fates(entries, table, prune);
    let edited = if added.is_empty() && fates.iter().all(|fate| fate.is_as_before()) {
        body.to_owned()
    } else {
        edit(body, &fates, &added).ok_or(MergeFault::Layout)?
    };
    if !says(&edited, &tree, &expected(entries, &fates, &added)) {
        return Err(MergeFault::Layout);
    }
    let text = format!("{mark}{edited}");
    let config = Loaded::from_text(file, &text).map_err(MergeFault::Invalid)?.config;
    let count = |is: fn(&Fate<'_>) -> bool| fates.iter().filter(|fate| is(fate)).count();
    Ok(Merged {
        added: added.len(),
        replaced: count(|fate| matches!(fate, Fate::Becomes(_))),
        removed: count(|fate| *fate == Fate::Goes),
        kept: count(|fate| *fate == Fate::Only),
        deciding_before: entries.iter().filter(|entry| decides(entry)).count(),
        deciding: config.mcp_clients.iter().filter(|client| client.auth_type() == AuthType::PerUserOauth).count(),
        text,
    })
}

/// What becomes of each entry of the file, and what is new.
fn fates<'a>(entries: &[Value], table: &'a Table, prune: bool) -> (Vec<Fate<'a>>, Vec<&'a Mapping>) {
    let mut new: HashMap<&str, &Mapping> =
        table.clients.iter().filter_map(|client| Some((name(client)?, client))).collect();
    let fate = |entry: &Value| match name_of(entry).and_then(|name| new.remove(name.as_str())) {
        Some(client) if is_same(entry, client) => Fate::Same,
        Some(client) => Fate::Becomes(client),
        None if prune => Fate::Goes,
        None => Fate::Only,
    };
    let fates = entries.iter().map(fate).collect();
    let is_new = |client: &&Mapping| name(client).is_none_or(|name| new.contains_key(name));
    (fates, table.clients.iter().filter(is_new).collect())
}

/// Whether an entry of the file turns discovery on.
fn decides(entry: &Value) -> bool {
    entry.get("auth_type").and_then(Value::as_str) == Some(AuthType::PerUserOauth.name())
}

fn name(client: &Mapping) -> Option<&str> {
    client.get("name")?.as_str()
}

impl Fate<'_> {
    fn is_as_before(self) -> bool {
        matches!(self, Fate::Same | Fate::Only)
    }
}

/// Whether an entry of the file says, but for its secrets, what the imported one says.
fn is_same(entry: &Value, client: &Mapping) -> bool {
    sanitized(entry, "", &mut Vec::new()).is_ok_and(|entry| entry.as_ref() == Some(client))
}

/// The table that the file should have then.
fn expected(entries: &[Value], fates: &[Fate<'_>], added: &[&Mapping]) -> Vec<Value> {
    let old = entries.iter().zip(fates).filter_map(|(entry, fate)| match fate {
        Fate::Same | Fate::Only => Some(entry.clone()),
        Fate::Goes => None,
        Fate::Becomes(client) => Some((*client).clone().into()),
    });
    old.chain(added.iter().map(|client| (*client).clone().into())).collect()
}

/// Whether a text says the same as before, but for this table.
fn says(text: &str, before: &Value, table: &[Value]) -> bool {
    let Ok(Value::Mapping(mut now)) = serde_yaml::from_str(text) else { return false };
    let Value::Mapping(mut before) = before.clone() else { return false };
    before.shift_remove(KEY);
    let is_table = match now.shift_remove(KEY) {
        None | Some(Value::Null) => table.is_empty(),
        Some(Value::Sequence(list)) => list == table,
        Some(_) => false,
    };
    is_table && now == before
}

// === The edits ===

fn edit(text: &str, fates: &[Fate<'_>], added: &[&Mapping]) -> Option<String> {
    let mut edits = Edits::default();
    match Layout::of(text)? {
        Layout::Missing { in_flow: Some(end), .. } => {
            edits.add(end..end, format!(", \"{KEY}\": [{}]", flow_list(added)));
        }
        Layout::Missing { in_flow: None, column } => {
            let line_break = line_break(text);
            let end_of_line = if text.ends_with('\n') || text.is_empty() { "" } else { line_break };
            let indent = " ".repeat(column);
            let list = blocks(added, column + INDENT, line_break);
            edits.add(text.len()..text.len(), format!("{end_of_line}{line_break}{indent}{KEY}:{line_break}{list}"));
        }
        Layout::Empty { value, is_in_flow: true } => edits.add(value, format!(" [{}]", flow_list(added))),
        Layout::Empty { value, is_in_flow: false } => {
            let end = line_end(text, value.end);
            edits.add(value, String::new());
            insert_lines(text, end, blocks(added, INDENT, line_break(text)), &mut edits);
        }
        Layout::Block { column, items } if items.len() == fates.len() => {
            block(text, column, &items, fates, added, &mut edits);
        }
        Layout::Flow { open, items, column } if items.len() == fates.len() => {
            let between = match column {
                Some(column) => format!(",{}{}", line_break(text), " ".repeat(column)),
                None => ", ".to_owned(),
            };
            flow(text, open, &items, &between, fates, added, &mut edits);
        }
        Layout::Block { .. } | Layout::Flow { .. } => return None,
    }
    Some(edits.apply(text))
}

/// Of the entries of a list that is new in a file.
const INDENT: usize = 2;

fn blocks(clients: &[&Mapping], column: usize, line_break: &str) -> String {
    clients.iter().map(|client| render::block(client, column, line_break)).collect()
}

fn flow_list(clients: &[&Mapping]) -> String {
    let clients: Vec<_> = clients.iter().map(|client| render::flow(client)).collect();
    clients.join(", ")
}

/// Puts lines where a line begins, or behind the last one if that has no line break.
fn insert_lines(text: &str, at: usize, lines: String, edits: &mut Edits) {
    if lines.is_empty() {
        return;
    }
    let lines = if text[..at].ends_with('\n') {
        lines
    } else {
        format!("{}{}", line_break(text), lines.trim_end_matches(['\r', '\n']))
    };
    edits.add(at..at, lines);
}

fn block(text: &str, column: usize, items: &[Range<usize>], fates: &[Fate<'_>], added: &[&Mapping], edits: &mut Edits) {
    let line_break = line_break(text);
    for (item, fate) in items.iter().zip(fates) {
        match fate {
            Fate::Same | Fate::Only => {}
            Fate::Goes => edits.add(item.clone(), String::new()),
            Fate::Becomes(client) => {
                let mut lines = render::block(client, column, line_break);
                if !text[item.clone()].ends_with('\n') {
                    lines.truncate(lines.trim_end_matches(['\r', '\n']).len());
                }
                edits.add(item.clone(), lines);
            }
        }
    }
    let end = items.last().map_or(text.len(), |last| last.end);
    insert_lines(text, end, blocks(added, column, line_break), edits);
}

fn flow(
    text: &str,
    open: usize,
    items: &[Range<usize>],
    between: &str,
    fates: &[Fate<'_>],
    added: &[&Mapping],
    edits: &mut Edits,
) {
    let new: Vec<_> = added.iter().map(|client| render::flow(client)).collect();
    // Those after the last one that stays go together, with the comma before them.
    let staying = fates.iter().rposition(|fate| *fate != Fate::Goes).map_or(0, |last| last + 1);
    for (place, (item, fate)) in items.iter().zip(fates).enumerate().take(staying) {
        match fate {
            Fate::Same | Fate::Only => {}
            Fate::Goes => edits.add(item.start..items[place + 1].start, String::new()),
            Fate::Becomes(client) => edits.add(item.clone(), render::flow(client)),
        }
    }
    let last = items.last().map_or(open, |last| last.end);
    match (staying.checked_sub(1).map(|place| items[place].end), items.first()) {
        (Some(end), _) => {
            edits.add(end..end, new.iter().flat_map(|client| [between, client]).collect());
            edits.add(end..last, String::new());
        }
        (None, Some(first)) => {
            // A comma behind the last one would be behind nothing.
            let rest = &text[last..];
            let comma = rest.trim_start().starts_with(',') && new.is_empty();
            let end = if comma { last + rest.len() - rest.trim_start().len() + 1 } else { last };
            edits.add(first.start..end, new.join(between));
        }
        (None, None) => edits.add(open..open, new.join(between)),
    }
}
