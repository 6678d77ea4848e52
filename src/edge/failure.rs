//! Every failure has its home here: what went wrong becomes a reason, and the reason becomes the
//! status, the body and the line in the log.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use log::{debug, warn};
use pingora::{Error, ErrorSource, ErrorType, OrErr, Result, http::ResponseHeader};
use pingora_proxy::Session;
use serde::Serialize;
use tokio::time::timeout;

use super::{
    admit::{METHOD_NOT_ALLOWED, UNKNOWN_HOST},
    body::TOO_LARGE,
    exchange::{Exchange, X_REQUEST_ID},
    route::NO_SERVER,
    watch::Expired,
    websocket,
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

/// Why a request got no answer from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NoServer,
    ConnectTimedOut,
    ConnectFailed,
    AnswerTimedOut,
    SilenceTimedOut,
    ExchangeTimedOut,
    AnswerBroken,
    BadRequest,
    BodyTooLarge,
    UnknownHost,
    MethodNotAllowed,
    RequestTimedOut,
    ClientGone,
    Internal,
}

impl Reason {
    fn of(error: &Error, exchange: &Exchange) -> Self {
        use ErrorType as E;
        match exchange.expired() {
            Some(Expired::FirstByte) => return Reason::AnswerTimedOut,
            Some(Expired::Silence) => return Reason::SilenceTimedOut,
            Some(Expired::Request) => return Reason::ExchangeTimedOut,
            None => {}
        }
        match (error.esource(), error.etype()) {
            (_, kind) if *kind == NO_SERVER => Reason::NoServer,
            (_, kind) if *kind == TOO_LARGE => Reason::BodyTooLarge,
            (_, kind) if *kind == UNKNOWN_HOST => Reason::UnknownHost,
            (_, kind) if *kind == METHOD_NOT_ALLOWED => Reason::MethodNotAllowed,
            (ErrorSource::Downstream, E::ReadTimedout) => Reason::RequestTimedOut,
            (ErrorSource::Downstream, E::ReadError | E::WriteError | E::ConnectionClosed | E::WriteTimedout) => {
                Reason::ClientGone
            }
            (ErrorSource::Downstream, _) => Reason::BadRequest,
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

    /// The status for the client; `None` when there is no client to tell.
    fn status(self) -> Option<StatusCode> {
        Some(match self {
            Reason::NoServer => StatusCode::SERVICE_UNAVAILABLE,
            Reason::ConnectTimedOut | Reason::AnswerTimedOut | Reason::SilenceTimedOut | Reason::ExchangeTimedOut => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Reason::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Reason::ConnectFailed | Reason::AnswerBroken => StatusCode::BAD_GATEWAY,
            Reason::BadRequest => StatusCode::BAD_REQUEST,
            Reason::RequestTimedOut => StatusCode::REQUEST_TIMEOUT,
            Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Reason::ClientGone => return None,
        })
    }

    fn message(self) -> &'static str {
        match self {
            Reason::NoServer => "no Bifrost server is available",
            Reason::ConnectTimedOut => "the Bifrost server did not accept the connection in time",
            Reason::ConnectFailed => "the Bifrost server cannot be reached",
            Reason::AnswerTimedOut => "the Bifrost server did not answer in time",
            Reason::SilenceTimedOut => "the Bifrost server fell silent within its answer",
            Reason::ExchangeTimedOut => "the request took longer than the edge allows",
            Reason::BodyTooLarge => "the request's body is larger than the edge allows",
            Reason::AnswerBroken => "the Bifrost server broke off without a complete answer",
            Reason::BadRequest => "the request is malformed",
            Reason::MethodNotAllowed => "this method is not allowed",
            Reason::UnknownHost => {
                "this host is none of the edge's public URLs; operator: add the origin that clients type to public_urls"
            }
            Reason::RequestTimedOut => "the request did not arrive in time",
            Reason::ClientGone => "the client went away",
            Reason::Internal => "the edge failed to handle the request",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// Logs a failure and tells the client, in Bifrost's own error shape, unless an answer is on its way
/// already. Returns the status that was sent, 0 for none. The end of a WebSocket is no failure.
pub(super) async fn answer(session: &mut Session, exchange: &mut Exchange, error: &Error) -> u16 {
    if *error.etype() == websocket::OVER {
        return 0;
    }
    let reason = Reason::of(error, exchange);
    let request = session.req_header();
    let id = exchange.request_id().clone();
    let shown = id.to_str().unwrap_or_default();
    let server = exchange.server();
    // Pingora's first cause of a failed connection is its own address. Elsewhere its words may quote an answer.
    let cause = match reason {
        Reason::ConnectFailed | Reason::ConnectTimedOut => error.to_string(),
        _ => error.root_cause().to_string(),
    };
    // The path alone: a query may carry an OAuth code. And no byte of it may command a terminal.
    let path = request.uri.path().replace(char::is_control, " ");
    let line = format!("request {shown} {} {path}, {server}: {reason}: {cause}", request.method);
    if reason == Reason::ClientGone {
        debug!("{line}");
    } else {
        warn!("{line}");
    }
    let Some(status) =
        reason.status().filter(|_| session.response_written().is_none_or(|head| head.status.is_informational()))
    else {
        return 0;
    };
    match write(session, &id, status, reason).await {
        Ok(()) => status.as_u16(),
        Err(error) => {
            debug!("request {shown}: the client went away before it could be told: {error}");
            0
        }
    }
}

async fn write(session: &mut Session, id: &HeaderValue, status: StatusCode, reason: Reason) -> Result<()> {
    let body = ErrorBody {
        is_bifrost_error: false,
        status_code: status.as_u16(),
        error: Message { message: format!("{reason} (request id {})", id.to_str().unwrap_or_default()) },
        extra_fields: Nothing {},
    };
    let mut body = serde_json::to_vec(&body).or_err(ErrorType::InternalError, "an error body")?;
    body.push(b'\n');
    let body = Bytes::from(body);
    let mut header = ResponseHeader::build(status, Some(6))?;
    header.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    header.insert_header(header::CONTENT_LENGTH, body.len())?;
    header.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))?;
    header.insert_header(X_REQUEST_ID, id)?;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        header.insert_header(header::ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")?;
    }
    let is_head = session.req_header().method == Method::HEAD;
    let downstream = session.as_downstream_mut();
    downstream.set_keepalive(None);
    downstream.write_response_header(Box::new(header)).await?;
    if !is_head {
        downstream.write_response_body(body, true).await?;
    }
    if !downstream.is_body_done() {
        // Closing a connection with unread bytes resets it, and the answer may be lost on its way.
        let read_on = async { while let Ok(Some(_)) = downstream.read_request_body().await {} };
        let _enough = timeout(LINGER, read_on).await;
    }
    Ok(())
}

/// How long a client that still sends its body is listened to, so that it can read its answer.
const LINGER: Duration = Duration::from_secs(2);
