//! What is measured of a request on its way.

use std::time::{Duration, Instant};

use http::StatusCode;
use pingora_proxy::Session;

use super::exchange::Exchange;
use crate::{
    reason::Reason,
    telemetry::{AnsweredBy, CLIENT_GONE, Class, DiscoveryAnswer, Finished},
};

/// The account of one request, which becomes metrics and a line of the access log when it is over.
pub(super) struct Account {
    /// When its head had been read.
    began: Instant,
    /// When the last attempt began, until it is connected.
    connecting_since: Option<Instant>,
    /// What all attempts have spent on connecting.
    pub connecting: Option<Duration>,
    /// When the last attempt began to send the request, and when it had sent it whole.
    sent: Option<Instant>,
    /// To the head of a server's answer.
    pub first_byte: Option<Duration>,
    /// What it was answered, if it was for discovery.
    pub discovery: Option<DiscoveryAnswer>,
    /// What went wrong.
    pub reason: Option<Reason>,
    /// Whether the edge has told the client so.
    pub is_told: bool,
    /// Only whether the edge is ready was asked: that is no traffic, and its 503 no error.
    pub is_probe: bool,
}

impl Account {
    pub fn begin() -> Self {
        Account {
            began: Instant::now(),
            connecting_since: None,
            connecting: None,
            sent: None,
            first_byte: None,
            is_probe: false,
            discovery: None,
            reason: None,
            is_told: false,
        }
    }

    /// A server has been picked, and is about to be connected to.
    pub fn connect(&mut self) {
        self.connecting_since = Some(Instant::now());
    }

    /// There is a connection, or there is none to be had.
    pub fn connected(&mut self) {
        if let Some(since) = self.connecting_since.take() {
            self.connecting = Some(self.connecting.unwrap_or_default() + since.elapsed());
        }
    }

    /// The request is being sent, or has been sent whole.
    pub fn sends(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// The head of a server's answer is there. How long the server took for it.
    pub fn take_head(&mut self) -> Option<Duration> {
        let now = Instant::now();
        self.first_byte = Some(now - self.began);
        self.sent.map(|sent| now - sent)
    }
}

/// What is counted of a request that is over.
pub(super) fn finished(session: &Session, exchange: &Exchange) -> Finished {
    let account = &exchange.account;
    let class = match account.discovery {
        Some(_) => Class::Discovery,
        None if exchange.is_websocket => Class::Websocket,
        None => Class::of_path(session.req_header().raw_path()),
    };
    let is_answer = |status: &StatusCode| !status.is_informational() || *status == StatusCode::SWITCHING_PROTOCOLS;
    let status = session.response_written().map(|head| head.status).filter(is_answer);
    Finished {
        class,
        by: if exchange.has_head() && !account.is_told { AnsweredBy::Server } else { AnsweredBy::Edge },
        status: status.map_or(CLIENT_GONE, |status| status.as_u16()),
        took: Some(account.began.elapsed()),
        first_byte: account.first_byte,
    }
}
