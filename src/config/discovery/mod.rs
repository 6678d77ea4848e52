//! What an operator, or whoever embeds the plugin, says of discovery: the keys, the checks between them, and a file of
//! nothing else.

pub(super) mod checks;
mod file;
pub(super) mod keys;
pub(super) mod mcp_client;
pub(super) mod options;
pub(super) mod profile;
