//! How far what comes from a client has been read.

use std::sync::Arc;

use super::resets::Resets;
use crate::framing::{Frames, Rest};

/// How much of what comes Pingora may read.
pub(super) enum Reading {
    /// What is left of a body.
    Body(Rest),
    /// All of it: frames of HTTP/2, whose resets are counted.
    Frames { received: Frames, sent: Frames, resets: Arc<Resets> },
}

impl Reading {
    pub const NOTHING: Self = Reading::Body(Rest::NOTHING);

    pub fn is_over(&self) -> bool {
        match self {
            Reading::Body(rest) => rest.is_over(),
            Reading::Frames { .. } => false,
        }
    }
}
