//! What the tests share: an edge on a free port, a client that speaks raw HTTP/1, and a scriptable
//! Bifrost.

#[allow(dead_code, reason = "more of it is scriptable than is scripted so far")]
pub mod bifrost;
pub mod edge;
pub mod http;
pub mod raw;
