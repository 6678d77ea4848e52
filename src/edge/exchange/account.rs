//! What is measured of a request on its way.

use std::time::Duration;

use tokio::time::Instant;

use super::ServerId;
use crate::{discovery::DiscoveryAnswer, edge::client::Written, reason::Reason, telemetry::ResponseKind};

/// The account of one request, which becomes metrics and a line of the access log when it is over.
pub(in crate::edge) struct Account {
    /// When its head had been read.
    pub began: Instant,
    /// When the last attempt began, until it is connected.
    connecting_since: Option<Instant>,
    /// What all attempts have spent on connecting.
    pub connecting: Option<Duration>,
    /// When the last attempt began to send the request, and when it had sent it whole.
    sent: Option<Instant>,
    /// To the head of a server's response.
    pub first_byte: Option<Duration>,
    /// What it was answered, if it was for discovery.
    pub discovery: Option<DiscoveryAnswer>,
    /// What has been written past the session.
    pub written: Option<Written>,
    /// Bytes of the request's body that were read past the session.
    pub body_read: u64,
    /// Whether it becomes a line of the access log.
    pub is_logged: bool,
    /// How its response comes.
    pub kind: ResponseKind,
    /// What the server calls it, for the access log.
    pub server_id: Option<ServerId>,
    /// What went wrong.
    pub reason: Option<Reason>,
    /// Whether the edge has told the client so.
    pub is_told: bool,
    /// What a WebSocket has carried from the client, and to it.
    pub tunnelled: (u64, u64),
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
            written: None,
            body_read: 0,
            is_logged: false,
            kind: ResponseKind::Whole,
            server_id: None,
            reason: None,
            is_told: false,
            tunnelled: (0, 0),
        }
    }

    /// A server has been picked, and is about to be connected to.
    pub fn connect(&mut self, now: Instant) {
        self.connecting_since = Some(now);
    }

    /// There is a connection, or there is none to be had.
    pub fn connected(&mut self, now: Instant) {
        if let Some(since) = self.connecting_since.take() {
            self.connecting = Some(self.connecting.unwrap_or_default() + (now - since));
        }
    }

    /// The request is being sent, or has been sent whole.
    pub fn sends(&mut self, now: Instant) {
        self.sent = Some(now);
    }

    /// How long ago the request was sent.
    pub fn since_sent(&self, now: Instant) -> Option<Duration> {
        self.sent.map(|sent| now.saturating_duration_since(sent))
    }

    /// The head of a server's response is there. How long the server took for it.
    pub fn take_head(&mut self, now: Instant) -> Option<Duration> {
        self.first_byte = Some(now - self.began);
        self.sent.map(|sent| now - sent)
    }
}
