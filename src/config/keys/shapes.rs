//! What stands between the keys of one section, for the JSON Schema.

use std::collections::BTreeSet;

use schemars::Schema;
use serde_json::{Map, Value, json};

/// `hash_key` is for `policy: hash`, which needs it.
pub(super) fn hash_needs_its_key(schema: &mut Schema) {
    schema.insert("if".into(), json!({"properties": {"policy": {"const": "hash"}}, "required": ["policy"]}));
    schema.insert("then".into(), json!({"required": ["hash_key"]}));
    schema.insert("else".into(), json!({"properties": {"hash_key": {"const": null}}}));
}

/// `mcp_server_auth_mode` is for `profile: oauth2`, and where it turns discovery on, there must be public URLs; and so
/// there must for a Claude Code gateway.
pub(super) fn profile_has_its_switch(schema: &mut Schema) {
    let (mode, gateway) = ("mcp_server_auth_mode", "claude_code_gateway");
    let urls = json!({"required": ["public_urls"], "properties": {"public_urls": {"type": "array", "minItems": 1}}});
    let needs_urls = json!({
        "if": {"properties": {mode: {"enum": ["both", "oauth"]}}, "required": [mode]},
        "then": urls,
    });
    schema.insert(
        "allOf".into(),
        json!([{"if": {"properties": {gateway: {"const": true}}, "required": [gateway]}, "then": urls}]),
    );
    schema.insert("if".into(), json!({"properties": {"profile": {"const": "oauth2"}}, "required": ["profile"]}));
    schema.insert("then".into(), needs_urls);
    schema.insert("else".into(), json!({"properties": {mode: {"const": null}}}));
}

/// A rule names at least one network.
pub(super) fn access_rule_names_a_network(schema: &mut Schema) {
    let some = |key: &str| json!({"required": [key], "properties": {key: {"type": "array", "minItems": 1}}});
    schema.insert("anyOf".into(), json!([some("allow"), some("deny")]));
}

/// The top level is one site, which has servers, or it has several, and then none of the keys of a site alone.
pub(in crate::config) fn one_site_or_several(site: &BTreeSet<String>, for_every_site: &[&str]) -> Value {
    let absent = |key: &String| (key.clone(), json!({"const": null}));
    let of_a_site = site.iter().filter(|key| !for_every_site.contains(&key.as_str()) && *key != "name");
    let none_of_a_site: Map<String, Value> = of_a_site.map(absent).collect();
    json!([
        {"required": ["servers"], "properties": {"sites": {"const": null}, "include": {"const": null}}},
        {"required": ["sites"], "properties": none_of_a_site},
        {"required": ["include"], "properties": none_of_a_site},
    ])
}
