//! Answers of discovery in the form that Pingora writes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use pingora::{Result, http::ResponseHeader};
use pingora_proxy::Session;

use crate::discovery::Answer;

/// An answer, ready to be written to a session of Pingora's.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub header: ResponseHeader,
    pub body: Bytes,
}

impl Prepared {
    pub fn new(answer: &Answer) -> Self {
        // Two more: Pingora adds Date and Connection.
        let mut header = ResponseHeader::build(answer.status, Some(answer.headers.len() + 2))
            .expect("a status of the http crate is a status");
        for (name, value) in &answer.headers {
            header.append_header(title_case(name), value).expect("a header of the http crate is a header");
        }
        Prepared { header, body: answer.body.clone() }
    }

    /// Whether the answer to this request has a body.
    pub fn sends_body(&self, session: &Session) -> bool {
        session.req_header().method != Method::HEAD && !self.body.is_empty()
    }

    /// Writes it, with this field besides. The request's body has been [drained](drain).
    pub async fn write(&self, session: &mut Session, field: Option<(&'static str, &HeaderValue)>) -> Result<()> {
        let sends_body = self.sends_body(session);
        // Past the modules: nothing here is to be compressed or rewritten.
        let downstream = session.as_downstream_mut();
        let mut header = Box::new(self.header.clone());
        if let Some((name, value)) = field {
            header.insert_header(name, value)?;
        }
        downstream.write_response_header(header).await?;
        if sends_body {
            downstream.write_response_body(self.body.clone(), true).await?;
        }
        Ok(())
    }
}

/// A header name as people and old scripts write it; case means nothing (RFC 9110 section 5.1).
pub(crate) fn title_case(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
    words.collect::<Vec<_>>().join("-")
}

/// A request body up to this size is read and thrown away, so that the connection can be kept; after
/// a larger one it is closed.
const MOST_DRAINED: usize = 64 * 1024;
/// And it must be there within this time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads a small request body, which no answer made here needs, so that what follows it on the connection is the next
/// request. After any other body the connection is closed: what follows might be taken for a request.
pub(crate) async fn drain(session: &mut Session) {
    let downstream = session.as_downstream_mut();
    if downstream.is_body_done() {
        return;
    }
    let waits_to_be_asked = downstream.get_header(header::EXPECT).is_some();
    let is_drained = !waits_to_be_asked && {
        let read_all = async {
            let mut read = 0;
            while let Some(chunk) = downstream.read_request_body().await.ok()? {
                read += chunk.len();
                if read > MOST_DRAINED {
                    return None;
                }
            }
            Some(())
        };
        matches!(tokio::time::timeout(DRAIN_TIMEOUT, read_all).await, Ok(Some(())))
    };
    if !is_drained {
        downstream.set_keepalive(None);
    }
}
