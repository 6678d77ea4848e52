//! A connection of HTTP/2 whose server has fallen silent below it does not swallow requests.

use std::{net::SocketAddr, sync::mpsc, thread, time::Instant};

use bytes::Bytes;
use http::Response;
use tokio::{net::TcpListener, runtime, spawn, time::timeout};

use crate::support::{
    edge::{BROKEN_OFF, Edge, is_error},
    tls_server::yaml,
};

/// A server that answers one request on its first connection and then reads nothing more there, and serves all others.
fn falls_silent() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                let is_first = number == 1;
                spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    let mut served = 0;
                    while let Some(Ok((_, mut response))) = connection.accept().await {
                        served += 1;
                        let mut body = response.send_response(Response::new(()), false).unwrap();
                        body.send_data(Bytes::from_static(b"ok"), true).unwrap();
                        if is_first && served == 1 {
                            // Until what there is has been sent.
                            let _nothing = timeout(std::time::Duration::from_millis(300), connection.accept()).await;
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        });
    });
    told.recv().unwrap()
}

/// An edge whose idle connection to its server is dead.
fn with_a_dead_connection() -> Edge {
    let server = format!("{{address: \"{}\", http2: true}}", falls_silent());
    let edge = Edge::start(&yaml(&[server], "timeouts: {ping: 1s}\n"));
    assert_eq!(edge.get("/").text(), "ok");
    thread::sleep(std::time::Duration::from_millis(400));
    edge
}

/// Of the limits of a response, none is that short.
fn is_soon(begun: Instant) {
    assert!(begun.elapsed().as_secs() < 15);
}

#[test]
fn requests_on_a_connection_of_http2_that_answers_no_ping_are_repeated() {
    let (edge, begun) = (with_a_dead_connection(), Instant::now());
    thread::scope(|scope| {
        let gets: Vec<_> = (0..4).map(|_| scope.spawn(|| edge.get("/").status)).collect();
        for get in gets {
            assert_eq!(get.join().unwrap(), 200);
        }
    });
    is_soon(begun);
    let report = edge.report();
    // Of those that come at once, some may have a new connection.
    assert!((1..=4).contains(&report.servers[0].broken), "{}", report.servers[0].broken);
    assert_eq!(report.servers[0].stale, 0);
}

#[test]
fn a_post_on_a_connection_of_http2_that_answers_no_ping_is_502_and_the_next_has_a_new_one() {
    let (edge, begun) = (with_a_dead_connection(), Instant::now());
    is_error(&edge.post("/"), 502, BROKEN_OFF);
    is_soon(begun);
    assert_eq!(edge.post("/").status, 200);
    let report = edge.report();
    assert_eq!((report.servers[0].broken, report.servers[0].stale), (1, 0));
}
