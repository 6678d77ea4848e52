//! Each server is verified against its own site.

use std::process::Output;

use bridgehead::verify::Verdict;
use serde_json::Value;

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    edge::{CLIENTS, Edge},
    in_time::Printed,
    program::{bridgehead, config, without_credentials},
    until,
};

/// An old Bifrost beside a new one, each as its site says.
fn yaml(old: &Bifrost, new: &Bifrost) -> String {
    format!(
        "sites:\n- name: old\n  public_urls: [\"https://gw.example\"]\n  servers: [{{address: \"{}\"}}]\n  {}\n\
         - name: new\n  public_urls: [\"https://next.example\"]\n  profile: oauth2\n  mcp_server_auth_mode: both\n  \
         servers: [{{address: \"{}\"}}]\n",
        old.address(),
        CLIENTS.trim_end().replace('\n', "\n  "),
        new.address()
    )
}

fn verify(yaml: &str, arguments: &[&str]) -> (String, i32) {
    let file = config(&format!("listeners: [{{address: \"127.0.0.1:1\"}}]\n{yaml}"));
    let mut command = bridgehead();
    without_credentials(&mut command);
    let Output { status, stdout, .. } =
        command.arg("verify").arg("--config").arg(file.path()).args(arguments).printed().unwrap();
    (String::from_utf8(stdout).unwrap(), status.code().unwrap())
}

#[test]
fn the_command_asks_each_server_what_its_own_site_serves() {
    let [old, new] = [Bifrost::start(), Bifrost::of_oauth2(Mode::Both)];
    let yaml = yaml(&old, &new);
    let (printed, code) = verify(&yaml, &[]);
    assert_eq!(code, 0, "{printed}");
    let sites: Vec<_> = printed.lines().filter(|line| line.starts_with("site ")).collect();
    assert_eq!(sites, ["site old", "site new"]);
    assert_eq!(printed.matches("1 server: 1 agree, 0 disagree, 0 not reached").count(), 2, "{printed}");
    assert!(old.recorded().iter().all(|request| request.headers_all("host") == ["gw.example"]));
    assert!(new.recorded().iter().all(|request| request.headers_all("host") == ["next.example"]));

    new.set_discovery(Discovery::On);
    let (printed, code) = verify(&yaml, &["--format", "json"]);
    let reports: Value = serde_json::from_str(&printed).unwrap();
    let verdict = |place: usize| (&reports[place]["site"], &reports[place]["servers"][0]["verdict"]);
    assert_eq!(code, 1);
    assert_eq!(verdict(0), (&"old".into(), &"agrees".into()));
    assert_eq!(verdict(1), (&"new".into(), &"disagrees".into()));
}

#[test]
fn a_running_edge_verifies_each_site_and_forgets_one_that_goes() {
    let [old, new] = [Bifrost::start(), Bifrost::of_oauth2(Mode::Both)];
    let yaml = format!("verify: {{interval: 1h}}\n{}", yaml(&old, &new));
    let edge = Edge::start(&yaml);
    let agree = || {
        let reports = edge.control().verification();
        let agrees = |report: &std::sync::Arc<bridgehead::verify::Report>| report.count(Verdict::Agrees) == 1;
        reports.len() == 2 && reports.iter().all(agrees)
    };
    until("both agree", agree);
    let sites = edge.ask_admin("/status").json()["sites"].clone();
    for place in 0..2 {
        assert_eq!(sites[place]["verification"]["servers"][0]["verdict"], "agrees", "{sites}");
    }
    assert_eq!(edge.metric("bridgehead_verify_servers{site=\"new\",verdict=\"agrees\"}"), 1);

    let (without, _) = yaml.split_once("- name: new").unwrap();
    edge.reload(without);
    until("the report of the other site is gone", || edge.control().verification().len() == 1);
    assert!(!edge.metrics().contains("site=\"new\",verdict"));
}
