//! Sockets that listen: bound here, or taken over from the edge before.

use std::{
    fs::{self, Permissions},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use log::warn;
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::{self, Config, ListenAddress};

/// A socket that is bound, outside any runtime.
#[derive(Debug)]
pub enum BoundSocket {
    /// To an IP address and port.
    Tcp(TcpListener),
    /// To the path of a Unix socket.
    Unix(UnixListener),
}

/// Sockets that listen already, by what the configuration called them that they were bound for.
#[derive(Debug, Default)]
pub struct Inherited(pub(super) Vec<(String, OwnedFd)>);

impl Inherited {
    /// The socket for an address, if there is one. Of several, which are those of port 0, the first.
    fn take(&mut self, address: &ListenAddress) -> Option<OwnedFd> {
        let name = address.to_string();
        let place = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(place).1)
    }
}

impl BoundSocket {
    /// The socket of a listener, taken over if it is there.
    pub(super) fn of(listener: &config::Listener, config: &Config, inherited: &mut Inherited) -> io::Result<Self> {
        let socket = inherited.take(&listener.address);
        match &listener.address {
            ListenAddress::Ip(address) => Ok(BoundSocket::Tcp(tcp(*address, config, socket)?)),
            ListenAddress::Unix(path) => {
                let mode = Permissions::from_mode(listener.mode().bits());
                let socket = if let Some(socket) = socket {
                    fs::set_permissions(path, mode)?;
                    socket
                } else {
                    forget_abandoned(path)?;
                    listen(unix(path, mode)?)?.into()
                };
                Ok(BoundSocket::Unix(socket.into()))
            }
        }
    }

    /// The socket of the admin listener, taken over if it is there.
    pub(super) fn of_admin(address: SocketAddr, config: &Config, inherited: &mut Inherited) -> io::Result<TcpListener> {
        tcp(address, config, inherited.take(&ListenAddress::Ip(address)))
    }

    /// What it is bound to, with the port that the system chose where the file says 0. From now on it is
    /// non-blocking.
    pub(super) fn address(&self) -> io::Result<ListenAddress> {
        match self {
            BoundSocket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Ok(ListenAddress::Ip(socket.local_addr()?))
            }
            BoundSocket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Ok(ListenAddress::Unix(socket.local_addr()?.as_pathname().map(PathBuf::from).unwrap_or_default()))
            }
        }
    }
}

impl AsFd for BoundSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            BoundSocket::Tcp(socket) => socket.as_fd(),
            BoundSocket::Unix(socket) => socket.as_fd(),
        }
    }
}

fn tcp(address: SocketAddr, config: &Config, socket: Option<OwnedFd>) -> io::Result<TcpListener> {
    if let Some(socket) = socket {
        return Ok(socket.into());
    }
    let has_no_ipv6 = |error: &io::Error| error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
    let socket = match Socket::new(Domain::for_address(address), Type::STREAM, None) {
        // So that one configuration serves clusters of either family, and of both.
        Err(error) if has_no_ipv6(&error) && address.ip() == Ipv6Addr::UNSPECIFIED => {
            warn!("this system has no IPv6: {address} is listened on in IPv4 alone");
            return tcp((Ipv4Addr::UNSPECIFIED, address.port()).into(), config, None);
        }
        socket => socket?,
    };
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // Whatever the system's own default is (net.ipv6.bindv6only).
        socket.set_only_v6(config.edge.is_beside_ipv4(address))?;
    }
    socket.bind(&address.into())?;
    Ok(listen(socket)?.into())
}

/// A Unix socket that has its mode, whatever the umask, and does not listen yet: until then nobody can connect to it.
fn unix(path: &Path, mode: Permissions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, mode)?;
    Ok(socket)
}

/// As the standard library does, but with room for as many connections that wait to be accepted as the system
/// allows: of those beyond 128 it would have their clients try again a second later.
fn listen(socket: Socket) -> io::Result<Socket> {
    socket.listen(i32::from(u16::MAX))?;
    Ok(socket)
}

/// A Unix socket on which nobody listens any more is in the way of the next one.
fn forget_abandoned(path: &Path) -> io::Result<()> {
    // Another kind of file refuses connections, too, and is somebody's.
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    match UnixStream::connect(path) {
        Err(error) if is_socket && error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_connect_to_a_unix_socket_before_it_has_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.sock");
        let connecting = || UnixStream::connect(&path).map(drop).map_err(|error| error.kind());
        let socket = unix(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(connecting(), Err(io::ErrorKind::ConnectionRefused));
        let _listening = listen(socket).unwrap();
        assert_eq!(connecting(), Ok(()));
    }
}
