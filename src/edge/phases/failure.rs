//! What failed is logged, counted and told to the client, each in one place.

use log::{Level, debug, info, log, log_enabled};
use pingora::Error;
use pingora_proxy::Session;

use super::{cause::reason, cors, forward::ANSWERED};
use crate::{
    edge::{
        client::Connection,
        exchange::{ErrorResponse, Exchange},
    },
    reason::Reason,
    telemetry::{
        Counters,
        access_log::{LONGEST_PATH, cut_method},
    },
};

/// Logs and counts a failure and tells the client, in Bifrost's own error shape, unless a response is on its way
/// already. Returns the status that was sent, 0 for none. A response that is there already is no failure.
pub(in crate::edge) async fn answer(
    session: &mut Session,
    exchange: &mut Exchange,
    error: &Error,
    counters: &Counters,
) -> u16 {
    if *error.etype() == ANSWERED {
        return 0;
    }
    let reason = reason(error, exchange);
    exchange.site().counters.failed(reason);
    if let (Reason::Malformed, Some(connection)) = (reason, Connection::of(session)) {
        connection.mistake();
    }
    exchange.account.reason = Some(reason);
    log_failure(session, exchange, error, reason, counters);
    if reason.status().is_none() || exchange.is_answered(session) {
        return 0;
    }
    let id = exchange.request_id().clone();
    let (request, cors) = (session.req_header(), &exchange.site().cors);
    let mut response = cors::preflight(request, reason, &id, cors).unwrap_or_else(|| ErrorResponse::new(reason, &id));
    response.retry_after(exchange.retry_after);
    cors::allow(&mut response, request, cors);
    let status = response.status();
    match response.write(session).await {
        Ok(()) => {
            exchange.account.is_told = true;
            status
        }
        Err(error) => {
            debug!("request {}: the client went away before it could be told: {error}", exchange.shown_id());
            0
        }
    }
}

/// Whether the response has been written whole, as far as the error says that ended the request.
pub(in crate::edge) fn is_answered(error: Option<&Error>) -> bool {
    error.is_none_or(|error| *error.etype() == ANSWERED)
}

fn log_failure(session: &Session, exchange: &mut Exchange, error: &Error, reason: Reason, counters: &Counters) {
    if reason.is_refusal() {
        let why = error.context.as_ref().map_or("", |why| why.as_str());
        return log_refusal(session, exchange, reason, why, counters);
    }
    // Pingora's first cause of a failed connection is its own address. Elsewhere its words may quote a response.
    let cause = match reason {
        Reason::ConnectFailed | Reason::ConnectTimedOut => error.to_string(),
        _ => error.root_cause().to_string(),
    };
    if reason == Reason::ClientGone && !log_enabled!(Level::Debug) || !counters.may_log(reason.name()) {
        return;
    }
    let request = session.req_header();
    let (method, path) = (cut_method(&request.method), shown_path(request.uri.path()));
    let id = exchange.shown_id();
    let level = if reason == Reason::ClientGone { Level::Debug } else { Level::Warn };
    log!(level, "request {id} {method} {path}, {}: {reason}: {cause}", exchange.server());
}

/// Says that a request was refused, unless that was said too often lately.
pub(super) fn log_refusal(session: &Session, exchange: &mut Exchange, reason: Reason, why: &str, counters: &Counters) {
    if !counters.may_log(reason.name()) {
        return;
    }
    let request = session.req_header();
    let (method, path) = (cut_method(&request.method), shown_path(request.uri.path()));
    let (id, client) = (exchange.shown_id(), exchange.shown_client(session));
    info!("request {id} {method} {path} of {client} refused: {reason}: {why}");
}

/// The path alone: a query may carry an OAuth code. No byte of it may command a terminal, and not more of it is
/// written than in the access log.
fn shown_path(path: &str) -> String {
    let mut shown = path[..path.floor_char_boundary(LONGEST_PATH)].replace(char::is_control, " ");
    if path.len() > LONGEST_PATH {
        shown.push_str("...");
    }
    shown
}
