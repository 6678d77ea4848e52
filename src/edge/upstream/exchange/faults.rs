//! How an exchange breaks: errors of Pingora's, which say whose fault it is.

use std::io;

use pingora::{Error, ErrorType, OrErr, Result};

/// Makes an error of the server's of one that its connection gave.
pub(super) fn of_server<T>(result: io::Result<T>, doing: &'static str) -> Result<T> {
    let kind = match &result {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ErrorType::ConnectionClosed,
        _ => ErrorType::ReadError,
    };
    result.or_err(kind, doing).map_err(Error::into_up)
}

pub(super) fn malformed<T>(why: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::InvalidHTTPHeader, why).map_err(Error::into_up)
}

pub(super) fn malformed_body<T>(why: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::ReadError, why).map_err(Error::into_up)
}

pub(super) fn to_client(written: io::Result<()>) -> Result<()> {
    written.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)
}

pub(super) fn of_client<T>(read: io::Result<T>) -> Result<T> {
    read.or_err(ErrorType::ReadError, "from the client").map_err(Error::into_down)
}

pub(super) fn gone_client<T>() -> Result<T> {
    Error::e_explain(ErrorType::ConnectionClosed, "by the client").map_err(Error::into_down)
}
