//! What stands between the keys of one section, for the JSON Schema.

use schemars::Schema;
use serde_json::{Value, json};

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

/// What an MCP client needs is up to how it is connected to, and how its users authenticate.
pub(super) fn mcp_client_needs(schema: &mut Schema) {
    let when = |key: &str, values: Value, needed: &str| {
        json!({
            "if": {"properties": {key: {"enum": values}}, "required": [key]},
            "then": {"required": [needed], "properties": {needed: {"not": {"enum": [null, "", []]}}}},
        })
    };
    let needs = json!([
        when("connection_type", json!(["http", "sse"]), "connection_string"),
        when("connection_type", json!(["stdio"]), "stdio_config"),
        when("auth_type", json!(["per_user_headers"]), "per_user_header_keys"),
    ]);
    schema.insert("allOf".into(), needs);
    also_named(schema, "tls_config", "tls");
    schema.insert("not".into(), json!({"required": ["tls_config", "tls"]}));
    numbers_are_text(schema);
}

/// Where text is wanted, a number or a boolean is taken as it is written.
pub(super) fn numbers_are_text(schema: &mut Schema) {
    fn widen(schema: &mut Value) {
        match schema.get_mut("type") {
            Some(kind) if *kind == "string" => *kind = json!(["string", "number", "boolean"]),
            Some(kind) if *kind == json!(["string", "null"]) => *kind = json!(["string", "number", "boolean", "null"]),
            _ => {}
        }
        if let Some(items) = schema.get_mut("items") {
            widen(items);
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(widen);
    }
}

/// A rule names at least one network.
pub(super) fn access_rule_names_a_network(schema: &mut Schema) {
    let some = |key: &str| json!({"required": [key], "properties": {key: {"type": "array", "minItems": 1}}});
    schema.insert("anyOf".into(), json!([some("allow"), some("deny")]));
}

/// Serde's second name of a key, of which the derived schema knows nothing.
fn also_named(schema: &mut Schema, key: &str, alias: &str) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties")
        && let Some(value) = properties.get(key).cloned()
    {
        properties.insert(alias.to_owned(), value);
    }
}
