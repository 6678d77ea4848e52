//! The life of a request on Pingora, one file a phase: `admit`, `answer`, `route` to a server, `websocket`,
//! `headers`, `failure`; `proxy` implements `ProxyHttp` and hands on to them.

mod admit;
mod answer;
mod exchange;
mod failure;
mod headers;
mod peer;
mod proxy;
mod route;
mod snapshot;
mod websocket;

use std::time::Duration;

pub use self::{answer::DiscoveryFilter, exchange::Exchange, proxy::Edge, route::Servers, snapshot::Snapshot};

/// How long a client may keep an idle connection: a little more than the minute that load balancers
/// keep theirs, so that the edge is not the first to close.
const KEEPALIVE: Duration = Duration::from_secs(75);
/// How long an idle connection to a server is kept.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
