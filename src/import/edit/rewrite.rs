//! Edits an entry of a file key by key: whatever stays the same stays as it is written, and so do all comments.

use serde_yaml::{Mapping, Value};

use super::{
    comments::comments,
    layout::{Edits, column_of, insert_lines, line_break, line_end, line_start},
    nodes::{Node, NodeKind},
    render,
};

/// Adds the edits after which a node that says `old` says `new`; `None` when that cannot be done key by key.
pub(in crate::import) fn rewrite(
    text: &str,
    node: &Node,
    old: &Mapping,
    new: &Mapping,
    edits: &mut Edits,
) -> Option<()> {
    let NodeKind::Mapping { is_flow, entries } = &node.kind else { return None };
    let mapping = Written { text, is_flow: *is_flow, entries };
    for (place, (key, value)) in entries.iter().enumerate() {
        let NodeKind::Scalar(name) = &key.kind else { return None };
        match (old.get(name)?, new.get(name)) {
            (old, Some(new)) if old == new => {}
            (Value::Mapping(old), Some(Value::Mapping(new))) if !old.is_empty() => {
                rewrite(text, value, old, new, edits)?;
            }
            (_, Some(new)) => mapping.replace(key, value, new, edits)?,
            (_, None) => mapping.remove(place, edits)?,
        }
    }
    let added = new.iter().filter(|(key, _)| !old.contains_key(key));
    mapping.add(added, edits)
}

/// A mapping as it stands in a text.
struct Written<'a> {
    text: &'a str,
    is_flow: bool,
    entries: &'a [(Node, Node)],
}

impl Written<'_> {
    /// Behind the colon of a key.
    fn colon(&self, key: &Node) -> Option<usize> {
        Some(key.place.end + self.text.get(key.place.end..)?.find(':')? + 1)
    }

    /// Where a value ends: one that is not there, behind the colon.
    fn end(&self, key: &Node, value: &Node) -> Option<usize> {
        let colon = self.colon(key)?;
        let is_missing = matches!(&value.kind, NodeKind::Scalar(_)) && value.place.is_empty();
        // A block of text ends where the next node begins.
        Some(if is_missing { colon } else { self.text.get(..value.place.end)?.trim_end().len().max(colon) })
    }

    fn replace(&self, key: &Node, value: &Node, new: &Value, edits: &mut Edits) -> Option<()> {
        let place = self.colon(key)?..self.end(key, value)?;
        let comments = comments(self.text, place.clone(), value);
        if self.is_flow {
            edits.add(place, format!(" {}", render::flow(new)));
            return comments.is_empty().then_some(());
        }
        let (column, line_break) = (column_of(self.text, key), line_break(self.text));
        let mut lines = render::block_value(new, column, line_break);
        for comment in comments {
            lines.extend([line_break, &" ".repeat(column), &self.text[comment]]);
        }
        edits.add(place, lines);
        Some(())
    }

    fn remove(&self, place: usize, edits: &mut Edits) -> Option<()> {
        let (key, value) = &self.entries[place];
        let next = self.entries.get(place + 1).map(|(next, _)| next.place.start);
        let (start, end) = (line_start(self.text, key.place.start), self.end(key, value)?);
        if self.is_flow || !self.text[start..key.place.start].trim().is_empty() {
            let (start, end) = match (next, place.checked_sub(1).map(|before| &self.entries[before])) {
                (Some(next), _) => (key.place.start, next),
                (None, Some((before, value))) if self.is_flow => (self.end(before, value)?, end),
                (None, None) if self.is_flow => (key.place.start, end),
                (None, _) => return None,
            };
            edits.add(start..end, String::new());
            return (!self.text[start..end].contains('#')).then_some(());
        }
        let end = line_end(self.text, end);
        let indent = &self.text[start..key.place.start];
        let keep = |comment| format!("{indent}{}{}", &self.text[comment], line_break(self.text));
        edits.add(start..end, comments(self.text, key.place.end..end, value).into_iter().map(keep).collect());
        Some(())
    }

    fn add<'a>(&self, added: impl Iterator<Item = (&'a Value, &'a Value)>, edits: &mut Edits) -> Option<()> {
        let mut added = added.peekable();
        if added.peek().is_none() {
            return Some(());
        }
        let (last, value) = self.entries.last()?;
        let end = self.end(last, value)?;
        if self.is_flow {
            let added = added.map(|(key, value)| format!(", {}: {}", render::flow(key), render::flow(value)));
            edits.add(end..end, added.collect());
            return Some(());
        }
        let (column, line_break) = (column_of(self.text, last), line_break(self.text));
        let line = |(key, value): (&Value, &Value)| {
            let value = render::block_value(value, column, line_break);
            format!("{}{}:{value}{line_break}", " ".repeat(column), render::scalar(key))
        };
        insert_lines(self.text, line_end(self.text, end), added.map(line).collect(), edits);
        Some(())
    }
}
