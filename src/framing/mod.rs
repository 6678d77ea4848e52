//! Where messages begin and end, on both sides of the edge, read strictly and written once.
//!
//! What two parsers of HTTP/1 could read in two ways is refused, because the server behind might see another request
//! than the edge, or the client another response (RFC 9112 section 11.2). Pure: bytes in, a verdict out.

mod body;
mod chunks;
mod fields;
mod frames;
mod headers;
mod hpack;
mod names;
mod request;
mod response;
mod target;
mod websocket;
pub mod write;

pub use self::{
    body::{Body, Rest},
    chunks::Chunks,
    fields::{Fields, end_of_head},
    frames::{Frames, PREFACE, Told},
    headers::{check, check_host_of_http2, items, lists},
    names::Kind,
    request::{RequestHead, RequestLine, read},
    response::{ResponseBody, ResponseHead},
    target::with_origin_form,
    websocket::switches_to_websocket,
};
