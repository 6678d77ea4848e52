//! Promise: the documents lead somewhere. Their links and anchors, the files and functions that the map names, the commands,
//! the sections of the runbook are there, and the first page is one.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::support::{
    in_time::Printed,
    pages::{Page, text_of},
    program::bridgehead,
    tools::lacks,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const RUNBOOK: &str = "conf/deploy/OPERATING.md";

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    if lacks(&["git"]) {
        return;
    }
    let mut count = 0;
    let mut broken = Vec::new();
    for page in Page::all() {
        for link in page.links() {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let folder = page.path.parent().unwrap();
            let target = if file.is_empty() { page.path.clone() } else { folder.join(file) };
            let full = Path::new(ROOT).join(&target);
            let is_page = target.extension().is_some_and(|extension| extension == "md");
            let leads = full.exists()
                && (anchor.is_empty() || is_page && Page::at(target.to_str().unwrap()).anchors().contains(anchor));
            if !leads {
                broken.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    assert!(count > 100, "links were not found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_first_page_is_one_and_leads_to_the_others() {
    let page = Page::at("README.md");
    assert!(page.text.lines().count() <= 150, "README.md has {} lines", page.text.lines().count());
    assert!(page.text.contains("\n```\nmake run\nmake test\n```\n"));
    let links = page.links();
    for other in [
        "conf/which-bifrost.md",
        "conf/README.md",
        "conf/behaviour.md",
        "conf/deploy/README.md",
        "conf/deploy/OPERATING.md",
        "src/README.md",
        "benches/compare/README.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        ".github/CHANGELOG.md",
    ] {
        assert!(links.iter().any(|link| link.split('#').next() == Some(other)), "{other}");
    }
}

/// Subcommands and options of this program, and targets of make.
#[test]
fn commands_in_the_documents_are_there() {
    if lacks(&["git"]) {
        return;
    }
    let help = |arguments: &[&str]| {
        let output = bridgehead().args(arguments).printed().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let makefile = text_of("Makefile");
    let (mut commands, mut targets) = (BTreeSet::new(), BTreeSet::new());
    let pages = Page::all();
    for page in pages.iter().filter(|page| !page.path.ends_with("CHANGELOG.md")) {
        for code in page.code() {
            let line = code.trim_start_matches(['$', ' ']).split("  ").next().unwrap();
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("bridgehead"), Some(command)) if command.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                    let options = words.take_while(|word| *word != "#").filter(|word| word.starts_with('-'));
                    commands.insert((command, options.map(|word| word.split('=').next().unwrap()).collect::<Vec<_>>()));
                }
                (Some("make"), Some(target)) => drop(targets.insert(target)),
                _ => {}
            }
        }
    }
    assert!(commands.len() > 5 && targets.len() > 5, "{commands:?} {targets:?}");
    for (command, options) in commands {
        let help = help(&[command, "--help"]);
        let known: BTreeSet<_> = help.split([' ', ',', '\n', '=', '[']).collect();
        for option in options {
            assert!(known.contains(option), "bridgehead {command} has no {option}:\n{help}");
        }
    }
    for target in targets {
        assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "there is no make {target}");
    }
}

#[test]
fn every_alert_has_its_section_of_the_runbook() {
    let rules = text_of("conf/deploy/monitoring/alerts.yaml");
    let parsed: Value = serde_yaml::from_str(&rules).unwrap();
    let groups = parsed["groups"].as_array().unwrap().iter();
    let alerts: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let runbook = Page::at(RUNBOOK);
    let anchors = runbook.anchors();
    let mut bases = BTreeSet::new();
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        let url = alert["annotations"]["runbook_url"].as_str().unwrap_or_else(|| panic!("{name} has no runbook_url"));
        let (page, anchor) = url.split_once('#').unwrap();
        assert_eq!(anchor, name.to_lowercase());
        assert!(anchors.contains(anchor), "{RUNBOOK} has no section {name}");
        bases.insert(page.strip_suffix("/OPERATING.md").unwrap());
    }
    // One command puts another place in front of all of them, and the file says which.
    assert_eq!(bases.len(), 1, "{bases:?}");
    assert!(rules.contains(&format!("#   sed -i 's|{}|", bases.first().unwrap())));
    let sections = runbook.text.split("\n## Runbook\n").nth(1).unwrap().matches("\n### ").count();
    assert_eq!(sections, alerts.len(), "a section of the runbook is of no alert");
}

/// The map names files by their path from `src/`, `src/edge/` or the root, and what is in them: `name` in `path`.
#[test]
fn what_the_map_names_is_there() {
    let map = Page::at("src/README.md");
    let find = |name: &str| {
        let below = [format!("src/{name}"), name.to_owned(), format!("src/edge/{name}"), format!("src/{name}.rs")];
        below.iter().map(|path| Path::new(ROOT).join(path)).find(|path| path.exists())
    };
    let mut paths = BTreeSet::new();
    let prose: Vec<_> = map.text.split("\n```").step_by(2).collect();
    let prose = prose.join("\n");
    let parts: Vec<_> = prose.split('`').collect();
    let is_path = |code: &str| {
        let is_plain = code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
        is_plain
            && !code.starts_with(['/', '.'])
            && (code.contains('/') || Path::new(code).extension().is_some_and(|extension| extension == "rs"))
    };
    let mut named = 0;
    for place in (1..parts.len()).step_by(2) {
        if is_path(parts[place]) {
            let file = find(parts[place]).unwrap_or_else(|| panic!("src/README.md names {}", parts[place]));
            paths.insert(parts[place]);
            if place > 2 && parts[place - 1] == " in " && file.is_file() {
                let name = parts[place - 2].trim_end_matches("()");
                let name = name.rsplit("::").next().unwrap();
                assert!(std::fs::read_to_string(&file).unwrap().contains(name), "{name} is not in {}", parts[place]);
                named += 1;
            }
        }
    }
    assert!(paths.len() > 30 && named > 10, "{paths:?}, {named}");
    let pictures = map.blocks().into_iter().filter(|(language, _)| *language == "mermaid");
    let words = pictures.flat_map(|(_, picture)| picture.split(['"', ',', ' ', '<', '>', '(', ')', '\n']));
    let in_pictures: BTreeSet<_> = words.filter(|word| word.starts_with("edge/")).collect();
    assert!(in_pictures.len() > 10, "{in_pictures:?}");
    for path in in_pictures {
        assert!(find(path).is_some(), "a picture names {path}");
    }
}

#[test]
fn the_glossary_is_short() {
    let map = Page::at("src/README.md");
    let section = map.text.split("\n## Glossary\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).count() - 1;
    assert!((10..=20).contains(&rows), "{rows}");
}

#[test]
fn the_changelog_is_kept() {
    let page = Page::at(".github/CHANGELOG.md");
    let versions: Vec<_> = page.text.lines().filter_map(|line| line.strip_prefix("## [")).collect();
    let dated = |line: &str| line.split_once("] - ").is_some_and(|(_, date)| date.len() == 10);
    assert!(versions[0] == "Unreleased]" || dated(versions[0]), "{versions:?}");
    assert!(versions[1..].iter().all(|line| dated(line)) && versions.last().unwrap().starts_with("0.1.0]"));
    let current = format!("{}]", env!("CARGO_PKG_VERSION"));
    assert!(versions.iter().any(|line| line.starts_with(&current)), "{current} is not in the changelog");
    let kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
    let headings: Vec<_> = page.text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(!headings.is_empty() && headings.iter().all(|kind| kinds.contains(kind)), "{headings:?}");
}
