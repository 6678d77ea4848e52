//! Several sites in one configuration, in one file or in several: what a site says itself counts, the top level says the
//! rest, and what is wrong is one line with its file and line.

use std::{fs, path::Path, time::Duration};

use bridgehead::config::{Loaded, Problems, Profile, Site};
use tempfile::TempDir;

use crate::support::{problems::problems, schema};

const EDGE: &str = "listeners: [{address: \"127.0.0.1:8000\"}]\n";
const SITES: &str = "listeners: [{address: \"127.0.0.1:8000\"}]\nsites:\n";

/// An entry of `sites` with this name, public URL and more keys.
fn site(name: &str, url: &str, more: &str) -> String {
    format!("- {{name: {name}, public_urls: [\"{url}\"], servers: [{{address: \"10.0.0.1:8080\"}}], {more}}}\n")
}

fn loaded(text: &str) -> Loaded {
    schema::takes(text);
    Loaded::from_text("f.yaml".as_ref(), text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The one problem of two sites with this at the top level, and of each.
fn problem(top: &str, first: &str, second: &str) -> String {
    let mut found = problems(&format!("{EDGE}{top}sites:\n{first}{second}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn a() -> String {
    site("a", "https://a.example", "")
}

#[test]
fn a_site_says_what_differs_and_the_top_level_says_the_rest() {
    let top = "health: {interval: 7s, path: /healthz}\ntimeouts: {connect: 2s, paths: [{prefix: /x, silence: 1s}]}\n\
               limits: {request_body: 1MiB, headers: 50}\naccess: [{path: /api, deny: [\"192.0.2.0/24\"]}]\n\
               breaker: {failures: 9}\n";
    let own = "health: {interval: 9s}, timeouts: {connect: 3s}, limits: {request_body: 2MiB}, breaker: null, \
               profile: oauth2, mcp_server_auth_mode: both";
    let config = loaded(&format!("{EDGE}{top}sites:\n{}{}", a(), site("b", "https://b.example", own))).config;
    let [first, second] = &config.sites[..] else { panic!("two sites") };
    let said = |site: &Site| {
        (
            (site.health.interval.as_secs(), site.health.path.clone(), site.breaker.failures),
            (site.timeouts.connect, site.timeouts.paths.len(), site.limits.request_body.limit(), site.access.len()),
            site.profile(),
        )
    };
    let seconds = Duration::from_secs;
    assert_eq!(said(first), ((7, "/healthz".into(), 9), (seconds(2), 1, Some(1 << 20), 1), Profile::PerUserOauth));
    assert_eq!(said(second), ((9, "/healthz".into(), 9), (seconds(3), 1, Some(2 << 20), 1), Profile::Oauth2));
    assert_eq!(config.edge.limits.headers, 50);
    assert_eq!(config.unsited.timeouts.connect, seconds(2));
}

#[test]
fn a_file_with_one_entry_is_a_site_like_one_without() {
    let entry = loaded(&format!("{SITES}{}", a())).config;
    let alone = "public_urls: [\"https://a.example\"]\nservers: [{address: \"10.0.0.1:8080\"}]\n";
    let alone = loaded(&format!("{EDGE}{alone}")).config;
    assert_eq!((entry.sites.len(), alone.sites.len()), (1, 1));
    assert_eq!(entry.sites[0].public_urls, alone.sites[0].public_urls);
    assert_eq!(entry.sites[0].servers, alone.sites[0].servers);
    assert_eq!(alone.sites[0].name, None);
}

#[test]
fn keys_in_the_wrong_place_say_where_they_belong() {
    for (top, of_site, line) in [
        ("profile: oauth2\n", "", "f.yaml:2: profile: is a site's, and this file has sites; move it into the entry"),
        ("servers: []\n", "", "f.yaml:2: servers: is a site's, and this file has sites; move it into the entry"),
        ("public_urls: []\n", "", "f.yaml:2: public_urls: is a site's, and this file has sites; move it into"),
        ("unknown_hosts: forward\n", "", "f.yaml:2: unknown_hosts: is a site's, and this file has sites; move it"),
        ("name: x\n", "", "f.yaml:2: name: is a site's, and this file has sites; move it into the entry"),
        ("", "admin: {address: \"127.0.0.1:1\"}", "f.yaml:4: sites[1].admin: holds for the whole process; move it to"),
        ("", "trusted_proxies: []", "f.yaml:4: sites[1].trusted_proxies: holds for the whole process; move it to the"),
        ("", "limits: {headers: 3}", "f.yaml:4: sites[1].limits.headers: unknown key; known here: request_body"),
        ("", "helth: {}", "f.yaml:4: sites[1].helth: unknown key; did you mean \"health\"?"),
        ("sitez: 1\n", "", "f.yaml:2: sitez: unknown key; did you mean \"sites\"?"),
    ] {
        let found = problem(top, &a(), &site("b", "https://b.example", of_site));
        assert!(found.starts_with(line), "{found}");
    }
    let alone = problems(&format!("{EDGE}name: x\nservers: []\n"));
    assert!(alone[0].starts_with("f.yaml:2: name: unknown key; "), "{alone:?}");
}

#[test]
fn what_is_wrong_at_the_top_level_is_said_once_and_there() {
    let found = problem("health: {interval: 0s}\n", &a(), &site("b", "https://b.example", "health: {path: /x}"));
    assert_eq!(found, "f.yaml:2: health.interval: 0 leaves no time for anything; write for example 5s");
    let found = problem("health: {rise: x}\n", &a(), &site("b", "https://b.example", "health: {path: /x}"));
    assert!(found.starts_with("f.yaml:2: health.rise: found text; write a whole number from 1"), "{found}");
    let found = problem("", &a(), &site("b", "https://b.example", "health: {rise: x}"));
    assert!(found.starts_with("f.yaml:4: sites[1].health.rise: found text; write a whole number from 1"), "{found}");
}

#[test]
fn sites_that_are_in_the_way_of_one_another_are_refused() {
    for (first, second, line) in [
        (
            a(),
            site("a", "https://b.example", ""),
            "sites[1].name: another site has this name; rename one (first: sites[0].name)",
        ),
        (a(), site("b", "https://a.example", ""), "sites[1].public_urls[0]: another site has this URL; a URL is one"),
        (
            site("a", "https://a.example/x", ""),
            site("b", "https://a.example/x/y", ""),
            "sites[1].public_urls[0]: below the path of another site, whose own paths it would hide; give it a path \
             beside that one (first: sites[0].public_urls[0])",
        ),
        (
            a(),
            site("b", "http://a.example/x", ""),
            "sites[1].public_urls[0]: another site has the same host with another scheme, and a Host header does not",
        ),
        (
            site("a", "https://a.example", "unknown_hosts: forward"),
            site("b", "https://b.example", "unknown_hosts: forward"),
            "sites[1].unknown_hosts: forward, but one site alone can have the requests for unknown hosts; leave it out",
        ),
        (
            a(),
            "- {name: b, servers: []}\n".into(),
            "sites[1].public_urls: empty, and what is for this site is told by its public URLs; list what its clients",
        ),
        (
            a(),
            "- {public_urls: [\"https://b.example\"], servers: []}\n".into(),
            "sites[1].name: missing; name the site, for example name: production",
        ),
        (a(), site("'b c'", "https://b.example", ""), "sites[1].name: no name of a site; write 1 to 64 letters"),
    ] {
        let found = problem("", &first, &second);
        let (_, message) = found.split_once(": ").unwrap();
        assert!(message.starts_with(line), "{found}");
    }
    // A site below a path of a host whose root is another's is what people have while they migrate.
    loaded(&format!("{SITES}{}{}", a(), site("b", "https://a.example/old", "")));
}

#[test]
fn no_sites_at_all_are_refused() {
    for (sites, line) in [
        ("sites: []\n", "f.yaml:2: sites: empty; add a site, or write its keys at the top level and leave sites out"),
        ("sites: 7\n", "f.yaml:2: sites: no list; write each site as an item: - name: "),
        ("sites: [7]\n", "f.yaml:2: sites[0]: found a whole number; write a mapping of keys to values"),
    ] {
        let found = problems(&format!("{EDGE}{sites}"));
        assert!(found.len() == 1 && found[0].starts_with(line), "{found:?}");
    }
}

#[test]
fn a_server_of_two_sites_that_is_checked_in_two_ways_is_warned_of() {
    let other = site("b", "https://b.example", "health: {interval: 9s}, profile: oauth2, mcp_server_auth_mode: both");
    let loaded = loaded(&format!(
        "{SITES}{}{other}",
        site("a", "https://a.example", "profile: oauth2, mcp_server_auth_mode: both")
    ));
    let warnings: Vec<_> = loaded.warnings.iter().map(|warning| warning.in_file("f.yaml".as_ref())).collect();
    let expected = "f.yaml:4: sites[1].servers[0]: also a server of site a, and checked once, as health says there; give both \
                    the same health";
    assert_eq!(warnings, [expected]);
}

// === include ===

/// A folder with these files, the first of which is loaded.
fn folder(files: &[(&str, &str)]) -> (TempDir, Result<Loaded, Problems>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let loaded = Loaded::from_file(&folder.path().join(files[0].0));
    (folder, loaded)
}

/// The lines of what is wrong with them, without the folder.
fn wrong(files: &[(&str, &str)]) -> Vec<String> {
    let (folder, loaded) = folder(files);
    let shown = loaded.unwrap_err().to_string().replace(&format!("{}/", folder.path().display()), "");
    shown.lines().map(str::to_owned).collect()
}

const INCLUDE: &str =
    "listeners: [{address: \"127.0.0.1:8000\"}]\nhealth: {interval: 7s}\ninclude: [\"sites/*.yaml\"]\n";

fn alone(name: &str, url: &str) -> String {
    format!("name: {name}\npublic_urls: [\"{url}\"]\nservers: [{{address: \"10.0.0.1:8080\"}}]\n")
}

#[test]
fn included_files_add_sites_in_the_order_of_their_names() {
    let (b, c) = (alone("b", "https://b.example"), format!("sites:\n{}", site("c", "https://c.example", "")));
    let more = format!("include: [\"../more/*.yaml\"]\nsites:\n{}", site("d", "https://d.example", ""));
    let main = format!("{INCLUDE}sites:\n{}", a());
    let (_folder, loaded) = folder(&[
        ("proxy.yaml", &main),
        ("sites/2.yaml", &c),
        ("sites/1.yaml", &b),
        ("sites/3.yaml", &more),
        ("sites/readme.md", "no YAML: ["),
        ("more/e.yaml", &alone("e", "https://e.example")),
    ]);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    let names: Vec<_> = loaded.config.sites.iter().map(|site| site.name.clone().unwrap().to_string()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert!(loaded.config.sites.iter().all(|site| site.health.interval == Duration::from_secs(7)));
}

#[test]
fn what_is_wrong_in_an_included_file_is_said_of_that_file_and_line() {
    let bad = "name: b\npublic_urls: [\"https://a.example\"]\nservers: [{adress: \"10.0.0.1:8080\"}]\nthreads: 3\n";
    let found = wrong(&[("proxy.yaml", &format!("{INCLUDE}sites:\n{}", a())), ("sites/b.yaml", bad)]);
    assert!(found.iter().any(|line| line.starts_with("sites/b.yaml:3: servers[0].adress: unknown key; did you mean")));
    assert!(found.iter().any(|line| line.starts_with("sites/b.yaml:4: threads: holds for the whole process; move it")));
    let found = wrong(&[
        ("proxy.yaml", &format!("{INCLUDE}sites:\n{}", a())),
        ("sites/b.yaml", &alone("a", "https://a.example")),
    ]);
    assert!(
        found[0].starts_with(
            "sites/b.yaml:1: name: another site has this name; rename one (first: ./proxy.yaml: sites[0].name)"
        ) || found[0].contains("another site has this name"),
        "{found:#?}"
    );
    assert!(found[1].starts_with("sites/b.yaml:2: public_urls[0]: another site has this URL"), "{found:#?}");
}

#[test]
fn files_that_cannot_be_included_say_why() {
    let b = alone("b", "https://b.example");
    for (files, line) in [
        (vec![("proxy.yaml", INCLUDE)], "proxy.yaml:3: include[0]: matches no file; mend the path, which begins at"),
        (vec![("proxy.yaml", "listeners: []\ninclude: [x.yaml]\n")], "proxy.yaml:2: include[0]: there is no such file"),
        (vec![("proxy.yaml", "listeners: []\ninclude: [\"[\"]\n")], "proxy.yaml:2: include[0]: no pattern that can be"),
        (vec![("proxy.yaml", "listeners: []\ninclude: x.yaml\n")], "proxy.yaml:2: include: no list; write for example"),
        (
            vec![("proxy.yaml", "listeners: []\ninclude: [7]\n")],
            "proxy.yaml:2: include[0]: no pattern; write for exampl",
        ),
        (vec![("proxy.yaml", INCLUDE), ("sites/b.yaml", "")], "sites/b.yaml: the file is empty; "),
        (vec![("proxy.yaml", INCLUDE), ("sites/b.yaml", "a: [")], "sites/b.yaml:"),
        (
            vec![("proxy.yaml", INCLUDE), ("sites/b.yaml", "sites: []\nthreads: 1\n")],
            "sites/b.yaml:2: threads: an included file has sites and include alone, or is one site without them; move",
        ),
        (
            vec![("proxy.yaml", INCLUDE), ("sites/b.yaml", "include: [\"../proxy.yaml\"]\n")],
            "sites/b.yaml:1: include[0]: ",
        ),
        (vec![("proxy.yaml", INCLUDE), ("sites/b.yaml", "include: [\"*.yaml\"]\n")], "sites/b.yaml:1: include[0]: "),
        (
            vec![("proxy.yaml", "listeners: []\ninclude: [\"b.yaml\", \"b.yaml\"]\n"), ("b.yaml", &b)],
            "proxy.yaml:2: include[1]: ",
        ),
    ] {
        let found = wrong(&files);
        assert!(found.iter().any(|found| found.starts_with(line)), "{line}: {found:#?}");
    }
    let cycle = wrong(&[("proxy.yaml", INCLUDE), ("sites/b.yaml", "include: [\"../proxy.yaml\"]\n")]);
    assert!(cycle[0].contains("would include itself, without an end; remove one of the two"), "{cycle:?}");
    let twice = wrong(&[("proxy.yaml", "listeners: []\ninclude: [\"b.yaml\", \"b.yaml\"]\n"), ("b.yaml", &b)]);
    assert!(twice.iter().any(|line| line.contains("is included already; remove it here or there")), "{twice:?}");
}

#[test]
fn the_files_of_a_server_are_found_beside_the_file_that_names_them() {
    let text = alone("b", "https://b.example").replace("8080\"}", "8080\", tls: {ca: \"ca.pem\"}}");
    let found = wrong(&[("proxy.yaml", INCLUDE), ("sites/b.yaml", &text), ("ca.pem", "the wrong one")]);
    assert!(found[0].starts_with("sites/b.yaml:3: servers[0].tls.ca: ca.pem cannot be read"), "{found:?}");
    let found = wrong(&[("proxy.yaml", INCLUDE), ("sites/b.yaml", &text), ("sites/ca.pem", "no certificate")]);
    assert!(found[0].starts_with("sites/b.yaml:3: servers[0].tls.ca: ") && !found[0].contains("cannot be read"));
}

#[test]
fn what_is_included_is_watched_and_so_are_its_folders() {
    let (folder, loaded) = folder(&[("proxy.yaml", INCLUDE), ("sites/b.yaml", &alone("b", "https://b.example"))]);
    let named = loaded.unwrap().named;
    let has = |name: &str| named.iter().any(|path: &std::path::PathBuf| same(path, &folder.path().join(name)));
    assert!(has("sites/b.yaml") && has("sites"), "{named:?}");
}

fn same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).unwrap() == fs::canonicalize(other).unwrap()
}
