//! Promise: the chart renders what Kubernetes takes, whatever parts of it are on; every value is described, checked and
//! used; and the plain manifests are what it renders.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use bridgehead::config::Loaded;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{
    in_time::Printed,
    interop::installed,
    schema,
    tools::{lacks, path_of},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/deploy/helm");
/// A release of Kubernetes that the chart says it is for: what Helm takes where there is no cluster to ask.
const KUBERNETES: &str = "1.34.0";

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(CHART).join(file)).unwrap()
}

/// What Helm says, and whether it took it.
fn helm(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(path_of("helm").unwrap()).args(arguments).current_dir(CHART).printed().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// The manifests of a release called `edge`, as text.
#[track_caller]
fn rendered(options: &[&str]) -> String {
    let common = ["template", "edge", ".", "--kube-version", KUBERNETES, "--namespace", "gateways"];
    let (is_rendered, manifests, said) = helm(&[&common, options].concat());
    assert!(is_rendered, "{options:?}: {said}");
    manifests
}

fn refused(options: &[&str]) -> String {
    let (is_rendered, manifests, said) =
        helm(&[&["template", "edge", ".", "--kube-version", KUBERNETES], options].concat());
    assert!(!is_rendered, "{options:?}: {manifests}");
    said
}

fn objects(manifests: &str) -> Vec<Value> {
    let read = serde_yaml::Deserializer::from_str(manifests).map(|document| Value::deserialize(document).unwrap());
    read.filter(|object| !object.is_null()).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind)
}

/// The files of values in `examples/`.
fn examples() -> BTreeSet<String> {
    let files = fs::read_dir(Path::new(CHART).join("examples")).unwrap();
    files.map(|file| format!("examples/{}", file.unwrap().file_name().display())).collect()
}

#[test]
fn helm_finds_nothing_wrong_with_the_chart_and_kubernetes_takes_every_example() {
    if lacks(&["helm", "packaging"]) {
        return;
    }
    let (is_good, report, said) = helm(&["lint", "--strict", "."]);
    assert!(is_good, "{report}{said}");
    let examples = examples();
    assert!(examples.len() >= 10, "{examples:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut check = Command::new(installed("packaging").join("packaging/bin/python"));
    check.arg(Path::new(ROOT).join("tests/interop/packaging/check.py"));
    for example in &examples {
        let (is_good, report, said) = helm(&["lint", "--strict", ".", "--values", example]);
        assert!(is_good, "{example}: {report}{said}");
        let manifests = rendered(&["--values", example]);
        // Its schema is in no registry: `the_optional_parts_say_what_they_are_for` looks at it.
        let documents = manifests.split("---\n").filter(|text| !text.contains("\nkind: HTTPRoute\n"));
        let file = folder.path().join(example.replace('/', "-"));
        fs::write(&file, documents.collect::<Vec<_>>().join("---\n")).unwrap();
        check.arg(&file);
    }
    let output = check.printed().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for kind in
        ["PrometheusRule", "ServiceMonitor", "HorizontalPodAutoscaler", "NetworkPolicy", "Ingress", "Certificate"]
    {
        assert!(said.lines().any(|line| line.contains(&format!(" {kind} ")) && line.ends_with(": valid")), "{kind}");
    }
}

#[test]
fn a_bare_cluster_takes_the_defaults() {
    if lacks(&["helm"]) {
        return;
    }
    let objects = objects(&rendered(&[]));
    let kinds: BTreeSet<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["ConfigMap", "Deployment", "PodDisruptionBudget", "Service"]));
    assert_eq!(of_kind(&objects, "Deployment").unwrap()["spec"]["replicas"], 2);
}

#[test]
fn the_plain_manifests_are_what_the_chart_renders() {
    if lacks(&["helm", "sed", "bash"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(Path::new(CHART).join("render.sh")).arg(folder.path()).printed().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut count = 0;
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let plain = Path::new(ROOT).join("conf/deploy/kubernetes").join(file.file_name());
        let (now, there) = (fs::read_to_string(file.path()).unwrap(), fs::read_to_string(&plain).unwrap());
        assert!(now == there, "{} is another one: run conf/deploy/helm/render.sh", plain.display());
        count += 1;
    }
    // All but the kustomization.
    assert_eq!(count, fs::read_dir(Path::new(ROOT).join("conf/deploy/kubernetes")).unwrap().count() - 1);
}

#[test]
fn the_examples_configurations_are_good_ones() {
    let mut count = 0;
    for file in examples().into_iter().chain(["values.yaml".to_owned()]) {
        let values: Value = serde_yaml::from_str(&read(&file)).unwrap();
        let Some(config) = values["config"].as_str() else { continue };
        // The Secret is mounted in a pod alone.
        let mut without_tls: Value = serde_yaml::from_str(config).unwrap();
        without_tls["listeners"][0].as_object_mut().unwrap().remove("tls");
        let loaded = Loaded::from_text(file.as_ref(), &serde_yaml::to_string(&without_tls).unwrap());
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(loaded.warnings.is_empty(), "{file}: {:?}", loaded.warnings);
        schema::takes(config);
        let stop = loaded.config.edge.stop.delay + loaded.config.edge.stop.idle + loaded.config.edge.stop.grace;
        let default: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
        let patience = values["terminationGracePeriodSeconds"].as_u64();
        let patience = patience.or(default["terminationGracePeriodSeconds"].as_u64()).unwrap();
        assert!(u128::from(patience) * 1000 > stop.as_millis(), "{file}");
        count += 1;
    }
    assert_eq!(count, 2);
}

/// The paths of all values, such as `image.tag`; of maps that are the operator's own, the map's.
fn paths(values: &Value, schema: &Value, above: &str, into: &mut Vec<(String, Value)>) {
    for (name, value) in values.as_object().unwrap() {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let described = &schema["properties"][name];
        match value.as_object() {
            Some(_) if described["properties"].is_object() => paths(value, described, &path, into),
            _ => into.push((path, described.clone())),
        }
    }
}

#[test]
fn every_value_is_described_checked_and_used() {
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let templates = fs::read_dir(Path::new(CHART).join("templates")).unwrap();
    let templates: String = templates.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let mut there = Vec::new();
    paths(&values, &schema, "", &mut there);
    assert!(there.len() > 50, "{there:?}");
    for (path, described) in &there {
        let is_used = templates.contains(&format!(".Values.{path}"))
            || path
                .split_once('.')
                .is_some_and(|(first, _)| first == "resources" && templates.contains(".Values.resources"));
        assert!(is_used || path.starts_with("certificate.issuer."), "{path} is used nowhere");
        assert!(described.is_object(), "values.schema.json does not know {path}");
        let is_described = described["description"].is_string() || path.starts_with("resources.");
        assert!(is_described, "values.schema.json does not describe {path}");
    }
    // And the schema knows nothing that is not there.
    for (name, described) in schema["properties"].as_object().unwrap() {
        let has = name == "global" || !values[name].is_null();
        assert!(has, "values.yaml has no {name}");
        for below in described["properties"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            assert!(!values[name][below].is_null(), "values.yaml has no {name}.{below}");
        }
    }
}

#[test]
fn what_would_not_work_is_refused() {
    if lacks(&["helm"]) {
        return;
    }
    for (setting, why) in [
        ("nonsense=1", "additional properties 'nonsense' not allowed"),
        ("image.tags=1", "additional properties 'tags' not allowed"),
        ("replicas=-1", "'/replicas': minimum"),
        ("service.type=External", "'/service/type': value must be one of"),
        ("image.digest=latest", "'/image/digest'"),
        ("ports.http=9000", "config has no listener on the port ports.http, 9000"),
        ("ports.admin=9000", "is not on the port ports.admin, 9000"),
        ("certificate.enabled=true", "certificate.enabled needs tls.secretName"),
        ("autoscaling.enabled=true,autoscaling.cpu=0", "autoscaling.enabled needs a target"),
        ("config=a: [", "config is no YAML"),
    ] {
        let said = refused(&["--set", setting]);
        assert!(said.contains(why), "{setting}: {said}");
    }
}

#[test]
fn the_optional_parts_say_what_they_are_for() {
    if lacks(&["helm"]) {
        return;
    }
    let render = |example: &str| objects(&rendered(&["--values", &format!("examples/{example}.yaml")]));

    let route = render("gateway");
    let route = &of_kind(&route, "HTTPRoute").unwrap()["spec"];
    assert_eq!(route["parentRefs"], json!([{"name": "public", "namespace": "gateways"}]));
    assert_eq!(route["rules"][0]["timeouts"], json!({"request": "0s", "backendRequest": "0s"}));
    assert_eq!(route["rules"][0]["backendRefs"], json!([{"name": "edge-bridgehead", "port": 80}]));

    let ingress = render("ingress");
    let ingress = of_kind(&ingress, "Ingress").unwrap();
    assert_eq!(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"], "3600");
    assert_eq!(ingress["spec"]["tls"], json!([{"hosts": ["gateway.example.com"], "secretName": "gateway-tls"}]));

    let tls = render("tls");
    let certificate = &of_kind(&tls, "Certificate").unwrap()["spec"];
    assert_eq!(certificate["issuerRef"], json!({"kind": "ClusterIssuer", "name": "letsencrypt"}));
    let pod = &of_kind(&tls, "Deployment").unwrap()["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][1]["secret"]["secretName"], certificate["secretName"]);
    let mount = &pod["containers"][0]["volumeMounts"][1];
    assert!(
        rendered(&["--values", "examples/tls.yaml"])
            .contains(&format!("{}/tls.crt", mount["mountPath"].as_str().unwrap()))
    );

    let scaled = render("autoscaling");
    let metrics = &of_kind(&scaled, "HorizontalPodAutoscaler").unwrap()["spec"]["metrics"];
    assert_eq!(metrics[0]["resource"]["name"], "memory");
    assert_eq!(metrics[1]["pods"]["metric"]["name"], "bridgehead_connections");
    assert_eq!(metrics.as_array().unwrap().len(), 2);
    assert_eq!(of_kind(&scaled, "Deployment").unwrap()["spec"]["replicas"], Value::Null);

    // A cache of names on the node has an address that no selector finds: without peers, port 53 is open to all.
    let policy = objects(&rendered(&["--set", "networkPolicy.enabled=true"]));
    let egress = of_kind(&policy, "NetworkPolicy").unwrap()["spec"]["egress"].clone();
    let dns = egress.as_array().unwrap().iter().find(|rule| rule["ports"][0]["port"] == 53).unwrap();
    assert_eq!(dns["to"], Value::Null);
    let narrowed = render("network-policy");
    let spec = &of_kind(&narrowed, "NetworkPolicy").unwrap()["spec"];
    assert_eq!(spec["egress"][1]["to"][1]["ipBlock"]["cidr"], "169.254.20.10/32");
    assert_eq!(spec["ingress"][0]["from"].as_array().unwrap().len(), 1);

    let ipv6 = render("ipv6");
    for service in ipv6.iter().filter(|object| object["kind"] == "Service") {
        assert_eq!(service["spec"]["ipFamilies"], json!(["IPv6"]));
    }
    let existing = render("existing-config");
    assert!(of_kind(&existing, "ConfigMap").is_none());
    let volumes = &of_kind(&existing, "Deployment").unwrap()["spec"]["template"]["spec"]["volumes"];
    assert_eq!(volumes[0]["configMap"]["name"], "bridgehead-from-git");
}

#[test]
fn the_alerts_and_the_dashboard_are_the_very_ones() {
    if lacks(&["helm"]) {
        return;
    }
    let objects = objects(&rendered(&["--values", "examples/monitoring.yaml"]));
    let alerts = fs::read_to_string(Path::new(ROOT).join("conf/deploy/monitoring/alerts.yaml")).unwrap();
    let alerts = alerts.replace("https://runbooks.example.com/bridgehead", "https://wiki.example.com/bridgehead");
    let alerts: Value = serde_yaml::from_str(&alerts).unwrap();
    let rule = of_kind(&objects, "PrometheusRule").unwrap();
    assert_eq!(rule["spec"]["groups"], alerts["groups"]);
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
    let dashboard = objects.iter().find(|object| object["metadata"]["name"] == "edge-bridgehead-dashboard").unwrap();
    let shown: Value = serde_json::from_str(dashboard["data"]["bridgehead.json"].as_str().unwrap()).unwrap();
    let there = fs::read_to_string(Path::new(ROOT).join("conf/deploy/monitoring/grafana-dashboard.json")).unwrap();
    assert_eq!(shown, serde_json::from_str::<Value>(&there).unwrap());
}

#[test]
fn the_charts_versions_are_the_programs() {
    let chart: Value = serde_yaml::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
