//! Every failure has its home here: what went wrong is a reason, and the reason is the status, the message,
//! the label of a metric and the word in the log.

use std::fmt;

use http::StatusCode;

/// Why a request got no response from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    // What the fleet could not do.
    NoServer,
    ConnectTimedOut,
    ConnectFailed,
    AnswerTimedOut,
    SilenceTimedOut,
    ExchangeTimedOut,
    AnswerBroken,
    Internal,
    Exhausted,
    TooManyInFlight,
    // What the edge refuses.
    Malformed,
    MethodNotAllowed,
    VersionNotSupported,
    HeadTooLarge,
    BodyTooLarge,
    RequestTimedOut,
    UnknownHost,
    Forbidden,
    TooManyRequests,
    // What the client did not wait for.
    ClientGone,
}

/// A request that is refused, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub reason: Reason,
    /// For the log. Holds nothing of the request.
    pub why: &'static str,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 20] = [
        Reason::NoServer,
        Reason::ConnectTimedOut,
        Reason::ConnectFailed,
        Reason::AnswerTimedOut,
        Reason::SilenceTimedOut,
        Reason::ExchangeTimedOut,
        Reason::AnswerBroken,
        Reason::Internal,
        Reason::Exhausted,
        Reason::TooManyInFlight,
        Reason::Malformed,
        Reason::MethodNotAllowed,
        Reason::VersionNotSupported,
        Reason::HeadTooLarge,
        Reason::BodyTooLarge,
        Reason::RequestTimedOut,
        Reason::UnknownHost,
        Reason::Forbidden,
        Reason::TooManyRequests,
        Reason::ClientGone,
    ];

    /// The name of the reason in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NoServer => "no_server",
            Reason::ConnectTimedOut => "connect_timed_out",
            Reason::ConnectFailed => "connect_failed",
            Reason::AnswerTimedOut => "answer_timed_out",
            Reason::SilenceTimedOut => "silence_timed_out",
            Reason::ExchangeTimedOut => "exchange_timed_out",
            Reason::AnswerBroken => "answer_broken",
            Reason::Internal => "internal",
            Reason::Exhausted => "exhausted",
            Reason::TooManyInFlight => "too_many_in_flight",
            Reason::Malformed => "malformed",
            Reason::MethodNotAllowed => "method_not_allowed",
            Reason::VersionNotSupported => "version_not_supported",
            Reason::HeadTooLarge => "head_too_large",
            Reason::BodyTooLarge => "body_too_large",
            Reason::RequestTimedOut => "request_timed_out",
            Reason::UnknownHost => "unknown_host",
            Reason::Forbidden => "forbidden",
            Reason::TooManyRequests => "too_many_requests",
            Reason::ClientGone => "client_gone",
        }
    }

    /// The reason of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The status for the client; `None` when there is no client to tell.
    pub fn status(self) -> Option<StatusCode> {
        Some(match self {
            Reason::NoServer | Reason::Exhausted | Reason::TooManyInFlight => StatusCode::SERVICE_UNAVAILABLE,
            Reason::ConnectTimedOut | Reason::AnswerTimedOut | Reason::SilenceTimedOut | Reason::ExchangeTimedOut => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Reason::ConnectFailed | Reason::AnswerBroken => StatusCode::BAD_GATEWAY,
            Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Reason::Malformed => StatusCode::BAD_REQUEST,
            Reason::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Reason::VersionNotSupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Reason::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::RequestTimedOut => StatusCode::REQUEST_TIMEOUT,
            Reason::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Reason::Forbidden => StatusCode::FORBIDDEN,
            Reason::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Reason::ClientGone => return None,
        })
    }

    /// Whether it is the client whose request is at fault.
    pub fn is_refusal(self) -> bool {
        self.status().is_some_and(|status| status.is_client_error()) || self == Reason::VersionNotSupported
    }

    /// Whether no server could give a response, or not in time.
    pub fn is_of_the_fleet(self) -> bool {
        matches!(
            self.status(),
            Some(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
        )
    }

    fn message(self) -> &'static str {
        match self {
            Reason::NoServer => "no Bifrost server is available",
            Reason::ConnectTimedOut => "the Bifrost server did not accept the connection in time",
            Reason::ConnectFailed => "the Bifrost server cannot be reached",
            Reason::AnswerTimedOut => "the Bifrost server did not answer in time",
            Reason::SilenceTimedOut => "the Bifrost server fell silent, or took nothing of the request, for too long",
            Reason::ExchangeTimedOut => "the request took longer than the edge allows",
            Reason::AnswerBroken => "the Bifrost server broke off without a complete answer",
            Reason::Internal => "the edge failed to handle the request",
            Reason::Exhausted => "the edge has no open file, port or memory left for a connection to a Bifrost server",
            Reason::TooManyInFlight => "too many requests are in flight; come again later",
            Reason::Malformed => "the request is malformed",
            Reason::MethodNotAllowed => "this method is not allowed",
            Reason::VersionNotSupported => "this version of HTTP is not supported",
            Reason::HeadTooLarge => "the request's head is larger than the edge allows",
            Reason::BodyTooLarge => "the request's body is larger than the edge allows",
            Reason::RequestTimedOut => "the request did not arrive in time",
            Reason::UnknownHost => {
                "this host is none of the edge's public URLs; operator: add the origin that clients type, scheme://host \
                 or scheme://host:port, to public_urls in the edge's configuration"
            }
            Reason::Forbidden => "this path is closed to the client's address",
            Reason::TooManyRequests => "too many requests from the client's address",
            Reason::ClientGone => "the client went away",
        }
    }
}

impl Refusal {
    /// A request that could be read in two ways, or in none.
    pub fn malformed(why: &'static str) -> Self {
        Refusal { reason: Reason::Malformed, why }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}
