//! The files that a configuration names: certificates, keys and authorities are read with it, so that a wrong one is
//! a problem of the key that names it.

mod access_log;
mod certificates;
pub(super) mod contents;
pub(super) mod life;
pub(super) mod listener_tls;
mod pem;
mod server_tls;
