//! A running edge, in this process, on a port that the system chose.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    thread::{self, JoinHandle},
};

use bifrost_edge::{
    config::{Config, Loaded, ServerAddress},
    control::Control,
    fleet::Report,
    server::{Server, Stop},
};
use tokio::{runtime, sync::mpsc};

use super::http::Connection;

/// Dropping it stops the edge.
pub struct Edge {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    control: Control,
    stop: Option<mpsc::Sender<Stop>>,
    thread: Option<JoinHandle<usize>>,
}

impl Edge {
    /// Starts an edge with this configuration, without the listeners and, unless it says otherwise, without
    /// health checks: `{port}` in it is the port that the edge listens on.
    pub fn start(yaml: &str) -> Self {
        Self::start_with(|address| config(address, yaml))
    }

    /// The same, with the configuration in a file of this folder.
    pub fn start_in(folder: &Path, yaml: &str) -> Self {
        Self::start_with(|address| {
            let file = folder.join("proxy.yaml");
            fs::write(&file, text(address, yaml)).unwrap();
            Loaded::from_file(&file).unwrap_or_else(|problems| panic!("{problems}")).config
        })
    }

    fn start_with(config: impl FnOnce(SocketAddr) -> Config) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::on(&config(address), vec![socket], Some(admin)).unwrap();
        let (admin, control) = (server.admin_address().unwrap(), server.control().clone());
        let (stop, stopped) = mpsc::channel(2);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(server.serve(stopped)).unwrap()
        });
        Edge { address, admin, control, stop: Some(stop), thread: Some(thread) }
    }

    /// An edge with public URLs for its own port and one `per_user_oauth` client, in front of servers.
    pub fn in_front_of(servers: &[SocketAddr]) -> Self {
        Self::start(&format!("{PUBLIC_URLS}{}{CLIENTS}", servers_yaml(servers)))
    }

    /// A new connection to it.
    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// The Host that a client of `http://localhost:{port}` sends.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Serves another configuration from now on.
    pub fn reload(&self, yaml: &str) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.control.replace(&config(self.address, yaml)));
    }

    /// Says what a name resolves to, as the system's resolver would.
    pub fn resolved(&self, name: &ServerAddress, addresses: Vec<SocketAddr>) {
        self.control.snapshot().servers.fleet().resolved(name, addresses);
    }

    /// What its fleet has done so far.
    pub fn report(&self) -> Report {
        self.control.report()
    }

    /// Stops it in good order and returns how many requests were cut.
    pub fn stop(mut self) -> usize {
        self.stop.as_ref().unwrap().blocking_send(Stop::Gracefully).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }
}

/// The configuration of an edge that listens on this address only.
pub fn config(address: SocketAddr, yaml: &str) -> Config {
    let text = text(address, yaml);
    Loaded::from_text("test.yaml".as_ref(), &text).unwrap_or_else(|problems| panic!("{problems}")).config
}

fn text(address: SocketAddr, yaml: &str) -> String {
    // A server of a test sees the requests of the test alone, unless it wants more.
    let health = if yaml.contains("health:") { "" } else { "health: {enabled: false}\n" };
    let yaml = format!("listeners: [{{address: \"{address}\"}}]\n{health}{yaml}");
    yaml.replace("{port}", &address.port().to_string())
}

impl Drop for Edge {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

pub const PUBLIC_URLS: &str = "public_urls: [\"http://localhost:{port}\", \"http://127.0.0.1:{port}\"]\n";
pub const CLIENTS: &str =
    "mcp_clients:\n- {name: github, auth_type: per_user_oauth, connection_type: http, connection_string: env.URL}\n";

pub fn servers_yaml(servers: &[SocketAddr]) -> String {
    let list: Vec<_> = servers.iter().map(|server| format!("{{address: \"{server}\"}}")).collect();
    format!("servers: [{}]\n", list.join(", "))
}
