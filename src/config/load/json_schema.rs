//! The JSON Schema of `conf/proxy.yaml`, with which an editor completes and checks it. It is derived from the
//! types that serde reads, so a key cannot be in one and not in the other; what the values of single keys look
//! like is said beside their types, in the words of `patterns`.

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

use crate::config::keys::config::Config;

/// The schema as it is committed in `conf/proxy.schema.json`: JSON Schema draft 7, which every editor reads.
pub fn json_schema() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn schema() -> Schema {
    let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<Config>();
    schema.insert("title".into(), "conf/proxy.yaml of Bridgehead".into());
    schema
}

/// Leaves out what says nothing to somebody who writes YAML: the widths of Rust's numbers, which some editors
/// warn of, in favour of the greatest number that fits, and that what is left out is null.
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
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}
