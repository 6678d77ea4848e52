//! WebSockets (RFC 6455).

use std::future::ready;

use http::{Method, Version, header};
use log::debug;
use pingora::{Error, ErrorType, OrErr, Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::{exchange::Exchange, headers::lists, watch::Watch};

/// The WebSocket has ended; there is nothing left to do for Pingora.
pub(super) const OVER: ErrorType = ErrorType::Custom("WebSocketOver");

/// Whether the request opens a WebSocket (section 4.1). Pingora takes any `Upgrade` for one.
pub(super) fn is_opened_by(session: &mut Session) -> bool {
    let request = session.req_header();
    let is_opening = request.method == Method::GET
        && request.version == Version::HTTP_11
        && lists(&request.headers, header::UPGRADE, b"websocket")
        && lists(&request.headers, header::CONNECTION, b"upgrade");
    is_opening && session.as_downstream_mut().is_body_empty()
}

/// Passes a WebSocket through to its end, which comes when both sides have said all. Pingora would end
/// it when one of them has, and loses one now and then whose 101 comes within microseconds; so it is
/// relieved of both connections. Ends with the error [`OVER`].
pub(super) async fn tunnel(session: &mut Session, exchange: &Exchange, answer: &ResponseHeader) -> Result<()> {
    const WITHOUT: &str = "a WebSocket without its connections";
    let downstream = session.as_downstream_mut();
    let client = downstream.digest().and_then(Watch::of);
    let (Some(client), Some(mut server)) = (client, exchange.detach_server()) else {
        return Error::e_explain(ErrorType::InternalError, WITHOUT);
    };
    downstream.write_response_header(Box::new(answer.clone())).await?;
    let Some(mut client) = client.detach() else { return Error::e_explain(ErrorType::InternalError, WITHOUT) };
    client.flush().await.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)?;
    // What the client sent together with its request has been read already.
    let early = tokio::select! {
        biased;
        read = downstream.read_request_body() => read?,
        () = ready(()) => None,
    };
    if let Some(early) = early {
        server.write_all(&early).await.or_err(ErrorType::WriteError, "to the server").map_err(Error::into_up)?;
    }
    if let Err(error) = copy_bidirectional(&mut client, &mut server).await {
        debug!("a WebSocket broke off: {error}");
    }
    Error::e_explain(OVER, "both sides have said all").map_err(Error::into_down)
}
