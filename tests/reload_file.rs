//! A running edge serves what its file says, however the file is changed, and nothing else.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{discovery::AS, edge::CLIENTS, http::Connection, program::Running, until};

/// The program, with a file in a folder of its own.
struct Operated {
    folder: TempDir,
    edge: Running,
    address: SocketAddr,
}

const REST: &str = "servers: []\nhealth: {enabled: false}\n";

/// A configuration that can be told apart by its maximum age.
fn yaml(max_age: u32) -> String {
    format!("listeners: [{{address: \"127.0.0.1:0\"}}]\n{REST}{CLIENTS}discovery: {{max_age: {max_age}s}}\n")
}

impl Operated {
    fn start(file: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let mut edge = Running::start(&folder.path().join(file));
        let address = edge.address();
        edge.wait_for("public_urls: not set");
        Operated { folder, edge, address }
    }

    fn plain() -> Self {
        Self::start("proxy.yaml", |folder| fs::write(folder.join("proxy.yaml"), yaml(1)).unwrap())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("proxy.yaml")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn serves(&self, max_age: u32) {
        let answer = Connection::to(self.address).ask("GET", AS, "localhost", "");
        assert_eq!(answer.header("cache-control"), Some(&*format!("public, max-age={max_age}")));
    }

    fn loads_again(&mut self, max_age: u32) {
        self.edge.wait_for("loaded again, and served as generation ");
        self.serves(max_age);
    }
}

#[test]
fn a_file_written_in_place_is_served() {
    let mut operated = Operated::plain();
    operated.serves(1);
    for max_age in 2..4 {
        operated.write(&yaml(max_age));
        operated.loads_again(max_age);
    }
}

#[test]
fn a_file_that_is_renamed_into_place_is_served() {
    let mut operated = Operated::plain();
    let beside = operated.folder.path().join(".proxy.yaml.swp");
    fs::write(&beside, yaml(2)).unwrap();
    fs::rename(&beside, operated.file()).unwrap();
    operated.loads_again(2);
}

/// As vim does it with `backupcopy=no`: for a moment there is no file of that name.
#[test]
fn an_editor_that_moves_the_old_file_away_is_served() {
    let mut operated = Operated::plain();
    fs::rename(operated.file(), operated.folder.path().join("proxy.yaml~")).unwrap();
    operated.write(&yaml(2));
    operated.loads_again(2);
}

#[test]
fn a_config_map_that_kubernetes_swaps_is_served() {
    let version = |folder: &Path, name: &str, max_age| {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("proxy.yaml"), yaml(max_age)).unwrap();
    };
    let mut operated = Operated::start("proxy.yaml", |folder| {
        version(folder, "..2026_11_24_1", 1);
        symlink("..2026_11_24_1", folder.join("..data")).unwrap();
        symlink("..data/proxy.yaml", folder.join("proxy.yaml")).unwrap();
    });
    let folder = operated.folder.path();
    version(folder, "..2026_11_24_2", 2);
    symlink("..2026_11_24_2", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    fs::remove_dir_all(folder.join("..2026_11_24_1")).unwrap();
    operated.loads_again(2);
}

#[test]
fn a_file_that_is_half_written_changes_nothing_until_it_is_whole() {
    let mut operated = Operated::plain();
    let text = yaml(2);
    let (first, second) = text.split_at(text.find("{max_age").unwrap() + 4);
    let mut file = File::create(operated.file()).unwrap();
    file.write_all(first.as_bytes()).unwrap();
    file.sync_all().unwrap();
    operated.edge.wait_for("not valid YAML");
    operated.serves(1);
    file.write_all(second.as_bytes()).unwrap();
    operated.loads_again(2);
}

#[test]
fn a_bad_file_changes_nothing_and_every_problem_is_named() {
    let mut operated = Operated::plain();
    let bad = yaml(2).replace("servers: []", "servers: [{adress: \"127.0.0.1:1\"}]").replace("2s", "much");
    operated.write(&bad);
    let line = operated.edge.wait_for("the configuration from before is served on");
    let path = operated.file().display().to_string();
    assert!(line.contains(&format!("{path}:2: servers[0].adress: unknown key; did you mean \"address\"?")), "{line}");
    assert!(line.contains("discovery.max_age: "), "{line}");
    operated.serves(1);

    // Back to what is served: nothing is loaded, and it is said that all is well.
    operated.write(&yaml(1));
    operated.edge.wait_for("is again what is served");
    operated.write(&yaml(3));
    operated.edge.wait_for("served as generation 2");
    operated.serves(3);
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let mut operated = Operated::plain();
    fs::remove_file(operated.file()).unwrap();
    operated.edge.wait_for("the configuration from before is served on");
    operated.serves(1);
    operated.write(&yaml(2));
    operated.loads_again(2);
}

#[test]
fn what_only_a_new_process_can_change_refuses_the_whole_file_by_name() {
    let mut operated = Operated::plain();
    let changed = yaml(2).replace(
        "0\"}]",
        "0\", http2: true}]\nadmin: {address: \"127.0.0.3:0\"}\nthreads: 3\naccess_log: {format: json}\nlog: {format: json}",
    );
    operated.write(&changed);
    let line = operated.edge.wait_for("the configuration from before is served on");
    for key in ["listeners[0]", "admin.address", "threads", "access_log", "log"] {
        assert!(line.contains(&format!(": {key}: cannot change while the edge runs")), "{key} in {line}");
    }
    operated.serves(1);
    operated.write(&yaml(2).replace("}]\nservers", "}, {address: \"127.0.0.2:0\"}]\nservers"));
    operated.edge.wait_for("proxy.yaml:1: listeners: cannot change while the edge runs");
    operated.serves(1);
}

#[test]
fn a_file_that_is_touched_or_written_anew_with_the_same_text_does_nothing() {
    let mut operated = Operated::plain();
    OpenOptions::new().append(true).open(operated.file()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    operated.write(&yaml(1));
    operated.write(&yaml(2));
    // The first generation after the one it was started with.
    operated.edge.wait_for("served as generation 2");
}

#[test]
fn a_new_authority_of_a_server_is_used_although_the_text_is_the_same() {
    let authority = || rcgen::generate_simple_self_signed(["bifrost".to_owned()]).unwrap().cert.pem();
    let with_tls = yaml(1).replace("servers: []", "servers: [{address: \"127.0.0.1:1\", tls: {ca: ca.pem}}]");
    let mut operated = Operated::start("proxy.yaml", |folder| {
        fs::write(folder.join("ca.pem"), authority()).unwrap();
        fs::write(folder.join("proxy.yaml"), &with_tls).unwrap();
    });
    let ca = operated.folder.path().join("ca.pem");
    fs::write(&ca, "nothing").unwrap();
    operated.edge.wait_for("servers[0].tls.ca: ");
    // The text of the configuration is still that of what is served, and it would not start.
    operated.edge.signal("HUP");
    operated.edge.wait_for("servers[0].tls.ca: ");
    fs::write(&ca, authority()).unwrap();
    operated.edge.wait_for("served as generation 2");
    // Named before it is there.
    operated.write(&with_tls.replace("ca.pem", "new.pem"));
    operated.edge.wait_for("servers[0].tls.ca: ");
    fs::write(operated.folder.path().join("new.pem"), authority()).unwrap();
    operated.edge.wait_for("served as generation 3");
}

#[test]
fn a_pipe_in_place_of_the_file_is_no_end_of_reloading() {
    let mut operated = Operated::plain();
    let pipe = operated.folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(&pipe, operated.file()).unwrap();
    operated.edge.wait_for("no regular file");
    fs::remove_file(operated.file()).unwrap();
    operated.write(&yaml(2));
    operated.loads_again(2);
}

/// With a table that takes a while to be read.
#[test]
fn a_signal_that_comes_before_the_edge_serves_does_not_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.yaml");
    let client = "- {name: N, connection_type: http, connection_string: x}\n";
    let table: String = (0..20_000).map(|number| client.replace('N', &format!("c{number}"))).collect();
    fs::write(&file, format!("listeners: [{{address: \"127.0.0.1:0\"}}]\n{REST}mcp_clients:\n{table}")).unwrap();
    let mut edge = Running::start(&file);
    let catches = || {
        let status = fs::read_to_string(format!("/proc/{}/status", edge.child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        // SIGHUP is 1, SIGUSR1 10, SIGUSR2 12.
        u64::from_str_radix(mask.trim(), 16).unwrap() & 0b1010_0000_0001 == 0b1010_0000_0001
    };
    until("it listens to signals", catches);
    edge.signal("HUP");
    edge.signal("USR1");
    edge.address();
}

#[test]
fn sighup_looks_at_once_and_says_what_it_has_found() {
    let mut operated = Operated::plain();
    operated.edge.signal("HUP");
    operated.edge.wait_for("has not changed");
    operated.write("servers: {");
    operated.edge.signal("HUP");
    operated.edge.wait_for("the configuration from before is served on");
    // Again, although it is the same: somebody has asked.
    operated.edge.signal("HUP");
    operated.edge.wait_for("the configuration from before is served on");
    operated.write(&yaml(2));
    operated.edge.signal("HUP");
    operated.loads_again(2);
}
