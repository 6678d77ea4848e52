//! What one request carries through its phases.

use std::sync::Arc;

use http::HeaderValue;
use once_cell::sync::Lazy;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::snapshot::Snapshot;
use crate::fleet::Attempts;

pub(super) const X_REQUEST_ID: &str = "X-Request-Id";

/// One request and its answer: the `CTX` of the edge's `ProxyHttp`.
pub struct Exchange {
    /// The configuration it began with, and ends with.
    pub(super) snapshot: Arc<Snapshot>,
    /// Names it in the log, to the server and to the client.
    pub(super) request_id: HeaderValue,
    pub(super) attempts: Attempts,
    /// The server of the last attempt, empty before the first.
    pub(super) server: String,
    /// Keeps a stopping edge alive until the exchange is over.
    pub(super) _in_flight: TaskTrackerToken,
}

/// Distinguishes the processes of a fleet of edges; the requests of one are counted from there.
static FIRST_REQUEST_ID: Lazy<(u64, std::sync::atomic::AtomicU64)> =
    Lazy::new(|| (rand::random(), rand::random::<u64>().into()));

/// A new id, 32 hexadecimal digits.
pub(super) fn new_request_id() -> HeaderValue {
    let (process, next) = &*FIRST_REQUEST_ID;
    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    HeaderValue::from_str(&format!("{process:016x}{number:016x}")).expect("hexadecimal digits are a header value")
}
