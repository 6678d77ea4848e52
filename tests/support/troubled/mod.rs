//! A server made for faults: plain HTTP/1.1 that fails on command, at the stage of a request that the
//! test names, and that records every request that reached it.
//!
//! It runs on a thread and runtime of its own.

mod answer;
mod fleet;
mod mood;
mod record;
mod serve;
mod tests;

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{Arc, PoisonError, mpsc as blocking},
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{mpsc, oneshot},
    time::sleep,
};

pub use answer::event_text;
pub use fleet::{fleet, fleet_with, impatient_fleet};
pub use mood::{Mood, Stage};
pub use record::Recorded;

use super::PATIENCE;
use record::{Shared, Tally};
use serve::serve;

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
        let shared = Arc::new(Shared::new(address));
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
