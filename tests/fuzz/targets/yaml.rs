//! Configurations.

#![no_main]

use std::{collections::HashSet, path::Path};

use bridgehead::{
    config::{Config, Loaded, Problem, Problems},
    discovery::Discovery,
    limits::AccessRules,
    trust::TrustedProxies,
};
use libfuzzer_sys::{Corpus, fuzz_target};

/// There is no such folder: files that a configuration names are not found.
const FILE: &str = "nowhere/f.yaml";

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else { return Corpus::Reject };
    // A configuration that names a device as a certificate gets what it asks for.
    if text.contains("dev") || text.contains("proc") {
        return Corpus::Reject;
    }
    let loaded = Loaded::from_text(Path::new(FILE), text);
    let is_good = loaded.is_ok();
    match loaded {
        Ok(loaded) => is_consistent(&loaded, text),
        Err(problems) => say_something(&problems, text),
    }
    // Loading twice costs half of the inputs, and what a mark does depends on little of the text.
    if text.len().is_multiple_of(16) && !text.starts_with('\u{feff}') {
        let marked = Loaded::from_text(Path::new(FILE), &format!("\u{feff}{text}"));
        assert_eq!(marked.is_ok(), is_good, "a byte order mark decides");
    }
    Corpus::Keep
});

/// Each problem is a line of its own that a terminal can show.
fn say_something(problems: &Problems, text: &str) {
    assert!((1..=Problems::MOST).contains(&problems.list.len()));
    assert!(problems.more == 0 || problems.list.len() == Problems::MOST);
    assert!(problems.list.is_sorted_by_key(|problem| problem.line.unwrap_or(0)));
    for problem in &problems.list {
        is_readable(problem, text);
    }
    let shown = problems.to_string();
    assert_eq!(shown.split('\n').count(), problems.list.len() + usize::from(problems.more > 0));
}

fn is_readable(problem: &Problem, text: &str) {
    assert!(!problem.message.trim().is_empty());
    // The end of the text may be a line of its own.
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1;
    assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem:?} of {lines}");
    let shown = problem.in_file(Path::new(FILE));
    assert!(shown.starts_with(FILE) && !shown.contains(char::is_control), "{shown:?}");
}

/// What has passed every check can be run.
fn is_consistent(loaded: &Loaded, text: &str) {
    for warning in &loaded.warnings {
        is_readable(warning, text);
    }
    let config = &loaded.config;
    assert!(!config.edge.listeners.is_empty());
    assert!(are_unique(config.edge.listeners.iter().map(|listener| listener.address.to_string())) || has_port_0(config));
    let urls: Vec<_> = config.sites.iter().flat_map(|site| &site.public_urls).collect();
    assert!(are_unique(urls.iter().map(|url| (url.authority(), url.path()))));
    let discovery = Discovery::compile(&config.sites);
    assert!(discovery.origins().urls().iter().eq(urls.iter().copied()));
    for url in urls {
        let found = discovery.origins().find(url.authority().as_bytes(), url.path().as_bytes());
        assert_eq!(found, Some(url));
    }
    for site in &config.sites {
        assert!(are_unique(site.mcp_clients.iter().map(|client| &client.name)));
        assert!(site.mcp_clients.iter().all(|client| !client.name.trim().is_empty()));
        let _rules = AccessRules::new(&site.access, &site.base_paths());
    }
    let _trusted = TrustedProxies::new(&config.edge.trusted_proxies);
}

fn has_port_0(config: &Config) -> bool {
    config.edge.listeners.iter().any(|listener| listener.address.ip().is_some_and(|address| address.port() == 0))
}

fn are_unique<T: std::hash::Hash + Eq>(mut values: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    values.all(|value| seen.insert(value))
}
