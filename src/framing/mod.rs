//! Where requests begin and end, read strictly: what two parsers of HTTP/1 could read in two ways is refused,
//! because the server behind might see another request than the edge (RFC 9112 section 11.2). Pure: bytes in,
//! a verdict out.

mod answer;
mod chunks;
mod frames;
mod head;
mod headers;
mod rest;

pub use self::{
    answer::{Follows, end_of_head, follows, hide_body},
    chunks::Chunks,
    frames::{Frames, PREFACE},
    head::{Body, read},
    headers::{check, items, lists},
    rest::Rest,
};
