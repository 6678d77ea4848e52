//! What a client is told of a failure.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::{Result, http::ResponseHeader};
use pingora_proxy::Session;
use serde::Serialize;

use super::request_id::X_REQUEST_ID;
use crate::{
    edge::client::{ClientStream, Http2Session, listen_on},
    framing::write,
    reason::Reason,
};

/// Bifrost's own error shape, so that a client has one to understand.
#[derive(Debug, Serialize)]
struct ErrorBody {
    is_bifrost_error: bool,
    status_code: u16,
    error: Message,
    extra_fields: Nothing,
}

#[derive(Debug, Serialize)]
struct Message {
    message: String,
}

#[derive(Debug, Serialize)]
struct Nothing {}

/// The response to a request that failed, after which the connection is closed.
pub(in crate::edge) struct ErrorResponse {
    header: ResponseHeader,
    body: Bytes,
}

impl ErrorResponse {
    /// Tells its status.
    pub fn status(&self) -> u16 {
        self.header.status.as_u16()
    }

    /// Tells how long its body is.
    pub fn body_length(&self) -> usize {
        self.body.len()
    }

    pub fn new(reason: Reason, id: &HeaderValue) -> Self {
        let status = reason.status().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = ErrorBody {
            is_bifrost_error: false,
            status_code: status.as_u16(),
            error: Message { message: format!("{reason} (request id {})", id.to_str().unwrap_or_default()) },
            extra_fields: Nothing {},
        };
        let mut body = serde_json::to_vec(&body).expect("text is JSON");
        body.push(b'\n');
        let mut response = ErrorResponse {
            header: ResponseHeader::build(status, Some(8)).expect("a status of the http crate is a status"),
            body: body.into(),
        };
        response.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.insert(header::CONTENT_LENGTH, response.body.len().into());
        response.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let _inserted = response.header.insert_header(X_REQUEST_ID, id);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        response
    }

    /// Answers a preflight in a server's stead: without a body.
    pub fn preflight(id: &HeaderValue) -> Self {
        let mut response = ErrorResponse {
            header: ResponseHeader::build(StatusCode::NO_CONTENT, Some(8)).expect("a status of the http crate is one"),
            body: Bytes::new(),
        };
        let _inserted = response.header.insert_header(X_REQUEST_ID, id);
        response
    }

    /// A name and a value of the http crate are a header.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        let _inserted = self.header.insert_header(name, value);
    }

    /// When the client may come again (RFC 9110 section 10.2.3), in whole seconds.
    pub fn retry_after(&mut self, wait: Option<Duration>) {
        if let Some(wait) = wait {
            self.insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
        }
    }

    /// On a stream of HTTP/2 that Pingora's proxy knows nothing of.
    pub async fn write_to(self, mut session: Http2Session) {
        // The client may be gone.
        if session.write_head(Box::new(self.header), false).is_ok() {
            let _written = session.write(self.body, true).await;
        }
    }

    /// As bytes of HTTP/1.1, for a client that Pingora knows nothing of.
    pub fn into_bytes(mut self, is_head: bool) -> Vec<u8> {
        let status = self.header.status;
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        self.insert(header::DATE, HeaderValue::from_str(&date).unwrap_or(HeaderValue::from_static("")));
        self.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let mut bytes = Vec::with_capacity(512);
        write::status_line(&mut bytes, status, status.canonical_reason().unwrap_or_default().as_bytes());
        self.header.header_to_h1_wire(&mut bytes);
        write::end(&mut bytes);
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// On a session.
    pub async fn write(self, session: &mut Session) -> Result<()> {
        let is_head = session.req_header().method == Method::HEAD;
        let is_own = ClientStream::of(session).is_some();
        let downstream = session.as_downstream_mut();
        downstream.set_keepalive(None);
        downstream.write_response_header(Box::new(self.header)).await?;
        // Also where there is none: it is the end of the stream in HTTP/2.
        downstream.write_response_body(if is_head { Bytes::new() } else { self.body }, true).await?;
        // What came in by a listener of the edge's own is listened to by that.
        if !is_own {
            listen_on(downstream).await;
        }
        // A stream of HTTP/2 would be reset by that.
        if downstream.as_http1().is_some() {
            downstream.shutdown().await;
        }
        Ok(())
    }
}
