//! Files of sites are added to and taken from a folder under load: every request is wholly of one site, none is lost, and
//! what is wrong changes nothing.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tempfile::TempDir;

use crate::support::{bifrost::Bifrost, discovery::AS, http::Connection, in_time::Joined, program::Running, until};

const TOP: &str = "listeners: [{address: \"127.0.0.1:0\"}]\nhealth: {enabled: false}\nverify: {at_start: false}\n\
                   limits: {requests: unlimited, requests_per_connection: unlimited}\ninclude: [\"sites/*.yaml\"]\n";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::create_dir(folder.0.path().join("sites")).unwrap();
        fs::write(folder.main(), TOP).unwrap();
        folder
    }

    fn main(&self) -> PathBuf {
        self.0.path().join("proxy.yaml")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("sites").join(name)
    }

    /// Puts a file of a site in place as a whole.
    fn put(&self, name: &str, text: &str) {
        let beside = self.0.path().join("new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.file(name)).unwrap();
    }
}

fn site(name: &str, server: SocketAddr) -> String {
    format!(
        "name: {name}\npublic_urls: [\"https://{name}.example\"]\nservers: [{{address: \"{server}\"}}]\n\
         mcp_clients: [{{name: github, auth_type: per_user_oauth, connection_type: inprocess}}]\n"
    )
}

fn start(folder: &Folder) -> (Running, SocketAddr) {
    let mut edge = Running::start(&folder.main());
    let address = edge.address();
    (edge, address)
}

fn status(address: SocketAddr, host: &str, target: &str) -> u16 {
    Connection::to(address).ask("GET", target, host, "").status
}

#[test]
fn sites_come_and_go_with_their_files_while_the_others_are_served() {
    let [steady, passing] = [Bifrost::start(), Bifrost::start()];
    let folder = Folder::new();
    folder.put("steady.yaml", &site("steady", steady.address()));
    let (mut edge, address) = start(&folder);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let load = thread::spawn(move || {
        let mut connection = Connection::to(address);
        let mut asked = 0;
        while !stopped.load(Ordering::Relaxed) && asked < 100_000 {
            let document = connection.ask("GET", AS, "steady.example", "").json();
            assert_eq!(document["issuer"], "https://steady.example");
            assert_eq!(connection.ask("GET", "/echo", "steady.example", "").status, 200);
            asked += 1;
        }
        asked
    });
    assert_eq!(status(address, "passing.example", "/echo"), 421);
    for round in 0..3 {
        folder.put("passing.yaml", &site("passing", passing.address()));
        edge.wait_for("loaded again, and served as generation");
        assert_eq!(status(address, "passing.example", "/echo"), 200);
        assert_eq!(passing.recorded().len(), round + 1);
        fs::remove_file(folder.file("passing.yaml")).unwrap();
        edge.wait_for("loaded again, and served as generation");
        assert_eq!(status(address, "passing.example", "/echo"), 421);
    }
    stop.store(true, Ordering::Relaxed);
    let asked = load.joined();
    assert_eq!(steady.recorded().len(), asked, "each request reached the server of its site, once");
}

#[test]
fn a_wrong_file_changes_nothing_and_is_named_with_its_line() {
    let bifrost = Bifrost::start();
    let folder = Folder::new();
    folder.put("a.yaml", &site("a", bifrost.address()));
    let (mut edge, address) = start(&folder);
    let good = site("b", bifrost.address());
    folder.put("b.yaml", &good.replace("servers", "server"));
    let line = edge.wait_for("the configuration from before is served on, because of:");
    assert!(line.contains("sites/b.yaml:3: server: unknown key; did you mean \"servers\"?"), "{line}");
    assert_eq!([status(address, "a.example", "/echo"), status(address, "b.example", "/echo")], [200, 421]);
    folder.put("b.yaml", &good);
    edge.wait_for("loaded again, and served as generation 2");
    assert_eq!(status(address, "b.example", "/echo"), 200);
    folder.put("c.yaml", &site("a", bifrost.address()));
    let line = edge.wait_for("another site has this name");
    assert!(line.contains("sites/c.yaml:1: name: "), "{line}");
    fs::remove_file(folder.file("c.yaml")).unwrap();
    edge.wait_for("is again what is served");
}

#[test]
fn a_change_in_an_included_file_is_seen_however_it_is_made() {
    let [one, two] = [Bifrost::start(), Bifrost::start()];
    let folder = Folder::new();
    folder.put("a.yaml", &site("a", one.address()));
    let (mut edge, address) = start(&folder);
    fs::write(folder.file("a.yaml"), site("a", two.address())).unwrap();
    edge.wait_for("loaded again, and served as generation 2");
    assert_eq!(status(address, "a.example", "/echo"), 200);
    assert_eq!((one.recorded().len(), two.recorded().len()), (0, 1));
    // Emptied by mistake, the folder takes nobody down.
    fs::rename(folder.0.path().join("sites"), folder.0.path().join("gone")).unwrap();
    edge.wait_for("include[0]: matches no file");
    assert_eq!(status(address, "a.example", "/echo"), 200);
    fs::rename(folder.0.path().join("gone"), folder.0.path().join("sites")).unwrap();
    edge.wait_for("is again what is served");
}

#[test]
fn a_thousand_sites_are_served_and_each_finds_its_own() {
    let bifrost = Bifrost::start();
    let folder = Folder::new();
    let address = bifrost.address();
    let entry = |number: usize| {
        format!(
            "- {{name: s{number}, public_urls: [\"https://s{number}.example\", \"https://all.example/s{number}\"], \
             servers: [{{address: \"{address}\"}}], profile: oauth2, mcp_server_auth_mode: both}}\n"
        )
    };
    let sites: String = (0..1000).map(entry).collect();
    folder.put("all.yaml", &format!("sites:\n{sites}"));
    let (_edge, edge) = start(&folder);
    for number in [0, 1, 499, 999] {
        let mut connection = Connection::to(edge);
        let of_host = connection.ask("GET", AS, &format!("s{number}.example"), "").json();
        assert_eq!(of_host["issuer"], format!("https://s{number}.example"));
        let of_path = connection.ask("GET", &format!("{AS}/s{number}"), "all.example", "").json();
        assert_eq!(of_path["issuer"], format!("https://all.example/s{number}"));
        assert_eq!(connection.ask("GET", "/echo", &format!("s{number}.example"), "").status, 200);
    }
    until("each request came once", || bifrost.recorded().len() == 4);
}
