//! The client's side: its connection, what is on its way through it, and who is at the other end.

mod connection;
mod http2_session;
mod identity;
mod io;
mod reading;
mod resets;
mod session;
mod socket;
mod stream;
mod write_limit;

pub(super) use self::{
    connection::{Connection, address_value, shown, slot},
    http2_session::{HasFragment, Http2Session},
    identity::{Client, X_FORWARDED_FOR},
    io::Detached,
    resets::Resets,
    session::{After, Watched, Written, connection_lines, keeps_connection, listen_on},
    socket::{PIECE, Socket, Transport},
    stream::{About, ClientStream, SessionStream},
    write_limit::WriteLimit,
};
