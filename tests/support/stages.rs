//! A server that brings exchanges to a stage and leaves them there until their connections are closed.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bridgehead::reason::Reason;
use socket2::{Domain, Socket, Type};

use super::{edge::Edge, in_time::happens, raw, websocket::SWITCH};

/// A running server. What it does is in the path of a request:
/// - `/reads` reads the body to its end and does not answer; it is there with the first byte of it,
/// - `/takes-nothing` reads the head, and on only once [its clients should have left](Stages::are_left),
/// - `/websocket` becomes a WebSocket of which it takes nothing, likewise,
/// - `/event` answers with the beginning of a stream,
/// - `/flows` answers without end,
/// - any other answers whole.
pub struct Stages {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    there: AtomicUsize,
    stalled: AtomicUsize,
    closed: AtomicUsize,
    goes_on: AtomicBool,
}

/// A second, on a machine that has far too much to do: every limit that could end an exchange is longer, those of
/// [`GRACE`] and the twenty seconds in which a server of HTTP/2 may answer a ping.
const SOON: Duration = Duration::from_secs(15);
/// Of a configuration: so long whatever is left would hold up a stop, and a head may take longer.
pub const GRACE: &str = "stop: {idle: 1h, grace: 1m}\nlimits: {head_time: 1h}\n";

/// How an exchange goes on.
enum Next {
    Closed,
    Answered,
}

impl Stages {
    pub fn start() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // So that what it does not take is soon held up.
        listener.set_recv_buffer_size(16 * 1024).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(1024).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let state = Arc::clone(&shared);
                thread::spawn(move || state.serve(stream.into()));
            }
        });
        Stages { address, state }
    }

    /// Exchanges that have come to their stage.
    pub fn there(&self) -> usize {
        self.state.there.load(Ordering::SeqCst)
    }

    /// Answers that nobody takes for the moment.
    pub fn stalled(&self) -> usize {
        self.state.stalled.load(Ordering::SeqCst)
    }

    /// Asserts that nothing is left of clients of this edge, so many of whose requests had come to their stage.
    #[track_caller]
    pub fn are_left(&self, edge: &Edge, requests: usize, what: &str) {
        self.exchanges_end(edge, requests, what);
        soon(what, "the clients' connections are closed", || edge.counters().connections().open() == 0);
    }

    /// The same of requests whose connections stay.
    #[track_caller]
    pub fn exchanges_end(&self, edge: &Edge, requests: usize, what: &str) {
        soon(what, "nothing is in flight", || edge.report().servers[0].in_flight == 0);
        // It could not see the end behind what it does not read.
        self.state.goes_on.store(true, Ordering::SeqCst);
        soon(what, "the server's connections are closed", || self.state.closed.load(Ordering::SeqCst) == requests);
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        // Its threads would go on looking for that until the last test is over.
        self.state.goes_on.store(true, Ordering::SeqCst);
    }
}

#[track_caller]
pub fn soon(what: &str, happened: &str, has_happened: impl Fn() -> bool) {
    assert!(happens(SOON, has_happened), "{what}: it is not so that {happened}, after {SOON:?}");
}

/// Asserts that so many requests failed because their clients left, and none for another reason.
#[track_caller]
pub fn client_gone(edge: &Edge, requests: usize, what: &str) {
    let failed = || edge.counters().sites().unsited().failures().filter(|(_, count)| *count > 0).collect::<Vec<_>>();
    let expected: Vec<_> = (requests > 0).then_some((Reason::ClientGone, requests as u64)).into_iter().collect();
    let begun = Instant::now();
    while failed() != expected {
        assert!(begun.elapsed() < SOON, "{what}: {:?} instead of {expected:?}", failed());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that nothing holds up a stop of the edge, which has [`GRACE`].
#[track_caller]
pub fn stops_at_once(edge: Edge, what: &str) {
    let begun = Instant::now();
    assert_eq!(edge.stop(), 0, "{what}: requests are cut by a stop");
    assert!(begun.elapsed() < SOON, "{what}: the stop is held up");
}

impl State {
    fn serve(&self, mut stream: TcpStream) {
        while let Some(head) = raw::read_next_head(&mut stream) {
            if let Next::Closed = self.exchange(&head, &mut stream) {
                self.closed.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    }

    fn exchange(&self, head: &str, stream: &mut TcpStream) -> Next {
        match head.split(' ').nth(1) {
            Some("/reads") => {
                if stream.read(&mut [0]).is_ok_and(|read| read > 0) {
                    self.is_there();
                }
            }
            Some(path @ ("/takes-nothing" | "/websocket")) => {
                if path == "/websocket" {
                    stream.write_all(SWITCH).unwrap();
                }
                self.is_there();
                while !self.goes_on.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            Some("/event") => {
                stream.write_all(&[raw::CHUNKED, b"5\r\nevent\r\n"].concat()).unwrap();
                self.is_there();
            }
            Some("/flows") => {
                self.is_there();
                self.flow(stream);
                return Next::Closed;
            }
            Some("/silent") => self.is_there(),
            _ => {
                stream.write_all(raw::OK).unwrap();
                return Next::Answered;
            }
        }
        let mut piece = vec![0; 64 * 1024];
        while stream.read(&mut piece).is_ok_and(|read| read > 0) {}
        Next::Closed
    }

    /// Writes until the connection is closed.
    fn flow(&self, stream: &mut TcpStream) {
        let piece = vec![b'x'; 0x4000];
        let chunk = [b"4000\r\n", &piece[..], b"\r\n"].concat();
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let (mut rest, mut has_stalled) = ([raw::CHUNKED, &chunk].concat(), false);
        loop {
            match stream.write(&rest) {
                Ok(written) => drop(rest.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !has_stalled {
                        self.stalled.fetch_add(1, Ordering::SeqCst);
                    }
                    has_stalled = true;
                }
                Err(_) => return,
            }
            if rest.is_empty() {
                rest.clone_from(&chunk);
            }
        }
    }

    fn is_there(&self) {
        self.there.fetch_add(1, Ordering::SeqCst);
    }
}
