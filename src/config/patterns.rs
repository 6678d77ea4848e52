//! What the values of single keys look like, for the JSON Schema: regular expressions that ECMAScript, Python and
//! Rust read alike.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A time to wait: a duration above 0, such as `5s`, `10m` or `1h 30m`.
pub(super) struct Wait;

/// A duration that may be 0.
pub(super) struct WaitOrNone;

const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
const IPV6: &str = r"\[[0-9A-Fa-f:.]+\]";

/// An IP address and port.
pub(super) fn admin_address() -> String {
    format!("^{}$", socket_address())
}

/// A host without a port.
pub(super) fn admin_host() -> String {
    format!("^({}|{IPV6})$", host("A-Za-z"))
}

/// An IP address and port, for which 0 may let the system choose.
fn socket_address() -> String {
    format!("({}|{IPV6}):0*(0|{PORT})", ipv4())
}

/// The path of a Unix socket, or what is above.
pub(super) fn listen_address() -> String {
    format!("^(unix:/.{{0,106}}|{})$", socket_address())
}

/// Host and port of a server.
pub(super) fn server_address() -> String {
    format!("^({}|{IPV6}):{PORT}$", host("A-Za-z"))
}

/// The name in a certificate.
pub(super) fn server_name() -> String {
    format!("^({}|{IPV6}|[0-9A-Fa-f:]+)$", host("A-Za-z"))
}

/// An origin in lower case, without its scheme's default port.
pub(super) fn public_url() -> String {
    let host = host("a-z");
    format!(r"^(?!http://.*:80$)(?!https://.*:443$)https?://({host}|\[[0-9a-f:.]+\])(:{PORT})?$")
}

/// An address, or a network in CIDR notation.
pub(super) fn network() -> String {
    let ipv6 = "[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(/0*(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?";
    format!("^({}(/0*(3[0-2]|[12]?[0-9]))?|{ipv6})$", ipv4())
}

/// A path without a query or wildcard.
pub(super) const PATH_PREFIX: &str = r#"^/[!"$-)+->@-~]*$"#;

/// A path that can be read in one way only.
pub(super) const PLAIN_PATH: &str = r"^(?!.*(//|[%;\\]|/\.\.?(/|$)))";

/// A path that can be read in one way only, and is nobody else's.
pub(super) const READINESS_PATH: &str =
    r#"^(?!.*(//|/\.\.?(/|$)))(?!/(mcp/?|\.[wW][eE][lL][lL]-[kK][nN][oO][wW][nN](/.*)?)?$)/[!"$&-)+-:<->@-\[\]-~]*$"#;

/// What a request is hashed by.
pub(super) const HASH_KEY: &str = "^(client_address|(header|cookie): *[!#$%&'*+.^_`|~0-9A-Za-z-]+)$";

/// The octal digits of `chmod`.
pub(super) const MODE: &str = "^0?[0-7]{1,3}$";

/// A number of bytes, or `unlimited`.
pub(super) const SIZE: &str = "^(unlimited|(?=.*[1-9])[0-9]+([.][0-9]+)? *([kKmMgGtTpPeE][iI]?)?[bB]?)$";

/// A size from 1 KiB to 512 KiB, but for the last digits of a size with a unit of a thousand or a million.
pub(super) fn head_size() -> String {
    let bytes = "(102[4-9]|10[3-9][0-9]|1[1-9][0-9]{2}|[2-9][0-9]{3}|[1-9][0-9]{4}|[1-4][0-9]{5}|5[01][0-9]{4}|\
                 52[0-3][0-9]{3}|524[01][0-9]{2}|5242[0-7][0-9]|52428[0-8])([.][0-9]+)? *";
    let kibi = "([1-9]|[1-9][0-9]|[1-4][0-9]{2}|50[0-9]|51[01])([.][0-9]+)? *[kK][iI][bB]?|512([.]0+)? *[kK][iI][bB]?";
    let kilo = "(1[.][0-9]+|([2-9]|[1-9][0-9]|[1-4][0-9]{2}|5[01][0-9]|52[0-4])([.][0-9]+)?) *[kK][bB]?";
    let mega = "0[.](00[1-9]|0[1-9]|[1-5])[0-9]* *[mM][iI]?[bB]?";
    format!("^0*({bytes}[bB]?|{kibi}|{kilo}|{mega})$")
}

/// A number above 0, or `unlimited`.
pub(super) const COUNT: &str = "^(unlimited|0*[1-9][0-9]{0,19})$";

fn ipv4() -> String {
    const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!(r"{BYTE}(\.{BYTE}){{3}}")
}

/// A DNS name or an IPv4 address, of these letters.
fn host(letters: &str) -> String {
    let label = format!("[{letters}0-9_]([{letters}0-9_-]{{0,61}}[{letters}0-9_])?");
    // A last label of digits alone is that of an IPv4 address.
    format!(r"(({label}\.)*(?![0-9]+(:|$)){label}|{})", ipv4())
}

// === what stands between the keys of one section ===

/// `hash_key` is for `policy: hash`, which needs it.
pub(super) fn hash_needs_its_key(schema: &mut Schema) {
    schema.insert("if".into(), json!({"properties": {"policy": {"const": "hash"}}, "required": ["policy"]}));
    schema.insert("then".into(), json!({"required": ["hash_key"]}));
    schema.insert("else".into(), json!({"properties": {"hash_key": {"const": null}}}));
}

/// `mcp_server_auth_mode` is for `profile: oauth2`, and where it turns discovery on, there must be public URLs.
pub(super) fn profile_has_its_switch(schema: &mut Schema) {
    let mode = "mcp_server_auth_mode";
    let needs_urls = json!({
        "if": {"properties": {mode: {"enum": ["both", "oauth"]}}, "required": [mode]},
        "then": {"required": ["public_urls"], "properties": {"public_urls": {"type": "array", "minItems": 1}}},
    });
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

// === impl JsonSchema ===

/// What the crate `humantime` reads: numbers, each with its unit. Spaces may be anywhere but within a unit.
fn duration(start: &str, or: &str) -> Schema {
    let unit = "(n(anos|sec|s)|[uµ]s|usec|m(illis|sec|s)|s(ec(ond)?s?)?|m(in(ute)?s?)?|h((r|our)s?)?|d(ays?)?|\
                w((k|eek)s?)?|M|months?|y((r|ear)s?)?)";
    let number = "[0-9][0-9 ]*([.][0-9 ]*[0-9][0-9 ]*)?";
    json_schema!({
        "type": "string",
        "pattern": format!("^{start}( *({number}{unit} *)+{or})$"),
        "examples": ["5s", "10m", "1h 30m"],
    })
}

impl JsonSchema for Wait {
    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        duration("(?=.*[1-9])", "")
    }

    fn inline_schema() -> bool {
        true
    }
}

impl JsonSchema for WaitOrNone {
    fn schema_name() -> Cow<'static, str> {
        "WaitOrNone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = duration("", "|0");
        // The one number that needs no unit.
        schema.insert("type".into(), json!(["string", "integer"]));
        schema.insert("minimum".into(), json!(0));
        schema.insert("maximum".into(), json!(0));
        schema
    }

    fn inline_schema() -> bool {
        true
    }
}
