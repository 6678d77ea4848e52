//! A running edge in this process, with one worker thread.

use std::{
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use bridgehead::{
    config::Loaded,
    process::{BoundSocket, Order, Process},
};
use tokio::{runtime, sync::mpsc};

use crate::{DISCOVERY, client::Client};

/// Dropping it stops the edge.
pub struct Edge {
    pub address: SocketAddr,
    stop: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Edge {
    /// In front of this server, with these keys besides.
    pub fn start(server: SocketAddr, keys: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let yaml = format!(
            "listeners: [{{address: \"{address}\"}}]\npublic_urls: [\"http://localhost\"]\nhealth: {{enabled: false}}\n\
             servers: [{{address: \"{server}\"}}]\nmcp_clients:\n- {{name: github, auth_type: per_user_oauth, \
             connection_type: http, connection_string: env.URL}}\n{keys}"
        );
        let loaded = Loaded::from_text("bench.yaml".as_ref(), &yaml);
        let config = loaded.expect("a valid configuration").config;
        let edge = Process::on(&config, vec![BoundSocket::Tcp(socket)], None).expect("the edge is made");
        let (stop, stopped) = mpsc::channel(1);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let ended = runtime.expect("a runtime").block_on(edge.serve(stopped));
            ended.expect("the edge serves");
        });
        // A port takes connections before anybody serves them.
        Client::connect(address).get(DISCOVERY);
        Edge { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _over_already = stop.blocking_send(Order::StopNow);
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
