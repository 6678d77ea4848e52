//! What the reference and the shipped configuration say of the keys is what the types say, by way of the JSON Schema: no
//! key is missing, none is there that is gone, and every default is the one that counts.

use std::collections::{BTreeMap, BTreeSet};

use bridgehead::config::Loaded;
use bytesize::ByteSize;
use humantime::parse_duration;
use serde_json::Value;

use crate::support::{
    problems::GOOD,
    schema::{Key, keys},
};

const REFERENCE: &str = include_str!("../conf/README.md");
const SHIPPED: &str = include_str!("../conf/proxy.yaml");

/// A row of the reference's tables.
struct Row {
    keys: Vec<String>,
    default: String,
    meaning: String,
}

/// The tables of keys, which are all that is in the reference's section "Keys".
fn rows() -> Vec<Row> {
    let section = REFERENCE.split("\n## Keys\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.filter(|row| *row != "key | default | meaning").map(|row| {
        let cells: Vec<_> = row.splitn(3, " | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        let names = code(cells[0]);
        let section = &names[0][..names[0].rfind('.').unwrap_or_default()];
        let full = |name: &str| if name.starts_with('.') { format!("{section}{name}") } else { name.to_owned() };
        let keys = names.into_iter().map(full).collect();
        Row { keys, default: cells[1].to_owned(), meaning: cells[2].to_owned() }
    });
    rows.collect()
}

/// What stands between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn what_can_be_unlimited_is_what_the_reference_says() {
    let sentence = REFERENCE.lines().find(|line| line.contains("may also be `unlimited`")).unwrap();
    let (may, times) = sentence.split_once(';').unwrap();
    assert!(may.starts_with("Every number and size in `limits`") && times == " the times may not.", "{sentence}");
    let but = code(may.split_once("but for").unwrap().1);
    let keys = keys();
    let limits = keys.iter().filter_map(|(name, key)| Some((name.strip_prefix("limits.")?, key)));
    for (name, key) in limits.filter(|(name, _)| !name.contains('.')) {
        let text = format!("{GOOD}limits: {{{name}: unlimited}}\n");
        let is_time = key.default.as_ref().and_then(Value::as_str).is_some_and(|text| parse_duration(text).is_ok());
        let is_taken = Loaded::from_text("f.yaml".as_ref(), &text).is_ok();
        assert_eq!(is_taken, !is_time && !but.contains(&name), "{name}");
    }
}

#[test]
fn every_key_is_in_the_reference_and_no_other() {
    let keys = keys();
    let rows = rows();
    assert!(rows.len() > 50, "the tables of keys are not found");
    let mut described = BTreeSet::new();
    for name in rows.iter().flat_map(|row| &row.keys) {
        let known = match name.strip_suffix(".*") {
            Some(section) => keys.contains_key(section.trim_end_matches("[]")),
            None => keys.contains_key(name),
        };
        assert!(known, "the reference describes {name}, which is no key");
        assert!(described.insert(name.clone()), "the reference describes {name} twice");
    }
    for (name, key) in &keys {
        // The keys of a mapping are described with it.
        let parents = name.match_indices('.').map(|(dot, _)| &name[..dot]);
        let is_described = parents
            .flat_map(|parent| [format!("{parent}.*"), parent.to_owned()])
            .filter(|parent| parent.ends_with(".*") || keys.get(parent).is_some_and(|key| key.default.is_some()))
            .chain([name.clone()])
            .any(|name| described.contains(&name));
        assert!(is_described || key.is_section, "{name} is not in conf/README.md");
    }
}

#[test]
fn every_default_in_the_reference_is_that_of_the_type() {
    let keys = keys();
    for row in rows() {
        assert!(!row.default.is_empty() && row.meaning.len() > 10, "{:?} is not described", row.keys);
        let stated = code(&row.default);
        for (place, name) in row.keys.iter().enumerate() {
            let Some(Key { default, is_required, .. }) = keys.get(name) else { continue };
            assert_eq!(row.default.starts_with("needed"), *is_required, "{name}: whether it is needed");
            match default {
                Some(default) if !is_required => {
                    let stated = stated.get(place).unwrap_or_else(|| panic!("{name}: no default, but {default}"));
                    assert!(is_same(stated, default), "{name}: the reference says {stated}, the type {default}");
                }
                _ => assert!(stated.len() != row.keys.len() || !row.default.starts_with('`'), "{name} has no default"),
            }
        }
    }
}

/// Whether a default as it is written is this one: 60s is one minute, too.
fn is_same(stated: &str, default: &Value) -> bool {
    let stated: Value = serde_yaml::from_str(stated).unwrap();
    if let (Some(stated), Some(default)) = (stated.as_str(), default.as_str())
        && stated != default
    {
        let duration = parse_duration(stated).ok();
        let size = stated.parse::<ByteSize>().ok();
        return duration.is_some() && duration == parse_duration(default).ok()
            || size.is_some() && size == default.parse().ok();
    }
    plain(&stated) == plain(default)
}

/// With every number as one with a fraction.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_key_is_in_the_shipped_file_and_no_other() {
    let keys = keys();
    let shown = shown();
    for (line, name) in &shown {
        assert!(keys.contains_key(name), "conf/proxy.yaml:{line} shows {name}, which is no key");
    }
    for name in keys.keys() {
        let is_shown = shown.values().any(|shown| shown == name) || name.starts_with("mcp_clients[].");
        // Those of a path are those of all.
        let is_shown_above = name.starts_with("timeouts.paths[].") && !name.ends_with(".prefix");
        // Those of a site are those of the top level.
        let is_shown_above =
            is_shown_above || name.strip_prefix("sites[].").is_some_and(|own| keys.contains_key(own) && own != "name");
        // Written in one line.
        let is_inline = ["per_second", "burst"].iter().any(|key| name.ends_with(key));
        assert!(is_shown || is_shown_above || is_inline, "{name} is not in conf/proxy.yaml");
    }
}

/// The keys in the shipped file, commented out or not, with their lines.
fn shown() -> BTreeMap<usize, String> {
    let mut shown = BTreeMap::new();
    // Where each open mapping begins, and the name of its key.
    let mut open: Vec<(usize, String)> = Vec::new();
    for (number, line) in SHIPPED.lines().enumerate() {
        let line = line.replacen("# ", "", 1);
        let mut indent = line.len() - line.trim_start().len();
        let mut rest = line.trim_start();
        let is_item = rest.starts_with("- ");
        if is_item {
            rest = rest[2..].trim_start();
        }
        let Some((key, value)) = rest.split_once(':') else { continue };
        let is_key =
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
        if !is_key || !(value.is_empty() || value.starts_with(' ')) {
            continue;
        }
        if is_item {
            // A list may stand at the margin of its key.
            open.retain(|(column, _)| *column <= indent);
            if let Some((_, list)) = open.last_mut()
                && !list.ends_with("[]")
            {
                list.push_str("[]");
            }
            indent += 2;
        } else {
            open.retain(|(column, _)| *column < indent);
        }
        let parents: Vec<_> = open.iter().map(|(_, name)| name.as_str()).collect();
        shown.insert(number + 1, [&parents[..], &[key]].concat().join("."));
        open.push((indent, key.to_owned()));
    }
    shown
}
