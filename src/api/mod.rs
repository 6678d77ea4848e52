//! Bifrost's own API, as far as the edge asks it: `GET /api/mcp/clients`, and with which credentials. Decides
//! and decodes only; [`crate::edge::Asker`] asks.

mod base_url;
mod clients;
mod credentials;
mod refusal;

pub(crate) use self::refusal::refusal;
pub use self::{
    base_url::BaseUrl,
    clients::{CLIENTS, ClientList, Named, Page, Pages, page_path},
    credentials::{Credentials, PASSWORD, SETUP_TOKEN, TOKEN, USER},
};
