//! What failed is logged, counted and told to the client, each in one place.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use log::{Level, debug, info, log, log_enabled};
use pingora::{Error, ErrorSource, ErrorType, Result, http::ResponseHeader, protocols::http::v2::server::HttpSession};
use pingora_proxy::Session;
use serde::Serialize;
use tokio::time::timeout;

use super::{
    client_stream::LINGER,
    connection::Connection,
    exchange::{Exchange, X_REQUEST_ID},
    finish,
    patience::Expired,
    websocket,
};
use crate::{
    reason::{Reason, Refusal},
    telemetry::{
        Counters,
        access_log::{LONGEST_PATH, cut_method},
    },
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

/// The answer to a request that failed, after which the connection is closed.
pub(super) struct ErrorAnswer {
    header: ResponseHeader,
    body: Bytes,
}

/// Refuses a request on its way through Pingora, which hands it back to [`answer`].
pub(super) fn refuse<T>(reason: Reason, why: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::Custom(reason.name()), why).map_err(Error::into_down)
}

/// What an error of Pingora's means.
fn reason(error: &Error, exchange: &Exchange) -> Reason {
    use ErrorType as E;
    match exchange.expired() {
        Some(Expired::FirstByte) => return Reason::AnswerTimedOut,
        Some(Expired::Silence) => return Reason::SilenceTimedOut,
        Some(Expired::Request) => return Reason::ExchangeTimedOut,
        Some(Expired::Body) => return Reason::RequestTimedOut,
        None => {}
    }
    if let E::Custom(name) = error.etype()
        && let Some(reason) = Reason::named(name)
    {
        return reason;
    }
    let is_malformed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::InvalidData;
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, _) if error.root_cause().downcast_ref().is_some_and(is_malformed) => {
            Reason::Malformed
        }
        (ErrorSource::Downstream, E::ReadTimedout) => Reason::RequestTimedOut,
        (ErrorSource::Downstream, E::ReadError | E::WriteError | E::ConnectionClosed | E::WriteTimedout) => {
            Reason::ClientGone
        }
        (ErrorSource::Downstream, _) => Reason::Malformed,
        (_, E::ConnectTimedout | E::TLSHandshakeTimedout) => Reason::ConnectTimedOut,
        (_, E::ReadTimedout | E::WriteTimedout) => Reason::AnswerTimedOut,
        (
            _,
            E::ConnectRefused
            | E::ConnectNoRoute
            | E::ConnectError
            | E::BindError
            | E::SocketError
            | E::ConnectProxyFailure
            | E::TLSHandshakeFailure
            | E::InvalidCert,
        ) => Reason::ConnectFailed,
        (ErrorSource::Upstream, _) => Reason::AnswerBroken,
        _ => Reason::Internal,
    }
}

/// Logs and counts a failure and tells the client, in Bifrost's own error shape, unless an answer is on its way
/// already. Returns the status that was sent, 0 for none. The end of a WebSocket is no failure.
pub(super) async fn answer(session: &mut Session, exchange: &mut Exchange, error: &Error, counters: &Counters) -> u16 {
    if *error.etype() == websocket::OVER {
        return 0;
    }
    let reason = reason(error, exchange);
    counters.failed(reason);
    exchange.account.reason = Some(reason);
    log_failure(session, exchange, error, reason, counters);
    let Some(status) = reason.status().filter(|_| !exchange.is_answered(session)) else { return 0 };
    let mut answer = ErrorAnswer::new(reason, exchange.request_id());
    answer.retry_after(exchange.retry_after);
    match answer.write(session).await {
        Ok(()) => {
            exchange.account.is_told = true;
            status.as_u16()
        }
        Err(error) => {
            debug!("request {}: the client went away before it could be told: {error}", exchange.shown_id());
            0
        }
    }
}

fn log_failure(session: &Session, exchange: &mut Exchange, error: &Error, reason: Reason, counters: &Counters) {
    // Pingora's first cause of a failed connection is its own address. Elsewhere its words may quote an answer.
    let cause = match reason {
        Reason::ConnectFailed | Reason::ConnectTimedOut => error.to_string(),
        _ if reason.is_refusal() => error.context.as_ref().map(ToString::to_string).unwrap_or_default(),
        _ => error.root_cause().to_string(),
    };
    if reason == Reason::ClientGone && !log_enabled!(Level::Debug) || !counters.may_log(reason.name()) {
        return;
    }
    let request = session.req_header();
    let (method, path) = (cut_method(&request.method), shown_path(request.uri.path()));
    let id = exchange.shown_id();
    if reason.is_refusal() {
        let client = exchange.shown_client(session);
        info!("request {id} {method} {path} of {client} refused: {reason}: {cause}");
        return;
    }
    let level = if reason == Reason::ClientGone { Level::Debug } else { Level::Warn };
    log!(level, "request {id} {method} {path}, {}: {reason}: {cause}", exchange.server());
}

/// The path alone: a query may carry an OAuth code. No byte of it may command a terminal, and not more of it is
/// written than in the access log.
fn shown_path(path: &str) -> String {
    let mut shown = path[..path.floor_char_boundary(LONGEST_PATH)].replace(char::is_control, " ");
    if path.len() > LONGEST_PATH {
        shown.push_str("...");
    }
    shown
}

/// Counts and logs a request that was refused before anything of it could be believed. `head` is what there is of
/// its head, and `answer` what it was answered, as far as the edge knows.
pub(super) fn take_note(
    counters: &Counters,
    refusal: Refusal,
    connection: &Connection,
    id: &HeaderValue,
    head: &[u8],
    answer: Option<&ErrorAnswer>,
) {
    counters.failed(refusal.reason);
    let bytes_out = answer.map_or(0, |answer| answer.body.len());
    finish::refused(counters, refusal.reason, connection, id, head, bytes_out);
    let peer = connection.shown_peer();
    if counters.may_log(refusal.reason.name()) {
        let id = id.to_str().unwrap_or_default();
        info!("request {id} of {peer} refused: {}: {}", refusal.reason, refusal.why);
    }
}

impl ErrorAnswer {
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
        let mut answer = ErrorAnswer {
            header: ResponseHeader::build(status, Some(8)).expect("a status of the http crate is a status"),
            body: body.into(),
        };
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.insert(header::CONTENT_LENGTH, answer.body.len().into());
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let _inserted = answer.header.insert_header(X_REQUEST_ID, id);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            answer.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        answer
    }

    /// A name and a value of the http crate are a header.
    fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        let _inserted = self.header.insert_header(name, value);
    }

    /// When the client may come again (RFC 9110 section 10.2.3), in whole seconds.
    fn retry_after(&mut self, wait: Option<Duration>) {
        if let Some(wait) = wait {
            self.insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
        }
    }

    /// On a stream of HTTP/2 that Pingora's proxy knows nothing of.
    pub async fn write_to(self, mut session: HttpSession) {
        // The client may be gone.
        if session.write_response_header(Box::new(self.header), false).is_ok() {
            let _written = session.write_body(self.body, true).await;
        }
    }

    /// As bytes of HTTP/1.1, for a client that Pingora knows nothing of.
    pub fn into_bytes(mut self, is_head: bool) -> Vec<u8> {
        let status = self.header.status;
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        self.insert(header::DATE, HeaderValue::from_str(&date).unwrap_or(HeaderValue::from_static("")));
        self.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let mut bytes = Vec::with_capacity(512);
        let line = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
        bytes.put_slice(line.as_bytes());
        self.header.header_to_h1_wire(&mut bytes);
        bytes.put_slice(b"\r\n");
        if !is_head {
            bytes.put_slice(&self.body);
        }
        bytes
    }

    async fn write(self, session: &mut Session) -> Result<()> {
        let is_head = session.req_header().method == Method::HEAD;
        let downstream = session.as_downstream_mut();
        downstream.set_keepalive(None);
        downstream.write_response_header(Box::new(self.header)).await?;
        if !is_head {
            downstream.write_response_body(self.body, true).await?;
        }
        if !downstream.is_body_done() {
            // Closing a connection with unread bytes resets it, and the answer may be lost on its way.
            let read_on = async { while let Ok(Some(_)) = downstream.read_request_body().await {} };
            let _enough = timeout(LINGER, read_on).await;
        }
        // A stream of HTTP/2 would be reset by that.
        if downstream.as_http1().is_some() {
            downstream.shutdown().await;
        }
        Ok(())
    }
}
