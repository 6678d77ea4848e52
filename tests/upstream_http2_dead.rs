//! A connection of HTTP/2 whose server has fallen silent below it does not swallow requests.

use std::{
    future::pending,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, mpsc},
    thread,
};

use bytes::Bytes;
use http::Response;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime, select, spawn,
    sync::Notify,
};

use crate::support::{
    PATIENCE,
    edge::{BROKEN_OFF, Edge, is_error},
    in_time::Heard,
    tls_server::yaml,
};

/// A server that reads nothing more on its first connection once it is told so, and serves all others.
struct Server {
    address: SocketAddr,
    fall_silent: Arc<Notify>,
    is_silent: mpsc::Receiver<()>,
}

impl Server {
    fn start() -> Self {
        let (tell, told) = mpsc::channel();
        let (say, is_silent) = mpsc::channel();
        let fall_silent = Arc::new(Notify::new());
        let first = Arc::clone(&fall_silent);
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let (stream, _) = listener.accept().await.unwrap();
                spawn(async move {
                    // Open for as long as this, and so for ever.
                    let mut serving = pin!(serve(stream));
                    select! {
                        () = &mut serving => {}
                        () = first.notified() => say.send(()).unwrap(),
                    }
                    pending::<()>().await;
                });
                while let Ok((stream, _)) = listener.accept().await {
                    spawn(serve(stream));
                }
            });
        });
        Server { address: told.heard(), fall_silent, is_silent }
    }
}

async fn serve(stream: TcpStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut response))) = connection.accept().await {
        let mut body = response.send_response(Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(b"ok"), true).unwrap();
    }
}

/// An edge whose idle connection to its server is dead, and that waits for nothing else but an answer to its pings.
fn with_a_dead_connection() -> Edge {
    let server = Server::start();
    let list = format!("{{address: \"{}\", http2: true}}", server.address);
    let edge = Edge::start(&yaml(&[list], "timeouts: {ping: 1s, first_byte: 1h, silence: 1h}\n"));
    assert_eq!(edge.get("/").text(), "ok");
    server.fall_silent.notify_one();
    server.is_silent.recv_timeout(PATIENCE).unwrap();
    edge
}

#[test]
fn requests_on_a_connection_of_http2_that_answers_no_ping_are_repeated() {
    let edge = with_a_dead_connection();
    thread::scope(|scope| {
        let gets: Vec<_> = (0..4).map(|_| scope.spawn(|| edge.get("/").status)).collect();
        for get in gets {
            assert_eq!(get.join().unwrap(), 200);
        }
    });
    let report = edge.report();
    // Of those that come at once, some may have a new connection.
    assert!((1..=4).contains(&report.servers[0].broken), "{}", report.servers[0].broken);
    assert_eq!(report.servers[0].stale, 0);
}

#[test]
fn a_post_on_a_connection_of_http2_that_answers_no_ping_is_502_and_the_next_has_a_new_one() {
    let edge = with_a_dead_connection();
    is_error(&edge.post("/"), 502, BROKEN_OFF);
    assert_eq!(edge.post("/").status, 200);
    let report = edge.report();
    assert_eq!((report.servers[0].broken, report.servers[0].stale), (1, 0));
}
