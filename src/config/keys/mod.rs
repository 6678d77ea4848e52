//! The keys of `conf/proxy.yaml`, one type a section, as serde reads them.

pub(super) mod admin;
pub(super) mod config;
pub(super) mod cors;
pub(super) mod dns;
pub(super) mod fleet;
pub(super) mod limits;
pub(super) mod listener;
pub(super) mod server_tls;
pub(super) mod shapes;
pub(super) mod site;
pub(super) mod stop;
pub(super) mod telemetry;
pub(super) mod timeouts;
pub(super) mod verify;
