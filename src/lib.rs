//! Bridgehead stands in front of a fleet of Bifrost AI gateways. It answers MCP OAuth discovery
//! (RFC 8414, RFC 9728) itself, from the MCP clients in its configuration, and forwards everything
//! else to the Bifrost servers.
//!
//! # The life of a request
//!
//! 1. [`process`] has bound the listeners; [`edge`] accepts a connection, within [`limits`], shakes hands for
//!    TLS, and reads the request's head, which [`framing`] judges.
//! 2. [`edge`] pins the current [`edge::Snapshot`], then takes the request through its phases: the hooks of
//!    [`edge::Edge`], a Pingora `ProxyHttp`.
//! 3. [`discovery`] decides, from method, raw path and host, whether it is for discovery. If so, the
//!    answer was rendered when the configuration was compiled, and is written: the request ends here.
//! 4. [`fleet`] picks a Bifrost server, `edge` connects to it, or takes an idle connection.
//! 5. `edge` sets the fields that say who the client is, as far as [`trust`] believes it, and exchanges request and
//!    response with the server, bodies and streams as they come, both ways. Of servers of HTTP/2 Pingora does.
//! 6. What the server says of itself (redirects, challenges) is kept consistent with the documents by
//!    [`discovery::repair`].
//!
//! Whatever goes wrong on the way is a [`reason`]. [`config`] is what the operator wrote, [`cli`] the commands,
//! [`import`] makes its table from a Bifrost's, [`api`] asks one for it, [`state`] is what a running edge is, and
//! [`readiness`] whether it takes traffic, [`verify`] whether the servers agree with it, [`generation`] what each
//! generation of them serves, [`telemetry`] what the edge says of itself, [`latency`] how long things took, [`admin`]
//! where it is said.
//!
//! # The edge in a Pingora server of your own
//!
//! [`edge::service()`] makes a service of an [`edge::Edge`], for listeners of any Pingora `Server`.
//!
//! # Discovery in a Pingora proxy of your own
//!
//! [`edge::DiscoveryFilter`] is all it takes: built from a loaded configuration, called in
//! `request_filter`. Its documentation has a whole proxy.

mod accept;
pub mod admin;
pub mod api;
mod background;
pub mod cli;
pub mod config;
pub mod discovery;
pub mod edge;
pub mod explain;
pub mod fleet;
pub mod framing;
pub mod generation;
pub mod host;
pub mod import;
pub mod latency;
pub mod limits;
pub mod process;
pub mod readiness;
pub mod reason;
mod secrets;
pub mod state;
pub mod telemetry;
pub mod trust;
pub mod verify;
