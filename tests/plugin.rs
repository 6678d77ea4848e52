//! Somebody else's Pingora proxy answers discovery for its Bifrost, and what is for its other hosts and paths stays its own.

use std::{fs, net::TcpListener, ops::Deref, os::fd::IntoRawFd, sync::Arc, time::Duration};

use async_trait::async_trait;
use bridgehead::plugin::{
    self, AuthType, DiscoveryCounters, DiscoveryFile, DiscoveryFilter, McpClient, McpServerAuthMode, Options, Problems,
    Profile, PublicUrl,
};
use pingora::{
    Result,
    http::ResponseHeader,
    server::{Fds, ListenFds, configuration::ServerConf},
    services::Service,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session};
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
};

use crate::support::{
    bifrost::Bifrost,
    http::{Connection, Origin, Response},
    tls_server::Folder,
};

const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const HOST: &str = "gateway.example.com";

/// Somebody else's proxy: a Bifrost, and an identity provider on another host and below `/realms/`.
struct Theirs {
    discovery: DiscoveryFilter,
    counters: Arc<DiscoveryCounters>,
    bifrost: std::net::SocketAddr,
    identity_provider: std::net::SocketAddr,
}

#[async_trait]
impl ProxyHttp for Theirs {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        let answered = self.discovery.answer(session).await?;
        if let Some(answered) = answered {
            self.counters.add(answered);
        }
        Ok(answered.is_some())
    }

    async fn upstream_peer(&self, session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let is_theirs =
            plugin::host(session) == Some(b"login.example.com") || session.req_header().uri.path().contains("/realms/");
        let server = if is_theirs { self.identity_provider } else { self.bifrost };
        Ok(Box::new(HttpPeer::new(server, false, String::new())))
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, (): &mut ()) -> Result<()> {
        self.discovery.repair(session, response)?;
        Ok(())
    }
}

/// Their proxy as it runs, with what is behind it. Dropping it stops it.
struct Proxy {
    origin: Origin,
    bifrost: Bifrost,
    identity_provider: Bifrost,
    counters: Arc<DiscoveryCounters>,
    _stop: watch::Sender<bool>,
    _runtime: Runtime,
}

impl Proxy {
    fn start(discovery: DiscoveryFilter) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (bifrost, identity_provider, counters) = (Bifrost::start(), Bifrost::start(), Arc::default());
        let theirs = Theirs {
            discovery,
            counters: Arc::clone(&counters),
            bifrost: bifrost.address(),
            identity_provider: identity_provider.address(),
        };
        let mut service = pingora_proxy::http_proxy_service(&Arc::new(ServerConf::default()), theirs);
        let mut sockets = Fds::new();
        socket.set_nonblocking(true).unwrap();
        sockets.add(address.to_string(), socket.into_raw_fd());
        service.add_tcp(&address.to_string());
        let (stop, stopped) = watch::channel(false);
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sockets: ListenFds = Arc::new(sockets.into());
        runtime.spawn(async move { service.start_service(Some(sockets), stopped, 1).await });
        Proxy { origin: Origin { address }, bifrost, identity_provider, counters, _stop: stop, _runtime: runtime }
    }

    /// Asks for something of a host.
    fn ask(&self, host: &str, path: &str) -> Response {
        Connection::to(self.address).ask("GET", path, host, "")
    }

    /// What was answered and not forwarded, as counters have it.
    fn answered(&self) -> Vec<(&'static str, &'static str, u64)> {
        let counts = self.counters.answers().filter(|(_, count)| *count > 0);
        counts.map(|(answer, count)| (answer.document.name(), answer.outcome.name(), count)).collect()
    }
}

impl Deref for Proxy {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

fn urls(urls: &[&str]) -> Vec<PublicUrl> {
    urls.iter().map(|url| url.parse().unwrap()).collect()
}

fn at(public_urls: &[&str]) -> Options {
    let clients = [McpClient::new("github", AuthType::PerUserOauth)];
    Options::new(Profile::PerUserOauth).public_urls(urls(public_urls)).mcp_clients(clients)
}

fn serving(public_urls: &[&str]) -> Proxy {
    Proxy::start(DiscoveryFilter::new(&at(public_urls)).unwrap())
}

#[test]
fn a_proxy_of_somebody_else_answers_discovery_and_forwards_the_rest() {
    let proxy = serving(&["https://gateway.example.com"]);
    let document = proxy.ask(HOST, AUTHORIZATION_SERVER);
    assert_eq!(document.json()["issuer"], "https://gateway.example.com");
    assert_eq!(proxy.ask(HOST, "/.well-known/oauth-protected-resource/mcp").status, 200);
    assert_eq!(proxy.ask(HOST, "/.well-known/openid-configuration").status, 404);
    assert!(proxy.bifrost.recorded().is_empty());
    assert_eq!(proxy.ask(HOST, "/health").status, 200);
    assert_eq!(proxy.bifrost.recorded().len(), 1);
    let answered = [("authorization_server", "ok", 1), ("protected_resource", "ok", 1), ("other", "not_found", 1)];
    assert_eq!(proxy.answered(), answered);
}

#[test]
fn discovery_of_other_hosts_and_paths_is_left_alone() {
    let proxy = serving(&["https://gateway.example.com", "https://shared.example.com/bifrost"]);
    let theirs = [
        ("login.example.com", "/.well-known/openid-configuration"),
        ("login.example.com", "/realms/x/.well-known/openid-configuration"),
        ("login.example.com", AUTHORIZATION_SERVER),
        ("login.example.com:8443", AUTHORIZATION_SERVER),
        (HOST, "/realms/x/.well-known/openid-configuration"),
        (HOST, "/.well-known/oauth-authorization-server/realms/x"),
        ("shared.example.com", AUTHORIZATION_SERVER),
        ("shared.example.com", "/realms/x/.well-known/openid-configuration"),
        ("shared.example.com", "/realms/x/%2ewell-known/openid-configuration"),
    ];
    for (host, path) in theirs {
        let answer = proxy.ask(host, path);
        assert_ne!(answer.status, 421, "{host}{path}");
    }
    assert_eq!(proxy.answered(), []);
    assert_eq!(proxy.bifrost.recorded().len() + proxy.identity_provider.recorded().len(), theirs.len());
}

#[test]
fn what_clients_look_for_at_their_own_paths_is_answered() {
    let proxy = serving(&["https://gateway.example.com", "https://shared.example.com/bifrost"]);
    for (host, path, status) in [
        (HOST, "/.well-known/oauth-authorization-server/mcp", 404),
        (HOST, "/mcp/.well-known/openid-configuration", 404),
        (HOST, "/.well-known/openid-configuration/mcp/github", 404),
        (HOST, "/%2ewell-known/oauth-authorization-server", 404),
        (HOST, "/.well-known/jwks.json", 404),
        ("shared.example.com", "/.well-known/oauth-authorization-server/bifrost", 200),
        ("shared.example.com", "/bifrost/.well-known/oauth-authorization-server", 200),
        ("shared.example.com", "/bifrost/.well-known/openid-configuration", 404),
        ("shared.example.com", "/.well-known/openid-configuration/bifrost/mcp", 404),
        ("shared.example.com", "/bifrost/%2ewell-known/openid-configuration", 404),
    ] {
        assert_eq!(proxy.ask(host, path).status, status, "{host}{path}");
    }
    assert!(proxy.bifrost.recorded().is_empty() && proxy.identity_provider.recorded().is_empty());
}

#[test]
fn preflights_and_conditional_requests_are_answered_and_bodies_are_drained() {
    let options = at(&["https://gateway.example.com"]).max_age(Duration::from_mins(1));
    let proxy = Proxy::start(DiscoveryFilter::new(&options).unwrap());
    let mut client = Connection::to(proxy.address);
    let document = client.ask("GET", AUTHORIZATION_SERVER, HOST, "");
    let known = format!("If-None-Match: {}\r\n", document.header("etag").unwrap());
    assert_eq!(client.ask("GET", AUTHORIZATION_SERVER, HOST, &known).status, 304);
    assert_eq!(client.ask("OPTIONS", AUTHORIZATION_SERVER, HOST, "Origin: https://a.example\r\n").status, 204);
    let head = format!("POST {AUTHORIZATION_SERVER} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\n");
    client.send(head).send("hello");
    assert_eq!(client.read_response("POST").status, 405);
    assert_eq!(client.ask("HEAD", AUTHORIZATION_SERVER, HOST, "").status, 200);
}

#[test]
fn a_challenge_names_the_public_url_and_can_be_read_by_web_pages() {
    let proxy = serving(&["https://gateway.example.com"]);
    let challenged = proxy.ask(HOST, "/mcp");
    assert_eq!(challenged.status, 401);
    let challenge = challenged.header("www-authenticate").unwrap();
    assert!(challenge.contains("=\"https://gateway.example.com/.well-known/oauth-protected-resource"), "{challenge}");
    assert_eq!(challenged.header("access-control-expose-headers"), Some("WWW-Authenticate"));
    // What is for somebody else is none of the filter's business.
    let other = proxy.ask("other.example.com", "/mcp");
    assert!(other.header("www-authenticate").unwrap().contains("http://other.example.com/"), "{other:?}");
    assert_eq!(other.header("access-control-expose-headers"), None);
}

#[test]
fn a_file_is_reloaded_for_every_clone_and_a_faulty_one_changes_nothing() {
    let folder = Folder::new();
    let path =
        folder.write("discovery.yaml", "profile: per_user_oauth\npublic_urls: [\"https://gateway.example.com\"]\n");
    let file = DiscoveryFile::open(&path).unwrap();
    let proxy = Proxy::start(file.filter());
    assert_eq!(proxy.ask(HOST, AUTHORIZATION_SERVER).status, 404, "no MCP client turns it on");
    let table = "mcp_clients: [{name: github, auth_type: per_user_oauth}]\n";
    fs::write(&path, format!("{}{table}", fs::read_to_string(&path).unwrap())).unwrap();
    assert_eq!(file.reload().unwrap(), []);
    assert_eq!(proxy.ask(HOST, AUTHORIZATION_SERVER).status, 200);
    fs::write(&path, "public_url: [\"https://gateway.example.com\"]\nmcp_clients: [{auth_type: oauth}]\n").unwrap();
    let problems = file.reload().unwrap_err().to_string();
    let shown = path.display();
    let expected = [
        format!("{shown}:1: public_url: unknown key; did you mean \"public_urls\"?"),
        format!("{shown}:2: mcp_clients[0]: the key \"name\" is missing; add it"),
    ];
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected);
    assert_eq!(proxy.ask(HOST, AUTHORIZATION_SERVER).status, 200, "as before");
}

#[test]
fn options_that_contradict_each_other_are_refused_with_their_keys() {
    let told = |options: &Options| match DiscoveryFilter::new(options) {
        Ok(filter) => format!("{filter:?}"),
        Err(problems) => Problems::to_string(&problems),
    };
    let twice = at(&["https://gateway.example.com", "https://gateway.example.com"]);
    assert!(told(&twice).contains("public_urls[1]: the same URL again; remove one (first: public_urls[0])"));
    let without_url = Options::new(Profile::Oauth2).mcp_server_auth_mode(McpServerAuthMode::Both);
    assert!(told(&without_url).contains("mcp_server_auth_mode: both needs public_urls"), "{}", told(&without_url));
    let good = without_url.public_urls(urls(&["https://gateway.example.com"]));
    assert_eq!(told(&good), "DiscoveryFilter { is_on: true, public_urls: [\"https://gateway.example.com\"] }");
    for wrong in ["gateway.example.com", "https://gateway.example.com/", "ftp://gateway.example.com"] {
        assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
    }
}
