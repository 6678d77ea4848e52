//! Takes a request of HTTP/1 through the hooks of `ProxyHttp`.
//!
//! Pingora's own `process_new_http` does the same, and this does nothing that it does not: the hooks are called in its
//! order (without the boxes of their futures), and their results mean what they mean there. What it leaves out is all that is for Pingora's half towards
//! servers, for modules, caches and subrequests, of which the edge has none: they cost half as much as a whole exchange,
//! and 10 KiB for each stream. Where servers speak HTTP/2, [`super::http1`] has Pingora take the request through.

use std::sync::Arc;

use log::debug;
use pingora::{Error, ErrorType, Result, server::ShutdownWatch};
use pingora_proxy::Session;

use crate::edge::{exchange::Exchange, proxy::Edge, snapshot::Snapshot};

/// Takes a request through the hooks, for a snapshot in which no server speaks HTTP/2. Whether its connection can carry another one, as far as the session knows.
pub(super) async fn drive(edge: &Edge, mut session: Session, snapshot: Arc<Snapshot>, stop: &ShutdownWatch) -> bool {
    // The head is there, and has been judged: only a target that the http crate does not take is refused here.
    match session.as_downstream_mut().read_request().await {
        Ok(true) => {}
        Ok(false) => return false,
        Err(error) => {
            debug!("a request that Pingora refuses: {error}");
            // The client may be gone.
            let _told = session.as_downstream_mut().respond_error(400).await;
            session.as_downstream_mut().shutdown().await;
            return false;
        }
    }
    if *stop.borrow() {
        session.set_keepalive(None);
    }
    let mut context = edge.context(snapshot);
    match filter(edge, &mut session, &mut context).await {
        Ok(()) => {
            edge.finish(&session, None, &mut context);
            drop(context);
            // What the edge has written by itself has been sent, and needs no more.
            session.response_written().is_some()
                && session.downstream_session.finish().await.is_ok_and(|stream| stream.is_some())
        }
        Err(error) => {
            Box::pin(edge.fail(&mut session, &error, &mut context)).await;
            edge.finish(&session, Some(&error), &mut context);
            false
        }
    }
}

async fn filter(edge: &Edge, session: &mut Session, context: &mut Exchange) -> Result<()> {
    edge.begin(session, context)?;
    if edge.serve(session, context).await? {
        return Ok(());
    }
    Error::e_explain(ErrorType::InternalError, "a server of HTTP/2 without Pingora's half")
}
