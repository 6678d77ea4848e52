//! A running edge, in this process, on a port that the system chose.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    ops::Deref,
    path::Path,
    thread::{self, JoinHandle},
};

use bridgehead::{
    config::{Config, Loaded, ServerAddress},
    fleet::{Report, ServerReport},
    process::{BoundSocket, Ended, Order, Process},
    readiness::Stage,
    state::Control,
    telemetry::{AnsweredBy, Class, Counters},
};
use tokio::{runtime, sync::mpsc};

use super::{
    bifrost::Bifrost,
    http::{Connection, Origin, Response},
    in_time::{self, Joined},
    raw, schema, until,
};

/// Dropping it stops the edge.
pub struct Edge {
    origin: Origin,
    pub admin: SocketAddr,
    control: Control,
    stop: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<Ended>>,
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
            fs::write(&file, plain_text(address, yaml)).unwrap();
            schema::takes(&plain_text(address, yaml));
            Loaded::from_file(&file).unwrap_or_else(|problems| panic!("{problems}")).config
        })
    }

    /// Starts an edge whose listener has these options besides its address.
    pub fn listening(options: &str, yaml: &str) -> Self {
        Self::start_with(|address| config_listening(address, options, yaml))
    }

    fn start_with(config: impl FnOnce(SocketAddr) -> Config) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").unwrap();
        let process = Process::on(&config(address), vec![BoundSocket::Tcp(socket)], Some(admin)).unwrap();
        let (admin, control) = (process.admin_address().unwrap(), process.control().clone());
        let (stop, stopped) = mpsc::channel(2);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(process.serve(stopped)).unwrap()
        });
        Edge { origin: Origin { address }, admin, control, stop: Some(stop), thread: Some(thread) }
    }

    /// An edge with public URLs for its own port and one `per_user_oauth` client, in front of servers.
    pub fn in_front_of(servers: &[SocketAddr]) -> Self {
        Self::start(&format!("{PUBLIC_URLS}{}{CLIENTS}", servers_yaml(servers)))
    }

    /// The same in front of one server, which handles one connection so.
    pub fn in_front_of_one(handler: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        Self::in_front_of(&[raw::serve_one(handler)])
    }

    /// An edge in front of servers with these options and, unless they say so, no public URLs and no clients.
    pub fn with(servers: &[SocketAddr], options: &str) -> Self {
        Self::start(&format!("{}{options}", servers_yaml(servers)))
    }

    /// The answer to a POST of two bytes on a connection of its own.
    pub fn post(&self, target: &str) -> Response {
        let mut connection = self.connect();
        connection.send(self.head("POST", target, "Content-Length: 2\r\n") + "hi");
        connection.read_response("POST")
    }

    /// Posts two bytes, which a server answers, and waits until that has been counted in this class.
    pub fn post_counts_as(&self, target: &str, class: Class) {
        let count = || -> u64 {
            let statuses = self.counters().sites().unsited().traffic().statuses(class, AnsweredBy::Server);
            statuses.map(|(_, count)| count).sum()
        };
        let before = count();
        self.post(target);
        until(target, || count() == before + 1);
    }

    /// Begins a chat on a connection of its own: a stream of five events, each of which the gate of a
    /// [`Bifrost`] may hold back.
    pub fn chat(&self) -> Connection {
        let body = r#"{"model":"m","stream":true}"#;
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut connection = self.connect();
        connection.send(self.head("POST", "/v1/chat/completions", &length) + body);
        let head = connection.read_head();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        connection
    }

    /// Serves another configuration from now on.
    pub fn reload(&self, yaml: &str) {
        in_time::run(self.control.replace(config(self.address, yaml))).unwrap();
    }

    /// Says what a name resolves to, as the system's resolver would.
    pub fn resolved(&self, name: &ServerAddress, addresses: Vec<SocketAddr>) {
        self.control.snapshot().resolved([(name.clone(), addresses)]);
    }

    /// What the admin listener answers to a request for the metrics.
    pub fn metrics(&self) -> String {
        self.ask_admin("/metrics").text().to_owned()
    }

    /// What the admin listener answers to a GET.
    pub fn ask_admin(&self, target: &str) -> Response {
        Connection::to(self.admin).ask("GET", target, &self.admin.to_string(), "")
    }

    /// The value of one metric, labels included.
    pub fn metric(&self, sample: &str) -> u64 {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {sample} in {metrics}")).parse().unwrap()
    }

    /// The hand on it.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// What it has counted so far.
    pub fn counters(&self) -> &Counters {
        self.control.counters()
    }

    /// What its fleet has done so far.
    pub fn report(&self) -> Report {
        self.control.report()
    }

    /// What one server has done so far, by the name that the configuration gives it.
    pub fn report_of(&self, server: &impl ToString) -> ServerReport {
        let name = server.to_string();
        self.report().servers.into_iter().find(|server| server.server == name).unwrap()
    }

    /// Tells it to stop in good order.
    pub fn begin_to_stop(&self) {
        self.stop.as_ref().unwrap().blocking_send(Order::Stop).unwrap();
    }

    /// How far it is in its life.
    pub fn stage(&self) -> Stage {
        self.control.readiness().stage
    }

    /// Waits for its end and returns how many requests were cut.
    pub fn ended(mut self) -> usize {
        self.thread.take().unwrap().joined().cut
    }

    /// Stops it in good order and returns how many requests were cut.
    pub fn stop(self) -> usize {
        self.begin_to_stop();
        self.ended()
    }
}

/// A Bifrost and [an edge in front of it](Edge::in_front_of).
pub fn bifrost_and_edge() -> (Bifrost, Edge) {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    (bifrost, edge)
}

/// The configuration of an edge that listens on this address only.
pub fn config(address: SocketAddr, yaml: &str) -> Config {
    parse(&plain_text(address, yaml))
}

/// The same of a listener with these options besides its address.
pub fn config_listening(address: SocketAddr, options: &str, yaml: &str) -> Config {
    parse(&text(&format!("address: \"{address}\", {options}"), address, yaml))
}

fn parse(text: &str) -> Config {
    let loaded = Loaded::from_text("test.yaml".as_ref(), text).unwrap_or_else(|problems| panic!("{problems}"));
    schema::takes(text);
    loaded.config
}

fn plain_text(address: SocketAddr, yaml: &str) -> String {
    text(&format!("address: \"{address}\""), address, yaml)
}

fn text(listener: &str, address: SocketAddr, yaml: &str) -> String {
    // A server of a test sees the requests of the test alone, whatever their host, unless it wants more or less.
    let health = if yaml.contains("health:") { "" } else { "health: {enabled: false}\n" };
    let verify = if yaml.contains("verify:") { "" } else { "verify: {at_start: false}\n" };
    let hosts =
        if yaml.contains("unknown_hosts:") || yaml.contains("sites:") { "" } else { "unknown_hosts: forward\n" };
    let admin = if yaml.contains("admin:") { "" } else { "admin: {address: \"127.0.0.1:0\"}\n" };
    let yaml = format!("listeners: [{{{listener}}}]\n{admin}{health}{verify}{hosts}{yaml}");
    yaml.replace("{port}", &address.port().to_string())
}

impl Deref for Edge {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A test that fails says why first.
        if let Some(thread) = self.thread.take().filter(|_| !thread::panicking()) {
            thread.joined();
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

/// An entry of `sites` with one server and the usual clients.
pub fn site_yaml(name: &str, url: &str, server: SocketAddr) -> String {
    let (clients, servers) = (CLIENTS.trim_end().replace('\n', "\n  "), servers_yaml(&[server]));
    format!("- name: {name}\n  public_urls: [\"{url}\"]\n  {servers}  {clients}\n")
}

pub const UNREACHABLE: &str = "the Bifrost server cannot be reached";
pub const BROKEN_OFF: &str = "the Bifrost server broke off without a complete answer";
pub const NO_ANSWER: &str = "the Bifrost server did not answer in time";
pub const NO_SERVER: &str = "no Bifrost server is available";

/// Asserts the one shape of the edge's own errors.
pub fn is_error(response: &Response, status: u16, message: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let id = response.header("x-request-id").unwrap();
    let expected = format!(
        "{{\"is_bifrost_error\":false,\"status_code\":{status},\"error\":{{\"message\":\"{message} (request id {id})\"}},\"extra_fields\":{{}}}}\n"
    );
    assert_eq!(response.text(), expected);
}
