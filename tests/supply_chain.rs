//! Promise: what the program is built from is said, package by package, and nothing that is not allowed is among it.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use crate::support::{in_time::Printed, pages::text_of, tools::lacks};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.current_dir(ROOT).printed().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn sbom() -> Value {
    let mut command = Command::new("python3");
    serde_json::from_str(&printed(command.args(["-B", "conf/deploy/sbom.py"]).env_remove("SOURCE_DATE_EPOCH"))).unwrap()
}

/// The checksum of each package in the lock file, by name and version.
fn locked() -> BTreeMap<(String, String), String> {
    let lock = text_of("Cargo.lock");
    let packages = lock.split("[[package]]").skip(1);
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")));
        line.map(|value| value.trim_end_matches('"').to_owned())
    };
    let read = packages.filter_map(|package| {
        Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?))
    });
    read.collect()
}

#[test]
fn the_sbom_names_each_package_that_the_program_is_built_from() {
    if lacks(&["python3", "git"]) {
        return;
    }
    let sbom = sbom();
    assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(sbom["metadata"]["component"]["purl"], format!("pkg:cargo/bridgehead@{}", env!("CARGO_PKG_VERSION")));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let components = sbom["components"].as_array().unwrap();
    let named: BTreeSet<_> = components.iter().map(|each| (text(&each["name"]), text(&each["version"]))).collect();
    assert_eq!(named.len(), components.len(), "a package is there twice");

    // Cargo itself says who is in it.
    let tree = ["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let listed = printed(Command::new(env!("CARGO")).args(tree));
    let listed = listed.lines().map(|line| {
        let mut words = line.split_whitespace();
        (words.next().unwrap().to_owned(), words.next().unwrap().trim_start_matches('v').to_owned())
    });
    let listed: BTreeSet<_> = listed.filter(|(name, _)| name != "bridgehead").collect();
    assert!(listed.len() > 100);
    assert_eq!(named, listed);

    let locked = locked();
    for each in components {
        let checksum = &locked[&(text(&each["name"]), text(&each["version"]))];
        assert_eq!(each["hashes"][0]["content"], *checksum, "{each}");
        assert!(each["licenses"][0]["expression"].is_string(), "{each}");
    }
    // Whoever is needed is there.
    let known: BTreeSet<_> = components
        .iter()
        .chain([&sbom["metadata"]["component"]])
        .map(|each| &each["bom-ref"])
        .collect::<Vec<_>>()
        .into_iter()
        .map(text)
        .collect();
    let dependencies = sbom["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.len(), known.len());
    for each in dependencies {
        assert!(known.contains(each["ref"].as_str().unwrap()));
        assert!(
            each["dependsOn"].as_array().unwrap().iter().all(|other| known.contains(other.as_str().unwrap())),
            "{each}"
        );
    }
}

#[test]
fn no_package_is_there_that_is_not_allowed() {
    if lacks(&["cargo-deny"]) {
        return;
    }
    let mut deny = Command::new(crate::support::tools::path_of("cargo-deny").unwrap());
    deny.args(["--offline", "--locked", "--config", ".github/deny.toml", "check", "licenses", "bans", "sources"]);
    printed(&mut deny);
}

/// The packages of a build with these features, and what of them the crate itself asks for.
fn packages(features: &[&str]) -> (BTreeSet<String>, BTreeSet<String>) {
    let tree = |depth: &str| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["tree", "--locked", "--offline", "--edges", "normal,no-proc-macro", "--prefix", "none"]);
        command.args(["--format", "{lib}", "--no-default-features", "--depth", depth]).args(features);
        printed(&mut command).lines().map(str::to_owned).collect()
    };
    (tree("99"), tree("1"))
}

#[test]
fn who_embeds_discovery_alone_gets_neither_a_program_nor_a_tls() {
    let (all, own) = packages(&[]);
    for unwanted in [
        "env_logger",
        "mimalloc",
        "prometheus",
        "schemars",
        "rustix",
        "tempfile",
        "tokio_rustls",
        "rustls",
        "ring",
        "openssl",
        "opentelemetry",
        "similar",
        "sd_notify",
        "glob",
    ] {
        assert!(!all.contains(unwanted), "{unwanted} is in an embedder's build");
    }
    // Pingora has it for the arguments of its servers.
    assert!(!own.contains("clap"));
    let (edge, _) = packages(&["--features", "edge"]);
    assert!(edge.contains("rustls") && edge.contains("opentelemetry"));
    assert!(!edge.contains("env_logger") && !edge.contains("prometheus") && !edge.contains("mimalloc"));
}
