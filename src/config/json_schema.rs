//! The JSON Schema of `conf/proxy.yaml`, with which an editor completes and checks it. It is derived from the
//! types that serde reads, so a key cannot be in one and not in the other; what the values of single keys look
//! like is said beside their types, in the patterns below.

use std::borrow::Cow;

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema, transform::RecursiveTransform,
};
use serde_json::{Value, json};

use super::schema::Config;

/// A time to wait: a duration above 0, such as `5s`, `10m` or `1h 30m`.
pub(super) struct Wait;

/// A duration that may be 0.
pub(super) struct WaitOrNone;

/// The schema as it is committed in `conf/proxy.schema.json`: JSON Schema draft 7, which every editor reads.
pub fn json_schema() -> String {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<Config>();
    schema.insert("title".into(), "conf/proxy.yaml of Bifrost Edge".into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Leaves out what says nothing to somebody who writes YAML: the widths of Rust's numbers, which some editors
/// warn of, and that what is left out is null.
fn plain(schema: &mut Schema) {
    schema.remove("format");
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}

// === patterns: regular expressions that ECMAScript, Python and Rust read alike ===

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
    format!("({}|{IPV6}):(0|{PORT})", ipv4())
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
    let ipv6 = "[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?";
    format!("^({}(/(3[0-2]|[12]?[0-9]))?|{ipv6})$", ipv4())
}

/// A path without a query or wildcard.
pub(super) const PATH_PREFIX: &str = r#"^/[!"$-)+->@-~]*$"#;

/// A path that can be read in one way only.
pub(super) const PLAIN_PATH: &str = r"^(?!.*(//|[%;\\]|/\.\.?(/|$)))";

/// A path that can be read in one way only, and is nobody else's.
pub(super) const READINESS_PATH: &str =
    r#"^(?!.*(//|/\.\.?(/|$)))(?!/(mcp/?|\.well-known(/.*)?)?$)/[!"$&-)+-:<->@-\[\]-~]*$"#;

/// What a request is hashed by.
pub(super) const HASH_KEY: &str = "^(client_address|(header|cookie): *[!#$%&'*+.^_`|~0-9A-Za-z-]+)$";

/// The octal digits of `chmod`.
pub(super) const MODE: &str = "^0?[0-7]{1,3}$";

/// A number of bytes, or `unlimited`.
pub(super) const SIZE: &str = "^(unlimited|(?=.*[1-9])[0-9]+([.][0-9]+)? *([kKmMgGtTpPeE][iI]?)?[bB]?)$";

/// A number above 0, or `unlimited`.
pub(super) const COUNT: &str = "^(unlimited|0*[1-9][0-9]*)$";

fn ipv4() -> String {
    const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!(r"{BYTE}(\.{BYTE}){{3}}")
}

/// A DNS name or an IPv4 address, of these letters.
fn host(letters: &str) -> String {
    let label = format!("[{letters}0-9_]([{letters}0-9_-]{{0,61}}[{letters}0-9_])?");
    format!(r"{label}(\.{label})*")
}

// === what stands between the keys of one section ===

/// `hash_key` is for `policy: hash`, which needs it.
pub(super) fn hash_needs_its_key(schema: &mut Schema) {
    schema.insert("if".into(), json!({"properties": {"policy": {"const": "hash"}}, "required": ["policy"]}));
    schema.insert("then".into(), json!({"required": ["hash_key"]}));
    schema.insert("else".into(), json!({"properties": {"hash_key": {"const": null}}}));
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

fn duration(pattern: &str) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": pattern,
        "examples": ["5s", "10m", "1h 30m"],
    })
}

impl JsonSchema for Wait {
    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        duration("^(?=.*[1-9])([0-9]+ *[A-Za-zµ]+ *)+$")
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
        duration("^(0|([0-9]+ *[A-Za-zµ]+ *)+)$")
    }

    fn inline_schema() -> bool {
        true
    }
}
