//! What is shipped to run the edge with is what systemd, Kubernetes and builders of containers take, and fits the
//! edge.

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

use bridgehead::config::{Fixed, Loaded};
use bytesize::ByteSize;
use humantime::parse_duration;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{in_time::Printed, interop::installed, schema, tools::lacks};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/deploy");

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(DEPLOY).join(file)).unwrap()
}

/// The objects in a manifest.
fn manifests(file: &str) -> Vec<Value> {
    let text = read(&format!("kubernetes/{file}"));
    serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// A tool of `tests/interop/packaging`.
fn tool(name: &str) -> Command {
    Command::new(installed("packaging").join("packaging/bin").join(name))
}

/// What a command prints; it must end well.
fn printed(command: &mut Command) -> String {
    let output = command.printed().unwrap_or_else(|error| panic!("{command:?}: {error}: run `make test`"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}:\n{text}");
    text
}

// === systemd ===

/// A folder of units as an operator installs them, but that they name the program of these tests.
fn units(drop_ins: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let unit = read("systemd/bridgehead.service").replace("/usr/bin/bridgehead", env!("CARGO_BIN_EXE_bridgehead"));
    fs::write(folder.path().join("bridgehead.service"), unit).unwrap();
    let below = folder.path().join("bridgehead.service.d");
    fs::create_dir(&below).unwrap();
    for name in drop_ins {
        fs::write(below.join(name), read(&format!("systemd/{name}"))).unwrap();
    }
    folder
}

#[test]
fn systemd_takes_the_unit_and_finds_it_well_confined() {
    if lacks(&["systemd-analyze"]) {
        return;
    }
    for drop_ins in [&[][..], &["low-ports.conf"]] {
        let folder = units(drop_ins);
        let unit = folder.path().join("bridgehead.service");
        let said = printed(Command::new("systemd-analyze").arg("verify").arg(&unit));
        assert!(!said.contains("bridgehead"), "{said}");
        // From 0, confined as far as possible, to 10, in tenths.
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--threshold=20", "--no-pager"]);
        let said = printed(security.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display())).arg(&unit));
        assert!(said.contains("Overall exposure level"), "{said}");
        let needs_ports = said.lines().any(|line| line.contains('✗') && line.contains("~CAP_NET_(BIND_SERVICE"));
        assert_eq!(needs_ports, !drop_ins.is_empty(), "the drop-in was not seen:\n{said}");
    }
}

#[test]
fn systemd_waits_for_the_end_of_requests_and_allows_enough_files() {
    let unit = read("systemd/bridgehead.service");
    let setting = |name: &str| unit.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/proxy.yaml");
    let config = Loaded::from_file(shipped.as_ref()).unwrap().config;
    let stop = config.edge.stop.delay + config.edge.stop.idle + config.edge.stop.grace;
    assert!(parse_duration(setting("TimeoutStopSec")).unwrap() > stop);
    let files: usize = setting("LimitNOFILE").parse().unwrap();
    assert!(files > 2 * config.edge.limits.connections.most());
    let user = setting("User");
    assert!(read("systemd/bridgehead.sysusers").lines().any(|line| line.starts_with(&format!("u {user} "))));
}

// === container ===

#[test]
fn builders_take_the_containerfile() {
    if lacks(&["packaging"]) {
        return;
    }
    let file = Path::new(DEPLOY).join("container/Containerfile");
    assert_eq!(printed(tool("hadolint").arg(file)), "");
}

#[test]
fn the_container_is_built_with_the_lock_file_by_a_rust_that_is_new_enough_and_runs_as_nobody_special() {
    let file = read("container/Containerfile");
    assert!(file.contains("cargo build --release --locked"));
    let rust = file.split("library/rust:").nth(1).unwrap().split('-').next().unwrap();
    let version = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    assert!(version(rust) >= version(env!("CARGO_PKG_RUST_VERSION")), "{rust}");
    let deployment = &manifests("deployment.yaml")[0]["spec"]["template"]["spec"];
    let user = &deployment["securityContext"]["runAsUser"];
    assert!(file.lines().any(|line| line == format!("USER {user}:{user}")), "{user}");
}

// === Kubernetes ===

#[test]
fn kubernetes_and_the_prometheus_operator_take_the_manifests() {
    if lacks(&["packaging"]) {
        return;
    }
    let listed = manifests("kustomization.yaml").remove(0);
    let listed: BTreeSet<_> =
        listed["resources"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    let folder = Path::new(DEPLOY).join("kubernetes");
    let there = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<_> = there.filter(|file| file != "kustomization.yaml").collect();
    assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), listed);
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/packaging/check.py");
    let said = printed(tool("python").arg(check).args(listed.iter().map(|file| folder.join(file))));
    for kind in ["Deployment", "ConfigMap", "Service", "NetworkPolicy", "ServiceMonitor"] {
        assert!(said.lines().any(|line| line.ends_with(&format!("{kind} bridgehead: valid"))), "{kind}\n{said}");
    }
}

/// The edge's configuration in the `ConfigMap`.
fn proxy_yaml() -> String {
    manifests("configmap.yaml")[0]["data"]["proxy.yaml"].as_str().unwrap().to_owned()
}

#[test]
fn the_configuration_in_the_config_map_is_one_without_warnings() {
    let text = proxy_yaml();
    let loaded = Loaded::from_text("configmap.yaml".as_ref(), &text).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    schema::takes(&text);
}

#[test]
fn the_manifests_fit_the_configuration_in_the_config_map() {
    let config = Loaded::from_text("configmap.yaml".as_ref(), &proxy_yaml()).unwrap().config;
    let deployment = &manifests("deployment.yaml")[0]["spec"];
    let pod = &deployment["template"]["spec"];
    let container = &pod["containers"][0];
    let ports = container["ports"].as_array().unwrap().iter();
    let ports: Vec<_> = ports.map(|port| port["containerPort"].as_u64().unwrap()).collect();
    let listener = config.edge.listeners[0].address.ip().unwrap();
    let admin = config.edge.admin.unwrap().address.0;
    assert_eq!(ports, [u64::from(listener.port()), u64::from(admin.port())]);
    assert!(listener.ip().is_unspecified() && admin.ip().is_unspecified());
    // A pod that is told to stop has time for all that the edge does then.
    let stop = config.edge.stop.delay + config.edge.stop.idle + config.edge.stop.grace;
    let patience = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    assert!(patience > stop && !config.edge.stop.delay.is_zero());
    // And is not told to before it was found not to be ready.
    let probe = &container["readinessProbe"];
    let unready = probe["periodSeconds"].as_u64().unwrap() * probe["failureThreshold"].as_u64().unwrap();
    assert!(config.edge.stop.delay > Duration::from_secs(unready));
    // One worker thread for each core that is asked for.
    let cores: usize = container["resources"]["requests"]["cpu"].as_str().unwrap().parse().unwrap();
    assert_eq!(config.edge.threads.unwrap().get(), cores);
}

/// The number before each unit in a text, in order, such as `30 MiB`.
fn sizes(text: &str) -> Vec<u64> {
    let words: Vec<_> = text.split_whitespace().map(|word| word.trim_matches(['(', ')'])).collect();
    let sizes = words.windows(2).filter(|pair| matches!(pair[1], "KiB" | "MiB"));
    sizes.map(|pair| format!("{}{}", pair[0], pair[1]).parse::<ByteSize>().unwrap().as_u64()).collect()
}

#[test]
fn as_many_requests_as_the_config_map_allows_fit_into_the_memory_of_a_pod() {
    let readme = read("README.md");
    let formula = readme.lines().find(|line| line.starts_with("memory of a replica = ")).unwrap();
    let sizes = sizes(formula);
    assert_eq!(sizes.len(), 5, "{formula}");
    let (program, costliest) = (sizes[0], sizes[1..].iter().max().unwrap());
    let config = Loaded::from_text("configmap.yaml".as_ref(), &proxy_yaml()).unwrap().config;
    let streams = if config.edge.listeners[0].has_http2() { u64::from(config.edge.limits.http2_streams) } else { 1 };
    let requests = config.edge.limits.connections.most() as u64 * streams;
    let container = &manifests("deployment.yaml")[0]["spec"]["template"]["spec"]["containers"][0];
    let memory = container["resources"]["limits"]["memory"].as_str().unwrap();
    let memory = format!("{memory}B").parse::<ByteSize>().unwrap().as_u64();
    assert!(program + requests * costliest <= memory, "{requests} requests need more than {memory} bytes");
}

#[test]
fn what_a_reload_by_systemd_cannot_change_is_named() {
    let text = proxy_yaml();
    let running = Loaded::from_text("configmap.yaml".as_ref(), &text).unwrap().config;
    let other = text.replace(":8000", ":8002").replace(":8001", ":8003").replace("threads: 2", "threads: 3");
    let other = other.replace("format: json", "format: text");
    // The check alone, which is what `systemctl reload` tells of, finds nothing.
    assert!(Loaded::from_text("configmap.yaml".as_ref(), &other).is_ok());
    let refused = Loaded::for_running("configmap.yaml".as_ref(), &other, &Fixed::of(&running.edge)).unwrap_err();
    let readme = read("README.md");
    let row = readme.lines().find(|line| line.contains("`systemctl reload bridgehead`")).unwrap();
    let lines = refused.to_string();
    let keys: Vec<_> = lines.lines().map(|line| line.split(": ").nth(1).unwrap().trim_end_matches("[0]")).collect();
    assert_eq!(keys.len(), 4, "{refused}");
    for key in keys {
        assert!(row.contains(&format!("`{key}`")), "{key} is not in: {row}");
    }
}

#[test]
fn the_pods_can_reload_and_are_confined() {
    let pod = &manifests("deployment.yaml")[0]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    // A file that is mounted by itself never changes.
    let mount = &container["volumeMounts"][0];
    assert_eq!(mount["subPath"], Value::Null);
    let file = format!("{}/proxy.yaml", mount["mountPath"].as_str().unwrap());
    assert_eq!(container["args"][2], file);
    assert_eq!(pod["volumes"][0]["configMap"]["name"], manifests("configmap.yaml")[0]["metadata"]["name"]);
    // The profile "restricted" of the Pod Security Standards.
    let security = &container["securityContext"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
}

#[test]
fn everything_selects_the_pods_of_the_deployment() {
    let labels = &manifests("deployment.yaml")[0]["spec"]["template"]["metadata"]["labels"];
    for (file, path) in [
        ("deployment.yaml", "/spec/selector/matchLabels"),
        ("service.yaml", "/spec/selector"),
        ("poddisruptionbudget.yaml", "/spec/selector/matchLabels"),
        ("networkpolicy.yaml", "/spec/podSelector/matchLabels"),
    ] {
        for manifest in manifests(file) {
            assert_eq!(manifest.pointer(path), Some(labels), "{file}");
        }
    }
    let services = manifests("service.yaml");
    let monitor = &manifests("servicemonitor.yaml")[0]["spec"];
    assert_eq!(monitor["selector"]["matchLabels"], services[1]["metadata"]["labels"]);
    assert_eq!(monitor["endpoints"][0]["port"], services[1]["spec"]["ports"][0]["name"]);
    // Who is not the monitoring does not reach the admin port.
    let ingress = manifests("networkpolicy.yaml")[0]["spec"]["ingress"].clone();
    let open = ingress.as_array().unwrap().iter().filter(|rule| rule["from"].is_null());
    assert!(open.flat_map(|rule| rule["ports"].as_array().unwrap()).all(|port| port["port"] == "http"));
}
