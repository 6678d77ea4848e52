//! The integration tests: a running edge on real sockets, a scriptable Bifrost behind it. One file a
//! promise.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

mod balancing;
mod commands;
mod config_fleet;
mod config_problems;
mod config_tls_files;
mod config_yaml;
mod discovery_connections;
mod discovery_contract;
mod discovery_settings;
mod errors;
mod forwarding;
mod framing;
mod going_away;
mod headers;
mod health;
mod http2_clients;
mod interim_answers;
mod interop;
mod large_bodies;
mod limits;
mod metrics;
mod names;
mod no_request_lost;
mod numbers;
mod pipelining;
mod plugin;
mod reload;
mod retries;
mod shipped_config;
mod stopping;
mod table;
mod timeouts;
mod uploads;
mod upstream_connections;
mod upstream_health;
mod upstream_http2;
mod upstream_http2_resets;
mod upstream_tls;
mod upstream_websocket;
mod websocket;
mod websocket_streams;
