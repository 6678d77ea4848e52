//! Promise: the documents are true as far as a program can tell. Their links lead somewhere, the first page is one, the
//! YAML in them is taken, the commands in them are there, and every alert has its section of the runbook.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bridgehead::config::Loaded;
use serde_json::Value;

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    http::Connection,
    program::{Running, bridgehead},
    schema,
    tls_client::TlsClient,
    tls_server::{Authority, Folder},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const RUNBOOK: &str = "conf/deploy/OPERATING.md";

/// A Markdown file of the project.
struct Page {
    /// Its path from the root.
    path: PathBuf,
    text: String,
}

impl Page {
    fn at(path: &str) -> Self {
        Page { path: path.into(), text: fs::read_to_string(Path::new(ROOT).join(path)).unwrap() }
    }

    /// Every page that is in the repository, or will be.
    fn all() -> Vec<Self> {
        let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"];
        let listed = Command::new("git").args(arguments).current_dir(ROOT).output().unwrap();
        assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
        let listed = String::from_utf8(listed.stdout).unwrap();
        let there = listed.split_terminator('\0').filter(|path| Path::new(ROOT).join(path).exists());
        let pages: Vec<_> = there.map(Page::at).collect();
        assert!(pages.len() > 10, "these are not the project's pages");
        pages
    }

    /// What an operator reads: the first page, and those of the configuration.
    fn of_operators() -> Vec<Self> {
        let all = Page::all().into_iter();
        all.filter(|page| page.path == Path::new("README.md") || page.path.starts_with("conf")).collect()
    }

    /// The blocks between fences, with what stands behind the first fence.
    fn blocks(&self) -> Vec<(&str, &str)> {
        let parts = self.text.split("\n```").skip(1).step_by(2);
        parts.map(|part| part.split_once('\n').unwrap_or((part, ""))).collect()
    }

    /// The text without what is between fences or backticks.
    fn prose(&self) -> String {
        let without = |text: &str, sign: &str| text.split(sign).step_by(2).collect::<Vec<_>>().join(" ");
        without(&without(&self.text, "\n```"), "`")
    }

    /// What stands between backticks, and the lines between fences.
    fn code(&self) -> Vec<&str> {
        let blocks = self.blocks().into_iter().flat_map(|(_, block)| block.lines());
        let prose = self.text.split("\n```").step_by(2);
        prose.flat_map(|text| text.split('`').skip(1).step_by(2)).chain(blocks).collect()
    }

    /// The anchors of its headings, as GitHub and GitLab make them.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        let prose: String = self.text.split("\n```").step_by(2).collect();
        for heading in prose.lines().filter(|line| line.starts_with('#')) {
            let heading = heading.trim_start_matches('#').trim();
            // Of a link only its text counts.
            let mut text = String::new();
            for (place, part) in heading.split("](").enumerate() {
                let part = if place == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) };
                text += &part.replace('[', "");
            }
            let kept = |letter: char| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ => letter.is_alphanumeric().then_some(letter),
            };
            let slug: String = text.to_lowercase().chars().filter_map(kept).collect();
            assert!(anchors.insert(slug), "{}: two headings have one anchor: {heading}", self.path.display());
        }
        anchors
    }

    /// Where its links lead, outside of other sites.
    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let links = prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        links.filter(|link| !link.starts_with("https://")).collect()
    }
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
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
    assert!(count > 50, "links were not found");
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

/// The file in README, word for word but for addresses, run by the program.
#[test]
fn the_file_in_the_readme_serves_a_fleet_behind_tls() {
    let page = Page::at("README.md");
    let (_, yaml) = page.blocks().into_iter().find(|(language, _)| *language == "yaml").unwrap();
    assert!((10..=16).contains(&yaml.lines().count()), "{yaml}");
    let name = "gateway.example.com";
    let authority = Authority::new();
    let identity = authority.sign(name, &[name]);
    let folder = Folder::new();
    folder.write("gateway.pem", identity.certificate_pem());
    folder.write("gateway.key", identity.key_pem());
    let servers: Vec<_> = (0..3).map(|_| Bifrost::start()).collect();
    let mut yaml = yaml.to_owned();
    for (place, server) in servers.iter().enumerate() {
        server.set_discovery(Discovery::Oauth2(Mode::Both));
        server.set_issuer_url(&format!("https://{name}"));
        yaml = replaced(&yaml, &format!("bifrost-{}.internal:8080", place + 1), &server.address().to_string());
    }
    for address in ["[::]:443", "[::]:80", "127.0.0.1:8001"] {
        yaml = replaced(&yaml, address, "127.0.0.1:0");
    }
    let file = folder.write("proxy.yaml", &yaml);
    let loaded = Loaded::from_file(&file).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    schema::takes(&yaml);

    let mut program = Running::start(&file);
    let (secure, plain) = (program.address(), program.address());
    let get = |target: &str| {
        let mut client = TlsClient::trusting(&authority).connect_to(secure, name).unwrap();
        client.ask_to_the_end(&format!("GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")).unwrap()
    };
    let document = get("/.well-known/oauth-authorization-server");
    let is_document =
        document.starts_with("HTTP/1.1 200") && document.contains("\"issuer\":\"https://gateway.example.com\"");
    assert!(is_document, "{document}");
    assert!(get("/echo").starts_with("HTTP/1.1 200"));
    let [first, second, backup] = &servers[..] else { panic!("three servers") };
    let echoed = |server: &Bifrost| server.recorded().iter().filter(|request| request.target == "/echo").count();
    assert_eq!((echoed(first) + echoed(second), echoed(backup)), (1, 0));
    let redirect = Connection::to(plain).ask("GET", "/", name, "");
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("https://gateway.example.com/")));
}

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in: {text}");
    text.replace(from, to)
}

#[test]
fn yaml_in_the_documents_is_taken_by_the_edge_and_by_the_schema() {
    let folder = Folder::new();
    let identity = Authority::new().sign("gateway.example.com", &["gateway.example.com"]);
    folder.write("gateway.pem", identity.certificate_pem());
    folder.write("gateway.key", identity.key_pem());
    let mut count = 0;
    for page in Page::of_operators() {
        for (_, yaml) in page.blocks().into_iter().filter(|(language, _)| *language == "yaml") {
            let has = |key: &str| yaml.lines().any(|line| line.starts_with(key));
            let mut text = format!("{yaml}\n");
            for (key, least) in [("listeners:", " [{address: \"127.0.0.1:0\"}]"), ("servers:", " []")] {
                if !has(key) {
                    text += &format!("{key}{least}\n");
                }
            }
            let file = folder.write("proxy.yaml", &text);
            if let Err(problems) = Loaded::from_file(&file) {
                panic!("{}: {problems}\n{yaml}", page.path.display());
            }
            schema::takes(&text);
            count += 1;
        }
    }
    assert!(count > 6, "YAML was not found");
}

/// Subcommands and options of this program, and targets of make.
#[test]
fn commands_in_the_documents_are_there() {
    let help = |arguments: &[&str]| {
        let output = bridgehead().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
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
    let rules = fs::read_to_string(Path::new(ROOT).join("conf/deploy/monitoring/alerts.yaml")).unwrap();
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
        is_plain && !code.starts_with(['/', '.']) && (code.contains('/') || code.ends_with(".rs"))
    };
    let mut named = 0;
    for place in (1..parts.len()).step_by(2) {
        if is_path(parts[place]) {
            let file = find(parts[place]).unwrap_or_else(|| panic!("src/README.md names {}", parts[place]));
            paths.insert(parts[place]);
            if place > 2 && parts[place - 1] == " in " && file.is_file() {
                let name = parts[place - 2].trim_end_matches("()");
                let name = name.rsplit("::").next().unwrap();
                assert!(fs::read_to_string(&file).unwrap().contains(name), "{name} is not in {}", parts[place]);
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
