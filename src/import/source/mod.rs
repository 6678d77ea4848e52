//! What a Bifrost says of its MCP clients, in its `config.json` or over its API, without a secret.

pub(super) mod api;
pub(super) mod config_json;
pub(super) mod duration;
pub(super) mod fields;
pub(super) mod generation;
pub(super) mod sieve;
pub(super) mod table;
