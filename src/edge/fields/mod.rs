//! The fields that the edge sets, repairs and drops in the heads it forwards: one set of rules, for heads that the edge
//! writes itself and for those that Pingora does.

mod request;
mod response;

pub(super) use self::{
    request::{RequestRules, write_request},
    response::{ResponseRules, interim_header, own_url, write_interim},
};
