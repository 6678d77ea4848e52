//! The edge as a Pingora proxy: each hook hands on to the phase of that name.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::{
    Error, Result,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use tokio_util::task::TaskTracker;

use super::{admit, exchange::Exchange, failure, headers, snapshot::Snapshot, websocket};

/// The edge: discovery answered, everything else forwarded.
pub struct Edge {
    snapshot: Arc<ArcSwap<Snapshot>>,
    in_flight: TaskTracker,
}

impl Edge {
    /// An edge that serves the snapshot, and counts its requests with the tracker.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, in_flight: TaskTracker) -> Self {
        Edge { snapshot, in_flight }
    }
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
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if exchange.snapshot.discovery.answer(session).await? {
            return Ok(true);
        }
        admit::request(session, &exchange.snapshot)?;
        Ok(false)
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let mut peer = exchange.snapshot.servers.next(&mut exchange.attempts).await?;
        if websocket::is_opened_by(session) {
            websocket::prepare(session, &mut peer);
        }
        Ok(peer)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        // Nothing was sent, so that even a POST may go to another server.
        error.set_retry(exchange.snapshot.servers.fleet().has_another(&exchange.attempts));
        error
    }

    /// Only a request that may be repeated (RFC 9110 section 9.2.2), on an idle connection that turned
    /// out to be dead, is sent again.
    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Exchange,
        client_reused: bool,
    ) -> Box<Error> {
        let is_repeatable = session.req_header().method.is_idempotent() && !session.as_ref().retry_buffer_truncated();
        error.retry.decide_reuse(client_reused);
        if !(client_reused && is_repeatable) {
            error.set_retry(false);
        }
        if error.retry() {
            exchange.snapshot.servers.fleet().repeat(&mut exchange.attempts);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        headers::request(session, exchange, upstream)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        headers::response(session, exchange, answer)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> FailToProxy {
        FailToProxy { error_code: failure::answer(session, exchange, error).await, can_reuse_downstream: false }
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
