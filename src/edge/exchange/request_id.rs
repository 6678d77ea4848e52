//! Names for requests.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use once_cell::sync::Lazy;

/// The name of the field in which servers and clients are told the id.
pub(in crate::edge) const X_REQUEST_ID: &str = "X-Request-Id";

/// The requests of one process are counted from a random place, and the processes told apart by
/// another.
static REQUEST_IDS: Lazy<(u64, AtomicU64)> = Lazy::new(|| (rand::random(), rand::random::<u64>().into()));

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Makes a new id, 32 hexadecimal digits.
pub(in crate::edge) fn new_request_id() -> HeaderValue {
    let (process, next) = &*REQUEST_IDS;
    let number = next.fetch_add(1, Ordering::Relaxed);
    let mut digits = [0; 32];
    for (half, value) in digits.chunks_exact_mut(16).zip([*process, number]) {
        for (digit, byte) in half.chunks_exact_mut(2).zip(value.to_be_bytes()) {
            digit.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    HeaderValue::from_bytes(&digits).expect("hexadecimal digits are a header value")
}
