//! The nodes of a YAML text and where they stand, so that a part of it can be replaced and the rest stays as it is.

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser};

use super::margin::{Padded, flow_end};
use crate::config::Step;

/// A node and its place in bytes. That of a collection in block style ends with its last node.
#[derive(Debug)]
pub(in crate::import) struct Node {
    pub place: Range<usize>,
    pub kind: NodeKind,
}

#[derive(Debug)]
pub(in crate::import) enum NodeKind {
    Scalar(String),
    Alias,
    List { is_flow: bool, items: Vec<Node> },
    Mapping { is_flow: bool, entries: Vec<(Node, Node)> },
}

impl Node {
    /// The key and the value under it, if this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<(&Node, &Node)> {
        let NodeKind::Mapping { entries, .. } = &self.kind else { return None };
        let entry = entries.iter().find(|(key, _)| matches!(&key.kind, NodeKind::Scalar(key) if key == name));
        entry.map(|(key, value)| (key, value))
    }

    /// The node at this path below it, if there is one.
    pub fn at(&self, path: &[Step]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match (step, &node.kind) {
            (Step::Key(key), _) => node.get(key).map(|(_, value)| value),
            (Step::Index(index), NodeKind::List { items, .. }) => items.get(*index),
            (Step::Index(_), _) => None,
        })
    }
}

/// The root of the first document of a text; `None` when it has none, or a syntax error.
pub(in crate::import) fn root(text: &str) -> Option<Node> {
    let mut padded = Padded::new(text);
    for _ in 0..MOST_FLOWS {
        match Reading::default().read(&padded) {
            Ok(root) => return root,
            // JSON that was pasted at the left margin, which libyaml takes and this parser does not.
            Err(flow) => padded.indent(flow..flow_end(text, flow)?),
        }
    }
    None
}

/// So many values in flow style may stand at the left margin.
const MOST_FLOWS: usize = 16;

/// Behind the quote that closes the one at this place, or behind an anchor or a tag there.
fn quote_end(text: &str, mut start: usize) -> Option<usize> {
    while text.get(start..)?.starts_with(['&', '!']) {
        let rest = text[start..].trim_start_matches(|character: char| !character.is_whitespace());
        start = text.len() - rest.trim_start().len();
    }
    let quote = text.get(start..)?.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut characters = text[start + 1..].char_indices().peekable();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => _ = characters.next(),
            // Twice, it is one within the text.
            '\'' if quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == '\'') => _ = characters.next(),
            character if character == quote => return Some(start + 1 + place + 1),
            _ => {}
        }
    }
    None
}

/// A collection that is not complete.
struct Open {
    start: usize,
    is_flow: bool,
    is_list: bool,
    nodes: Vec<Node>,
}

/// A text that is being read.
#[derive(Default)]
struct Reading {
    open: Vec<Open>,
    /// Up to here.
    end: usize,
}

impl Reading {
    /// The root, or after a syntax error in a value in flow style, where that opens.
    fn read(mut self, padded: &Padded<'_>) -> Result<Option<Node>, usize> {
        let offsets = Offsets::new(padded.text());
        for step in Parser::new_from_str(padded.text()) {
            let Ok((event, span)) = step else { return self.broken_flow(padded).map_or(Ok(None), Err) };
            let place = padded.original(offsets.byte(padded.text(), span.start))
                ..padded.original(offsets.byte(padded.text(), span.end));
            self.end = place.end;
            let node = match event {
                Event::Scalar(value, ..) => {
                    // The parser has looked behind the quote, perhaps beyond a comment.
                    let end = quote_end(padded.source(), place.start).unwrap_or(place.end).min(place.end);
                    Node { place: place.start..end, kind: NodeKind::Scalar(value.into_owned()) }
                }
                Event::Alias(_) => Node { place, kind: NodeKind::Alias },
                Event::SequenceStart(..) | Event::MappingStart(..) => {
                    let is_list = matches!(event, Event::SequenceStart(..));
                    // In front of the bracket there may be an anchor or a tag, behind it a comment.
                    let begin = padded.source().get(place.clone()).and_then(|begin| begin.split('#').next());
                    let is_flow = begin.is_some_and(|begin| begin.contains(if is_list { '[' } else { '{' }));
                    self.open.push(Open { start: place.start, is_flow, is_list, nodes: Vec::new() });
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                    Some(open) => open.close(place.start),
                    None => return Ok(None),
                },
                Event::DocumentEnd => return Ok(None),
                _ => continue,
            };
            match self.open.last_mut() {
                Some(parent) => parent.nodes.push(node),
                None => return Ok(Some(node)),
            }
        }
        Ok(None)
    }

    fn broken_flow(&self, padded: &Padded<'_>) -> Option<usize> {
        let outermost = self.open.iter().find(|open| open.is_flow).map_or(self.end, |open| open.start);
        Some(outermost + padded.source().get(outermost..)?.find(['[', '{'])?)
    }
}

impl Open {
    fn close(self, end: usize) -> Node {
        let end = if self.is_flow { end + 1 } else { self.nodes.last().map_or(self.start, |last| last.place.end) };
        let kind = if self.is_list {
            NodeKind::List { is_flow: self.is_flow, items: self.nodes }
        } else {
            let mut entries = Vec::with_capacity(self.nodes.len() / 2);
            let mut nodes = self.nodes.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                entries.push((key, value));
            }
            NodeKind::Mapping { is_flow: self.is_flow, entries }
        };
        Node { place: self.start..end.max(self.start), kind }
    }
}

/// The parser counts characters: the bytes at which some of them begin.
struct Offsets(Vec<usize>);

impl Offsets {
    const EVERY: usize = 64;

    fn new(text: &str) -> Self {
        Offsets(text.char_indices().step_by(Self::EVERY).map(|(byte, _)| byte).collect())
    }

    fn byte(&self, text: &str, marker: Marker) -> usize {
        let index = marker.index();
        let near = self.0.get(index / Self::EVERY).copied().unwrap_or(text.len());
        let rest = &text[near..];
        near + rest.char_indices().nth(index % Self::EVERY).map_or(rest.len(), |(byte, _)| byte)
    }
}
