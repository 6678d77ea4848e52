//! Promise: the Debian package brings all that belongs to the program, serves after it was installed, is upgraded without
//! a lost connection, and leaves nothing behind when it is purged.
//!
//! It is installed into a folder, by dpkg, with its own scripts. There is no systemd in it: what starts and stops the
//! service is Debian's own, and is not run here.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use crate::support::{
    account::{Load, MIXED},
    discovery::AS,
    edge::{CLIENTS, servers_yaml},
    http::Connection,
    in_time::Printed,
    nobody_yet,
    program::{Running, signal},
    tools::lacks,
    troubled::Troubled,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NEEDED: &[&str] = &["cargo-deb", "dpkg", "dpkg-deb", "dpkg-shlibdeps", "strip", "python3", "git"];

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// What a command prints; it must end well.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.printed().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", text(&output));
    text(&output)
}

/// Two versions of the package, each with the program of these tests.
fn packages() -> &'static [PathBuf; 2] {
    static PACKAGES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PACKAGES.get_or_init(|| ["0.2.0-1", "0.2.0-2"].map(|version| build("target/package-tests", version)))
}

fn build(folder: &str, version: &str) -> PathBuf {
    let mut command = Command::new("conf/deploy/debian/build.sh");
    command.current_dir(ROOT).args([env!("CARGO_BIN_EXE_bridgehead"), folder, version, "--fast"]);
    // The commit's, whatever the shell of whoever runs the tests has.
    command.env_remove("SOURCE_DATE_EPOCH");
    let said = printed(&mut command);
    PathBuf::from(said.lines().find(|line| Path::new(line).extension().is_some_and(|end| end == "deb")).unwrap())
}

/// A system in a folder, with nothing in it.
struct System {
    folder: tempfile::TempDir,
}

impl System {
    fn new() -> Self {
        let system = System { folder: tempfile::tempdir().unwrap() };
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "harmless"] {
            fs::create_dir_all(system.at(folder)).unwrap();
        }
        fs::write(system.at("var/lib/dpkg/status"), "").unwrap();
        // Those of the machine must not hear of it: it may have an edge of its own.
        for name in ["systemctl", "deb-systemd-invoke"] {
            let file = system.at(&format!("harmless/{name}"));
            fs::write(&file, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        system
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    #[track_caller]
    fn dpkg(&self, what: &[&str]) -> String {
        let path = env::var("PATH").unwrap();
        let path = format!("{}:{path}:/usr/local/sbin:/usr/sbin:/sbin", self.at("harmless").display());
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", self.folder.path().display()));
        // What it depends on is not in the folder. Its scripts are told where the folder is.
        dpkg.args(["--force-depends", "--force-script-chrootless"]).args(what);
        printed(dpkg.env("PATH", path).env("DEBIAN_FRONTEND", "noninteractive"))
    }

    fn install(&self, package: &Path) -> String {
        self.dpkg(&["--install", package.to_str().unwrap()])
    }

    fn program(&self) -> Command {
        let mut command = Command::new(self.at("usr/bin/bridgehead"));
        command.env("RUST_LOG", "info");
        command
    }

    /// The files and links below a folder, as paths below it.
    fn files(&self, below: &str) -> BTreeSet<String> {
        let root = self.at(below);
        let mut found = BTreeSet::new();
        let mut left = vec![root.clone()];
        while let Some(folder) = left.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    left.push(entry.path());
                } else {
                    found.insert(entry.path().strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found
    }
}

#[test]
fn the_package_holds_all_that_belongs_to_the_program_and_is_the_same_each_time() {
    if lacks(NEEDED) {
        return;
    }
    let [first, _] = packages();
    let listed = printed(Command::new("dpkg-deb").arg("--contents").arg(first));
    for path in [
        "/usr/bin/bridgehead",
        "/usr/lib/systemd/system/bridgehead.service",
        "/usr/lib/sysusers.d/bridgehead.conf",
        "/etc/bridgehead/proxy.yaml",
        "/etc/logrotate.d/bridgehead",
        "/usr/share/man/man1/bridgehead.1.gz",
        "/usr/share/man/man1/bridgehead-upgrade.1.gz",
        "/usr/share/bash-completion/completions/bridgehead",
        "/usr/share/zsh/vendor-completions/_bridgehead",
        "/usr/share/fish/vendor_completions.d/bridgehead.fish",
        "/usr/share/doc/bridgehead/copyright",
        "/usr/share/doc/bridgehead/licences.txt",
        "/usr/share/doc/bridgehead/changelog.gz",
    ] {
        assert!(listed.lines().any(|line| line.ends_with(&format!(" .{path}"))), "{path} is not in:\n{listed}");
    }
    assert!(listed.lines().all(|line| line.split_whitespace().nth(1) == Some("0/0")), "{listed}");
    let control = tempfile::tempdir().unwrap();
    printed(Command::new("dpkg-deb").arg("--control").arg(first).arg(control.path()));
    let conffiles = fs::read_to_string(control.path().join("conffiles")).unwrap();
    assert_eq!(conffiles.lines().collect::<Vec<_>>(), ["/etc/bridgehead/proxy.yaml", "/etc/logrotate.d/bridgehead"]);
    let again = build("target/package-tests/again", "0.2.0-1");
    assert!(fs::read(first).unwrap() == fs::read(again).unwrap(), "two packages of one program differ");
}

#[test]
fn lintian_finds_no_error() {
    if lacks(NEEDED) || lacks(&["lintian"]) {
        return;
    }
    let said = printed(Command::new("lintian").args(["--allow-root", "--fail-on", "error"]).arg(&packages()[0]));
    assert!(!said.contains("E: "), "{said}");
}

#[test]
fn it_is_installed_upgraded_under_load_removed_and_purged() {
    if lacks(NEEDED) || lacks(&["root", "systemd-sysusers", "deb-systemd-helper"]) {
        return;
    }
    let [first, second] = packages();
    let system = System::new();
    system.install(first);

    // Only its user reads the configuration, which is a good one, and the service starts with the machine.
    let file = system.at("etc/bridgehead/proxy.yaml");
    let groups = fs::read_to_string(system.at("etc/group")).unwrap();
    let group = groups.lines().find(|line| line.starts_with("bridgehead:")).unwrap().split(':').nth(2).unwrap();
    let rights = fs::metadata(&file).unwrap();
    assert_eq!((rights.mode() & 0o777, rights.uid(), rights.gid().to_string().as_str()), (0o640, 0, group));
    printed(system.program().args(["check", "--strict", "--config"]).arg(&file));
    assert!(system.at("etc/systemd/system/multi-user.target.wants/bridgehead.service").is_symlink());

    // The operator's own file, and an edge that serves it.
    let servers = [Troubled::start(), Troubled::start()];
    let yaml = format!(
        "listeners: [{{address: \"127.0.0.1:0\"}}]\nadmin: {{address: \"{}\"}}\nhealth: {{enabled: false}}\n\
         verify: {{at_start: false}}\n{}{CLIENTS}",
        nobody_yet(),
        servers_yaml(&servers.each_ref().map(Troubled::address))
    );
    fs::write(&file, &yaml).unwrap();
    let mut edge = Running::run(system.program(), &file);
    let address = edge.address();
    edge.wait_for("forwarding to");
    let mut held = Connection::to(address);
    held.send("GET /stream/2?held HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(held.read_head().status, 200);

    // A second build, under load.
    let load = Load { workers: 4, requests: 50_000, kinds: MIXED }.on(address);
    load.wait_for(50);
    let said = system.install(second);
    load.wait_for(50);
    let account = load.stop();
    let line = edge.wait_for("serves from now on");
    let process: u32 = line.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(said.contains(&format!("process {process} serves from now on")), "{said}");
    assert_eq!(fs::read_link(format!("/proc/{process}/exe")).unwrap(), system.at("usr/bin/bridgehead"));
    let mut balance = account.balance(&servers.each_ref());
    balance.strangers.retain(|(_, record)| !record.target.ends_with("?held"));
    balance.assert_none_lost();
    balance.assert_no_post_twice();
    balance.assert_none_wrong();
    for server in &servers {
        server.release(100);
    }
    assert!(!held.read_chunks().is_empty());
    drop(held);
    assert_eq!(fs::read_to_string(&file).unwrap(), yaml, "the operator's file was changed");

    // One that cannot take over: the edge that runs goes on, and the installation does not break off.
    fs::write(&file, "listeners: []\nservers: []\n").unwrap();
    let said = system.install(first);
    assert!(said.contains("listeners: ") && said.contains("no edge was replaced"), "{said}");
    assert_eq!(Connection::to(address).ask("GET", AS, "localhost", "").status, 200);
    assert!(signal(process, "TERM"));
    edge.whole_log();

    // Removed, it leaves what the operator wrote; purged, nothing but the user.
    system.dpkg(&["--remove", "bridgehead"]);
    assert_eq!(system.files("usr"), BTreeSet::new());
    assert!(file.exists());
    fs::create_dir_all(system.at("var/log/bridgehead")).unwrap();
    fs::write(system.at("var/log/bridgehead/access.log"), "a line\n").unwrap();
    system.dpkg(&["--purge", "bridgehead"]);
    assert!(!system.at("etc/bridgehead").exists() && !system.at("var/log/bridgehead").exists());
    let mut left = system.files("etc");
    left.retain(|path| !["passwd", "group", "shadow", "gshadow"].contains(&path.trim_end_matches('-')));
    left.retain(|path| path != ".pwd.lock");
    assert_eq!(left, BTreeSet::new());
}
