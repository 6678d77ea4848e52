//! Forwards a request: picks a server, connects to it, exchanges request and response, puts the connection back; and
//! tries another server where that is allowed.

use std::{sync::Arc, time::Duration};

use pingora::{Error, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_proxy::Session;
use tokio::{sync::watch, time::Instant};

use super::{pick::pick, retry};
use crate::{
    edge::{
        exchange::Exchange,
        upstream::{Connection, Ended, Exchanging, Pool, Reuse, Upload, connect, deliver, is_opened_by, key, tunnel},
    },
    fleet::Picked,
    readiness::Stage,
};

/// The response has been written by the edge itself, in the middle of Pingora's half: there is nothing left to do.
pub(super) const ANSWERED: ErrorType = ErrorType::Custom("AnsweredByTheEdge");

/// Settles for how long the edge waits, and whether the request opens a WebSocket.
pub(in crate::edge) fn settle(session: &mut Session, exchange: &mut Exchange) {
    exchange.waits = exchange.site().servers.waits(session.req_header().uri.path().as_bytes());
    exchange.end = exchange.waits.request.map(|request| Instant::now() + request);
    exchange.is_websocket = is_opened_by(session);
}

/// Forwards the request by way of the edge's own exchange. True: the response has been written. False: the server that
/// was picked speaks HTTP/2, and Pingora's half carries on.
pub(in crate::edge) async fn forward(
    session: &mut Session,
    exchange: &mut Exchange,
    pool: &Arc<Pool>,
    phase: &watch::Receiver<Stage>,
) -> Result<bool> {
    let upload = Upload::new(session);
    let picked = attempts(session, exchange, upload, pool, phase).await?;
    let is_answered = picked.is_none();
    exchange.attempt.picked = picked;
    Ok(is_answered)
}

/// Makes attempts at servers of HTTP/1.1, until the response has been written, or a server of HTTP/2 has been picked.
async fn attempts(
    session: &mut Session,
    exchange: &mut Exchange,
    mut upload: Upload,
    pool: &Arc<Pool>,
    phase: &watch::Receiver<Stage>,
) -> Result<Option<Picked>> {
    let mut failed: Option<Box<Error>> = None;
    loop {
        let now = Instant::now();
        exchange.begin_attempt(now);
        let picked = pick(session, exchange)?;
        exchange.trace_attempt(&picked);
        if is_for_pingora(exchange, &picked) {
            if let Some(mut error) = failed.filter(|_| !upload.is_untouched()) {
                // What has been read of the body is not there for Pingora.
                error.set_retry(false);
                return Err(error);
            }
            return Ok(Some(picked));
        }
        if upload.is_pingoras() {
            // Pingora closes it after what is an error for it.
            session.set_keepalive(None);
        }
        match attempt(session, exchange, &mut upload, pool, picked, phase, now).await {
            Ok(()) => return Ok(None),
            Err(error) if error.retry() => failed = Some(error),
            Err(error) => return Err(error),
        }
    }
}

/// Gives Pingora's half a server: the one that was picked for it, or another one for another attempt. A server of
/// HTTP/1.1 is none for it: then the edge forwards the request after all, and ends Pingora's half with [`ANSWERED`].
pub(in crate::edge) async fn peer(
    session: &mut Session,
    exchange: &mut Exchange,
    pool: &Arc<Pool>,
    phase: &watch::Receiver<Stage>,
) -> Result<Box<HttpPeer>> {
    let picked = if let Some(picked) = exchange.attempt.picked.take() {
        picked
    } else {
        let upload = Upload::take_over(session);
        let Some(picked) = attempts(session, exchange, upload, pool, phase).await? else {
            return Error::e_explain(ANSWERED, "there is nothing left to do");
        };
        picked
    };
    let within = exchange.connect_within();
    let upstream = exchange.site().servers.upstream(picked.configured);
    let is_new = picked.needs_new_connection;
    let era = exchange.attempts.server().map_or(0, |server| server.era().number());
    Ok(Box::new(upstream.peer_for_request(picked.address, within, &exchange.waits, is_new, era)))
}

/// Whether the server speaks HTTP/2. A WebSocket needs HTTP/1.1, whatever else the server speaks.
fn is_for_pingora(exchange: &Exchange, picked: &Picked) -> bool {
    exchange.site().servers.upstream(picked.configured).is_http2 && !exchange.is_websocket
}

/// Makes one attempt at a server of HTTP/1.1.
async fn attempt(
    session: &mut Session,
    exchange: &mut Exchange,
    upload: &mut Upload,
    pool: &Arc<Pool>,
    picked: Picked,
    phase: &watch::Receiver<Stage>,
    mut now: Instant,
) -> Result<()> {
    let (snapshot, site) = (Arc::clone(&exchange.snapshot), exchange.site);
    let servers = &snapshot.site(site).servers;
    let upstream = servers.upstream(picked.configured);
    let within = exchange.connect_within();
    let reuse = match () {
        () if picked.needs_new_connection => Reuse::Nothing,
        () if upload.is_repeatable() => Reuse::Whatever,
        () => Reuse::Proven,
    };
    let to = exchange.attempts.server();
    let connected = connect(pool, upstream, picked.address, within, reuse, to, &mut now).await;
    exchange.account.connected(now);
    let mut server = connected.map_err(|mut error| {
        retry::not_connected(exchange, &mut error);
        error
    })?;
    let exchanging = Exchanging::begin(session, exchange, &mut server, upload, phase, now);
    match exchanging.run().await {
        Ok(Ended::Whole { can_rest, is_told, now }) => {
            // Before the client has all: its next request may need the connection.
            if can_rest {
                pool.put(key(upstream, picked.address), server, now, servers.idle);
            } else {
                drop(server);
            }
            deliver(session, exchange, is_told).await
        }
        Ok(Ended::Switched(first)) => Box::pin(tunnel(session, exchange, server.stream, first)).await,
        Err(mut error) => {
            let is_taken = exchange.attempt.is_sent && has_taken(exchange, &server, &error);
            retry::broken_off(session, exchange, &mut error, upload.is_repeatable(), is_taken);
            Err(error)
        }
    }
}

/// Whether a server had a request that has been sent whole when it broke off. One whose connection it had closed or
/// forgotten before is answered at once, with a reset.
fn has_taken(exchange: &Exchange, server: &Connection, error: &Error) -> bool {
    const AT_ONCE: Duration = Duration::from_secs(1);
    let waited = exchange.account.since_sent(Instant::now()).is_some_and(|since| since > AT_ONCE);
    waited || (*error.etype() == ErrorType::ConnectionClosed && server.stream.has_taken_all())
}
