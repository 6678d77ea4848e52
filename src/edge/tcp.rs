//! What every connection of the edge has in common, whoever is at the other end.

use std::{io, os::fd::AsFd, time::Duration};

use pingora::protocols::TcpKeepalive;
use rustix::io::Errno;
use socket2::SockRef;

/// Finds a client or a server whose machine has vanished in the middle of a long silence, within about
/// 100 s.
pub(super) const TCP_KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_mins(1),
    interval: Duration::from_secs(10),
    count: 4,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};

/// Makes a socket send at once, and find out when the other end has vanished. The connections that one accepts which
/// listens have it from that, in Linux and BSD: five calls of the system less for each.
pub(super) fn tune(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(
        &socket2::TcpKeepalive::new()
            .with_time(TCP_KEEPALIVE.idle)
            .with_interval(TCP_KEEPALIVE.interval)
            .with_retries(u32::try_from(TCP_KEEPALIVE.count).unwrap_or(u32::MAX)),
    )
}

/// Whether a connection failed for want of this process's own open files, ports or memory: no server is to blame.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable};
    let full = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].map(Errno::raw_os_error);
    matches!(error.kind(), AddrInUse | AddrNotAvailable)
        || error.raw_os_error().is_some_and(|code| full.contains(&code))
}
