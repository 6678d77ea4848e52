//! The edge as a Pingora proxy: each hook hands on to the phases of its name.
//!
//! A request for a server of HTTP/1.1 is forwarded in `request_filter` by the edge itself, because Pingora's own half
//! costs twice as much and holds twice the memory; it is over when that hook says that the response has been written.
//! The hooks after it are for servers of HTTP/2, to which Pingora forwards.

use std::{fmt, os::fd::RawFd, sync::Arc};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use pingora::{
    Error, Result,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    protocols::Digest,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::task::TaskTracker;

use super::{
    exchange::Exchange,
    fields::RequestRules,
    phases::{admit, discovery, failure, finish, forward, ready, redirect, respond, retry},
    snapshot::Snapshot,
    upstream::{self, Pool},
};
use crate::{
    limits::{Concurrency, Rates},
    readiness::Stage,
    telemetry::Counters,
};

/// The edge: discovery answered, everything else forwarded. Clones are the same edge.
#[derive(Clone)]
pub struct Edge(pub(super) Arc<Parts>);

/// What an edge is made of.
pub(super) struct Parts {
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Tells whoever supervises that there is another one.
    pub changed: Arc<Notify>,
    pub counters: Arc<Counters>,
    pub rates: Rates,
    /// Those that are being forwarded.
    pub requests: Arc<Concurrency>,
    pub pool: Arc<Pool>,
    pub in_flight: TaskTracker,
    pub phase: watch::Receiver<Stage>,
    /// Whether listeners of others than the edge have their clients redirected to https.
    pub redirects_to_https: bool,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("generation", &self.0.snapshot.load().generation).finish_non_exhaustive()
    }
}

impl Edge {
    /// Begins an exchange that is served by this snapshot.
    pub(super) fn context(&self, snapshot: Arc<Snapshot>) -> Box<Exchange> {
        let mut exchange = Box::new(Exchange::new(snapshot, self.0.in_flight.token()));
        exchange.account.is_logged = self.0.counters.access_log().is_some();
        exchange
    }

    /// Takes a request whose head is there, as the hook `early_request_filter` does.
    pub(super) fn begin(&self, session: &mut Session, exchange: &mut Exchange) -> Result<()> {
        if self.0.counters.tracer().is_some() {
            exchange.begin_trace(session);
        }
        admit::headers(session, exchange)
    }

    /// Answers a request or forwards it, as the hook `request_filter` does. True: the response has been written.
    pub(super) async fn serve(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if discovery::answer(session, exchange, &self.0.counters).await?
            || ready::answer(session, exchange, &self.0.phase).await?
        {
            return Ok(true);
        }
        exchange.take_request_id(session);
        if redirect::answer(session, exchange, self.0.redirects_to_https).await? {
            return Ok(true);
        }
        admit::request(session, exchange, &self.0.rates, &self.0.requests)?;
        forward::settle(session, exchange);
        forward::forward(session, exchange, &self.0.pool, &self.0.phase).await
    }

    /// Tells the client of a failure, as the hook `fail_to_proxy` does. The status that was sent, 0 for none.
    pub(super) async fn fail(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> u16 {
        failure::answer(session, exchange, error, &self.0.counters).await
    }

    /// Takes note of a request that is over, as the hook `logging` does.
    pub(super) fn finish(&self, session: &Session, error: Option<&Error>, exchange: &mut Exchange) {
        finish::finish(session, exchange, &self.0.counters, failure::is_answered(error));
    }

    fn is_draining(&self) -> bool {
        *self.0.phase.borrow() == Stage::Draining
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    /// Boxed, because Pingora moves it from function to function, and keeps room for it in each.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        self.context(self.0.snapshot.load_full())
    }

    /// None: nothing is compressed or rewritten on its way.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<()> {
        self.begin(session, exchange)
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<bool> {
        self.serve(session, exchange).await
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        forward::peer(session, exchange, &self.0.pool, &self.0.phase).await
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Self::CTX,
        mut error: Box<Error>,
    ) -> Box<Error> {
        retry::not_connected(exchange, &mut error);
        error
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        is_reused: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        exchange.connected(is_reused, Instant::now());
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        RequestRules::of(session, exchange).apply(upstream, exchange.server())?;
        upstream::announce(session, upstream).await
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        upstream::piece(body, is_end, exchange)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        respond::head(session, exchange, response, self.is_draining())
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Self::CTX,
        _: bool,
    ) -> Box<Error> {
        let is_repeatable = retry::is_repeatable(session);
        let is_taken = retry::was_taken_over_http2(session, exchange, &error);
        retry::broken_off(session, exchange, &mut error, is_repeatable, is_taken);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Self::CTX) -> FailToProxy {
        FailToProxy { error_code: self.fail(session, error, exchange).await, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Self::CTX) {
        self.finish(session, error, exchange);
    }

    /// `failure` has logged it, without the query that Pingora's line would show.
    fn suppress_error_log(&self, _: &Session, _: &Self::CTX, _: &Error) -> bool {
        true
    }

    /// For Pingora's lines about retries.
    fn request_summary(&self, session: &Session, exchange: &Self::CTX) -> String {
        let request = session.req_header();
        format!("{} {}, {}", request.method, request.uri.path(), exchange.server())
    }
}
