//! Whether a request that failed on one server may go to another.

use pingora::{Error, ErrorSource, ErrorType, protocols::http::v2::client::PING_TIMEDOUT};
use pingora_proxy::Session;
use tokio::time::Instant;

use super::cause::reason;
use crate::{
    edge::{exchange::Exchange, tcp::is_exhausted},
    fleet::Outcome,
};

/// No connection could be made. Nothing was sent, so that even a POST may go to another server.
pub(in crate::edge) fn not_connected(exchange: &mut Exchange, error: &mut Error) {
    exchange.account.connected(Instant::now());
    let is_exhausted = error.root_cause().downcast_ref().is_some_and(is_exhausted);
    if !is_exhausted {
        exchange.record(Outcome::ConnectFailed);
    }
    error.set_retry(!is_exhausted && exchange.expired().is_none() && may_retry(exchange));
    note(exchange, error);
}

/// The request was sent, at least in part, and the exchange broke off. Only a request that may be repeated
/// (RFC 9110 section 9.2.2), and of whose answer no byte has come, is sent again: to another server, or to the
/// same one when it was an idle connection that had died, or there is no other. `is_taken`: the server had
/// the whole request.
pub(in crate::edge) fn broken_off(
    session: &Session,
    exchange: &mut Exchange,
    error: &mut Error,
    is_repeatable: bool,
    is_taken: bool,
) {
    error.set_retry(false);
    if *error.esource() == ErrorSource::Upstream {
        broken_off_by_server(session, exchange, error, is_repeatable, is_taken);
    }
    note(exchange, error);
}

fn broken_off_by_server(
    session: &Session,
    exchange: &mut Exchange,
    error: &mut Error,
    is_repeatable: bool,
    is_taken: bool,
) {
    let is_cut = matches!(
        error.etype(),
        ErrorType::ConnectionClosed
            | ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::H2Error
            | ErrorType::H2Downgrade
    ) || *error.etype() == PING_TIMEDOUT;
    // A server that resets one stream of HTTP/2 is alive, and so is the connection.
    let is_reset = error.root_cause().downcast_ref::<h2::Error>().is_some_and(h2::Error::is_reset);
    let is_unanswered = is_cut && exchange.expired().is_none() && !exchange.has_received();
    if is_unanswered && exchange.attempt.is_reused && !is_reset {
        let is_stale = !is_taken;
        exchange.record(if is_stale { Outcome::Stale } else { Outcome::Broken });
        if is_stale || !exchange.attempts.has_untried() {
            exchange.attempts.forgive();
        }
    } else if exchange.is_servers_fault() {
        exchange.record(if exchange.has_head() { Outcome::CutShort } else { Outcome::Broken });
    }
    if is_unanswered && is_repeatable && session.response_written().is_none() {
        error.set_retry(may_retry(exchange));
    }
}

/// Whether a server of HTTP/2 had a request when its connection broke off: it had been sent whole, and the server has not
/// said that it was not looked at (RFC 9113 section 6.8).
pub(in crate::edge) fn was_taken_over_http2(session: &mut Session, exchange: &Exchange, error: &Error) -> bool {
    let is_refused = error.root_cause().downcast_ref::<h2::Error>().is_some_and(h2::Error::is_go_away);
    !is_refused && (exchange.attempt.is_sent || session.as_downstream_mut().is_body_empty())
}

/// Whether Pingora can send the request once more.
pub(in crate::edge) fn is_repeatable(session: &Session) -> bool {
    session.req_header().method.is_idempotent() && !session.as_ref().retry_buffer_truncated()
}

/// Has the trace say why the attempt failed, and whether there is another one.
fn note(exchange: &mut Exchange, error: &Error) {
    if exchange.is_recorded() {
        let reason = reason(error, exchange);
        exchange.trace_failed(reason, error.retry());
    }
}

fn may_retry(exchange: &Exchange) -> bool {
    exchange.site().servers.fleet().may_retry(&exchange.attempts)
}
