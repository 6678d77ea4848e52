//! A new program takes over from the one that runs while requests flow, and nobody notices.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::support::{
    account::{Load, MIXED},
    discovery::AS,
    edge::{CLIENTS, servers_yaml},
    generations::{Generations, configured},
    http::Connection,
    raw,
    troubled::{Troubled, event_text},
    until,
    websocket::{self, UPGRADE},
};

/// Clients that ask on one new connection after the other until they are told to stop.
#[derive(Default)]
struct Knocking {
    stop: AtomicBool,
    answered: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Knocking {
    fn knock(&self, edge: SocketAddr) {
        while !self.stop.load(Ordering::Relaxed) {
            let asked = Connection::try_to(edge).map_err(|error| error.to_string()).and_then(|mut connection| {
                connection.send(format!("GET {AS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
                connection.try_read_head()
            });
            match asked {
                Ok(head) if head.status == 200 => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
                Ok(head) => self.wrong.lock().unwrap().push(format!("status {}", head.status)),
                Err(error) => self.wrong.lock().unwrap().push(error),
            }
        }
    }

    /// Waits until some more have been answered.
    fn flows(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        until("new connections are answered", || self.answered.load(Ordering::Relaxed) > before + 20);
    }
}

/// Tells them to stop when it is dropped, also by a test that fails.
struct StopKnocking<'a>(&'a Knocking);

impl Drop for StopKnocking<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Those on new connections and those on kept-alive ones, each accounted for.
#[test]
fn five_replacements_lose_no_connection_and_no_request() {
    let servers = [Troubled::start(), Troubled::start()];
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!("{}{CLIENTS}", servers_yaml(&servers.each_ref().map(Troubled::address)));
    let mut edge = Generations::start(&configured(folder.path(), &yaml));
    let (address, knocking) = (edge.address, Knocking::default());
    let account = thread::scope(|scope| {
        let _stop = StopKnocking(&knocking);
        for _ in 0..2 {
            scope.spawn(|| knocking.knock(address));
        }
        let load = Load { workers: 4, requests: 50_000, kinds: MIXED }.on(address);
        for _ in 0..5 {
            load.wait_for(50);
            knocking.flows();
            edge.replace();
        }
        load.wait_for(50);
        knocking.flows();
        load.stop()
    });
    assert_eq!(*knocking.wrong.lock().unwrap(), Vec::<String>::new());
    let balance = account.balance(&servers.each_ref());
    balance.assert_none_lost();
    balance.assert_no_post_twice();
    balance.assert_none_wrong();
    let log = edge.stop();
    assert_eq!(log.matches("stopped, 0 requests cut").count(), 6, "{log}");
}

#[test]
fn what_the_first_edge_has_begun_goes_on_through_two_replacements() {
    let websocket = raw::serve_one(|mut stream| {
        websocket::accept(&mut stream);
        websocket::echo(stream);
    });
    let folder = tempfile::tempdir().unwrap();
    let mut edge = Generations::start(&configured(folder.path(), &servers_yaml(&[websocket])));
    let mut client = Connection::to(edge.address);
    client.send(format!("GET /ws HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n"));
    assert_eq!(client.read_head().status, 101);
    // The stream is that of a server of its own.
    let server = Troubled::start();
    configured(folder.path(), &servers_yaml(&[server.address()]));
    edge.first.wait_for("served as generation 2");
    let mut held = Connection::to(edge.address);
    held.send("GET /stream/2?held HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(held.read_head().status, 200);
    for _ in 0..2 {
        edge.replace();
        client.send(b"\x81\x05hello");
        assert_eq!(client.read_exactly(7), b"\x81\x05hello");
    }
    server.release(100);
    assert_eq!(held.read_chunks().len(), 2 * event_text(0).len());
    drop((client, held));
    let log = edge.stop();
    assert_eq!(log.matches("stopped, 0 requests cut").count(), 3, "{log}");
}
