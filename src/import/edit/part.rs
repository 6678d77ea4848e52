//! A mapping somewhere in a text as a text of its own, in which every character has the column that it had.

use std::ops::Range;

use super::{
    layout::{line_end, line_start},
    nodes::{self, NodeKind},
};
use crate::config::KeyPath;

/// A part of a text.
#[derive(Debug)]
pub(in crate::import) struct Part {
    place: Range<usize>,
    /// So many spaces stand for what is in front of it on its first line.
    pad: usize,
    /// It as a text of its own.
    pub text: String,
}

impl Part {
    /// Takes the mapping at this path; `None` when there is none that can be told from what is around it.
    pub fn of(text: &str, path: &KeyPath) -> Option<Self> {
        if path.steps().is_empty() {
            return Some(Part { place: 0..text.len(), pad: 0, text: text.to_owned() });
        }
        let root = nodes::root(text)?;
        let node = root.at(path.steps())?;
        let NodeKind::Mapping { is_flow, .. } = &node.kind else { return None };
        let start = node.place.start;
        let before = text.get(line_start(text, start)..start)?;
        let end = if *is_flow {
            node.place.end
        } else if before.bytes().all(|byte| matches!(byte, b' ' | b'-')) {
            // A block of text ends where the next node begins.
            line_end(text, text.get(..node.place.end.max(start))?.trim_end().len().max(start))
        } else {
            return None;
        };
        let pad = before.chars().count();
        let own = text.get(start..end)?;
        Some(Part { place: start..end, pad, text: " ".repeat(pad) + own })
    }

    /// The whole text with this in place of the part; `None` when it no longer begins where the part did.
    pub fn put_back(&self, text: &str, edited: &str) -> Option<String> {
        let (pad, own) = edited.split_at_checked(self.pad)?;
        let is_pad = pad.bytes().all(|byte| byte == b' ');
        is_pad.then(|| [&text[..self.place.start], own, &text[self.place.end..]].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, index: usize) -> String {
        let part = Part::of(text, &KeyPath::root("sites").index(index)).unwrap();
        assert_eq!(part.put_back(text, &part.text).as_deref(), Some(text));
        part.text
    }

    #[test]
    fn a_part_has_its_lines_and_columns_and_no_more() {
        let text = "a: 1\nsites: # all\n  # one\n  - name: é # 1\n    t: |\n      x\n\n# left\n    l:\n  # two\n  -\n    name: y\nz: 1\n";
        assert_eq!(part(text, 0), "    name: é # 1\n    t: |\n      x\n\n# left\n    l:\n");
        assert_eq!(part(text, 1), "    name: y\n");
        let flow = "sites: [{\"name\": \"é\"}, {name: b,\n  l: [1]}] # c\n";
        assert_eq!(
            (part(flow, 0), part(flow, 1)),
            (" ".repeat(8) + "{\"name\": \"é\"}", " ".repeat(23) + "{name: b,\n  l: [1]}")
        );
        assert_eq!(part("sites:\n- name: a\n- name: b", 1), "  name: b");
        assert!(Part::of("sites: [*a]", &KeyPath::root("sites").index(0)).is_none());
        assert!(Part::of("sites: [1]", &KeyPath::root("sites").index(3)).is_none());
    }
}
