//! The life of a request on Pingora, one file a phase: `admit`, `answer`, `route` to a server,
//! `connect`, `headers`, `body`, `retry`, `failure`; `proxy` implements `ProxyHttp` and hands on to them. Beside it,
//! `supervise` keeps checking the servers.

mod admit;
mod answer;
mod body;
mod connect;
mod connection;
mod exchange;
mod failure;
mod framing;
mod handshake;
mod headers;
mod health;
mod peer;
mod proxy;
mod retry;
mod route;
mod snapshot;
mod supervise;
mod watch;
mod websocket;

use std::time::Duration;

use pingora::protocols::TcpKeepalive;

pub(crate) use self::supervise::resolve_new;
pub use self::{
    answer::DiscoveryFilter,
    proxy::{Edge, service},
    route::Servers,
    snapshot::Snapshot,
    supervise::supervise,
};

/// How long a client may keep an idle connection: a little more than the minute that load balancers
/// keep theirs, so that the edge is not the first to close.
const KEEPALIVE: Duration = Duration::from_secs(75);

/// How long a client may read nothing while there is something for it: a stuck one would keep a server busy.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// Finds a client or a server whose machine has vanished in the middle of a long silence, within about
/// 100 s.
pub(crate) const TCP_KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_mins(1),
    interval: Duration::from_secs(10),
    count: 4,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};
