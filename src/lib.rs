//! Bridgehead stands in front of a fleet of Bifrost AI gateways. It answers MCP OAuth discovery
//! (RFC 8414, RFC 9728) itself, from the MCP clients in its configuration, and forwards everything
//! else to the Bifrost servers.
//!
//! This is the library below the program. Who runs the program reads its README; who wants to know how it works, the map in
//! `src/README.md`.
//!
//! # Discovery in a Pingora proxy of your own
//!
//! [`plugin`] is all it takes, and all that is built with `default-features = false`: no server, no TLS, no commands. The
//! decision alone, for proxies on something else than Pingora, is [`discovery`].
//!
//! # The edge in a Pingora server of your own
//!
//! `edge::service` makes a service of an `edge::Edge`, for listeners of any Pingora `Server`: the feature `edge`. The feature
//! `program`, which is on by default, adds the commands, the listeners and the admin listener.
//!
//! # What may change
//!
//! What this documentation shows keeps to semantic versioning. The other modules are public for the program, its tests and
//! its benches, hidden here, and may change with every version.

// Smaller builds have whole rooms of which they need a part.
#![cfg_attr(not(feature = "program"), allow(dead_code, unused_imports))]

#[cfg(feature = "edge")]
mod accept;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod admin;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod api;
#[cfg(feature = "edge")]
mod background;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod cli;
pub mod config;
pub mod discovery;
#[cfg(feature = "edge")]
pub mod edge;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod explain;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod fleet;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod framing;
#[doc(hidden)]
pub mod generation;
mod host;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod import;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod latency;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod limits;
pub mod plugin;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod process;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod readiness;
#[doc(hidden)]
pub mod reason;
mod secrets;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod state;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod telemetry;
#[doc(hidden)]
pub mod trust;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub mod verify;
