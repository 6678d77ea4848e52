//! Reads typed values out of a YAML tree and reports everything that is wrong, not only the first
//! thing. It is a serde deserializer, so the schema stays plain derived types: each pass notes all
//! unknown keys and stops at the first value that does not fit; that value is then left out and the
//! pass repeated, until the tree decodes or nothing can be left out.

use std::{cell::RefCell, collections::HashSet};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};
use serde_yaml::{Mapping, Value};

use super::fault::{Fault, Kind};
use crate::config::{
    problem::{KeyPath, Problem, Step},
    values::nearest::unknown_key,
};

/// How many values that do not fit are collected before giving up.
const MOST_PASSES: usize = 100;

/// What could be decoded, and everything that was wrong.
pub(in crate::config) struct Decoded<T> {
    /// The value with all faulty parts left out; `None` when it cannot be built without them.
    pub value: Option<T>,
    pub problems: Vec<Problem>,
    pub left_out: LeftOut,
}

/// What of a file was left out because it was faulty.
#[derive(Default)]
pub(in crate::config) struct LeftOut(HashSet<KeyPath>);

/// Decodes the tree that is at a path of a file. `whole_number` says which the key at a path takes.
pub(in crate::config) fn decode<'de, T: Deserialize<'de>>(
    tree: &'de Value,
    at: &KeyPath,
    whole_number: impl Fn(&KeyPath) -> String,
) -> Decoded<T> {
    let mut left_out = HashSet::new();
    let mut problems: Vec<Problem> = Vec::new();
    let notes = RefCell::default();
    let mut value = None;
    for _ in 0..MOST_PASSES {
        let root = Node { value: tree, path: at.clone(), left_out: &left_out, notes: &notes };
        let fault = match T::deserialize(root) {
            Ok(decoded) => {
                value = Some(decoded);
                break;
            }
            Err(fault) => fault,
        };
        let path = fault.path.unwrap_or_else(|| at.clone());
        // A key that is missing because it was left out has been reported already.
        let known = match &fault.kind {
            Kind::Missing(key) => left_out.contains(&path.key(key)) || notes.borrow().is_misspelt(&path, key),
            _ => false,
        };
        if !known {
            let message = match &fault.kind {
                Kind::WholeNumber(found) => format!("{found}; write {}", whole_number(&path)),
                kind => kind.to_string(),
            };
            problems.push(Problem::new(path.clone(), message));
        }
        if path == *at || !left_out.insert(path) {
            break;
        }
    }
    // Every pass has left something out, and none was the last.
    if left_out.len() == MOST_PASSES {
        problems.push(Problem::of_file("there may be more problems; mend these first and check again"));
    }
    problems.extend(notes.into_inner().problems);
    Decoded { value, problems, left_out: LeftOut(left_out) }
}

/// The unknown keys, which every pass meets again.
#[derive(Default)]
struct Notes {
    seen: HashSet<KeyPath>,
    problems: Vec<Problem>,
}

impl Notes {
    /// Whether the key is there with other capital letters, which has been said.
    fn is_misspelt(&self, path: &KeyPath, key: &str) -> bool {
        self.seen.iter().any(|seen| {
            let is_key = |step: &Step| matches!(step, Step::Key(seen) if seen.eq_ignore_ascii_case(key));
            seen.0.len() == path.0.len() + 1 && seen.0.starts_with(&path.0) && seen.0.last().is_some_and(is_key)
        })
    }
}

impl LeftOut {
    /// Takes in what was left out of another part of the same file.
    pub fn extend(&mut self, other: LeftOut) {
        self.0.extend(other.0);
    }

    /// Whether the value at this path in the file, or something in it, was left out.
    pub fn is_partial(&self, path: &KeyPath) -> bool {
        self.0.iter().any(|left_out| left_out.0.starts_with(&path.0))
    }

    /// The path in the file of a path in the value: items that were left out shift those after.
    pub fn path_in_file(&self, path: KeyPath) -> KeyPath {
        let mut in_file = KeyPath::default();
        for step in path.0 {
            let step = match step {
                Step::Index(index) => Step::Index(self.index_in_file(&in_file, index)),
                key @ Step::Key(_) => key,
            };
            in_file.0.push(step);
        }
        in_file
    }

    fn index_in_file(&self, list: &KeyPath, index: usize) -> usize {
        let is_item = |path: &&KeyPath| path.0.len() == list.0.len() + 1 && path.0.starts_with(&list.0);
        let mut gone: Vec<usize> = (self.0.iter().filter(is_item))
            .filter_map(|path| match path.0.last() {
                Some(Step::Index(index)) => Some(*index),
                _ => None,
            })
            .collect();
        gone.sort_unstable();
        gone.into_iter().fold(index, |index, gone| if gone <= index { index + 1 } else { index })
    }
}

// === Node: a value, where it stands, and what is left out ===

struct Node<'de, 'c> {
    value: &'de Value,
    path: KeyPath,
    left_out: &'c HashSet<KeyPath>,
    notes: &'c RefCell<Notes>,
}

impl<'de, 'c> Node<'de, 'c> {
    fn child(&self, step: Step, value: &'de Value) -> Node<'de, 'c> {
        Node { value, path: self.path.and(step), left_out: self.left_out, notes: self.notes }
    }

    fn items(&self, list: &'de [Value]) -> Children<'de, 'c> {
        let places = list.iter().enumerate();
        self.children(places.map(|(place, value)| self.child(Step::Index(place), value)))
    }

    fn entries(&self, mapping: &'de Mapping) -> Children<'de, 'c> {
        self.children(mapping.iter().map(|(key, value)| {
            let key = match key {
                Value::String(key) => key.clone(),
                Value::Number(key) => key.to_string(),
                Value::Bool(key) => key.to_string(),
                _ => "?".to_owned(),
            };
            self.child(Step::Key(key), value)
        }))
    }

    fn children(&self, nodes: impl Iterator<Item = Node<'de, 'c>>) -> Children<'de, 'c> {
        let kept: Vec<_> =
            nodes.filter(|node| self.left_out.is_empty() || !self.left_out.contains(&node.path)).collect();
        Children { nodes: kept.into_iter(), value: None }
    }

    /// Notes every key that the struct does not know; the struct then never sees them.
    fn known_entries(&self, mapping: &'de Mapping, known: &'static [&'static str]) -> Children<'de, 'c> {
        let mut children = self.entries(mapping);
        let (kept, unknown): (Vec<_>, Vec<_>) = children.nodes.partition(|node| match node.path.0.last() {
            Some(Step::Key(key)) => known.contains(&key.as_str()),
            _ => false,
        });
        for node in unknown {
            if let Some(Step::Key(key)) = node.path.0.last() {
                let mut notes = self.notes.borrow_mut();
                if notes.seen.insert(node.path.clone()) {
                    let message = unknown_key(key, known);
                    notes.problems.push(Problem::new(node.path.clone(), message));
                }
            }
        }
        children.nodes = kept.into_iter();
        children
    }
}

impl<'de> Deserializer<'de> for Node<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Value::String(value) => visitor.visit_borrowed_str(value),
            Value::Sequence(list) => visitor.visit_seq(self.items(list)),
            Value::Mapping(mapping) => visitor.visit_map(self.entries(mapping)),
            Value::Tagged(tagged) => Node { value: &tagged.value, ..self }.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// A number or a boolean is text where text is wanted, as for `serde_yaml`.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Number(number) => visitor.visit_string(number.to_string()),
            Value::Bool(value) => visitor.visit_string(value.to_string()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_string(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::Mapping(mapping) => visitor.visit_map(self.known_entries(mapping, known)),
            // A derived struct would take a list by position.
            other => Err(de::Error::invalid_type(kind_of(other), &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(variant) => visitor.visit_enum(variant.as_str().into_deserializer()),
            _ => Err(de::Error::custom(format_args!("write one of: {}", known.join(", ")))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

fn kind_of(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) if number.is_f64() => Unexpected::Float(0.0),
        Value::Number(_) => Unexpected::Unsigned(0),
        Value::String(text) => Unexpected::Str(text),
        Value::Sequence(_) => Unexpected::Seq,
        Value::Mapping(_) => Unexpected::Map,
        Value::Tagged(tagged) => kind_of(&tagged.value),
    }
}

/// The children of a list or a mapping that are not left out.
struct Children<'de, 'c> {
    nodes: std::vec::IntoIter<Node<'de, 'c>>,
    value: Option<Node<'de, 'c>>,
}

fn decode_child<'de, S: DeserializeSeed<'de>>(seed: S, node: Node<'de, '_>) -> Result<S::Value, Fault> {
    let path = node.path.clone();
    seed.deserialize(node).map_err(|fault| fault.at(&path))
}

impl<'de> SeqAccess<'de> for Children<'de, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.nodes.next().map(|node| decode_child(seed, node)).transpose()
    }
}

impl<'de> MapAccess<'de> for Children<'de, '_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let key = match node.path.0.last() {
            Some(Step::Key(key)) => key.clone(),
            _ => String::new(),
        };
        self.value = Some(node);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.value.take() {
            Some(node) => decode_child(seed, node),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}
