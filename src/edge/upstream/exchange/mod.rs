//! The exchange of one request and its response with a server of HTTP/1.1, on a connection to it.
//!
//! Both directions move in one task, in [`Exchanging::poll`], so that a response that comes before the request has been
//! sent whole is heard, a client that leaves is heard whoever else stands still, and one clock sees all of it. To a
//! client of HTTP/1 on a listener of the edge's own, bodies pass from socket to socket. All other clients are Pingora's
//! sessions, which write one thing after the other: they are handed heads and pieces as `Event`s.

mod client;
mod exchanging;
mod faults;
mod request;
mod response;
mod run;

use super::{clock, connection, upload};

pub(in crate::edge) use self::{
    client::deliver,
    exchanging::{Ended, Exchanging},
};
