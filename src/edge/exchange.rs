//! What one request carries through its phases.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

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
    pub(super) attempts: Attempts,
    request_id: Option<HeaderValue>,
    /// Keeps a stopping edge alive until the exchange is over.
    _in_flight: TaskTrackerToken,
}

impl Exchange {
    pub(super) fn new(snapshot: Arc<Snapshot>, in_flight: TaskTrackerToken) -> Self {
        Exchange { snapshot, attempts: Attempts::default(), request_id: None, _in_flight: in_flight }
    }

    /// Names the request in the log, to the server and to the client. Made when it is first needed:
    /// discovery does without.
    pub(super) fn request_id(&mut self) -> &HeaderValue {
        self.request_id.get_or_insert_with(new_request_id)
    }

    /// The server of the last attempt, as the operator wrote it.
    pub(super) fn server(&self) -> &str {
        self.snapshot.servers.fleet().last(&self.attempts).map_or("no server", |server| server.as_str())
    }
}

/// The requests of one process are counted from a random place, and the processes told apart by
/// another.
static REQUEST_IDS: Lazy<(u64, AtomicU64)> = Lazy::new(|| (rand::random(), rand::random::<u64>().into()));

/// A new id, 32 hexadecimal digits.
fn new_request_id() -> HeaderValue {
    let (process, next) = &*REQUEST_IDS;
    let number = next.fetch_add(1, Ordering::Relaxed);
    HeaderValue::from_str(&format!("{process:016x}{number:016x}")).expect("hexadecimal digits are a header value")
}
