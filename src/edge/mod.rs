//! The life of a connection and of its requests on Pingora, one file a phase.
//!
//! A connection: `listen` accepts it, `enter` finds out who is there and shakes hands for TLS, `http1` and `http2`
//! take one request after the other from it.
//!
//! A request: `admit`, `ready`, `answer`, `redirect`, `route` to a server, `connect`, `headers`, `body`, `relay`,
//! `retry`, `failure`, `finish`; `proxy` implements `ProxyHttp` and hands on to them. `client_io` and `server_io` are
//! what Pingora reads and writes on either side, and `idle` keeps the connections to servers between requests.
//!
//! Beside them, `supervise` keeps checking the servers, `verify` what they answer for discovery, and `certificates` the
//! files of the listeners.

mod account;
mod admit;
mod answer;
mod ask;
mod body;
mod certificates;
mod client_io;
mod client_stream;
mod conduct;
mod connect;
mod connection;
mod dial;
mod door;
mod enter;
mod exchange;
mod failure;
mod finish;
mod headers;
mod health;
mod http1;
mod http2;
mod idle;
mod listen;
mod patience;
mod patient;
mod peer;
mod proxy;
mod ready;
mod redirect;
mod relay;
mod retry;
mod route;
mod server_io;
mod snapshot;
mod socket;
mod supervise;
mod verify;
mod watch;
mod websocket;

use std::time::Duration;

use pingora::protocols::TcpKeepalive;

pub(crate) use self::supervise::resolve_new;
pub use self::{
    answer::DiscoveryFilter,
    ask::{Asker, system_authorities},
    certificates::{TlsListener, keep_reading},
    door::{Door, Listener},
    listen::{ListeningSocket, listen},
    proxy::{Edge, Proxy, proxy},
    route::Servers,
    snapshot::{Snapshot, VerifyPlan},
    supervise::supervise,
    verify::{Verifier, keep_verifying},
};

/// Finds a client or a server whose machine has vanished in the middle of a long silence, within about
/// 100 s.
pub(crate) const TCP_KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_mins(1),
    interval: Duration::from_secs(10),
    count: 4,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};
