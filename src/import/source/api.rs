//! An MCP client as Bifrost's API shows it, with all its fields.

use serde::{Deserialize, Deserializer, de::Error};
use serde_yaml::Value;

use crate::api::Named;

/// An MCP client as Bifrost's API shows it, with all its fields.
#[derive(Debug)]
pub struct ApiClient {
    name: String,
    fields: Value,
}

impl ApiClient {
    /// Its fields.
    pub fn into_fields(self) -> Value {
        self.fields
    }
}

impl<'de> Deserialize<'de> for ApiClient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Value::deserialize(deserializer)?;
        let name = fields.get("name").and_then(Value::as_str).ok_or_else(|| D::Error::custom("no name"))?;
        Ok(ApiClient { name: name.to_owned(), fields })
    }
}

impl Named for ApiClient {
    fn name(&self) -> &str {
        &self.name
    }
}
