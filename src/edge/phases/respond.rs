//! The response of a server of HTTP/2, which Pingora relays.

use std::any::Any;

use async_trait::async_trait;
use http::{Method, StatusCode, Version, header};
use pingora::{
    Error, ErrorType, Result,
    http::ResponseHeader,
    modules::http::{HttpModule, HttpModuleBuilder, HttpModules, Module},
};
use pingora_proxy::Session;
use tokio::time::Instant;

use crate::{
    edge::{client::ClientStream, exchange::Exchange, fields::ResponseRules},
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
    // when the response is only a 100, which asks for the rest.
    session.set_close_on_response_before_downstream_finish(!response.status.is_informational());
    if response.status.is_informational() {
        return Ok(());
    }
    exchange.take_head(response.status, Instant::now());
    exchange.note_fields(|| response.headers.iter().map(|(name, value)| (name.as_ref(), value.as_bytes())));
    if is_draining {
        // There will be no next request on this connection.
        session.set_keepalive(None);
    }
    if session.req_header().version == Version::HTTP_10 {
        let mut modules = HttpModules::new();
        modules.add_module(Box::new(WithoutChunks));
        session.downstream_modules_ctx = modules.build_ctx();
        if ends_with_connection(session, response) {
            session.set_keepalive(None);
            if let Some(client) = ClientStream::of(session) {
                client.io().end_with_response();
            }
        }
    }
    let changed = {
        let nominated = items(&response.headers, header::CONNECTION).collect();
        ResponseRules::new(session, exchange, response.status, nominated).apply(response)?
    };
    *response = changed;
    Ok(())
}

/// Whether there is nothing but the end of the connection that says where a response of a server of HTTP/2 ends.
fn ends_with_connection(session: &Session, response: &ResponseHeader) -> bool {
    let is_bodiless = matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let answers_head = session.req_header().method == Method::HEAD;
    !is_bodiless && !answers_head && !response.headers.contains_key(header::CONTENT_LENGTH)
}

/// For a client of HTTP/1.0, which knows no chunks (RFC 9112 section 6.1): Pingora says that they will come once the
/// phase is over.
struct WithoutChunks;

#[async_trait]
impl HttpModule for WithoutChunks {
    async fn response_header_filter(&mut self, response: &mut ResponseHeader, _: bool) -> Result<()> {
        response.remove_header(&header::TRANSFER_ENCODING);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl HttpModuleBuilder for WithoutChunks {
    fn init(&self) -> Module {
        Box::new(WithoutChunks)
    }
}
