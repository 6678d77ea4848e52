//! The committed JSON Schema, as an editor holds a configuration to it.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::Validator;
use serde_json::Value;

/// The schema.
pub static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../conf/proxy.schema.json")).unwrap());

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft7::new(&SCHEMA).unwrap());

/// What of a faulty configuration a schema cannot see: what stands elsewhere in the file, on the disk, or is a
/// matter of arithmetic.
const UNSEEN: &[&str] = &[
    " again; ",
    "(first: ",
    "cannot be read",
    "is a directory; name a file",
    "there is no directory for",
    "holds no certificate",
    "does not fit the certificate",
    "longer than a year",
    "less than a byte",
    "has a shorter form",
    "whole seconds",
    "shorter than open",
    "must be from 1KiB to 512KiB",
    "did you mean \"per_user_oauth\"",
    "did you mean \"auth_type\"",
    "bits set beyond its prefix",
    "IPv4 in its IPv6 form",
    "the same host with another scheme",
    "only a Unix socket has one",
    "believed from trusted_proxies alone",
    "no public URL is https",
    "this listener has tls",
    "every server is a backup",
    "has a weight above 0",
    "not kept on HTTP/2",
    "more problems",
    "nested deeper",
    "not valid YAML",
    "not UTF-8",
    "PEM",
    "is encrypted",
    "cannot be used with the certificate",
];

/// What the schema has against this text, which is YAML.
pub fn faults(text: &str) -> Vec<String> {
    let value: Value = serde_yaml::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    VALIDATOR.iter_errors(&value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

/// What the edge takes, the schema takes.
pub fn takes(text: &str) {
    let faults = faults(text);
    assert!(faults.is_empty(), "the edge takes it, the schema does not: {faults:#?}\n{text}");
}

/// What the edge refuses for these problems, the schema refuses, if it can see one of them.
pub fn refuses(text: &str, problems: &[String]) {
    let is_seen = |problem: &&String| !UNSEEN.iter().any(|part| problem.contains(part));
    let Some(seen) = problems.iter().find(is_seen) else { return };
    // Aliases may be too many to be written out.
    if serde_yaml::from_str::<Value>(text).is_ok() {
        assert!(!faults(text).is_empty(), "the edge refuses it, the schema does not: {seen}\n{text}");
    }
}

/// What the schema says of a key.
pub struct Key {
    pub default: Option<Value>,
    pub is_required: bool,
    /// Whether there are keys below it.
    pub is_section: bool,
}

/// Every key by its path, such as `servers[].address`.
pub fn keys() -> BTreeMap<String, Key> {
    let mut keys = BTreeMap::new();
    collect("", &SCHEMA, &mut keys);
    keys
}

fn collect(section: &str, schema: &'static Value, keys: &mut BTreeMap<String, Key>) {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    for (name, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{section}{name}");
        let found = keys.len();
        for below in forms(value) {
            collect(&format!("{path}."), below, keys);
            for item in below.get("items").into_iter().flat_map(forms) {
                collect(&format!("{path}[]."), item, keys);
            }
        }
        let key = Key {
            default: value.get("default").cloned(),
            is_required: required.iter().any(|required| required == name),
            is_section: keys.len() > found,
        };
        // What comes later are conditions.
        keys.entry(path).or_insert(key);
    }
}

/// A schema and all that it refers to, or offers a choice of.
fn forms(schema: &'static Value) -> Vec<&'static Value> {
    let referred = schema["$ref"].as_str().map(|reference| SCHEMA.pointer(&reference[1..]).unwrap());
    let choice = ["anyOf", "allOf"].iter().flat_map(|choice| schema[choice].as_array().into_iter().flatten());
    let below = referred.into_iter().chain(choice).flat_map(forms);
    std::iter::once(schema).chain(below).collect()
}
