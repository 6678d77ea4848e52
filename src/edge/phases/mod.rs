//! The phases of a request, in their order; each hook of `ProxyHttp` calls one or a few of them.

pub(super) mod admit;
mod cause;
mod cors;
pub(super) mod discovery;
pub(super) mod failure;
pub(super) mod finish;
pub(super) mod forward;
mod pick;
pub(super) mod ready;
pub(super) mod redirect;
pub(super) mod respond;
pub(super) mod retry;
