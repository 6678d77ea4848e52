//! Requests in flight are bounded, in all and for each client, so that nobody takes the open files of all others.

use std::{net::SocketAddr, path::Path, process::Command};

use tokio::net::TcpStream;

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, PUBLIC_URLS, is_error, servers_yaml},
    h2c::{Client, H2cEdge},
    http::Connection,
    program::{Running, bridgehead, config},
    until,
};

const TOO_MANY: &str = "too many requests are in flight; come again later";
const REFUSED: &str = "bridgehead_requests_failed_total{reason=\"too_many_in_flight\"}";
const DISCOVERY: &str = "/.well-known/oauth-authorization-server";

fn yaml(bifrost: &Bifrost, limits: &str) -> String {
    format!("{PUBLIC_URLS}{CLIENTS}{}limits: {{{limits}}}\n", servers_yaml(&[bifrost.address()]))
}

/// A request that no server ever answers.
fn hang(edge: &Edge, bifrost: &Bifrost) -> Connection {
    let before = bifrost.recorded().len();
    let mut connection = edge.connect();
    connection.send(edge.head("GET", "/hang", ""));
    until("the server has the request", || bifrost.recorded().len() > before);
    connection
}

#[test]
fn a_request_too_many_is_503_and_its_place_is_free_again_later() {
    let bifrost = Bifrost::start();
    let edge = Edge::start(&yaml(&bifrost, "requests_in_flight: 2, requests_in_flight_per_client: unlimited"));
    let (one, _two) = (hang(&edge, &bifrost), hang(&edge, &bifrost));
    let refused = edge.get("/health");
    is_error(&refused, 503, TOO_MANY);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(edge.metric(REFUSED), 1);
    assert_eq!(edge.get(DISCOVERY).status, 200);
    drop(one);
    until("the place is free again", || edge.get("/health").status == 200);
}

#[test]
fn one_client_does_not_take_the_places_of_others() {
    let bifrost = Bifrost::start();
    let limits = "requests_in_flight_per_client: 1";
    let edge = Edge::start(&format!("{}trusted_proxies: [\"127.0.0.1\"]\n", yaml(&bifrost, limits)));
    let ask = |client: &str| {
        edge.connect().ask("GET", "/health", &edge.host(), &format!("X-Forwarded-For: {client}\r\n")).status
    };
    let mut busy = edge.connect();
    busy.send(edge.head("GET", "/hang", "X-Forwarded-For: 192.0.2.1\r\n"));
    until("the server has the request", || !bifrost.recorded().is_empty());
    assert_eq!((ask("192.0.2.1"), ask("192.0.2.2")), (503, 200));
}

#[test]
fn streams_of_http2_count_each() {
    let bifrost = Bifrost::start();
    let edge = H2cEdge::start(&yaml(&bifrost, "requests_in_flight: 3, requests_in_flight_per_client: unlimited"));
    let client = edge.connect();
    let hanging: Vec<_> = (0..3).map(|_| client.open(edge.request("POST", "/hang"))).collect();
    until("the server has them", || bifrost.recorded().len() == 3);
    assert_eq!(client.ask(edge.request("GET", "/health")).status(), 503);
    assert_eq!(client.ask(edge.request("GET", DISCOVERY)).status(), 200);
    drop(hanging);
    drop(client);
    let another = edge.connect();
    until("their places are free again", || another.ask(edge.request("GET", "/health")).status() == 200);
}

/// The edge as it comes, with few open files.
fn with_open_files(most: usize, file: &Path) -> Running {
    let program = bridgehead();
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\" \"$@\"")).arg(program.get_program());
    command.env("RUST_LOG", "info");
    Running::run(command, file)
}

#[test]
fn with_its_defaults_a_few_connections_of_http2_do_not_take_all_open_files() {
    let bifrost = Bifrost::start();
    let yaml = format!(
        "listeners: [{{address: \"127.0.0.1:0\", http2: true}}]\nadmin: {{address: \"127.0.0.1:0\"}}\n\
         threads: 2\npublic_urls: [\"http://gw.test\"]\n{CLIENTS}{}",
        servers_yaml(&[bifrost.address()])
    );
    let file = config(&yaml);
    let mut running = with_open_files(256, file.path());
    let warned = running.wait_for("limits.connections");
    assert!(warned.contains("256 files") && warned.contains("LimitNOFILE"), "{warned}");
    let address = running.address();
    let admin = running.wait_for("status page").rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();
    let admin: SocketAddr = admin.parse().unwrap();
    let request = |path: &str| http::Request::builder().method("POST").uri(format!("http://gw.test{path}"));
    let clients: Vec<_> = (0..4).map(|_| Client::over(TcpStream::connect(address))).collect();
    let hanging: Vec<_> = clients.iter().flat_map(|client| (0..90).map(|_| client.open(request("/hang")))).collect();
    let failed = || {
        let metrics =
            String::from_utf8(Connection::to(admin).ask("GET", "/metrics", &admin.to_string(), "").body).unwrap();
        let count = metrics.lines().find_map(|line| line.strip_prefix(REFUSED)?.trim().parse::<usize>().ok());
        count.unwrap_or_default()
    };
    // 36 is the half of 72, which is three eighths of what there is for all that is counted.
    until("the rest of them is refused", || failed() == hanging.len() - 36);
    assert_eq!(Connection::to(address).ask("GET", DISCOVERY, "gw.test", "").status, 200);
    let other = Client::over(TcpStream::connect(address));
    let status = other.ask(http::Request::builder().uri(format!("http://gw.test{DISCOVERY}"))).status();
    assert_eq!(status, 200);
}
