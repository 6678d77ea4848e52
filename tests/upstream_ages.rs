//! A connection to a server is used no longer than the server keeps it, and not once the server has been down.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use bridgehead::fleet::State;

use crate::support::{edge::Edge, raw, until};

#[test]
fn an_idle_connection_is_closed_before_its_server_says_that_it_will() {
    for (seconds, least) in [(0, 0), (2, 1)] {
        let edge = Edge::in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            let answer =
                format!("HTTP/1.1 200 OK\r\nKeep-Alive: timeout={seconds}, max=9\r\nContent-Length: 2\r\n\r\nok");
            stream.write_all(answer.as_bytes()).unwrap();
            let begun = Instant::now();
            assert!(raw::is_closed(&mut stream));
            let kept = begun.elapsed().as_millis();
            // The pool is looked at every second.
            assert!(kept >= least * 900, "closed after {kept} ms");
            raw::answer_one(stream);
        });
        let answer = edge.get("/");
        assert_eq!((answer.text(), answer.header("keep-alive")), ("ok", None));
        until("it is closed", || edge.get("/").status == 502);
    }
}

/// A server whose checks are good or bad, and how many connections of requests have been closed.
struct Checked {
    address: SocketAddr,
    is_bad: Arc<AtomicBool>,
    closed: Arc<AtomicUsize>,
}

impl Checked {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_bad, closed) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (bad, ended) = (Arc::clone(&is_bad), Arc::clone(&closed));
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let (bad, ended) = (Arc::clone(&bad), Arc::clone(&ended));
                thread::spawn(move || {
                    let mut requests = 0;
                    while let Some(head) = raw::read_next_head(&mut stream) {
                        let is_check = head.starts_with("GET /health ");
                        requests += usize::from(!is_check);
                        let is_red = is_check && bad.load(Ordering::SeqCst);
                        let status = if is_red { "503 No" } else { "200 OK" };
                        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
                        if stream.write_all(answer.as_bytes()).is_err() {
                            break;
                        }
                    }
                    ended.fetch_add(usize::from(requests > 0), Ordering::SeqCst);
                });
            }
        });
        Checked { address, is_bad, closed }
    }
}

#[test]
fn the_idle_connections_of_a_server_that_goes_down_are_closed() {
    let server = Checked::start();
    let edge = Edge::with(&[server.address], "health: {enabled: true, interval: 20ms, rise: 1, fall: 1}\n");
    let is = |state| edge.report().servers[0].state == state;
    until("it is up", || is(State::Up));
    assert_eq!(edge.get("/").text(), "ok");
    assert_eq!(server.closed.load(Ordering::SeqCst), 0);
    server.is_bad.store(true, Ordering::SeqCst);
    until("it is down", || is(State::Down));
    until("its connection is closed", || server.closed.load(Ordering::SeqCst) == 1);
    server.is_bad.store(false, Ordering::SeqCst);
    until("it is up again", || is(State::Up));
    assert_eq!(edge.get("/").text(), "ok");
}
