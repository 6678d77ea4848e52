//! The integration tests: a running edge on real sockets, a scriptable Bifrost behind it. One file a
//! promise.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

mod balancing;
mod commands;
mod config_problems;
mod discovery_contract;
mod forwarding;
mod health;
mod http2_clients;
mod interop;
mod limits;
mod metrics;
mod names;
mod no_request_lost;
mod plugin;
mod reload;
mod shipped_config;
mod table;
mod timeouts;
mod transport;
mod upstream_tls;
mod websocket;
