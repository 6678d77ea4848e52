//! What stands between the keys of one section, for the JSON Schema.

use schemars::Schema;
use serde_json::json;

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
