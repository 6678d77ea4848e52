//! A server made for faults: plain HTTP/1.1 that fails on command, at the stage of a request that the
//! test names, and that records every request that reached it.
//!
//! It runs on a thread and runtime of its own.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc as blocking},
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Semaphore, mpsc, oneshot, watch},
    time::sleep,
};

/// Long enough for any machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between the bytes of a dripping answer, and between the events of a stream.
const PAUSE: Duration = Duration::from_millis(1);

/// How the server treats what begins from now on. A connection keeps the mood in which it was accepted
/// only for [`Stage::OnAccept`], a request that in which its first byte arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Accepts, reads, never answers. What fell into it stays there until the connection ends.
    Frozen,
    /// The listener is closed. Connections that exist are served once more: the answer says
    /// `Connection: close`. Nothing can be lost but by the edge's fault.
    RefusesNew,
    /// As fasthttp shuts down: the listener and all idle connections are closed, the others after the
    /// answer they owe, which does not say so. A request that meets the closing of its connection is
    /// not seen by the server, and nobody but the server can know that.
    ShutsDown,
    /// Ends the connection with a reset.
    Resets(Stage),
    /// The bodies of answers arrive byte by byte.
    Drips,
    /// `GET /health` is answered 503, all else is well.
    HealthRed,
    /// Everything but `GET /health` is answered 500.
    Errors,
}

/// How far a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    OnAccept,
    MidRequestHead,
    /// Its body is not read.
    AfterRequestHead,
    /// Half of its body is read; without a body the same as `AfterRequestHead`.
    MidRequestBody,
    /// Read whole, nothing answered.
    AfterRequest,
    /// Half the head of the answer is sent.
    MidResponseHead,
    /// Not a byte of the answer's body is sent.
    AfterResponseHead,
    MidResponseBody,
}

impl Stage {
    pub const ALL: [Stage; 8] = [
        Stage::OnAccept,
        Stage::MidRequestHead,
        Stage::AfterRequestHead,
        Stage::MidRequestBody,
        Stage::AfterRequest,
        Stage::MidResponseHead,
        Stage::AfterResponseHead,
        Stage::MidResponseBody,
    ];

    /// Whether the server has read the head of the request, and so records it.
    pub fn is_recorded(self) -> bool {
        !matches!(self, Stage::OnAccept | Stage::MidRequestHead)
    }

    /// Whether a byte of an answer is sent.
    pub fn is_answering(self) -> bool {
        matches!(self, Stage::MidResponseHead | Stage::AfterResponseHead | Stage::MidResponseBody)
    }
}

/// A request whose head has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    /// The value of `x-test-id`, empty without one.
    pub id: String,
    pub body_bytes: usize,
    pub body_complete: bool,
    /// The status of the answer, once a byte of it has been sent.
    pub begun: Option<u16>,
    /// Whether the answer was sent whole.
    pub answered: bool,
}

/// A running server. Dropping it is the same as stopping it.
pub struct Troubled {
    shared: Arc<Shared>,
    running: Option<Running>,
    /// Bound, but never listening: while nobody listens, nobody else gets the port.
    _port: Socket,
}

struct Running {
    runtime: runtime::Handle,
    orders: mpsc::UnboundedSender<Order>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// To listen, or to close the listener; answered when it is done.
struct Order {
    listen: bool,
    done: blocking::Sender<()>,
}

/// What the connections share.
struct Shared {
    address: SocketAddr,
    tally: Mutex<Tally>,
    changed: Condvar,
    mood: watch::Sender<Mood>,
    /// Permits for the events of held streams.
    released: Semaphore,
}

#[derive(Default)]
struct Tally {
    records: Vec<Recorded>,
    health_checks: usize,
    connections: usize,
}

impl Troubled {
    /// Starts a server on a free port of 127.0.0.1.
    pub fn start() -> Troubled {
        Troubled::start_on(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
    }

    /// Starts a server on a given address, for example that of a stopped one.
    pub fn start_on(address: SocketAddr) -> io::Result<Troubled> {
        let port = bound(address)?;
        let address = port.local_addr()?.as_socket().unwrap();
        let listener = listener(address)?;
        let shared = Arc::new(Shared {
            address,
            tally: Mutex::default(),
            changed: Condvar::new(),
            mood: watch::channel(Mood::Well).0,
            released: Semaphore::new(0),
        });
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (orders, received) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let accepting = accept(listener, Arc::clone(&shared), received);
        let thread = thread::Builder::new().name("troubled".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(accepting);
                let _told = stopped.await;
            });
            // Dropping the runtime here drops every task, and with it every socket.
        })?;
        Ok(Troubled { shared, running: Some(Running { runtime: handle, orders, stop, thread }), _port: port })
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Closes the listener and every connection, as the end of the process would, before it returns.
    /// The port stays reserved and the records stay readable until it is dropped.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.stop);
            // A panic of that thread was already printed; do not panic again in a drop.
            let _ended = running.thread.join();
        }
    }

    /// Changes the behaviour before it returns, the listener included.
    pub fn set(&self, mood: Mood) {
        let running = self.running.as_ref().expect("the server is stopped");
        let is_leaving = matches!(mood, Mood::RefusesNew | Mood::ShutsDown);
        let (done, is_done) = blocking::channel();
        if !is_leaving {
            self.shared.mood.send_replace(mood);
        }
        let sent = running.orders.send(Order { listen: !is_leaving, done });
        assert!(sent.is_ok(), "the server died");
        is_done.recv_timeout(PATIENCE).expect("the listener to open or close");
        if is_leaving {
            self.shared.mood.send_replace(mood);
        }
    }

    /// Every request that reached it, in order of arrival, but for `GET /health`. Whatever a client has
    /// received by now is in it.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.catch_up();
        self.shared.tally().records.clone()
    }

    /// How often it was asked for `GET /health`.
    pub fn health_checks(&self) -> usize {
        self.catch_up();
        self.shared.tally().health_checks
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.catch_up();
        self.shared.tally().connections
    }

    /// Waits until it has recorded so many requests in all.
    pub fn wait_for(&self, requests: usize) {
        self.wait_until("requests", |tally| tally.records.len() >= requests);
    }

    /// Lets so many more events of `GET /stream/{n}?held` through.
    pub fn release(&self, events: usize) {
        self.shared.released.add_permits(events);
    }

    fn wait_until(&self, what: &str, is_reached: impl Fn(&Tally) -> bool) {
        let tally = self.shared.tally();
        let waited = self.shared.changed.wait_timeout_while(tally, PATIENCE, |tally| !is_reached(tally));
        let (tally, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let (records, checks) = (tally.records.len(), tally.health_checks);
        drop(tally);
        let address = self.address();
        assert!(!timeout.timed_out(), "{address} waits for {what} and has {records} requests, {checks} health checks");
    }

    /// The thread of the server notes a written answer before it does anything else: once it has done
    /// something else, the answers that a client has received are noted.
    fn catch_up(&self) {
        if let Some(running) = &self.running {
            let (done, is_done) = blocking::channel::<()>();
            running.runtime.spawn(async move { drop(done) });
            let _done = is_done.recv_timeout(PATIENCE);
        }
    }
}

impl Drop for Troubled {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        let changed = change(&mut self.tally());
        self.changed.notify_all();
        changed
    }

    fn mood(&self) -> Mood {
        *self.mood.borrow()
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listener(address: SocketAddr) -> io::Result<StdListener> {
    let socket = bound(address)?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

async fn accept(listener: StdListener, shared: Arc<Shared>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut listener = Some(TcpListener::from_std(listener).unwrap());
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some(order) = order else { return };
                match listener.take() {
                    Some(open) if order.listen => listener = Some(open),
                    Some(open) => close(open, &shared),
                    None if order.listen => listener = TcpListener::from_std(self::listener(shared.address).unwrap()).ok(),
                    None => {}
                }
                let _waits = order.done.send(());
            }
            accepted = accepted => match accepted {
                Ok((stream, _)) => serve(stream, &shared),
                // Out of file descriptors, for example: it may pass.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// Closes the listener. Who is connected already, in the kernel's eyes, is served: the close would reset
/// those connections.
fn close(listener: TcpListener, shared: &Arc<Shared>) {
    let listener = listener.into_std().unwrap();
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true).unwrap();
        serve(TcpStream::from_std(stream).unwrap(), shared);
    }
}

fn serve(stream: TcpStream, shared: &Arc<Shared>) {
    shared.change(|tally| tally.connections += 1);
    if shared.mood() == Mood::Resets(Stage::OnAccept) {
        let _reset = stream.set_zero_linger();
        return;
    }
    let _ = stream.set_nodelay(true);
    let mut connection = Connection { stream, unread: Vec::new(), shared: Arc::clone(shared) };
    tokio::spawn(async move {
        // An error is a client that went away.
        let _ended = connection.serve().await;
    });
}

struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    shared: Arc<Shared>,
}

/// What of a request's head matters here.
struct Request {
    method: String,
    target: String,
    id: String,
    body: Framing,
    is_websocket: bool,
    wants_close: bool,
    /// Where it is recorded; a health check is not.
    place: Option<usize>,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

/// What becomes of the connection.
#[derive(PartialEq, Eq)]
enum Next {
    Keep,
    Close,
}

impl Connection {
    async fn serve(&mut self) -> io::Result<()> {
        let mut is_new = true;
        while self.begins(is_new).await? {
            is_new = false;
            let mood = self.shared.mood();
            if mood == Mood::Resets(Stage::MidRequestHead) {
                self.reset()?;
                return Ok(());
            }
            let request = self.read_head().await?;
            if self.answer(mood, &request).await? == Next::Close || request.wants_close {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for the first bytes of a request; false when there will be none.
    async fn begins(&mut self, is_new: bool) -> io::Result<bool> {
        let mut moods = self.shared.mood.subscribe();
        while self.unread.is_empty() {
            let is_over = tokio::select! {
                biased;
                ready = self.stream.readable() => ready.map(|()| false)?,
                _ = moods.wait_for(|mood| *mood == Mood::ShutsDown), if !is_new => true,
            };
            let mut first = [0; 16];
            match self.stream.try_read(&mut first) {
                Ok(0) => return Ok(false),
                Ok(read) => self.unread.extend_from_slice(&first[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if is_over {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn read_head(&mut self) -> io::Result<Request> {
        loop {
            if let Some(mut request) = self.parse_head()? {
                let is_health_check = request.method == "GET" && request.target == "/health";
                let record = Recorded {
                    method: request.method.clone(),
                    target: request.target.clone(),
                    id: request.id.clone(),
                    body_bytes: 0,
                    body_complete: matches!(request.body, Framing::Length(0)),
                    begun: None,
                    answered: false,
                };
                request.place = self.shared.change(|tally| {
                    if is_health_check {
                        tally.health_checks += 1;
                        return None;
                    }
                    tally.records.push(record);
                    Some(tally.records.len() - 1)
                });
                return Ok(request);
            }
            self.fill().await?;
        }
    }

    /// Takes a whole head off what has been read.
    fn parse_head(&mut self) -> io::Result<Option<Request>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(&self.unread).map_err(io::Error::other)? else {
            return Ok(None);
        };
        let header = |name: &str| {
            let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map_or(String::new(), |header| String::from_utf8_lossy(header.value).into_owned())
        };
        let is_chunked = header("transfer-encoding").eq_ignore_ascii_case("chunked");
        let request = Request {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            id: header("x-test-id"),
            body: if is_chunked {
                Framing::Chunked
            } else {
                Framing::Length(header("content-length").parse().unwrap_or_default())
            },
            is_websocket: header("upgrade").eq_ignore_ascii_case("websocket"),
            wants_close: header("connection").eq_ignore_ascii_case("close"),
            place: None,
        };
        self.unread.drain(..length);
        Ok(Some(request))
    }

    async fn answer(&mut self, mood: Mood, request: &Request) -> io::Result<Next> {
        match mood {
            Mood::Resets(Stage::AfterRequestHead) => return self.reset(),
            Mood::Resets(Stage::MidRequestBody) => {
                self.read_body(request, true).await?;
                return self.reset();
            }
            _ => self.read_body(request, false).await?,
        }
        let is_health = request.target == "/health";
        let status = match mood {
            Mood::Resets(Stage::AfterRequest) => return self.reset(),
            Mood::Frozen => return self.freeze().await,
            Mood::HealthRed if is_health && request.method == "GET" => 503,
            Mood::Errors if !is_health => 500,
            _ if request.is_websocket && request.method == "GET" => return self.echo(request).await,
            _ => 200,
        };
        let path = request.target.split('?').next().unwrap_or_default();
        match path.strip_prefix("/stream/").and_then(|events| events.parse().ok()) {
            Some(events) if status == 200 && request.method == "GET" => self.stream(mood, request, events).await,
            _ => self.report(mood, request, status).await,
        }
    }

    /// Answers with what arrived.
    async fn report(&mut self, mood: Mood, request: &Request, status: u16) -> io::Result<Next> {
        let body_bytes = request.place.map_or(0, |place| self.shared.tally().records[place].body_bytes);
        let body = serde_json::json!({
            "server": self.shared.address.port(),
            "test_id": request.id,
            "body_bytes": body_bytes,
        });
        let body = body.to_string();
        let (head, next) =
            self.head(status, &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        let body = if request.method == "HEAD" { "" } else { &body };
        match mood {
            Mood::Resets(stage) => {
                let sent = match stage {
                    Stage::MidResponseHead => head[..head.len() / 2].to_owned(),
                    Stage::AfterResponseHead => head,
                    _ => head + &body[..body.len() / 2],
                };
                self.send(request, status, sent.as_bytes()).await?;
                return self.reset();
            }
            Mood::Drips => {
                self.send(request, status, head.as_bytes()).await?;
                self.drip(request, status, body.as_bytes()).await?;
            }
            _ => self.send(request, status, (head + body).as_bytes()).await?,
        }
        self.is_answered(request);
        Ok(next)
    }

    /// Answers with a stream of numbered events.
    async fn stream(&mut self, mood: Mood, request: &Request, events: usize) -> io::Result<Next> {
        let is_held = request.target.ends_with("?held");
        let (head, next) = self.head(200, "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n");
        let cut = match mood {
            Mood::Resets(Stage::MidResponseHead) => head.len() / 2,
            _ => head.len(),
        };
        self.send(request, 200, &head.as_bytes()[..cut]).await?;
        let last = match mood {
            Mood::Resets(Stage::MidResponseBody) => events / 2,
            Mood::Resets(_) => 0,
            _ => events,
        };
        for event in 0..last {
            if is_held {
                self.shared.released.acquire().await.map_err(io::Error::other)?.forget();
            } else {
                sleep(PAUSE).await;
            }
            let data = event_text(event);
            let chunk = format!("{:x}\r\n{data}\r\n", data.len());
            if mood == Mood::Drips {
                self.drip(request, 200, chunk.as_bytes()).await?;
            } else {
                self.send(request, 200, chunk.as_bytes()).await?;
            }
        }
        if let Mood::Resets(stage) = mood {
            if stage == Stage::MidResponseBody {
                self.send(request, 200, b"9\r\ndat").await?;
            }
            return self.reset();
        }
        self.send(request, 200, b"0\r\n\r\n").await?;
        self.is_answered(request);
        Ok(if self.shared.mood() == Mood::ShutsDown { Next::Close } else { next })
    }

    /// Answers like a WebSocket and sends back whatever arrives.
    async fn echo(&mut self, request: &Request) -> io::Result<Next> {
        let (head, _) = self.head(101, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
        self.send(request, 101, head.as_bytes()).await?;
        self.is_answered(request);
        loop {
            if !self.unread.is_empty() {
                self.stream.write_all(&self.unread).await?;
                self.unread.clear();
            }
            self.fill().await?;
        }
    }

    async fn freeze(&mut self) -> io::Result<Next> {
        loop {
            self.fill().await?;
            self.unread.clear();
        }
    }

    /// The head of an answer, and what becomes of the connection after it.
    fn head(&self, status: u16, headers: &str) -> (String, Next) {
        let (close, next) = match self.shared.mood() {
            Mood::RefusesNew if status != 101 => ("Connection: close\r\n", Next::Close),
            Mood::ShutsDown => ("", Next::Close),
            _ => ("", Next::Keep),
        };
        let port = self.shared.address.port();
        (format!("HTTP/1.1 {status} Troubled\r\nX-Server: {port}\r\n{headers}{close}\r\n"), next)
    }

    async fn send(&mut self, request: &Request, status: u16, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.note(request, |record| record.begun = Some(status));
        Ok(())
    }

    async fn drip(&mut self, request: &Request, status: u16, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            sleep(PAUSE).await;
            self.send(request, status, &[*byte]).await?;
        }
        Ok(())
    }

    fn is_answered(&self, request: &Request) {
        self.note(request, |record| record.answered = true);
    }

    fn note(&self, request: &Request, note: impl FnOnce(&mut Recorded)) {
        if let Some(place) = request.place {
            self.shared.change(|tally| note(&mut tally.records[place]));
        }
    }

    /// The connection ends with a reset as soon as it is dropped.
    fn reset(&self) -> io::Result<Next> {
        self.stream.set_zero_linger()?;
        Ok(Next::Close)
    }

    /// Reads the body, or about the first half of it.
    async fn read_body(&mut self, request: &Request, half: bool) -> io::Result<()> {
        match request.body {
            Framing::Length(length) => self.take(request, if half { length / 2 } else { length }).await?,
            Framing::Chunked => loop {
                let size = usize::from_str_radix(&self.read_line().await?, 16).map_err(io::Error::other)?;
                if size == 0 {
                    while !self.read_line().await?.is_empty() {}
                    break;
                }
                self.take(request, if half { size.div_ceil(2) } else { size }).await?;
                if half {
                    break;
                }
                self.read_line().await?;
            },
        }
        if !half {
            self.note(request, |record| record.body_complete = true);
        }
        Ok(())
    }

    /// Takes so many bytes of a body.
    async fn take(&mut self, request: &Request, mut left: usize) -> io::Result<()> {
        while left > 0 {
            if self.unread.is_empty() {
                self.fill().await?;
            }
            let taken = left.min(self.unread.len());
            self.unread.drain(..taken);
            self.note(request, |record| record.body_bytes += taken);
            left -= taken;
        }
        Ok(())
    }

    async fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..end + 2);
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    /// Reads what there is; an error at the end of the connection.
    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// One event of a stream.
pub fn event_text(event: usize) -> String {
    format!("data: {event}\n\n")
}

mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::TcpStream,
    };

    use super::*;
    use crate::support::http::Connection;

    const POST: &[u8] = b"POST /x HTTP/1.1\r\nHost: x\r\nX-Test-Id: 7\r\nContent-Length: 10\r\n\r\n0123456789";

    /// What arrives, and how the connection ended.
    fn sent(server: &Troubled, request: &[u8]) -> (String, Option<ErrorKind>) {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut received = Vec::new();
        let written = stream.write_all(request);
        let ended = written.and_then(|()| stream.read_to_end(&mut received)).err();
        (String::from_utf8(received).unwrap(), ended.map(|error| error.kind()))
    }

    #[test]
    fn each_stage_ends_in_a_reset_where_it_says() {
        let server = Troubled::start();
        for stage in Stage::ALL {
            let before = server.recorded().len();
            server.set(Mood::Resets(stage));
            let (received, ended) = sent(&server, POST);
            // A client that writes to a connection that was reset may be told so by either name.
            assert!(matches!(ended, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)), "{stage:?} {ended:?}");
            let new = &server.recorded()[before..];
            assert_eq!(new.len(), usize::from(stage.is_recorded()), "{stage:?}");
            assert_eq!(!received.is_empty(), stage.is_answering(), "{stage:?}");
            let body = received.split_once("\r\n\r\n").map(|(_, body)| body.len());
            match stage {
                Stage::AfterResponseHead => assert_eq!(body, Some(0)),
                Stage::MidResponseBody => assert!(body > Some(0)),
                _ => assert_eq!(body, None),
            }
            if let [record] = new {
                let bytes = match stage {
                    Stage::AfterRequestHead => 0,
                    Stage::MidRequestBody => 5,
                    _ => 10,
                };
                assert_eq!((record.id.as_str(), record.body_bytes), ("7", bytes), "{stage:?}");
                assert_eq!((record.body_complete, record.answered), (bytes == 10, false), "{stage:?}");
                assert_eq!(record.begun.is_some(), stage.is_answering(), "{stage:?}");
            }
        }
        assert_eq!(server.connections(), Stage::ALL.len());
    }

    #[test]
    fn it_answers_counts_and_records() {
        let server = Troubled::start();
        let mut client = Connection::to(server.address());
        let answer = client.send(POST).read_response("POST").json();
        assert_eq!((&answer["test_id"], &answer["body_bytes"]), (&"7".into(), &10.into()));
        assert_eq!(answer["server"], server.address().port());
        client.send("PUT /y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        assert_eq!(client.read_response("PUT").json()["body_bytes"], 5);
        assert_eq!(client.ask("GET", "/stream/3", "x", "").text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
        let recorded = server.recorded();
        assert_eq!(recorded.iter().map(|record| record.body_bytes).collect::<Vec<_>>(), [10, 5, 0]);
        assert!(recorded.iter().all(|record| record.body_complete && record.answered && record.begun == Some(200)));
        server.set(Mood::HealthRed);
        assert_eq!(["/health", "/"].map(|target| client.ask("GET", target, "x", "").status), [503, 200]);
        server.set(Mood::Errors);
        assert_eq!(["/health", "/"].map(|target| client.ask("GET", target, "x", "").status), [200, 500]);
        server.set(Mood::Drips);
        assert_eq!(client.ask("GET", "/drips", "x", "").json()["body_bytes"], 0);
        assert_eq!((server.recorded().len(), server.health_checks(), server.connections()), (6, 2, 1));
    }

    #[test]
    fn it_holds_streams_and_echoes() {
        let server = Troubled::start();
        let mut client = Connection::to(server.address());
        client.send("GET /stream/2?held HTTP/1.1\r\n\r\n").read_head();
        for event in 0..2 {
            server.release(1);
            assert_eq!(client.read_chunk().unwrap(), event_text(event).into_bytes());
        }
        assert_eq!(client.read_chunk(), None);
        client.send("GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
        assert_eq!(client.read_head().status, 101);
        assert_eq!(client.send(" you").read_exactly(9), b"hello you");
        assert_eq!(server.recorded().iter().filter(|record| record.answered).count(), 2);
    }

    #[test]
    fn it_leaves_as_it_is_told_and_comes_back() {
        let mut server = Troubled::start();
        let address = server.address();
        let refuses = || TcpStream::connect(address).is_err();
        let mut client = Connection::to(address);
        assert_eq!(client.ask("GET", "/", "x", "").header("connection"), None);
        server.set(Mood::RefusesNew);
        assert!(refuses());
        assert_eq!(client.ask("GET", "/", "x", "").header("connection"), Some("close"));
        assert!(client.is_closed());
        server.set(Mood::Well);

        let [mut idle, mut busy] = [Connection::to(address), Connection::to(address)];
        assert_eq!(idle.ask("GET", "/", "x", "").status, 200);
        busy.send("GET /stream/1?held HTTP/1.1\r\n\r\n").read_head();
        server.set(Mood::ShutsDown);
        assert!(refuses() && idle.is_closed());
        server.release(1);
        assert_eq!(busy.read_chunk(), Some(event_text(0).into_bytes()));
        assert_eq!(busy.read_chunk(), None);
        assert!(busy.is_closed());
        server.set(Mood::Well);

        let mut frozen = Connection::to(address);
        server.set(Mood::Frozen);
        frozen.send("GET /frozen HTTP/1.1\r\n\r\n");
        server.wait_for(5);
        server.stop();
        assert!(refuses() && frozen.is_closed());
        assert_eq!(server.recorded().iter().filter(|record| record.answered).count(), 4);
        let again = Troubled::start_on(address).unwrap();
        assert_eq!(Connection::to(again.address()).ask("GET", "/", "x", "").status, 200);
    }
}
