//! Refusals on their way through Pingora.

use pingora::{Error, ErrorType, Result};

use crate::reason::Reason;

/// Refuses a request: as an error, which Pingora hands back to the phase `failure`.
pub(in crate::edge) fn refuse<T>(reason: Reason, why: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::Custom(reason.name()), why).map_err(Error::into_down)
}
