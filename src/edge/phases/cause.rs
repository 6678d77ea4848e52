//! What errors mean.

use std::io;

use pingora::{Error, ErrorSource, ErrorType};

use crate::{
    edge::{
        exchange::{Exchange, Expired},
        tcp::is_exhausted,
    },
    reason::Reason,
};

/// What an error of Pingora's means.
pub(super) fn reason(error: &Error, exchange: &Exchange) -> Reason {
    use ErrorType as E;
    match exchange.expired() {
        Some(Expired::FirstByte) => return Reason::AnswerTimedOut,
        Some(Expired::Silence) => return Reason::SilenceTimedOut,
        Some(Expired::Request) => return Reason::ExchangeTimedOut,
        Some(Expired::Body) => return Reason::RequestTimedOut,
        None => {}
    }
    if let E::Custom(name) = error.etype()
        && let Some(reason) = Reason::named(name)
    {
        return reason;
    }
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, _) => of_client(error),
        (_, _) if error.root_cause().downcast_ref().is_some_and(is_exhausted) => Reason::Exhausted,
        (_, E::ConnectTimedout | E::TLSHandshakeTimedout) => Reason::ConnectTimedOut,
        (_, E::ReadTimedout | E::WriteTimedout) => Reason::AnswerTimedOut,
        (
            _,
            E::ConnectRefused
            | E::ConnectNoRoute
            | E::ConnectError
            | E::BindError
            | E::SocketError
            | E::ConnectProxyFailure
            | E::TLSHandshakeFailure
            | E::InvalidCert,
        ) => Reason::ConnectFailed,
        (ErrorSource::Upstream, _) => Reason::AnswerBroken,
        _ => Reason::Internal,
    }
}

/// What an error on the client's side means: it has left, unless it did something wrong.
fn of_client(error: &Error) -> Reason {
    use ErrorType as E;
    let cause = error.root_cause();
    if let Some(cause) = cause.downcast_ref::<h2::Error>() {
        // What the client resets, or closes, it does not want any more; the library resets what is malformed.
        let is_mistake = cause.is_library() && matches!(cause.reason(), Some(h2::Reason::PROTOCOL_ERROR));
        return if is_mistake { Reason::Malformed } else { Reason::ClientGone };
    }
    if cause.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::InvalidData) {
        return Reason::Malformed;
    }
    match error.etype() {
        E::ReadTimedout => Reason::RequestTimedOut,
        E::ReadError | E::WriteError | E::ConnectionClosed | E::WriteTimedout | E::H2Error => Reason::ClientGone,
        _ => Reason::Malformed,
    }
}
