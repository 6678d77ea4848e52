//! Somebody else's Pingora proxy answers discovery for its Bifrost, and what is for its other hosts and paths stays its own.

use std::{fs, io::Cursor, net::TcpListener, ops::Deref, os::fd::IntoRawFd, sync::Arc, time::Duration};

use async_trait::async_trait;
use bridgehead::plugin::{
    self, AuthType, DiscoveryCounters, DiscoveryFile, DiscoveryFilter, McpClient, McpServerAuthMode, Options, Problems,
    Profile, PublicUrl,
};
use http::Request;
use pingora::{
    Result,
    apps::HttpServerOptions,
    http::ResponseHeader,
    server::{Fds, ListenFds, configuration::ServerConf},
    services::Service,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, ProxyServiceBuilder, Session};
use tokio::{
    net::TcpStream,
    runtime::{self, Runtime},
    sync::watch,
};

use crate::support::{
    bifrost::Bifrost,
    h2c::Client,
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
            plugin::is_for(session, "login.example.com") || session.req_header().uri.path().contains("/realms/");
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
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        let settings = Arc::new(ServerConf::default());
        let mut service = ProxyServiceBuilder::new(&settings, theirs).server_options(options).build();
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
        ("LOGIN.example.com:8443", AUTHORIZATION_SERVER),
        (HOST, "/realms/x/.well-known/openid-configuration"),
        (HOST, "/realms/x/%2ewell-known/openid-configuration"),
        (HOST, "/realms/x/.well-known//openid-configuration;x"),
        (HOST, "/.well-known/oauth-authorization-server/realms/x"),
        ("shared.example.com", "/realms/x/.well-known/openid-configuration"),
        ("shared.example.com", "/realms/x/%2ewell-known/openid-configuration"),
        ("shared.example.com", "/bifrost/realms/x/%2ewell-known/openid-configuration"),
    ];
    for (number, (host, path)) in theirs.iter().enumerate() {
        proxy.ask(host, path);
        assert_eq!(proxy.identity_provider.recorded().len(), number + 1, "{host}{path} is not forwarded to its server");
    }
    // What is nobody's discovery, and is at no public URL.
    let others = [
        ("shared.example.com", AUTHORIZATION_SERVER),
        (HOST, "/proxy/https%3A%2F%2Flogin.example.com%2F.well-known%2Fopenid-configuration"),
        (HOST, "/search/%2Fhome%2F.well-known%2Fopenid-configuration"),
    ];
    for (number, (host, path)) in others.iter().enumerate() {
        proxy.ask(host, path);
        assert_eq!(proxy.bifrost.recorded().len(), number + 1, "{host}{path} is not forwarded to its server");
    }
    assert_eq!(proxy.answered(), []);
}

#[test]
fn what_clients_look_for_at_their_own_paths_is_answered() {
    let proxy = serving(&["https://gateway.example.com", "https://shared.example.com/bifrost"]);
    for (host, path, status) in [
        (HOST, "/.well-known/oauth-authorization-server/mcp", 404),
        (HOST, "/mcp/.well-known/openid-configuration", 404),
        (HOST, "/.well-known/openid-configuration/mcp/github", 404),
        (HOST, "/.well-known/jwks.json", 404),
        ("shared.example.com", "/.well-known/oauth-authorization-server/bifrost", 200),
        ("shared.example.com", "/bifrost/.well-known/oauth-authorization-server", 200),
        ("shared.example.com", "/bifrost/.well-known/openid-configuration", 404),
        ("shared.example.com", "/.well-known/openid-configuration/bifrost/mcp", 404),
    ] {
        assert_eq!(proxy.ask(host, path).status, status, "{host}{path}");
    }
    assert!(proxy.bifrost.recorded().is_empty() && proxy.identity_provider.recorded().is_empty());
}

#[test]
fn whatever_a_bifrost_might_read_as_discovery_does_not_reach_it() {
    let proxy = serving(&["https://gateway.example.com", "https://shared.example.com/bifrost"]);
    for (host, path) in [
        (HOST, "/%2ewell-known/oauth-authorization-server"),
        (HOST, "/.well-known/oauth-authorization-server/"),
        (HOST, "/.well-known/oauth-protected-resource/mcp/"),
        (HOST, "/.well-known/jwks.json/"),
        (HOST, "//.well-known/oauth-authorization-server"),
        (HOST, "/./.well-known/oauth-authorization-server"),
        (HOST, "/x/../.well-known/oauth-authorization-server"),
        (HOST, "/%2e/.well-known/oauth-authorization-server"),
        (HOST, "/.Well-Known/OAuth-Authorization-Server"),
        ("shared.example.com", "/bifrost//.well-known/oauth-authorization-server"),
        ("shared.example.com", "/bifrost/./.well-known/oauth-authorization-server"),
        ("shared.example.com", "/%62ifrost/.well-known/oauth-authorization-server"),
        ("shared.example.com", "/bifrost/.well-known/oauth-authorization-server/"),
        ("shared.example.com", "/.well-known/oauth-authorization-server/bifrost/"),
        ("shared.example.com", "/bifrost/%2ewell-known/openid-configuration"),
    ] {
        assert_eq!(proxy.ask(host, path).status, 404, "{host}{path}");
    }
    assert!(proxy.bifrost.recorded().is_empty() && proxy.identity_provider.recorded().is_empty());
}

#[test]
fn without_public_urls_the_issuer_is_the_requests_own_as_far_as_proxies_are_trusted() {
    let any = || at(&[]).any_host(true);
    let trusted = any().trusted_proxies(["127.0.0.1".parse().unwrap()]);
    for (options, scheme) in [(any(), "http"), (trusted, "https")] {
        let proxy = Proxy::start(DiscoveryFilter::new(&options).unwrap());
        let forwarded = "X-Forwarded-Proto: https\r\n";
        let document = Connection::to(proxy.address).ask("GET", AUTHORIZATION_SERVER, "any.example.com", forwarded);
        assert_eq!(document.json()["issuer"], format!("{scheme}://any.example.com"));
        assert_eq!(proxy.ask("a b", AUTHORIZATION_SERVER).status, 400);
        proxy.ask("any.example.com", "/realms/x/.well-known/openid-configuration");
        assert_eq!(proxy.identity_provider.recorded().len(), 1, "somebody else's path is left alone here, too");
    }
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
    let head = format!("POST {AUTHORIZATION_SERVER} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n");
    client.send(format!("{head}Expect: 100-continue\r\n\r\n"));
    assert_eq!(client.read_response("POST").status, 405);
    assert!(client.is_closed(), "a body that waits to be asked for is not waited for");
    let mut old = Connection::to(proxy.address);
    old.send(format!("GET {AUTHORIZATION_SERVER} HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(old.read_response("GET").status, 200);
}

#[test]
fn answers_are_the_same_over_http_2() {
    let proxy = serving(&["https://gateway.example.com"]);
    let client = Client::over(TcpStream::connect(proxy.address));
    let ask = |path: &str| client.ask(Request::get(format!("http://{HOST}{path}")));
    let mut document = ask(AUTHORIZATION_SERVER);
    let issuer = serde_json::from_slice::<serde_json::Value>(&document.body()).unwrap()["issuer"].clone();
    assert_eq!((document.status(), issuer), (200, "https://gateway.example.com".into()));
    assert_eq!(ask("/.well-known/openid-configuration").status(), 404);
    assert_eq!(ask("/health").status(), 200);
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
fn a_response_is_repaired_as_far_as_it_is_a_bifrosts() {
    let filter =
        DiscoveryFilter::new(&at(&["https://gateway.example.com", "https://shared.example.com/bifrost"])).unwrap();
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let repaired = |target: &str, host: &str, status: u16, fields: &[(&'static str, &str)]| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut session = Session::new_h1(Box::new(Cursor::new(request.into_bytes())));
        assert!(runtime.block_on(session.read_request()).unwrap());
        let mut response = ResponseHeader::build(status, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        let is_changed = filter.repair(&session, &mut response).unwrap();
        let fields = response.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        (is_changed, fields.collect::<Vec<_>>())
    };
    let location = [("Location", "http://gateway.example.com/workspace?a=1#b")];
    let (is_changed, fields) = repaired("/", HOST, 302, &location);
    assert_eq!(
        (is_changed, &*fields),
        (true, &["location: https://gateway.example.com/workspace?a=1#b".to_owned()][..])
    );
    assert!(!repaired("/", "other.example.com", 302, &location).0, "of another host");
    assert!(!repaired("/elsewhere", "shared.example.com", 302, &[("Location", "http://shared.example.com/x")]).0);
    let challenges = [
        ("WWW-Authenticate", "Basic realm=\"x\""),
        ("WWW-Authenticate", "Bearer resource_metadata=\"http://10.0.0.5/.well-known/oauth-protected-resource/mcp\""),
        ("Access-Control-Expose-Headers", "X-Request-Id"),
    ];
    let (is_changed, fields) = repaired("/bifrost/mcp", "shared.example.com", 401, &challenges);
    let expected = [
        "access-control-expose-headers: X-Request-Id",
        "access-control-expose-headers: WWW-Authenticate",
        "www-authenticate: Basic realm=\"x\"",
        "www-authenticate: Bearer resource_metadata=\"https://shared.example.com/bifrost/.well-known/oauth-protected-resource/mcp\"",
    ];
    let mut sorted = fields.clone();
    sorted.sort_by_key(|field| !field.starts_with("access"));
    assert_eq!((is_changed, &sorted[..]), (true, &expected.map(str::to_owned)[..]));
    let of_keycloak = [("WWW-Authenticate", "Bearer realm=\"x\"")];
    assert!(!repaired("/realms/x/userinfo", HOST, 401, &of_keycloak).0, "a challenge that is no Bifrost's");
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
    assert_eq!((file.reload().unwrap(), file.reload().unwrap()), (true, false));
    assert_eq!(file.warnings(), []);
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
    assert!(!file.reload().unwrap(), "it has been told");
    fs::write(&path, "# nothing\npublic_urls: [\"http://gateway.example.com\"]\n").unwrap();
    assert!(file.reload().unwrap());
    let warnings: Vec<_> = file.warnings().iter().map(|warning| (warning.line, warning.path.to_string())).collect();
    assert_eq!(warnings, [(Some(2), "public_urls[0]".to_owned()), (None, "profile".to_owned())]);
    fs::write(&path, "public_urls:\n").unwrap();
    assert!(file.reload().is_err(), "a list whose items are all commented out is no permission to answer every host");
    fs::write(&path, "").unwrap();
    let empty = file.reload().unwrap_err().to_string();
    assert_eq!(empty, format!("{shown}: the file is empty; write public_urls, profile and mcp_clients"));
}

#[test]
fn options_that_contradict_each_other_are_refused_with_their_keys() {
    let told = |options: &Options| match DiscoveryFilter::new(options) {
        Ok(filter) => format!("{filter:?}"),
        Err(problems) => Problems::to_string(&problems),
    };
    let twice = at(&["https://gateway.example.com", "https://gateway.example.com"]);
    assert!(told(&twice).contains("public_urls[1]: the same URL again; remove one (first: public_urls[0])"));
    assert!(told(&at(&[])).contains("public_urls: not set; list what clients type"), "{}", told(&at(&[])));
    assert!(told(&at(&["https://a.example.com"]).any_host(true)).contains("any_host: true, and there are public_urls"));
    let without_url = Options::new(Profile::Oauth2).mcp_server_auth_mode(McpServerAuthMode::Both);
    assert!(told(&without_url).contains("mcp_server_auth_mode: both needs public_urls"), "{}", told(&without_url));
    let good = without_url.public_urls(urls(&["https://gateway.example.com"]));
    assert_eq!(told(&good), "DiscoveryFilter { is_on: true, public_urls: [\"https://gateway.example.com\"] }");
    for wrong in ["gateway.example.com", "https://gateway.example.com/", "ftp://gateway.example.com"] {
        assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
    }
}

#[test]
fn a_check_of_their_own_lets_logins_through_and_says_where_they_begin() {
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let asked = |method: &str, target: &str, host: &str| {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut session = Session::new_h1(Box::new(Cursor::new(request.into_bytes())));
        assert!(runtime.block_on(session.read_request()).unwrap());
        session
    };
    let filter =
        DiscoveryFilter::new(&at(&["https://gateway.example.com", "https://shared.example.com/bifrost"])).unwrap();
    for (method, target, host, is_open) in [
        ("POST", "/api/oauth/per-user/register", HOST, true),
        ("GET", "/api/oauth/per-user/authorize?client_id=x", HOST, true),
        ("POST", "/bifrost/api/oauth/per-user/token", "shared.example.com", true),
        ("OPTIONS", "/mcp", HOST, true),
        ("POST", "/mcp", HOST, false),
        ("GET", "/api/oauth/per-user-x", HOST, false),
        ("POST", "/api/oauth/per-user/token", "shared.example.com", false),
        ("OPTIONS", "/mcp", "login.example.com", false),
    ] {
        assert_eq!(filter.is_open(&asked(method, target, host)), is_open, "{method} {host}{target}");
    }
    let challenge = |target: &str, host: &str| filter.challenge(&asked("POST", target, host));
    let at_base =
        "Bearer resource_metadata=\"https://shared.example.com/bifrost/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(challenge("/bifrost/mcp", "shared.example.com").as_deref(), Some(at_base));
    assert_eq!(challenge("/mcp", "login.example.com"), None);
    filter.replace(&Options::new(Profile::Oauth2).public_urls(urls(&["https://gateway.example.com"]))).unwrap();
    assert_eq!(challenge("/mcp", HOST), None, "it is off");
}
