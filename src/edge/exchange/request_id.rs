//! Names for requests.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use once_cell::sync::Lazy;
use smallvec::SmallVec;

/// The name of the field in which servers and clients are told the id.
pub(in crate::edge) const X_REQUEST_ID: &str = "X-Request-Id";

/// The name of the field in which clients are told the edge's id where the server has one of its own.
pub(in crate::edge) const X_BRIDGEHEAD_REQUEST_ID: &str = "X-Bridgehead-Request-Id";

/// The longest id that is taken over from a trusted proxy, or kept of a server's.
pub(super) const LONGEST: usize = 128;

/// A field of a response that names the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edge) enum IdField {
    /// `X-Request-Id`, the server's or that of the provider behind it: their support asks for it.
    Usual,
    /// `x-bifrost-request-id`.
    Bifrost,
    /// The edge's own.
    Edge,
}

/// What a server calls a request. Most are no longer than a UUID, and are kept without memory of their own.
#[derive(Debug)]
pub(in crate::edge) struct ServerId(SmallVec<[u8; 36]>);

impl IdField {
    /// Tells which one a field is, by its name.
    pub fn of(name: &[u8]) -> Option<Self> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        match name.len() {
            12 if is(X_REQUEST_ID) => Some(IdField::Usual),
            20 if is("x-bifrost-request-id") => Some(IdField::Bifrost),
            23 if is(X_BRIDGEHEAD_REQUEST_ID) => Some(IdField::Edge),
            _ => None,
        }
    }
}

impl ServerId {
    /// Finds it among the fields of a response: the first of the usual ones that says something, or else Bifrost's.
    pub fn find<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Option<Self> {
        let mut found = None;
        for (name, value) in fields.filter(|(_, value)| !value.is_empty()) {
            match IdField::of(name) {
                Some(IdField::Usual) => {
                    found = Some(value);
                    break;
                }
                Some(IdField::Bifrost) => found = found.or(Some(value)),
                _ => {}
            }
        }
        found.map(|value| ServerId(value[..value.len().min(LONGEST)].into()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

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
