//! The keys of a configuration that an import writes.

/// The key of the table.
pub(super) const KEY: &str = "mcp_clients";
/// The keys that say what turns discovery on.
pub(super) const PROFILE: &str = "profile";
pub const MODE: &str = "mcp_server_auth_mode";
/// The key that says whether there is a Claude Code gateway.
pub(super) const GATEWAY: &str = "claude_code_gateway";
