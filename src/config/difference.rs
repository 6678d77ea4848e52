//! What two configurations say differently, whatever they look like.

use std::collections::HashMap;

use serde::Serialize;
use serde_yaml::Value;

use super::load::Loaded;

/// A value that two configurations have differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The path of the key; an item of a list is called by its name, where it has one.
    pub key: String,
    /// What the first one says; nothing where it has none.
    pub old: Option<Value>,
    /// What the second one says.
    pub new: Option<Value>,
}

/// What is different by meaning: defaults count as if they were written, and values in the form that they are understood
/// in. What comes from the environment is compared by its value, and shown by its name.
pub fn differences(old: &Loaded, new: &Loaded) -> Vec<Difference> {
    let pair = |loaded: &Loaded| (Value::from(loaded.understood()), Value::from(loaded.with_references()));
    let (old, new) = (pair(old), pair(new));
    let mut found = Vec::new();
    compare("", Some(Side(&old.0, &old.1)), Some(Side(&new.0, &new.1)), &mut found);
    found
}

/// A value as it counts, and as it is shown.
#[derive(Clone, Copy)]
struct Side<'a>(&'a Value, &'a Value);

impl<'a> Side<'a> {
    /// What is below it, by what it is called; nothing of a single value.
    fn below(self, key: &str) -> Option<Vec<(String, Side<'a>)>> {
        match (self.0, self.1) {
            (Value::Mapping(counts), shown) => Some(
                counts
                    .iter()
                    .filter_map(|(name, value)| {
                        let name = name.as_str()?;
                        let path = if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
                        Some((path, Side(value, shown.get(name).unwrap_or(value))))
                    })
                    .collect(),
            ),
            (Value::Sequence(counts), shown) if counts.iter().any(Value::is_mapping) => Some(
                counts
                    .iter()
                    .enumerate()
                    .map(|(place, value)| (called(key, place, value), Side(value, shown.get(place).unwrap_or(value))))
                    .collect(),
            ),
            _ => None,
        }
    }
}

/// What an item of a list is called: by its name, and otherwise by its place.
fn called(list: &str, place: usize, item: &Value) -> String {
    let has_names = ["sites", "mcp_clients"].iter().any(|names| list.rsplit('.').next() == Some(names));
    match item.get("name").and_then(Value::as_str).filter(|_| has_names) {
        Some(name) => format!("{list}[{name}]"),
        None => format!("{list}[{place}]"),
    }
}

fn compare<'a>(key: &str, old: Option<Side<'a>>, new: Option<Side<'a>>, found: &mut Vec<Difference>) {
    if let (Some(old), Some(new)) = (old, new)
        && old.0 == new.0
    {
        return;
    }
    let (Some(olds), Some(news)) = (old.and_then(|old| old.below(key)), new.and_then(|new| new.below(key))) else {
        let shown = |side: Option<Side<'_>>| side.map(|Side(_, shown)| shown.clone());
        return found.push(Difference { key: key.to_owned(), old: shown(old), new: shown(new) });
    };
    let by_key = |side: &[(String, Side<'a>)]| side.iter().cloned().collect::<HashMap<_, _>>();
    let (by_old, by_new) = (by_key(&olds), by_key(&news));
    for (key, side) in &olds {
        compare(key, Some(*side), by_new.get(key).copied(), found);
    }
    for (key, side) in news.iter().filter(|(key, _)| !by_old.contains_key(key)) {
        compare(key, None, Some(*side), found);
    }
}
