//! The recording of requests and the reading of their bodies.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{
    Request,
    body::{Bytes, Incoming},
};
use percent_encoding::percent_decode_str;

use super::{State, lock, reply::Abort};

/// How much of each body is recorded.
const RECORDED_BODY: usize = 1 << 20;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The request method.
    pub method: String,
    /// Path and query as received (the whole URL when the request line held one).
    pub target: String,
    /// The protocol version, such as `HTTP/1.1`.
    pub version: String,
    /// Name and value of every header. Names are lower-case; a repeated name appears once per
    /// value, its values together at the place of the first.
    pub headers: Vec<(String, String)>,
    /// The body, or its first MiB.
    pub body: Vec<u8>,
    /// How many bytes of body arrived.
    pub body_len: u64,
    /// Whether the body arrived to its end.
    pub body_complete: bool,
    /// The number of the connection it came on, counted from 0 in order of acceptance.
    pub connection: u64,
}

impl Recorded {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_all(name).first().copied()
    }

    /// Every value of a header.
    pub fn headers_all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(super) fn is_discovery(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        decoded.to_ascii_lowercase().contains("/.well-known/")
    }
}

/// Adds the head of a request to the record and returns its place there.
pub(super) fn record(state: &State, request: &Request<Incoming>, connection: u64) -> usize {
    let entry = Recorded {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        version: format!("{:?}", request.version()),
        headers: header_list(request.headers()),
        body: Vec::new(),
        body_len: 0,
        body_complete: false,
        connection,
    };
    let mut records = lock(&state.records);
    records.push(entry);
    records.len() - 1
}

/// The headers as name and value pairs.
pub(super) fn header_list(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        })
        .collect()
}

/// A request body that is recorded while it is read.
pub(super) struct Upload {
    state: Arc<State>,
    place: usize,
    incoming: Incoming,
}

impl Upload {
    pub(super) fn new(state: Arc<State>, place: usize, incoming: Incoming) -> Upload {
        Upload { state, place, incoming }
    }

    /// The next piece, or nothing at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Abort> {
        loop {
            let frame = match self.incoming.frame().await {
                None => {
                    self.note(|entry| entry.body_complete = true);
                    return Ok(None);
                }
                Some(frame) => frame.map_err(|_| Abort)?,
            };
            if let Ok(data) = frame.into_data() {
                self.note(|entry| {
                    let room = RECORDED_BODY.saturating_sub(entry.body.len());
                    entry.body.extend_from_slice(&data[..room.min(data.len())]);
                    entry.body_len += data.len() as u64;
                });
                return Ok(Some(data));
            }
        }
    }

    /// Reads to the end; gives nothing when the body is larger than `limit`.
    pub(super) async fn collect(mut self, limit: usize) -> Result<Option<Vec<u8>>, Abort> {
        let mut body = Some(Vec::new());
        while let Some(data) = self.next().await? {
            body = body.filter(|held| held.len() + data.len() <= limit);
            if let Some(held) = &mut body {
                held.extend_from_slice(&data);
            }
        }
        Ok(body)
    }

    fn note(&self, change: impl FnOnce(&mut Recorded)) {
        if let Some(entry) = lock(&self.state.records).get_mut(self.place) {
            change(entry);
        }
    }
}
