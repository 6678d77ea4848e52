//! Bifrost's own API, as far as the edge asks it: for its MCP clients, its version, its configuration; and with which
//! credentials. Decides
//! and decodes only; [`crate::edge::Asker`] asks.

mod base_url;
mod clients;
mod credentials;
mod refusal;
mod version;

pub(crate) use self::refusal::refusal;
pub use self::{
    base_url::BaseUrl,
    clients::{CLIENTS, ClientList, Named, Page, Pages, page_path},
    credentials::{Credentials, PASSWORD, SETUP_TOKEN, TOKEN, USER},
    version::{CONFIG, client_config_in, version_in},
};
