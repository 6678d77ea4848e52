//! The life of a client's connection of HTTP/1: one request after the other.

use std::{future::Future, pin::Pin, sync::Arc};

use log::debug;
use pingora::{
    apps::HttpServerApp,
    protocols::{Stream, http::ServerSession},
    server::ShutdownWatch,
};

use super::{KEEPALIVE, watch::Watched};

/// Serves a connection to its end. Pingora calls it for every connection, as if it were of a protocol that
/// Pingora does not know, because the edge has forced it to.
pub(super) fn serve<P: HttpServerApp + Send + Sync + 'static>(
    proxy: Arc<P>,
    stream: Stream,
    stop: ShutdownWatch,
) -> Pin<Box<dyn Future<Output = Option<Stream>> + Send>> {
    Box::pin(async move {
        let stream =
            Watched::new(stream).map_err(|error| debug!("a connection that cannot be served: {error}")).ok()?;
        let mut session = ServerSession::new_http1(Box::new(stream));
        session.set_keepalive((!*stop.borrow()).then_some(KEEPALIVE.as_secs()));
        while let Some(reused) = proxy.process_new_http(session, &stop).await {
            let (stream, settings) = reused.consume();
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
        None
    })
}
