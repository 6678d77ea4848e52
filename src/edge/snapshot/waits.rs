//! How long the edge waits for a server, by the path of the request.

use std::time::Duration;

use crate::config::{HalfClose, PathPrefix, Timeouts, below_bases};

/// How long the edge waits for a server.
#[derive(Debug, Clone, Copy)]
pub(in crate::edge) struct Waits {
    pub connect: Duration,
    pub first_byte: Duration,
    pub silence: Duration,
    pub request: Option<Duration>,
    /// What becomes of it when the client has closed its sending side.
    pub half_close: HalfClose,
}

impl Waits {
    /// Takes the limits for a path that has none of its own.
    pub(super) fn of(timeouts: &Timeouts) -> Self {
        Waits {
            connect: timeouts.connect,
            first_byte: timeouts.first_byte,
            silence: timeouts.silence,
            request: timeouts.request,
            half_close: timeouts.half_close,
        }
    }

    /// Takes the limits of the paths that have some, also below these paths of public URLs, the longest prefix first.
    pub(super) fn by_path(timeouts: &Timeouts, bases: &[&str]) -> Vec<(PathPrefix, Self)> {
        let all = Waits::of(timeouts);
        let paths = timeouts.paths.iter().map(|path| {
            let waits = Waits {
                connect: path.connect.unwrap_or(all.connect),
                first_byte: path.first_byte.unwrap_or(all.first_byte),
                silence: path.silence.unwrap_or(all.silence),
                request: path.request.or(all.request),
                half_close: path.half_close.unwrap_or(all.half_close),
            };
            (path.prefix.clone(), waits)
        });
        below_bases(paths, bases)
    }
}
