//! Promise: the image that `make image` makes holds the edge and what it needs, nothing that could be used otherwise, runs
//! as nobody special, and is the same each time.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{
    discovery::AS, edge::CLIENTS, http::Connection, in_time::Printed, program::Running, tools::lacks,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[track_caller]
fn run(command: &mut Command) {
    let output = command.printed().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn build(archive: &Path) {
    let mut command = Command::new("conf/deploy/container/build.sh");
    run(command.arg(env!("CARGO_BIN_EXE_bridgehead")).arg(archive).current_dir(ROOT).env_remove("SOURCE_DATE_EPOCH"));
}

/// The files in a folder, by their paths below it.
fn files(root: &Path) -> BTreeMap<String, fs::Metadata> {
    let (mut found, mut left) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                left.push(entry.path());
            }
            found.insert(entry.path().strip_prefix(root).unwrap().display().to_string(), metadata);
        }
    }
    found
}

#[test]
fn it_is_minimal_serves_and_is_the_same_each_time() {
    if lacks(&["buildah", "ldd", "strip", "tar", "git", "chroot", "root"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    build(&at("one.tar"));
    build(&at("other.tar"));
    let is_same = fs::read(at("one.tar")).unwrap() == fs::read(at("other.tar")).unwrap();
    assert!(is_same, "two images of one program differ");

    fs::create_dir(at("image")).unwrap();
    run(Command::new("tar").arg("-xf").arg(at("one.tar")).arg("-C").arg(at("image")));
    let blob = |digest: &Value| -> PathBuf {
        at("image/blobs/sha256").join(digest.as_str().unwrap().strip_prefix("sha256:").unwrap())
    };
    let json_of = |file: &Path| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap();
    let index = json_of(&at("image/index.json"));
    let manifest = json_of(&blob(&index["manifests"][0]["digest"]));
    let config = json_of(&blob(&manifest["config"]["digest"]))["config"].clone();
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/usr/bin/bridgehead"]));
    assert_eq!(config["Cmd"], json!(["run", "--config", "/etc/bridgehead/proxy.yaml"]));
    assert_eq!(config["StopSignal"], "SIGTERM");

    // The layers: the program, libraries, authorities, and who the user is.
    fs::create_dir(at("root")).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        run(Command::new("tar").arg("-xpf").arg(blob(&layer["digest"])).arg("-C").arg(at("root")));
    }
    let files = files(&at("root"));
    for (path, metadata) in &files {
        assert!(
            metadata.uid() == 0 && metadata.permissions().mode() & 0o6022 == 0,
            "{path} can be written, or lends rights"
        );
        let is_known = metadata.is_dir()
            || [
                "usr/bin/bridgehead",
                "etc/ssl/certs/ca-certificates.crt",
                "etc/passwd",
                "etc/group",
                "etc/nsswitch.conf",
            ]
            .contains(&path.as_str())
            || path.starts_with("lib") && path.contains(".so");
        assert!(is_known, "{path} is in the image");
    }
    assert!(files.keys().any(|path| path.contains("libc.so")), "{:?}", files.keys());

    // It runs as that user, where nothing can be written, with nothing but what is in it.
    let text = format!(
        "listeners: [{{address: \"127.0.0.1:0\"}}]\nhealth: {{enabled: false}}\nverify: {{at_start: false}}\nservers: []\n{CLIENTS}"
    );
    fs::write(at("root/etc/bridgehead/proxy.yaml"), text).unwrap();
    let mut command = Command::new("chroot");
    command
        .arg("--userspec=65532:65532")
        .arg(at("root"))
        .arg("/usr/bin/bridgehead")
        .env_clear()
        .env("RUST_LOG", "info");
    let path = std::env::var_os("PATH").unwrap();
    let mut edge = Running::run(
        {
            command.env("PATH", path);
            command
        },
        Path::new("/etc/bridgehead/proxy.yaml"),
    );
    let address = edge.address();
    assert_eq!(Connection::to(address).ask("GET", AS, "localhost", "").status, 200);
    edge.signal("TERM");
    assert!(edge.whole_log().contains("stopped, 0 requests cut"));
}
