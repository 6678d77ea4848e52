//! A running edge is replaced by its successor, which takes over the sockets that listen: no connection is refused.
//!
//! The edge starts the program that it was started as anew, with one end of a pair of Unix sockets as its standard
//! input. On it the sockets go over, with their names, and the word back that the successor serves, or why it does
//! not. Until then nothing has changed. It stays open: the successor, told to stop, waits for the end of its
//! predecessor, lest a manager of services that sees the main process end kills what the other still finishes.

use std::{
    env,
    ffi::OsString,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use log::warn;
use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
    process::{Pid, Signal, kill_process},
};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::{Instant, timeout, timeout_at},
};

use super::sockets::Inherited;

/// Set for a successor, whose standard input is the way to its predecessor.
const VARIABLE: &str = "BRIDGEHEAD_HANDOVER";
/// What the kernel takes in one message.
const MOST_SOCKETS: usize = 253;
/// A successor has so long to become ready.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of the names, and of what a successor has to say.
const MOST_SAID: usize = 64 * 1024;
/// A process that ends has closed its standard input a moment before.
const LAST_BREATH: Duration = Duration::from_secs(1);
const READY: &[u8] = b"ready\n";

/// The program that replaces this one, as it was started.
#[derive(Debug, Clone)]
pub struct Program(Vec<OsString>);

/// A process that is about to replace this one.
pub(super) struct Successor {
    process: Child,
    link: tokio::net::UnixStream,
    /// What it has said so far.
    said: Vec<u8>,
    deadline: Instant,
    is_released: bool,
}

/// The process that this one is about to replace, or has replaced. All clones are the same.
#[derive(Debug, Clone)]
pub struct Predecessor(Arc<UnixStream>);

impl Program {
    /// This program, with its arguments.
    pub fn this() -> Self {
        Program(env::args_os().collect())
    }
}

impl Successor {
    /// Starts the successor and gives it these sockets.
    pub fn start(program: &Program, sockets: &[(String, OwnedFd)]) -> io::Result<Self> {
        if std::process::id() == 1 {
            let message = "this is the first process of a container, which ends with it; roll out a new one";
            return Err(io::Error::other(message));
        }
        if sockets.len() > MOST_SOCKETS {
            return Err(io::Error::other(format!("more than {MOST_SOCKETS} listeners; stop it and start it anew")));
        }
        let [name, arguments @ ..] = &program.0[..] else {
            return Err(io::Error::other("nobody knows how this program was started"));
        };
        let (ours, theirs) = UnixStream::pair()?;
        give(&ours, sockets)?;
        let process = Command::new(name)
            .args(arguments)
            .env(VARIABLE, "1")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", name.display())))?;
        ours.set_nonblocking(true)?;
        let link = tokio::net::UnixStream::from_std(ours)?;
        Ok(Successor { process, link, said: Vec::new(), deadline: Instant::now() + PATIENCE, is_released: false })
    }

    /// Waits until it serves, and returns its process id. May be given up and called again.
    pub async fn ready(&mut self) -> Result<u32, String> {
        let hear = async {
            while self.said != READY
                && self.said.len() < MOST_SAID
                && self.link.read_buf(&mut self.said).await.is_ok_and(|read| read > 0)
            {}
        };
        let is_late = timeout_at(self.deadline, hear).await.is_err();
        if let (READY, Some(id)) = (&self.said[..], self.process.id()) {
            return Ok(id);
        }
        let said = String::from_utf8_lossy(&self.said);
        match (said.trim(), self.process.id()) {
            _ if is_late => Err(format!("not ready within {PATIENCE:?}")),
            ("", _) => match timeout(LAST_BREATH, self.process.wait()).await {
                Ok(Ok(status)) => Err(format!("it ended with {status}; the log has its last words")),
                _ => Err("it closed its standard input".to_owned()),
            },
            (why, _) => Err(why.to_owned()),
        }
    }

    /// It goes on without this process. It hears when this process ends.
    pub fn release(&mut self) {
        self.is_released = true;
    }

    /// Tells it to stop, whether it serves already or not.
    pub fn stop(&self) {
        let process = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        // It may have ended.
        let _told = process.map(|process| kill_process(process, Signal::TERM));
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_released
            && self.process.id().is_some()
            && let Err(error) = self.process.start_kill()
        {
            warn!("the successor cannot be ended: {error}");
        }
    }
}

impl Predecessor {
    /// The process that this one is to replace, with its sockets, if it was started for that.
    ///
    /// # Errors
    /// When the sockets do not come.
    pub fn find() -> io::Result<Option<(Self, Inherited)>> {
        if env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let sockets = take(&link)?;
        Ok(Some((Predecessor(Arc::new(link)), Inherited(sockets))))
    }

    /// Says that this process serves; the predecessor finishes what it has, and ends.
    pub(super) fn ready(&self) {
        // It may be gone: then this one has replaced it already.
        let _heard = (&*self.0).write_all(READY);
    }

    /// Says why this process does not serve; the predecessor goes on.
    pub fn failed(&self, why: &str) {
        let words = &why.as_bytes()[..why.len().min(MOST_SAID)];
        let _heard = (&*self.0).write_all(words).and_then(|()| self.0.shutdown(Shutdown::Both));
    }

    /// Waits for its end.
    pub(super) async fn gone(&self) {
        let watched = self.0.try_clone().and_then(|link| {
            link.set_nonblocking(true)?;
            tokio::net::UnixStream::from_std(link)
        });
        match watched {
            Ok(mut link) => while link.read(&mut [0; 16]).await.is_ok_and(|read| read > 0) {},
            Err(error) => warn!("the end of the predecessor cannot be waited for: {error}"),
        }
    }
}

/// Sends sockets, and their names as a line of JSON.
fn give(link: &UnixStream, sockets: &[(String, OwnedFd)]) -> io::Result<()> {
    let names: Vec<_> = sockets.iter().map(|(name, _)| name).collect();
    let mut announced = serde_json::to_vec(&names)?;
    announced.push(b'\n');
    let sockets: Vec<_> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::ErrorKind::ArgumentListTooLong.into());
    }
    let sent = sendmsg(link, &[IoSlice::new(&announced)], &mut control, SendFlags::empty())?;
    let mut link = link;
    link.write_all(&announced[sent..])
}

/// The other end of [`give`].
fn take(mut link: &UnixStream) -> io::Result<Vec<(String, OwnedFd)>> {
    let mut announced = vec![0; 4096];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(link, &mut [IoSliceMut::new(&mut announced)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    announced.truncate(received.bytes);
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let sockets: Vec<OwnedFd> = rights.flatten().collect();
    while !announced.ends_with(b"\n") && announced.len() < MOST_SAID {
        let mut more = [0; 4096];
        match link.read(&mut more)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => announced.extend_from_slice(&more[..read]),
        }
    }
    let names: Vec<String> = serde_json::from_slice(&announced)?;
    if names.len() != sockets.len() {
        return Err(io::Error::other(format!("{} sockets came, {} were announced", sockets.len(), names.len())));
    }
    Ok(names.into_iter().zip(sockets).collect())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn sockets_arrive_with_their_names() {
        let (here, there) = UnixStream::pair().unwrap();
        let listeners: Vec<_> = (0..200).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let named = listeners.into_iter().zip(&addresses).map(|(listener, address)| {
            // Longer than what is read at once.
            (format!("{address}{:>100}", ""), OwnedFd::from(listener))
        });
        give(&here, &named.collect::<Vec<_>>()).unwrap();
        let taken = take(&there).unwrap();
        let taken = taken.into_iter().map(|(name, socket)| (name, TcpListener::from(socket).local_addr().unwrap()));
        assert_eq!(
            taken.map(|(name, address)| (name.trim().parse().unwrap(), address)).collect::<Vec<_>>(),
            addresses.iter().map(|address| (*address, *address)).collect::<Vec<_>>()
        );
    }
}
