//! The metrics are good Prometheus, and what speaks of them (manual, alert rules, dashboard) speaks of those that
//! there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{
    bifrost::Bifrost,
    edge::Edge,
    in_time::Printed,
    nobody,
    tls_server::{Authority, Folder},
    tools::{lacks, path_of},
    until,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Prometheus's own checker, as `make test` finds or fetches it.
fn promtool() -> Command {
    let mut command = Command::new(path_of("promtool").unwrap());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it, with this on its standard input; it must find nothing wrong.
#[track_caller]
fn finds_nothing_wrong(arguments: &[&str], input: &str) {
    let mut child = promtool().args(arguments).spawn().expect("promtool is missing: make test-prerequisites");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.printed().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    // Of metrics it only warns.
    assert!(arguments[1] != "metrics" || said.is_empty(), "{said}");
}

fn monitoring(file: &str) -> PathBuf {
    Path::new(ROOT).join("conf/deploy/monitoring").join(file)
}

fn scrape() -> String {
    let bifrost = Bifrost::start();
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca = folder.write("ca.pem", authority.pem());
    let edge = Edge::start(&format!(
        "servers: [{{address: \"{}\"}}, {{address: \"{}\", weight: 0, tls: {{ca: \"{}\"}}}}]\nverify: {{interval: 20ms}}\n",
        bifrost.address(),
        nobody(),
        ca.display()
    ));
    assert_eq!(edge.get("/echo").status, 200);
    until("the servers have been verified", || edge.metrics().contains("bridgehead_verify_agreement{"));
    edge.metrics()
}

/// The names of all metrics with those of their labels.
fn exposed(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics: BTreeMap<_, _> =
        text.lines().filter_map(|line| Some((word(line.strip_prefix("# TYPE ")?), BTreeSet::new()))).collect();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let name = sample.split(['{', ' ']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let name = base.filter(|base| metrics.contains_key(*base)).unwrap_or(name);
        let labels = sample.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap());
        let labels = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        metrics.get_mut(name).unwrap().extend(labels.filter(|label| label != "le"));
    }
    metrics
}

fn word(text: &str) -> String {
    text.split(' ').next().unwrap().to_owned()
}

/// The metrics that an expression or a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names = words.filter(|word| word.starts_with("bridgehead_") || word.starts_with("process_"));
    names
        .map(|name| {
            ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned()
        })
        .collect()
}

/// Every expression of the dashboard.
fn expressions(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            let own = members.get("expr").and_then(Value::as_str);
            members.values().flat_map(expressions).chain(own).collect()
        }
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(monitoring("grafana-dashboard.json")).unwrap()).unwrap()
}

#[test]
fn prometheus_finds_nothing_wrong_with_them() {
    if lacks(&["promtool"]) {
        return;
    }
    finds_nothing_wrong(&["check", "metrics"], &scrape());
}

#[test]
fn the_manual_describes_each_with_its_labels_and_no_other() {
    let manual = fs::read_to_string(Path::new(ROOT).join("conf/deploy/OPERATING.md")).unwrap();
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let described: BTreeMap<String, BTreeSet<String>> = rows
        .map(|(metric, _)| metric.trim_end_matches('}').split_once('{').unwrap_or((metric, "")))
        .filter(|(name, _)| name.starts_with("bridgehead_") || name.starts_with("process_"))
        .map(|(name, labels)| {
            let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned);
            (name.to_owned(), labels.collect())
        })
        .collect();
    assert_eq!(described, exposed(&scrape()));
}

#[test]
fn the_manual_names_no_metric_that_is_gone() {
    let known: BTreeSet<_> = exposed(&scrape()).into_keys().collect();
    for page in ["README.md", "conf/README.md", "conf/behaviour.md", "conf/which-bifrost.md", "conf/deploy/README.md"] {
        let named = named(&fs::read_to_string(Path::new(ROOT).join(page)).unwrap());
        assert!(named.is_subset(&known), "{page}: {:?}", named.difference(&known));
    }
    let operating = named(&fs::read_to_string(Path::new(ROOT).join("conf/deploy/OPERATING.md")).unwrap());
    assert!(operating.len() > 30 && operating.is_subset(&known), "{:?}", operating.difference(&known));
}

#[test]
fn a_server_of_a_name_and_a_status_are_the_only_values_that_are_not_known_beforehand() {
    let text = scrape();
    for label in ["class", "answered_by", "reason", "document", "outcome", "state", "phase", "result", "limit"] {
        let values: BTreeSet<_> =
            text.lines().filter_map(|line| line.split_once(&format!("{label}=\""))?.1.split('"').next()).collect();
        assert!((1..40).contains(&values.len()), "{label}: {values:?}");
        assert!(
            values.iter().all(|value| value
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()))
        );
    }
}

#[test]
fn alert_rules_and_their_tests_hold_and_name_what_there_is() {
    if lacks(&["promtool"]) {
        return;
    }
    finds_nothing_wrong(&["check", "rules", monitoring("alerts.yaml").to_str().unwrap()], "");
    finds_nothing_wrong(&["test", "rules", monitoring("alerts_test.yaml").to_str().unwrap()], "");
    let known: BTreeSet<_> = exposed(&scrape()).into_keys().collect();
    for file in ["alerts.yaml", "alerts_test.yaml"] {
        let named = named(&fs::read_to_string(monitoring(file)).unwrap());
        assert!(named.len() > 10 && named.is_subset(&known), "{file}: {:?}", named.difference(&known));
    }
}

#[test]
fn the_dashboard_is_made_of_good_expressions_and_of_metrics_that_there_are() {
    if lacks(&["promtool"]) {
        return;
    }
    let dashboard = dashboard();
    let expressions = expressions(&dashboard);
    let known: BTreeSet<_> = exposed(&scrape()).into_keys().collect();
    let named = named(&dashboard.to_string());
    assert!(named.is_subset(&known), "{:?}", named.difference(&known));
    assert!(expressions.len() > 30);
    // As rules they can be checked, once Grafana's own words are out of the way.
    let rules = expressions.iter().enumerate().map(|(place, expression)| {
        let expression = expression.replace("$__rate_interval", "5m");
        format!("  - {{record: \"dashboard:{place}\", expr: {}}}\n", Value::from(expression))
    });
    let rules = format!("groups:\n- name: dashboard\n  rules:\n{}", rules.collect::<String>());
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(rules.as_bytes()).unwrap();
    finds_nothing_wrong(&["check", "rules", file.path().to_str().unwrap()], "");
}
