//! How the server treats what reaches it.

/// How the server treats what begins from now on. A connection keeps the mood in which it was accepted
/// only for [`Stage::OnAccept`], a request that in which its first byte arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Accepts, reads, never answers. What fell into it stays there until the connection ends.
    Frozen,
    /// The listener is closed. Connections that exist are served once more: the answer says
    /// `Connection: close`. Nothing can be lost but by the edge's fault.
    RefusesNew,
    /// As fasthttp shuts down: the listener and all idle connections are closed, the others after the
    /// answer they owe, which does not say so. A request that meets the closing of its connection is
    /// not seen by the server, and nobody but the server can know that.
    ShutsDown,
    /// Ends the connection with a reset.
    Resets(Stage),
    /// The bodies of answers arrive byte by byte.
    Drips,
    /// `GET /health` is answered 503, all else is well.
    HealthRed,
    /// Everything but `GET /health` is answered 500.
    Errors,
}

/// How far a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    OnAccept,
    MidRequestHead,
    /// Its body is not read.
    AfterRequestHead,
    /// Half of its body is read; without a body the same as `AfterRequestHead`.
    MidRequestBody,
    /// Read whole, nothing answered.
    AfterRequest,
    /// Half the head of the answer is sent.
    MidResponseHead,
    /// Not a byte of the answer's body is sent.
    AfterResponseHead,
    MidResponseBody,
}

impl Stage {
    pub const ALL: [Stage; 8] = [
        Stage::OnAccept,
        Stage::MidRequestHead,
        Stage::AfterRequestHead,
        Stage::MidRequestBody,
        Stage::AfterRequest,
        Stage::MidResponseHead,
        Stage::AfterResponseHead,
        Stage::MidResponseBody,
    ];

    /// Whether the server has read the head of the request, and so records it.
    pub fn is_recorded(self) -> bool {
        !matches!(self, Stage::OnAccept | Stage::MidRequestHead)
    }

    /// Whether a byte of an answer is sent.
    pub fn is_answering(self) -> bool {
        matches!(self, Stage::MidResponseHead | Stage::AfterResponseHead | Stage::MidResponseBody)
    }
}
