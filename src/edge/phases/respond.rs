//! The response of a server of HTTP/2, which Pingora relays.

use http::{StatusCode, Version, header};
use pingora::{Error, ErrorType, Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::time::Instant;

use crate::{
    edge::{exchange::Exchange, fields::ResponseRules},
    framing::items,
};

/// Makes of a head what the client gets.
pub(in crate::edge) fn head(
    session: &mut Session,
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
    is_draining: bool,
) -> Result<()> {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        let why = "a 101 that was not asked for";
        return Error::e_explain(ErrorType::InvalidHTTPHeader, why).map_err(Error::into_up);
    }
    // Pingora ends a connection whose request is answered before it has come whole, as it should, but also
    // when the answer is only a 100, which asks for the rest.
    session.set_close_on_response_before_downstream_finish(!response.status.is_informational());
    if response.status.is_informational() {
        return Ok(());
    }
    exchange.take_head(response.status.is_server_error(), Instant::now());
    if is_draining {
        // There will be no next request on this connection.
        session.set_keepalive(None);
    }
    // HTTP/1.0 knows no chunks (RFC 9112 section 6.1): the end of its connection ends the body.
    let is_old = session.req_header().version == Version::HTTP_10;
    if is_old && response.remove_header(&header::TRANSFER_ENCODING).is_some() {
        session.set_keepalive(None);
    }
    let changed = {
        let nominated = items(&response.headers, header::CONNECTION).collect();
        ResponseRules::new(session, exchange, response.status, nominated).apply(response)?
    };
    *response = changed;
    Ok(())
}
