//! The edge as a Pingora proxy: each hook hands on to the phase of that name.

use std::{
    future::ready,
    io,
    net::{Ipv4Addr, TcpListener},
    os::fd::{IntoRawFd, RawFd},
    sync::Arc,
};

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
    server::{Fds, ShutdownWatch, configuration::ServerConf},
    services::Service,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{FailToProxy, HttpProxy, ProxyHttp, ProxyServiceBuilder, Session};
use tokio::{
    net::TcpStream,
    spawn,
    sync::{mpsc, watch},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{
    admit, answer, body, connect::WatchedConnector, exchange::Exchange, failure, finish, headers, idle::Idle, ready,
    redirect, relay, retry, route, snapshot::Snapshot, watch::Watch, websocket,
};
use crate::{config::Retries, limits::Rates, readiness::Stage, telemetry::Counters};

/// Idle connections to servers that are kept for each worker, until `timeouts.idle` ends them. Of more requests in
/// flight than these the rest connects anew each time.
const IDLE_CONNECTIONS: usize = 1024;

/// The edge as a Pingora proxy, for the connections of [`super::listen()`].
pub type Proxy = HttpProxy<Edge, WatchedConnector>;

/// The edge: discovery answered, everything else forwarded.
pub struct Edge {
    snapshot: Arc<ArcSwap<Snapshot>>,
    counters: Arc<Counters>,
    rates: Rates,
    in_flight: TaskTracker,
    phase: watch::Receiver<Stage>,
}

/// The edge as a Pingora proxy that serves the snapshot and counts its requests with the tracker.
///
/// Pingora builds a proxy with a connector of one's own only as a service with listeners, and shows it only to
/// connections that these have accepted. So it gets one such connection, from here.
///
/// # Errors
/// When there is no socket to be had for that.
pub async fn proxy(
    threads: usize,
    snapshot: Arc<ArcSwap<Snapshot>>,
    counters: Arc<Counters>,
    in_flight: TaskTracker,
    phase: watch::Receiver<Stage>,
) -> io::Result<Arc<Proxy>> {
    let settings = Arc::new(ServerConf {
        threads,
        // The fleet says when there are no attempts left.
        max_retries: Retries::MOST_ATTEMPTS + 1,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        ..ServerConf::default()
    });
    let (found, mut proxy) = mpsc::channel(1);
    let idle = Idle::new(IDLE_CONNECTIONS * threads);
    let mut options = HttpServerOptions::default();
    options.force_custom = true;
    let edge = Edge { snapshot, counters, rates: Rates::new(), in_flight, phase };
    let mut service = ProxyServiceBuilder::new(&settings, edge)
        .name("bridgehead")
        .custom(
            WatchedConnector::new(ConnectorOptions::from_server_conf(&settings), Some(idle)),
            Arc::new(move |proxy, _, _: &ShutdownWatch| {
                let _taken_already = found.try_send(proxy);
                Box::pin(ready(None))
            }),
        )
        .server_options(options)
        .build();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    service.add_tcp(&address.to_string());
    let mut sockets = Fds::new();
    sockets.add(address.to_string(), listener.into_raw_fd());
    let (end, ended) = watch::channel(false);
    // It is ended before it could tell the proxy that it stops: only its listener does.
    let service = AbortOnDropHandle::new(spawn(async move {
        service.start_service(Some(Arc::new(sockets.into())), ended, 1).await;
    }));
    let _connection = TcpStream::connect(address).await?;
    let proxy = proxy.recv().await;
    drop(service);
    let _ended = end.send(true);
    proxy.ok_or_else(|| io::Error::other("Pingora did not hand out its proxy"))
}

#[async_trait]
impl ProxyHttp for Edge {
    /// Boxed, because Pingora moves it from function to function, and keeps room for it in each.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        Box::new(Exchange::new(self.snapshot.load_full(), self.in_flight.token()))
    }

    /// None: nothing is compressed or rewritten on its way.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<()> {
        admit::headers(session, exchange)
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<bool> {
        if answer::discovery(session, exchange).await? {
            return Ok(true);
        }
        if ready::answer(session, exchange, &self.phase).await? {
            return Ok(true);
        }
        exchange.take_request_id(session);
        if redirect::answer(session, exchange).await? {
            return Ok(true);
        }
        admit::request(session, exchange, &self.rates)?;
        body::announced(session, &exchange.snapshot)?;
        exchange.admit(session);
        Ok(false)
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        exchange.begin_attempt();
        route::next(session, exchange)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Self::CTX,
        mut error: Box<Error>,
    ) -> Box<Error> {
        exchange.account.connected();
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
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        exchange.account.connected();
        exchange.connection = connection.and_then(Watch::of);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        headers::request(session, exchange, upstream)?;
        if !exchange.is_websocket {
            // Pingora lets more pass for one than is one.
            upstream.remove_header(&header::UPGRADE);
        }
        exchange.begin_turn(relay::wanted(session, exchange));
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        exchange: &mut Self::CTX,
    ) -> Result<()> {
        body::piece(body, is_end, exchange)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        exchange: &mut Self::CTX,
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
        if !answer.status.is_informational() && *self.phase.borrow() == Stage::Draining {
            // There will be no next request on this connection.
            session.set_keepalive(None);
        }
        headers::response(session, exchange, answer)?;
        if answer.status.is_informational() {
            return Ok(());
        }
        relay::answer(session, exchange, answer).await
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        exchange: &mut Self::CTX,
        is_reused: bool,
    ) -> Box<Error> {
        retry::broken_off(session, exchange, &mut error, is_reused);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Self::CTX) -> FailToProxy {
        FailToProxy {
            error_code: failure::answer(session, exchange, error, &self.counters).await,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Self::CTX) {
        if error.is_none() {
            exchange.answered();
        }
        finish::finish(session, exchange, &self.counters);
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
