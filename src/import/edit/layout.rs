//! How the table stands in a file, and how its text is edited.

use std::ops::Range;

use super::nodes::{self, Node, NodeKind};
use crate::import::keys::KEY;

/// How the table stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Its key is not there; the other keys begin at this column. In a file in flow style: where it can be put.
    Missing { column: usize, in_flow: Option<usize> },
    /// Its key is there, and nothing in it: what stands there from the colon on.
    Empty { value: Range<usize>, is_in_flow: bool },
    /// A list in block style, its dashes at this column: the lines of each item.
    Block { column: usize, items: Vec<Range<usize>> },
    /// A list in flow style: where it opens, each item, and the column of the last one when each has lines of its own.
    Flow { open: usize, items: Vec<Range<usize>>, column: Option<usize> },
}

impl Layout {
    /// The layout of a file; `None` when it cannot be told.
    pub fn of(text: &str) -> Option<Self> {
        let root = nodes::root(text)?;
        let NodeKind::Mapping { is_flow: is_in_flow, entries } = &root.kind else { return None };
        let Some((key, value)) = root.get(KEY) else {
            let last = entries.last().map(|(_, value)| value.place.end);
            let column = column_of(text, &root);
            return Some(Layout::Missing { column, in_flow: if *is_in_flow { Some(last?) } else { None } });
        };
        match &value.kind {
            NodeKind::Scalar(_) => Some(Self::empty(text, key, value, *is_in_flow)?),
            NodeKind::List { is_flow: false, items } => Self::block(text, key, items),
            NodeKind::List { is_flow: true, items } => {
                let inside = text.get(value.place.clone())?;
                if items.is_empty() && !inside.contains(['\n', '#']) {
                    return Self::empty(text, key, value, *is_in_flow);
                }
                let open = value.place.start + inside.find('[')? + 1;
                let column = items.last().filter(|_| inside.contains('\n')).map(|last| column_of(text, last));
                let items = items.iter().map(|item| item.place.clone()).collect();
                Some(Layout::Flow { open, items, column })
            }
            NodeKind::Alias | NodeKind::Mapping { .. } => None,
        }
    }

    fn empty(text: &str, key: &Node, value: &Node, is_in_flow: bool) -> Option<Self> {
        let colon = key.place.end + text.get(key.place.end..)?.find(':')? + 1;
        Some(Layout::Empty { value: colon..value.place.end.max(colon), is_in_flow })
    }

    fn block(text: &str, key: &Node, items: &[Node]) -> Option<Self> {
        let mut lines = Vec::with_capacity(items.len());
        let mut floor = line_end(text, key.place.end);
        let mut column = 0;
        for (place, item) in items.iter().enumerate() {
            let start = dash_line(text, item.place.start, floor)?;
            if place == 0 {
                column = text[start..].len() - text[start..].trim_start_matches(' ').len();
            }
            // A block of text ends where the next node begins.
            let content = text[..item.place.end.max(item.place.start)].trim_end().len();
            let end = line_end(text, content.max(start));
            lines.push(start..end);
            floor = end;
        }
        Some(Layout::Block { column, items: lines })
    }
}

/// The start of the line, this one or one before it, on which a dash begins an item.
fn dash_line(text: &str, at: usize, floor: usize) -> Option<usize> {
    let mut start = line_start(text, at);
    while start >= floor {
        let line = text[start..].trim_start_matches(' ');
        if line.strip_prefix('-').is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            return Some(start);
        }
        start = line_start(text, start.checked_sub(1)?);
    }
    None
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Behind the line break of the line that this is in, or at the end of the text.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

pub(super) fn column_of(text: &str, node: &Node) -> usize {
    text[line_start(text, node.place.start)..node.place.start].chars().count()
}

/// The line break of a file: that of its first line.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.find('\n') {
        Some(end) if text[..end].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Puts lines where a line begins, or behind the last one if that has no line break.
pub(super) fn insert_lines(text: &str, at: usize, lines: String, edits: &mut Edits) {
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

/// Parts of a text and what is to stand there, which do not overlap.
#[derive(Debug, Default)]
pub(in crate::import) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub fn add(&mut self, place: Range<usize>, text: String) {
        self.0.push((place, text));
    }

    pub fn append(&mut self, mut other: Edits) {
        self.0.append(&mut other.0);
    }

    /// The text after them.
    pub fn apply(mut self, text: &str) -> String {
        // Stable: what is put at one place stays in order.
        self.0.sort_by_key(|(place, _)| (place.start, place.end));
        let (mut edited, mut at) = (String::with_capacity(text.len()), 0);
        for (place, new) in self.0 {
            edited.push_str(&text[at..place.start.max(at)]);
            edited.push_str(&new);
            at = place.end.max(at);
        }
        edited.push_str(&text[at..]);
        edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<&str> {
        match Layout::of(text).unwrap() {
            Layout::Block { items, .. } | Layout::Flow { items, .. } => {
                items.into_iter().map(|item| &text[item]).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_lines_of_items_are_found_and_comments_between_are_nobodys() {
        let text = "a: 1\nmcp_clients: # c\n\n  # first\n  - name: é # tail\n    ca: |\n      line\n\n  # second\n  -\n    \
                    name: y\n    l: [1,\n     2]\n# end\nz: 1\n";
        assert_eq!(
            items(text),
            ["  - name: é # tail\n    ca: |\n      line\n", "  -\n    name: y\n    l: [1,\n     2]\n"]
        );
        assert_eq!(items("mcp_clients:\n- &x {a: 1}\n- *x\n-   b: 1"), ["- &x {a: 1}\n", "- *x\n", "-   b: 1"]);
    }

    #[test]
    fn the_items_of_a_list_in_flow_style_are_found() {
        let text = "mcp_clients: [ {a: 1}, # c\n {b: \"}\"} , ]\n";
        assert_eq!(items(text), ["{a: 1}", "{b: \"}\"}"]);
        assert!(matches!(Layout::of(text), Some(Layout::Flow { column: Some(1), .. })));
        let empty = "mcp_clients: [\n  # none\n]\nz: 1";
        assert_eq!(Layout::of(empty), Some(Layout::Flow { open: 14, items: Vec::new(), column: None }));
    }

    #[test]
    fn no_list_is_told_from_an_empty_one() {
        assert_eq!(Layout::of("a: 1\n"), Some(Layout::Missing { column: 0, in_flow: None }));
        assert_eq!(Layout::of("{a: 1}"), Some(Layout::Missing { column: 0, in_flow: Some(5) }));
        for (text, value) in [
            ("mcp_clients:\nz: 1", ""),
            ("mcp_clients: # c\nz: 1", ""),
            ("mcp_clients: [ ] # c\n", " [ ]"),
            ("mcp_clients: ~\n", " ~"),
            ("\"mcp_clients\" : null", " null"),
        ] {
            match Layout::of(text) {
                Some(Layout::Empty { value: place, is_in_flow: false }) => assert_eq!(&text[place], value, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
