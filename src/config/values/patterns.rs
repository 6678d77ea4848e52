//! What the values of single keys look like, for the JSON Schema: regular expressions that ECMAScript, Python and
//! Rust read alike.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

/// A time to wait: a duration above 0, such as `5s`, `10m` or `1h 30m`.
pub(in crate::config) struct Wait;

/// A duration that may be 0.
pub(in crate::config) struct WaitOrNone;

/// The name of a site.
pub(super) const SITE_NAME: &str = "^[A-Za-z0-9._-]{1,64}$";

const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// An IP address and port.
pub(in crate::config) fn admin_address() -> String {
    format!("^{}$", socket_address())
}

/// A host without a port.
pub(in crate::config) fn admin_host() -> String {
    format!(r"^({}|\[{}\])$", host("A-Za-z"), ipv6("A-Fa-f"))
}

/// An IP address and port, for which 0 may let the system choose.
fn socket_address() -> String {
    format!(r"({}|\[{}(%[0-9]+)?\]):0*(0|{PORT})", ipv4(), ipv6("A-Fa-f"))
}

/// The path of a Unix socket, or what is above.
pub(in crate::config) fn listen_address() -> String {
    format!("^(unix:/.{{0,106}}|{})$", socket_address())
}

/// Host and port of a server.
pub(super) fn server_address() -> String {
    format!(r"^({}|\[{}\]):{PORT}$", host("A-Za-z"), ipv6("A-Fa-f"))
}

/// The name in a certificate.
pub(in crate::config) fn server_name() -> String {
    format!(r"^({}|\[{ipv6}\]|{ipv6})$", host("A-Za-z"), ipv6 = ipv6("A-Fa-f"))
}

/// An origin in lower case, without its scheme's default port, and a path that needs no escape.
pub(super) fn public_url() -> String {
    let host = host("a-z");
    let no_default_port = "(?!http://[^/]*:80(/|$))(?!https://[^/]*:443(/|$))";
    let path = r"(/(?!\.\.?(/|$))(?!\.[wW][eE][lL][lL]-[kK][nN][oO][wW][nN](/|$))[A-Za-z0-9._~-]+)*";
    format!(r"^{no_default_port}https?://({host}|\[{}\])(:{PORT})?{path}$", ipv6("a-f"))
}

/// An address, or a network in CIDR notation.
pub(super) fn network() -> String {
    let (ipv4_prefix, ipv6_prefix) = ("(3[0-2]|[12]?[0-9])", "(12[0-8]|1[01][0-9]|[1-9]?[0-9])");
    format!("^({}(/0*{ipv4_prefix})?|{}(/0*{ipv6_prefix})?)$", ipv4(), ipv6("A-Fa-f"))
}

/// The origin of web pages.
pub(super) const ORIGIN: &str = r#"^(\*|[A-Za-z0-9+.-]+://[!"$-.0->A-~]+)$"#;

/// The name of a header, or `*`.
pub(super) const HEADER_NAME: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// A path without a query or wildcard.
pub(super) const PATH_PREFIX: &str = r#"^/[!"$-)+->@-~]*$"#;

/// A path that can be read in one way only. Slashes at its end are left out.
pub(in crate::config) const PLAIN_PATH: &str = r"^(?!.*(//+[^/]|[%;\\]|/\.\.?(/|$)))";

/// A path that can be read in one way only, and is nobody else's.
pub(in crate::config) const READINESS_PATH: &str = r#"^(?!.*(//|/\.\.?(/|$)))(?!/((v1/)?mcp/?|\.[wW][eE][lL][lL]-[kK][nN][oO][wW][nN](/.*)?)?$)/[!"$&-)+-:<->@-\[\]-~]*$"#;

/// What a request is hashed by.
pub(in crate::config) const HASH_KEY: &str = "^(client_address|(header|cookie): *[!#$%&'*+.^_`|~0-9A-Za-z-]+ *)$";

/// The octal digits of `chmod`.
pub(in crate::config) const MODE: &str = "^0?[0-7]{1,3}$";

/// A number of bytes, or `unlimited`.
pub(in crate::config) const SIZE: &str =
    r"^(unlimited|(?=.*[1-9])(\+?[0-9]+|([0-9]+\.?[0-9]*|\.[0-9]+)\s*([kKmMgGtTpPeE]([iI][bB]?|[bB])|[bB])))$";

/// A size from 1 KiB to 512 KiB, but for the last digits of a size with a unit of a thousand or a million.
pub(in crate::config) fn head_size() -> String {
    let bytes = "(102[4-9]|10[3-9][0-9]|1[1-9][0-9]{2}|[2-9][0-9]{3}|[1-9][0-9]{4}|[1-4][0-9]{5}|5[01][0-9]{4}|\
                 52[0-3][0-9]{3}|524[01][0-9]{2}|5242[0-7][0-9]|52428[0-8])";
    let part = r"(\.[0-9]*)?\s*";
    let kibi = format!(r"(([1-9]|[1-9][0-9]|[1-4][0-9]{{2}}|50[0-9]|51[01]){part}|512(\.0*)?\s*)[kK][iI][bB]?");
    let kilo = format!(r"(1\.[0-9]+\s*|([2-9]|[1-9][0-9]|[1-4][0-9]{{2}}|5[01][0-9]|52[0-4]){part})[kK][bB]");
    let mega = r"\.(00[1-9]|0[1-9]|[1-5])[0-9]*\s*[mM]([iI][bB]?|[bB])";
    format!(r"^(\+?0*{bytes}|0*({bytes}{part}[bB]|{kibi}|{kilo}|{mega}))$")
}

/// A number above 0, or `unlimited`.
pub(in crate::config) const COUNT: &str = r"^(unlimited|\+?0*[1-9][0-9]{0,19})$";

fn ipv4() -> String {
    const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!(r"{BYTE}(\.{BYTE}){{3}}")
}

/// An IPv6 address with hexadecimal digits of these letters: RFC 3986 section 3.2.2, `IPv6address`.
fn ipv6(letters: &str) -> String {
    let group = format!("[0-9{letters}]{{1,4}}");
    let last = format!("({group}:{group}|{})", ipv4());
    // The groups behind `::`; before it stand at most so many that it is at least one.
    let after = |groups: usize| match groups {
        0 => String::new(),
        1 => group.clone(),
        _ => format!("({group}:){{{}}}{last}", groups - 2),
    };
    let shortened = (1..=7).map(|most| format!("|(({group}:){{0,{}}}{group})?::{}", most - 1, after(7 - most)));
    format!("({}|::{}{})", after(8), after(7), shortened.collect::<String>())
}

/// A DNS name or an IPv4 address, of these letters.
fn host(letters: &str) -> String {
    let label = format!("[{letters}0-9_]([{letters}0-9_-]{{0,61}}[{letters}0-9_])?");
    // A last label that is a number is that of an IPv4 address.
    format!(r"(({label}\.)*(?!([0-9]+|0[xX][0-9A-Fa-f]*)([:/]|$)){label}|{})", ipv4())
}

// === impl JsonSchema ===

/// Numbers, each with its unit, and spaces between them.
fn duration(start: &str, or: &str) -> Schema {
    let unit = "(n(anos|sec|s)|[uµ]s|usec|m(illis|sec|s)|s(ec(ond)?s?)?|m(in(ute)?s?)?|h((r|our)s?)?|d(ays?)?|\
                w((k|eek)s?)?)";
    let number = "[0-9]+([.][0-9]+)?";
    json_schema!({
        "type": "string",
        "pattern": format!("^{start}( *({number} *{unit} *)+{or})$"),
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
        let mut schema = duration("", "| *0 *");
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
