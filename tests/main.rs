//! The integration tests: a running edge on real sockets, a scriptable Bifrost behind it. One file a
//! promise.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

// What the real Bifrost was asked, and what it answered: tests/bifrost/README.md.
#[path = "bifrost/golden.rs"]
mod golden;
#[path = "bifrost/questions.rs"]
#[allow(dead_code, reason = "the tests with the real Bifrost ask all of them")]
mod questions;

mod access_log;
mod access_log_writing;
mod access_rules;
mod admin_listener;
mod balancing;
mod commands;
mod config_door;
mod config_fleet;
mod config_problems;
mod config_profile;
mod config_tls_files;
mod config_yaml;
mod connection_limits;
mod differential;
mod discovery_connections;
mod discovery_contract;
mod discovery_settings;
mod errors;
mod forwarding;
mod framing;
mod going_away;
mod headers;
mod health;
mod hostile_requests;
mod http2_abuse;
mod http2_clients;
mod http2_endings;
mod import;
mod import_into;
mod import_profile;
mod interim_answers;
mod interop;
mod json_schema;
mod key_reference;
mod large_bodies;
mod last_answer;
mod limits;
mod listener_tls;
mod listener_unix;
mod metrics;
mod metrics_described;
mod names;
mod no_request_lost;
mod numbers;
mod oauth2_documents;
mod oauth2_logins;
mod packaging;
mod pipelining;
mod plugin;
mod program_log;
mod proxy_protocol;
mod rate_limits;
mod readiness;
mod redirects;
mod refusals_are_seen;
mod relayed_answers;
mod reload;
mod reload_file;
mod reload_under_load;
mod replace;
mod retries;
mod rolling_update;
mod scriptable_bifrost;
mod secrets;
mod shipped_config;
mod slow_clients;
mod status_page;
mod stopping;
mod table;
mod timeouts;
mod tls_clients;
mod traffic;
mod unknown_hosts;
mod uploads;
mod upstream_connections;
mod upstream_health;
mod upstream_http2;
mod upstream_http2_resets;
mod upstream_tls;
mod upstream_websocket;
mod verify;
mod verify_interval;
mod websocket;
mod websocket_streams;
