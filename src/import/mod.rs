//! The MCP client table from a Bifrost's own: from its `config.json` or its API to the section `mcp_clients` of a
//! configuration, without a secret, by itself or merged into a file. Decides only; [`crate::cli`] reads and writes.
//!
//! Which values are kept is decided by their fields, in `fields`. What `merge` has made of a file is read again and
//! compared with what it should say before anyone sees it.

mod api;
mod change;
mod comments;
mod diff;
mod duration;
mod edit;
mod fields;
mod layout;
mod margin;
mod merge;
mod nodes;
mod render;
mod rewrite;
mod secrets;
mod source;
mod table;
mod write;

pub use self::{
    api::ApiClient,
    diff::diff,
    merge::{MergeFault, Merged, merge},
    source::{AuthorizationServer, Issuer, authorization_server_of_config, clients_of_config},
    table::{Dropped, Fault, Table},
    write::{Original, WriteFault},
};

/// The key of the table in a configuration.
const KEY: &str = "mcp_clients";
/// The keys that say what turns discovery on.
const PROFILE: &str = "profile";
const MODE: &str = "mcp_server_auth_mode";
