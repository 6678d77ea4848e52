//! The integration tests: a running edge on real sockets, a scriptable Bifrost behind it. One file a
//! promise.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

mod commands;
mod config_problems;
mod discovery_contract;
mod forwarding;
mod interop;
mod plugin;
mod shipped_config;
mod table;
mod websocket;
