//! The JSON Schema of `conf/proxy.yaml`, with which an editor completes and checks it. It is derived from the
//! types that serde reads, so a key cannot be in one and not in the other; what the values of single keys look
//! like is said beside their types, in the words of `patterns`.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Value, json};

use super::keys::{FOR_EVERY_SITE, INCLUDE, SITE};
use crate::config::{
    keys::{config::EdgeKeys, shapes, site::Site},
    yaml::SITES,
};

/// The schema as it is committed in `conf/proxy.schema.json`: JSON Schema draft 7, which every editor reads.
pub fn json_schema() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// The schema of the top level: the keys of the process, and those of a site or `sites`.
pub(super) fn schema() -> Schema {
    let mut generator = generator();
    let site = generator.subschema_for::<Site>();
    let mut schema = generator.into_root_schema_for::<EdgeKeys>();
    let top_of_site = schema.pointer("/definitions/Site").cloned().unwrap_or_default();
    if let Some(entry) = schema.pointer_mut("/definitions/Site/required") {
        *entry = json!(["name", "public_urls", "servers"]);
    }
    let list = json!({"type": ["array", "null"], "items": site, "minItems": 1, "description": SITES_DOC});
    let include =
        json!({"type": ["array", "null"], "items": {"type": "string"}, "minItems": 1, "description": INCLUDE_DOC});
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in top_of_site["properties"].as_object().into_iter().flatten() {
            if name != "name" && !properties.contains_key(name) {
                properties.insert(name.clone(), property.clone());
            }
        }
        properties.insert(SITES.into(), list);
        properties.insert(INCLUDE.into(), include);
    }
    for condition in ["if", "then", "else", "allOf"] {
        if let Some(found) = top_of_site.get(condition) {
            schema.insert(condition.into(), found.clone());
        }
    }
    schema.insert("anyOf".into(), shapes::one_site_or_several(&SITE, &FOR_EVERY_SITE));
    schema.insert("title".into(), "conf/proxy.yaml of Bridgehead".into());
    schema.insert("description".into(), "What the operator wrote in `conf/proxy.yaml`.".into());
    schema
}

const SITES_DOC: &str = "The sites, where the edge serves several: the public URLs that share one profile, one MCP client \
                         table and one fleet. What the top level says of anything but these holds for each that says \
                         nothing else. Default: one site, written at the top level.";
const INCLUDE_DOC: &str = "Files with more sites: patterns such as `sites/*.yaml`, relative to the folder of this file. Each \
                           file is one site, or has `sites` and `include` of its own. Default: none.";

fn generator() -> SchemaGenerator {
    SchemaSettings::draft07().with_transform(RecursiveTransform(plain)).into_generator()
}

/// The keys of a section.
pub(super) fn names<T: JsonSchema>() -> BTreeSet<String> {
    let schema = T::json_schema(&mut generator()).to_value();
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// Leaves out what says nothing to somebody who writes YAML: the widths of Rust's numbers, which some editors
/// warn of, in favour of the greatest number that fits, that what is left out is null, and the defaults
/// of whole sections and lists that may be null.
fn plain(schema: &mut Schema) {
    let most = match schema.remove("format").as_ref().and_then(Value::as_str) {
        Some("uint16") => Some(u64::from(u16::MAX)),
        Some("uint32") => Some(u64::from(u32::MAX)),
        _ => None,
    };
    if let Some(most) = most
        && schema.get("maximum").is_none()
    {
        schema.insert("maximum".into(), most.into());
    }
    // The keys of a section have theirs.
    let may_be_null = schema.get("anyOf").is_some()
        || schema.get("type").and_then(Value::as_array).is_some_and(|types| types.contains(&"null".into()));
    let says_nothing = schema.get("default").is_some_and(|default| match default {
        Value::Null => true,
        Value::Object(_) | Value::Array(_) => may_be_null,
        _ => false,
    });
    if says_nothing {
        schema.remove("default");
    }
}
