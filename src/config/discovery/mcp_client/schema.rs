//! What the JSON Schema says of the MCP client table: what an editor completes and explains, and of what is refused that
//! a schema can see.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::{
    AuthType, McpClient, McpClients,
    auth_type::KNOWN,
    fields::{CONNECTION_TYPES, FIELDS, Field, Form},
};

impl JsonSchema for McpClients {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "McpClients".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let client = generator.subschema_for::<McpClient>();
        json_schema!({"type": ["array", "null"], "items": {"anyOf": [client, {"type": "null"}]}})
    }
}

impl JsonSchema for McpClient {
    fn schema_name() -> Cow<'static, str> {
        "McpClient".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = properties(FIELDS);
        properties.insert(
            "name".into(),
            json!({
                "description": about("name"), "type": ["string", "number", "boolean"], "pattern": r"\S",
            }),
        );
        let mut auth_type = AuthType::json_schema(generator);
        auth_type.insert("description".into(), about("auth_type").into());
        properties.insert("auth_type".into(), auth_type.to_value());
        json_schema!({
            "description": "One entry of the MCP client table. Fields that the edge does not know are taken.",
            "type": "object",
            "properties": properties,
            "additionalProperties": true,
            "required": ["name"],
            "not": {"required": ["<<"]},
        })
    }
}

impl JsonSchema for AuthType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AuthType".into()
    }

    /// Offers what is known, and takes what is not.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known = KNOWN.map(|known| known.name().to_owned());
        json_schema!({"anyOf": [{"enum": known}, {"type": ["string", "null"]}]})
    }
}

fn about(name: &str) -> &'static str {
    FIELDS.iter().find(|field| field.name == name).map_or("", |field| field.about)
}

fn properties(fields: &'static [Field]) -> Map<String, Value> {
    let mut properties = Map::new();
    for field in fields {
        for name in [&field.name].into_iter().chain(field.also).chain(field.once) {
            properties.insert((*name).to_owned(), property(field));
        }
    }
    properties
}

fn property(field: &'static Field) -> Value {
    let mut property = json!({"description": field.about});
    match field.form {
        Form::Fields(below) => property["properties"] = properties(below).into(),
        Form::NamedFields(below) => {
            property["additionalProperties"] = json!({"properties": properties(below)});
        }
        Form::Word if field.name == "connection_type" => {
            property["anyOf"] = json!([{"enum": CONNECTION_TYPES}, true]);
        }
        _ => {}
    }
    property
}
