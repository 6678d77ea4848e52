//! The tests with the real Bifrost, which Go builds: `make test-bifrost` builds it and runs them. They hold the edge,
//! and what its other tests take for a Bifrost, to what the original does.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other binary of tests uses the rest of it")]
mod support;

mod account;
mod api;
mod capture;
mod chat;
mod dashboard;
mod fleet;
#[allow(dead_code, reason = "the other binary of tests uses the rest of it")]
mod golden;
mod mcp;
mod questions;
mod redirects;
mod same_answers;
mod server;
mod tracing;
mod uploads;
mod verify;
mod websocket;
