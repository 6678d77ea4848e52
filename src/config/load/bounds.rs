//! Which whole numbers a key takes, as its schema says, for the message about one that it does not take.

use serde_json::Value;

use super::json_schema;
use crate::config::problem::{KeyPath, Step};

/// What to write at this path below where a type is decoded, for example `a whole number from 1 to 100`.
pub(super) fn whole_number(path: &KeyPath, at: &KeyPath) -> String {
    let root = json_schema::schema().to_value();
    let mut found = forms(&root, &root);
    // A site has the keys that it has at the top level.
    let below = path.0.get(at.0.len()..).unwrap_or_default();
    for step in below {
        let below = found.into_iter().filter_map(|form| match step {
            Step::Key(key) => form.get("properties")?.get(key),
            Step::Index(_) => form.get("items"),
        });
        found = below.flat_map(|below| forms(&root, below)).collect();
    }
    let bound = |name: &str| found.iter().find_map(|form| form.get(name)?.as_u64());
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number, at least {least}"),
        (None, _) => "a whole number".into(),
    }
}

/// A schema, what it refers to, and what it offers a choice of.
fn forms<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let referred = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    let choice = ["anyOf", "allOf"].iter().flat_map(|choice| schema[choice].as_array().into_iter().flatten());
    let below = referred.into_iter().chain(choice).flat_map(|below| forms(root, below));
    std::iter::once(schema).chain(below).collect()
}
