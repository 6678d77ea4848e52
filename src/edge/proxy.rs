//! The edge as a Pingora proxy: each hook hands on to the phase of that name.

use std::{os::fd::RawFd, sync::Arc};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, header};
use pingora::{
    Error, ErrorType, Result,
    apps::HttpServerOptions,
    connectors::ConnectorOptions,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    protocols::Digest,
    server::{ShutdownWatch, configuration::ServerConf},
    services::listening::Service,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{FailToProxy, HttpProxy, ProxyHttp, ProxyServiceBuilder, Session};
use tokio_util::task::TaskTracker;

use super::{
    admit, body, connect::WatchedConnector, connection, exchange::Exchange, failure, headers, retry, route,
    snapshot::Snapshot, watch::Watch, websocket,
};

/// The edge as a Pingora service without listeners, that serves the snapshot and counts its requests
/// with the tracker.
pub fn service(
    settings: &Arc<ServerConf>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    in_flight: TaskTracker,
    mut options: HttpServerOptions,
) -> Service<HttpProxy<Edge, WatchedConnector>> {
    let connector = WatchedConnector::new(ConnectorOptions::from_server_conf(settings));
    options.force_custom = true;
    ProxyServiceBuilder::new(settings, Edge { snapshot, in_flight })
        .name("bifrost-edge")
        .custom(
            connector,
            Arc::new(|proxy, stream, stop: &ShutdownWatch| connection::serve(proxy, stream, stop.clone())),
        )
        .server_options(options)
        .build()
}

/// The edge: discovery answered, everything else forwarded.
pub struct Edge {
    snapshot: Arc<ArcSwap<Snapshot>>,
    in_flight: TaskTracker,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.snapshot.load_full(), self.in_flight.token())
    }

    /// None: nothing is compressed or rewritten on its way.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _: &mut Exchange) -> Result<()> {
        admit::connection(session);
        admit::framing(session)
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if exchange.snapshot.discovery.answer(session).await? {
            return Ok(true);
        }
        exchange.take_request_id(session);
        admit::request(session, &exchange.snapshot)?;
        body::announced(session, &exchange.snapshot)?;
        exchange.admit(session);
        Ok(false)
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        exchange.begin_attempt();
        route::next(session, exchange)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        retry::not_connected(exchange, &mut error);
        error
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _: bool,
        _: &HttpPeer,
        _: RawFd,
        connection: Option<&Digest>,
        exchange: &mut Exchange,
    ) -> Result<()> {
        exchange.connection = connection.and_then(Watch::of);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        headers::request(session, exchange, upstream)?;
        if !exchange.is_websocket {
            // Pingora lets more pass for one than is one.
            upstream.remove_header(&header::UPGRADE);
        }
        exchange.begin_turn();
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        body::piece(body, is_end, exchange)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            if !exchange.is_websocket {
                let why = "a 101 that was not asked for";
                return Error::e_explain(ErrorType::InvalidHTTPHeader, why).map_err(Error::into_up);
            }
            exchange.take_head(false);
            headers::response(session, exchange, answer)?;
            return websocket::tunnel(session, exchange, answer).await;
        }
        if !answer.status.is_informational() {
            exchange.take_head(answer.status.is_server_error());
        }
        headers::response(session, exchange, answer)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Exchange,
        is_reused: bool,
    ) -> Box<Error> {
        retry::broken_off(session, exchange, &mut error, is_reused);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> FailToProxy {
        FailToProxy { error_code: failure::answer(session, exchange, error).await, can_reuse_downstream: false }
    }

    async fn logging(&self, _: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        if error.is_none() {
            exchange.answered();
        }
    }

    /// `failure` has logged it, without the query that Pingora's line would show.
    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &Error) -> bool {
        true
    }

    /// For Pingora's lines about retries.
    fn request_summary(&self, session: &Session, exchange: &Exchange) -> String {
        let request = session.req_header();
        format!("{} {}, {}", request.method, request.uri.path(), exchange.server())
    }
}
