//! Edits the text of a configuration so that its table is another one.

pub(super) mod comments;
pub(super) mod fate;
pub(super) mod layout;
mod margin;
pub(super) mod nodes;
pub(super) mod part;
pub(super) mod render;
pub(super) mod rewrite;
pub(super) mod write;

use std::ops::Range;

use serde_yaml::Mapping;

use self::{
    comments::comments,
    fate::Fate,
    layout::{Edits, Layout, column_of, insert_lines, line_break, line_end, line_start},
    nodes::{Node, NodeKind},
    rewrite::rewrite,
};
use crate::import::keys::KEY;

/// The text in which each entry has met its fate, and the new ones are there; `None` when that cannot be done. Entries
/// are edited key by key, or `whole`.
pub(super) fn edit(text: &str, fates: &[Fate<'_>], added: &[&Mapping], whole: bool) -> Option<String> {
    let mut edits = Edits::default();
    let root = nodes::root(text)?;
    let entries = match root.get(KEY).map(|(_, table)| &table.kind) {
        Some(NodeKind::List { items, .. }) => items.as_slice(),
        _ => &[],
    };
    let table = Written { text, entries, fates, whole };
    match Layout::of(text)? {
        Layout::Missing { in_flow: Some(end), .. } => {
            edits.add(end..end, format!(", \"{KEY}\": [{}]", flow_list(added)));
        }
        Layout::Missing { in_flow: None, column } => {
            let line_break = line_break(text);
            let end_of_line = if text.ends_with('\n') || text.is_empty() { "" } else { line_break };
            let indent = " ".repeat(column);
            let list = blocks(added, column + INDENT, line_break);
            // An entry of a list is in one piece.
            let apart = if column == 0 { line_break } else { "" };
            edits.add(text.len()..text.len(), format!("{end_of_line}{apart}{indent}{KEY}:{line_break}{list}"));
        }
        Layout::Empty { value, is_in_flow: true } => edits.add(value, format!(" [{}]", flow_list(added))),
        Layout::Empty { value, is_in_flow: false } => {
            let end = line_end(text, value.end);
            edits.add(value, String::new());
            let column = column_of(text, &root) + INDENT;
            insert_lines(text, end, blocks(added, column, line_break(text)), &mut edits);
        }
        Layout::Block { column, items } if items.len() == fates.len() => {
            table.block(column, &items, added, &mut edits);
        }
        Layout::Flow { open, items, column } if items.len() == fates.len() => {
            let between = match column {
                Some(column) => format!(",{}{}", line_break(text), " ".repeat(column)),
                None => ", ".to_owned(),
            };
            table.flow(open, &items, &between, added, &mut edits);
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
    let clients: Vec<_> = clients.iter().map(render::flow).collect();
    clients.join(", ")
}

/// The table as it stands in a text.
struct Written<'a> {
    text: &'a str,
    entries: &'a [Node],
    fates: &'a [Fate<'a>],
    whole: bool,
}

impl Written<'_> {
    fn block(&self, column: usize, items: &[Range<usize>], added: &[&Mapping], edits: &mut Edits) {
        let line_break = line_break(self.text);
        let mut floor = 0;
        for (place, (item, fate)) in items.iter().zip(self.fates).enumerate() {
            match fate {
                Fate::Same | Fate::Only => {}
                Fate::Goes => edits.add(self.own_comments(item.start, column, floor)..item.end, String::new()),
                Fate::Becomes { .. } if self.by_key(place, edits) => {}
                Fate::Becomes { after, .. } => {
                    let mut lines = self.comments(place, item.clone(), &" ".repeat(column));
                    lines.push_str(&render::block(after, column, line_break));
                    if !self.text[item.clone()].ends_with('\n') {
                        lines.truncate(lines.trim_end_matches(['\r', '\n']).len());
                    }
                    edits.add(item.clone(), lines);
                }
            }
            floor = item.end;
        }
        let end = items.last().map_or(self.text.len(), |last| last.end);
        insert_lines(self.text, end, blocks(added, column, line_break), edits);
    }

    /// Edits an entry key by key; whether that could be done.
    fn by_key(&self, place: usize, edits: &mut Edits) -> bool {
        let (Some(node), Some(Fate::Becomes { before, after })) = (self.entries.get(place), self.fates.get(place))
        else {
            return false;
        };
        let mut own = Edits::default();
        let is_done = !self.whole && rewrite(self.text, node, before, after, &mut own).is_some();
        if is_done {
            edits.append(own);
        }
        is_done
    }

    /// The comments of an entry, each on a line of its own.
    fn comments(&self, place: usize, item: Range<usize>, indent: &str) -> String {
        let comments = self.entries.get(place).map(|node| comments(self.text, item, node)).unwrap_or_default();
        let line = |comment| format!("{indent}{}{}", &self.text[comment], line_break(self.text));
        comments.into_iter().map(line).collect()
    }

    /// Where the comment right above an entry begins that is about it: at its column, without an empty line between.
    fn own_comments(&self, item: usize, column: usize, floor: usize) -> usize {
        let mut start = item;
        while start > floor {
            let before = line_start(self.text, start - 1);
            let line = &self.text[before..start];
            let is_its_own = line.trim_start_matches(' ').starts_with('#')
                && line.len() - line.trim_start_matches(' ').len() == column;
            if before < floor || !is_its_own {
                break;
            }
            start = before;
        }
        start
    }

    fn flow(&self, open: usize, items: &[Range<usize>], between: &str, added: &[&Mapping], edits: &mut Edits) {
        let new: Vec<_> = added.iter().map(render::flow).collect();
        // Those after the last one that stays go together, with the comma before them.
        let staying = self.fates.iter().rposition(|fate| *fate != Fate::Goes).map_or(0, |last| last + 1);
        for (place, (item, fate)) in items.iter().zip(self.fates).enumerate().take(staying) {
            match fate {
                Fate::Same | Fate::Only => {}
                Fate::Goes => edits.add(item.start..items[place + 1].start, String::new()),
                Fate::Becomes { .. } if self.by_key(place, edits) => {}
                Fate::Becomes { after, .. } => {
                    edits.add(item.clone(), self.comments(place, item.clone(), "") + &render::flow(after));
                }
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
                let rest = &self.text[last..];
                let comma = rest.trim_start().starts_with(',') && new.is_empty();
                let end = if comma { last + rest.len() - rest.trim_start().len() + 1 } else { last };
                edits.add(first.start..end, new.join(between));
            }
            (None, None) => edits.add(open..open, new.join(between)),
        }
    }
}
