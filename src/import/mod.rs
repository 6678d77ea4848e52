//! The MCP client table from a Bifrost's own: from its `config.json` or its API to the section `mcp_clients` of a
//! configuration, without a secret, by itself or merged into a file. Decides only; [`crate::cli`] reads and writes.
//!
//! Which values are kept is decided by their fields, in `source::fields`. What `merge` has made of a file is read again
//! and compared with what it should say before anyone sees it.

mod diff;
mod edit;
mod keys;
mod merge;
mod source;

pub use self::{
    diff::diff,
    edit::write::{Original, WriteFault},
    keys::MODE,
    merge::{Destination, MergeFault, Merged, merge, merge_into},
    source::{
        api::ApiClient,
        config_json::{AuthorizationServer, Issuer, base_path_of_config, clients_of_config},
        generation::{Known, Running, known_of_config, known_of_running},
        sieve::{Dropped, Fault, Reason},
        table::{Section, Table},
    },
};
