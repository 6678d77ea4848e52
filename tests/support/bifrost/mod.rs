//! A scriptable stand-in for a Bifrost gateway of generation A (per-user OAuth) or, as soon as it is told so, of
//! generation B (`oauth2`).
//!
//! It speaks HTTP/1.1 only, derives its own origin from the `Host` header just as the original
//! does, and records every request that reaches it. It runs on a thread and runtime of its own,
//! so a test that blocks, or that uses a single-threaded runtime, does not stall it.

mod admission;
mod claude_code;
mod clients;
mod consent;
mod grants;
mod keys;
mod mcp;
mod oauth;
mod oauth2;
mod plain;
mod record;
mod reply;
mod route;
mod said;
mod setup;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Semaphore, oneshot},
};

pub use clients::Discovery;
pub use oauth2::Mode;
pub use record::Recorded;

/// A running server. Dropping it closes the listener and every connection before it returns.
pub struct Bifrost {
    address: SocketAddr,
    state: Arc<State>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the handlers share.
#[derive(Default)]
struct State {
    records: Mutex<Vec<Recorded>>,
    /// How many health checks have come.
    checks: AtomicUsize,
    /// Whether `/health` says that the database is gone.
    is_red: AtomicBool,
    /// Between two comments on an idle stream, in place of what the original has.
    heartbeat: Mutex<Option<Duration>>,
    setup: Mutex<setup::Lock>,
    rules: Mutex<admission::Rules>,
    gate: Mutex<Option<Gate>>,
    oauth: Mutex<oauth::Store>,
    oauth2: Mutex<oauth2::Store>,
    claude_code: Mutex<claude_code::Gateway>,
    table: Mutex<clients::Table>,
    said: Mutex<said::Said>,
    base_path: Mutex<String>,
}

impl Bifrost {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When no port can be bound.
    pub fn start() -> Bifrost {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Bifrost::start_on(any_port).expect("a free port on 127.0.0.1")
    }

    /// Starts a server of the generation of `profile: oauth2`, in this mode.
    pub fn of_oauth2(mode: Mode) -> Bifrost {
        let bifrost = Bifrost::start();
        bifrost.set_discovery(Discovery::Oauth2(mode));
        bifrost
    }

    /// Starts a server on a given address, for example one that a stopped server used.
    pub fn start_on(address: SocketAddr) -> io::Result<Bifrost> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let (shutdown, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("bifrost".to_owned()).spawn(move || run(listener, shared, stopped))?;
        Ok(Bifrost { address, state, shutdown: Some(shutdown), thread: Some(thread) })
    }

    /// The address the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Turns `/health` to 503, or back to 200. Everything else goes on as before.
    pub fn set_red(&self, is_red: bool) {
        self.state.is_red.store(is_red, Ordering::SeqCst);
    }

    /// Says what its `server.base_path` is. As in the original, requests are taken with it and without it.
    pub fn set_base_path(&self, path: &str) {
        // Source: changelog of Helm chart 2.1.47, for 2.4.0.
        path.clone_into(&mut lock(&self.state.base_path));
    }

    /// How many of the edge's health checks have arrived.
    pub fn health_checks(&self) -> usize {
        self.state.checks.load(Ordering::SeqCst)
    }

    /// Every request that arrived, but for the edge's health checks, in order of arrival. A request is listed as soon as its head
    /// is parsed; its body fields grow while the body is read.
    pub fn recorded(&self) -> Vec<Recorded> {
        lock(&self.state.records).clone()
    }

    /// The one request that arrived.
    pub fn only(&self) -> Recorded {
        let mut recorded = self.recorded();
        assert_eq!(recorded.len(), 1);
        recorded.remove(0)
    }

    /// The recorded requests whose path holds `/.well-known/` at any place, either literally or
    /// after percent-decoding it once and ignoring case.
    pub fn discovery_requests(&self) -> Vec<Recorded> {
        lock(&self.state.records).iter().filter(|request| request.is_discovery()).cloned().collect()
    }

    /// Closes the gate in front of streamed events, for every stream that starts from now on.
    ///
    /// While it is closed, each of the five chat chunks, and each step of the `count`
    /// tool, waits for one permit. Response heads and the events that end a stream do not wait.
    /// Until [`Gate::release_all`] is called, further calls return the same gate.
    pub fn gate(&self) -> Gate {
        let mut current = lock(&self.state.gate);
        match &*current {
            Some(gate) if !gate.0.is_closed() => gate.clone(),
            _ => current.insert(Gate(Arc::new(Semaphore::new(0)))).clone(),
        }
    }

    /// Sends heartbeats so often where the original sends some: every 15 s on a stream of `/mcp`, every second on one of
    /// a chat.
    pub fn set_heartbeat(&self, interval: Duration) {
        *lock(&self.state.heartbeat) = Some(interval);
    }

    /// Takes this token for one of a login from now on, as an MCP server of a Bifrost's own does.
    pub fn accept_token(&self, token: &str) {
        lock(&self.state.oauth).accept(token);
    }

    /// The byte at a place of the body of `/bytes/{n}`.
    pub fn byte_at(place: u64) -> u8 {
        plain::byte_at(place)
    }

    /// Stops the server; the same as dropping it.
    pub fn stop(self) {
        drop(self);
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
struct Caller {
    /// The number of its connection.
    connection: u64,
    address: IpAddr,
}

impl Drop for Bifrost {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server thread was already printed; do not panic again in a drop.
            let _ = thread.join();
        }
    }
}

/// Lets gated events through one by one.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// Lets one more event through, now or as soon as there is one.
    pub fn release_one(&self) {
        self.0.add_permits(1);
    }

    /// Opens the gate for good.
    pub fn release_all(&self) {
        self.0.close();
    }
}

/// Waits for a permit where there is a gate.
async fn pass(gate: Option<&Gate>) {
    // An error means closed, which is how `release_all` opens the gate.
    if let Some(gate) = gate
        && let Ok(permit) = gate.0.acquire().await
    {
        permit.forget();
    }
}

impl State {
    fn current_gate(&self) -> Option<Gate> {
        lock(&self.gate).clone()
    }

    fn base_path(&self) -> String {
        lock(&self.base_path).clone()
    }

    fn without_base_path<'a>(&self, path: &'a str) -> &'a str {
        let below = path.strip_prefix(&*lock(&self.base_path));
        below.filter(|below| below.starts_with('/')).unwrap_or(path)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(listener: StdListener, state: Arc<State>, stopped: oneshot::Receiver<()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the server");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("a non-blocking listener");
        tokio::spawn(accept(listener, state));
        // The sender is only ever dropped, so this ends with an error.
        let _ = stopped.await;
    });
    // Dropping the runtime here drops every task, and with it every socket.
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connection = 0;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(serve(stream, Arc::clone(&state), Caller { connection, address: peer.ip() }));
                connection += 1;
            }
            // Out of file descriptors, for example: it may pass.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>, caller: Caller) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { route::answer(state, request, caller).await }
    });
    // An error here is a client that went away or a handler that wanted the connection cut.
    let _ = http1::Builder::new()
        .max_headers(500)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
