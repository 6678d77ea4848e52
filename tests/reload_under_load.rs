//! While one configuration after the other is loaded, every exchange is wholly of one of them, and none fails.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use tempfile::TempDir;

use crate::support::{
    bifrost::Bifrost, discovery::AS, edge::servers_yaml, http::Connection, in_time::Joined, program::Running, until,
};

const HOST: &str = "gateway.example.com";

/// Two configurations that can be told apart by every answer: by the scheme of their public URL, and by the maximum
/// age of their documents.
fn yaml(scheme: &str, servers: &str, clients: &str) -> String {
    let max_age = if scheme == "http" { 1 } else { 2 };
    format!(
        "listeners: [{{address: \"127.0.0.1:0\"}}]\nhealth: {{enabled: false}}\nverify: {{at_start: false}}\n{servers}limits: {{requests: unlimited, requests_per_connection: unlimited}}\n\
         public_urls: [\"{scheme}://{HOST}\"]\ndiscovery: {{max_age: {max_age}s}}\nmcp_clients:\n{clients}"
    )
}

const CLIENT: &str = "- {name: github, auth_type: per_user_oauth, connection_type: http, connection_string: env.URL}\n";

/// Puts a file in place as a whole.
fn put(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, file).unwrap();
}

/// What one client saw: how many documents of each scheme, and the scheme of each redirect by its request.
type Asked = ([usize; 2], Vec<(String, String)>);

/// What all clients are told, and tell.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How often one of them has got both of its answers.
    answered: AtomicUsize,
}

/// Asks for a document and for a redirect in turn, on one connection, until it is told to stop.
fn ask_on(edge: SocketAddr, client: usize, shared: Arc<Shared>) -> JoinHandle<Asked> {
    const MOST: usize = 50_000;
    thread::spawn(move || {
        let (mut seen, mut redirects) = ([0, 0], Vec::new());
        let mut connection = Connection::to(edge);
        for number in (0..MOST).take_while(|_| !shared.stop.load(Ordering::Relaxed)) {
            let document = connection.ask("GET", AS, HOST, "");
            let age = document.header("cache-control").unwrap().strip_prefix("public, max-age=").unwrap();
            let scheme = if age == "1" { "http" } else { "https" };
            let json = document.json();
            let urls = json.as_object().unwrap().values().filter_map(serde_json::Value::as_str);
            for url in urls {
                assert!(url.starts_with(&format!("{scheme}://{HOST}")), "a document of two versions: {json}");
            }
            seen[usize::from(scheme == "https")] += 1;

            let id = format!("{client}-{number}");
            let target = format!("/redirect?to=http://{HOST}/oauth/consent");
            let redirect = connection.ask("GET", &target, HOST, &format!("X-Test-Id: {id}\r\n"));
            assert_eq!(redirect.status, 302);
            let (scheme, _) = redirect.header("location").unwrap().split_once("://").unwrap();
            redirects.push((id, scheme.to_owned()));
            shared.answered.fetch_add(1, Ordering::Relaxed);
        }
        (seen, redirects)
    })
}

/// The program in front of a Bifrost, and clients that keep asking.
struct UnderLoad {
    bifrost: Bifrost,
    servers: String,
    file: PathBuf,
    edge: Running,
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Asked>>,
    _folder: TempDir,
}

impl UnderLoad {
    fn start(clients: usize) -> Self {
        let bifrost = Bifrost::start();
        let servers = servers_yaml(&[bifrost.address()]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proxy.yaml");
        put(&file, &yaml("http", &servers, CLIENT));
        let mut edge = Running::start(&file);
        let address = edge.address();
        let shared = Arc::<Shared>::default();
        let clients = (0..clients).map(|client| ask_on(address, client, Arc::clone(&shared))).collect();
        UnderLoad { bifrost, servers, file, edge, shared, clients, _folder: folder }
    }

    fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more have been answered.
    fn flows(&self, answers: usize) {
        let before = self.answered();
        until("requests are answered", || self.answered() >= before + answers);
    }

    fn change(&self, scheme: &str, clients: &str) {
        put(&self.file, &yaml(scheme, &self.servers, clients));
    }

    /// Lets the requests that are under way end, and returns what each client saw.
    fn stop(&mut self) -> Vec<Asked> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.clients.drain(..).map(|client| client.joined()).collect()
    }
}

#[test]
fn every_exchange_is_wholly_of_one_version() {
    const FLIPS: usize = 40;
    let mut load = UnderLoad::start(3);
    for flip in 0..FLIPS {
        // More than there are clients, each of which may have begun before the last change.
        load.flows(10);
        load.change(["https", "http"][flip % 2], CLIENT);
        load.edge.signal("HUP");
        load.edge.wait_for(&format!("served as generation {}", flip + 2));
    }
    load.flows(10);
    let clients = load.stop();

    // The server was told the scheme of the version that also repaired its answer.
    let recorded = load.bifrost.recorded();
    let told: HashMap<_, _> = recorded
        .iter()
        .map(|request| (request.header("x-test-id").unwrap(), request.header("x-forwarded-proto").unwrap()))
        .collect();
    let mut all = [0, 0];
    for (seen, redirects) in clients {
        for (id, scheme) in redirects {
            assert_eq!(told.get(&*id), Some(&&*scheme), "request {id}");
        }
        all = [all[0] + seen[0], all[1] + seen[1]];
    }
    assert!(all.iter().all(|answers| *answers > FLIPS), "{all:?}");
}

#[test]
fn a_hundred_thousand_clients_are_loaded_while_requests_flow() {
    let mut load = UnderLoad::start(2);
    let table: String = (0..100_000).map(|number| CLIENT.replace("github", &format!("client-{number}"))).collect();
    load.change("https", &table);
    // However long that takes.
    while !load.edge.has_said("served as generation 2") {
        load.flows(1);
    }
    load.stop();
}
