//! `import --into FILE --site NAME` changes that one site, wherever it is written, and not a byte of another one.

use std::fs;

use serde_json::json;

use crate::{
    import_into::client,
    support::{import, tls_server::Folder},
};

const BEFORE: &str = "\
# Ours.
listeners: [{address: \"127.0.0.1:8000\"}]
sites: # all of them
  # The first.
  - name: a
    public_urls: [\"https://a.example\"]
    profile: per_user_oauth # for now
    servers: [{address: \"10.0.0.1:8080\"}]
    mcp_clients: # the table of a
      # Why x is here.
      - name: x # first
        auth_type: none # why
        connection_type: inprocess
      - {name: left, connection_type: inprocess, auth_type: none}
      # The end of the table of a.
    retries: {attempts: 1}

  # The second.
";
const SECOND: &str = "  -
    name: b
    public_urls: [\"https://b.example\"]
    servers: [{address: \"10.0.0.2:8080\"}]
    # The end of b.
";
const FLOW: &str = "  - {name: c, public_urls: [\"https://c.example\"], servers: [], \
                    mcp_clients: [{name: x, connection_type: inprocess, auth_type: none}]} # é
";
const AFTER: &str = "timeouts: {connect: 2s} # for all
# The end.
";

/// The configuration, with these lines in place of its second and its third site.
fn with(second: &str, third: &str) -> String {
    [BEFORE, second, third, AFTER].concat()
}

/// What becomes of the files of a folder when these MCP clients are merged into a site; the main one is `proxy.yaml`.
fn merged(folder: &Folder, site: &[&str], clients: &serde_json::Value) -> (String, String, i32) {
    let source = import::file(folder, "config.json", json!({"mcp": {"client_configs": clients}}).to_string());
    let target = folder.path().join("proxy.yaml").display().to_string();
    let mut arguments = vec![source.as_str(), "--into", &target];
    arguments.extend(site);
    let (shown, errors, code) = import::run(&mut import::import(&arguments));
    arguments.push("--yes");
    if code == 0 {
        let again = import::run(&mut import::import(&arguments));
        assert_eq!((again.0.as_str(), again.2), (shown.as_str(), 0), "{}", again.1);
        let (nothing, errors, _) = import::run(&mut import::import(&arguments));
        assert!(nothing.is_empty() && errors.contains("nothing to change"), "{nothing}{errors}");
    }
    (shown, errors, code)
}

/// The text of the configuration after that.
fn main_after(text: &str, site: &str, clients: &serde_json::Value) -> String {
    let folder = Folder::new();
    let target = folder.write("proxy.yaml", text);
    let (_, errors, code) = merged(&folder, &["--site", site], clients);
    assert_eq!(code, 0, "{errors}");
    fs::read_to_string(target).unwrap()
}

#[test]
fn a_site_in_block_style_is_changed_and_the_ones_before_and_behind_are_not() {
    let clients = json!([client("x", "oauth"), client("new", "none")]);
    let text = with(SECOND, FLOW);
    let expected = text.replace("auth_type: none # why", "auth_type: oauth # why").replace(
        "      # The end of the table of a.\n",
        "      - name: new\n        auth_type: none\n        connection_type: inprocess\n      # The end of the table of a.\n",
    );
    assert_eq!(main_after(&text, "a", &clients), expected);
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(main_after(&crlf, "a", &clients), expected.replace('\n', "\r\n"));
}

#[test]
fn a_site_without_a_table_gets_one_behind_its_last_line() {
    let clients = json!([client("new", "none")]);
    let table = "    mcp_clients:\n      - name: new\n        auth_type: none\n        connection_type: inprocess\n";
    let last = "    servers: [{address: \"10.0.0.2:8080\"}]\n";
    let text = with(SECOND, FLOW);
    assert_eq!(main_after(&text, "b", &clients), text.replace(last, &format!("{last}{table}")));
    let empty = with(&SECOND.replace("    # The end of b.\n", "    mcp_clients: # none\n"), FLOW);
    let expected = empty.replace("    mcp_clients: # none\n", &table.replace("mcp_clients:", "mcp_clients: # none"));
    assert_eq!(main_after(&empty, "b", &clients), expected);
    // The last line of the file has no line break.
    let last = format!("{BEFORE}{}", SECOND.split("    #").next().unwrap().trim_end());
    assert_eq!(main_after(&last, "b", &clients), format!("{last}\n{table}"));
}

#[test]
fn a_site_in_flow_style_is_changed_within_its_brackets() {
    let clients = json!([client("x", "oauth"), client("new", "none")]);
    let text = with(SECOND, FLOW);
    let expected = text.replace(
        "[{name: x, connection_type: inprocess, auth_type: none}]} # é",
        "[{name: x, connection_type: inprocess, auth_type: \"oauth\"}, \
         {\"name\": \"new\", \"auth_type\": \"none\", \"connection_type\": \"inprocess\"}]} # é",
    );
    assert_eq!(main_after(&text, "c", &clients), expected);
    let all = "{listeners: [{address: \"127.0.0.1:8000\"}], sites: [\n  {name: a, public_urls: [\"https://a.example\"], servers: \
               []},\n  {\"name\": \"b\", public_urls: [\"https://b.example\"],\n servers: []}]}\n";
    let expected = all.replace(
        "\n servers: []}]}",
        "\n servers: [], \"mcp_clients\": [{\"name\": \"new\", \"auth_type\": \"none\", \"connection_type\": \"inprocess\"}]}]}",
    );
    assert_eq!(main_after(all, "b", &json!([client("new", "none")])), expected);
}

#[test]
fn profile_and_mode_are_those_of_the_site() {
    let folder = Folder::new();
    let text = with(SECOND, FLOW);
    let target = folder.write("proxy.yaml", &text);
    let config = json!({
        "client": {"mcp_server_auth_mode": "both", "oauth2_server_config": {"issuer_url": "https://c.example"}},
        "mcp": {"client_configs": [client("x", "none"), client("left", "none")]}
    });
    let source = import::file(&folder, "config.json", config.to_string());
    let arguments = [&source, "--into", target.to_str().unwrap(), "--yes", "--site", "a"];
    let (_, errors, code) = import::run(&mut import::import(&arguments));
    assert_eq!(code, 0, "{errors}");
    // It is another site's.
    assert!(errors.contains("the source issues tokens for https://c.example alone"), "{errors}");
    let expected = text
        .replace("profile: per_user_oauth # for now", "profile: oauth2 # for now")
        .replace("    retries: {attempts: 1}\n", "    retries: {attempts: 1}\n    mcp_server_auth_mode: both\n");
    assert_eq!(fs::read_to_string(&target).unwrap(), expected);
}

#[test]
fn a_site_of_an_included_file_is_changed_there() {
    let clients = json!([client("new", "none")]);
    let main = "listeners: [{address: \"127.0.0.1:8000\"}]\ninclude: [\"sites/*.yaml\"]\n";
    let one = "# One.\nname: one\npublic_urls: [\"https://one.example\"]\nservers: [] # none\n";
    let table = "mcp_clients:\n  - name: new\n    auth_type: none\n    connection_type: inprocess\n";
    for site in ["one", "a", "b"] {
        let folder = Folder::new();
        fs::create_dir(folder.path().join("sites")).unwrap();
        let list = format!("sites:\n{}", [BEFORE.split_once("sites: # all of them\n").unwrap().1, SECOND].concat());
        let (main_file, list_file) = (folder.write("proxy.yaml", main), folder.write("sites/list.yaml", &list));
        let one_file = folder.write("sites/one.yaml", one);
        let (shown, errors, code) = merged(&folder, &["--site", site], &clients);
        assert_eq!(code, 0, "{errors}");
        let (changed, kept) = if site == "one" { (&one_file, &list_file) } else { (&list_file, &one_file) };
        assert!(shown.starts_with(&format!("--- {0}\n+++ {0}\n", changed.display())), "{shown}");
        assert!(errors.contains(&format!("{}: not written; --yes writes it", changed.display())), "{errors}");
        assert_eq!(fs::read_to_string(&main_file).unwrap(), main);
        assert_eq!(fs::read_to_string(kept).unwrap(), if site == "one" { &*list } else { one });
        let after = fs::read_to_string(changed).unwrap();
        match site {
            "one" => assert_eq!(after, format!("{one}\n{table}")),
            _ => assert_eq!(
                after
                    .replace("      - name: new\n        auth_type: none\n        connection_type: inprocess\n", "")
                    .replace("    mcp_clients:\n    # The end of b", "    # The end of b"),
                list
            ),
        }
    }
}

#[test]
fn a_site_that_is_not_named_or_not_there_is_asked_for_by_its_name() {
    let clients = json!([client("new", "none")]);
    let one_site = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\n";
    let one_entry = format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\nsites:\n{FLOW}");
    let broken = with(SECOND, FLOW).replace("retries: {attempts: 1}", "retires: {attempts: 1}");
    for (text, site, expected) in [
        (
            &*with(SECOND, FLOW),
            &[][..],
            "it has several sites; name the one that the table is for with --site: a, b, c",
        ),
        (
            &with(&SECOND.replace("name: b", "name: staging"), ""),
            &["--site", "stagign"],
            "it has no site \"stagign\"; did you mean \"staging\"?",
        ),
        (&with(SECOND, FLOW), &["--site", "z-z-z"], "it has no site \"z-z-z\"; known here: a, b, c"),
        (one_site, &["--site", "a"], "it has no sites, and is one itself; leave --site out"),
        (&broken, &["--site", "a"], "sites[0].retires: unknown key; did you mean \"retries\"?"),
    ] {
        let folder = Folder::new();
        let target = folder.write("proxy.yaml", text);
        let (out, errors, code) = merged(&folder, site, &clients);
        assert_eq!((out.as_str(), code), ("", 1), "{errors}");
        assert!(errors.contains(expected), "{errors}");
        assert_eq!(fs::read_to_string(target).unwrap(), text);
    }
    let folder = Folder::new();
    folder.write("proxy.yaml", &one_entry);
    assert_eq!(merged(&folder, &[], &clients).2, 0, "there is only one");
}

#[test]
fn what_another_site_takes_from_this_one_is_left_alone() {
    let text = with(
        "  - name: b\n    public_urls: [\"https://b.example\"]\n    servers: []\n    mcp_clients:\n      - &x\n        name: x\n        auth_type: none\n        connection_type: inprocess\n",
        "  - name: c\n    public_urls: [\"https://c.example\"]\n    servers: []\n    mcp_clients: [*x]\n",
    );
    for site in ["b", "c"] {
        let folder = Folder::new();
        let target = folder.write("proxy.yaml", &text);
        let (out, errors, code) = merged(&folder, &["--site", site], &json!([client("x", "oauth")]));
        assert_eq!((out.as_str(), code), ("", 1), "{errors}");
        assert!(errors.contains("perhaps because of an anchor, an alias"), "{errors}");
        assert_eq!(fs::read_to_string(target).unwrap(), text);
    }
}

#[test]
fn the_diff_hides_what_may_be_secret_in_every_site() {
    let folder = Folder::new();
    let secret = "    mcp_clients:\n      - name: s\n        connection_type: http\n        connection_string: https://a/?k=planted\n        \
                  headers: {X: planted}\n      # Bearer planted\n";
    let text = with(&SECOND.replace("    # The end of b.\n", secret), FLOW);
    let target = folder.write("proxy.yaml", &text);
    let (shown, errors, code) = merged(&folder, &["--site", "b"], &json!([client("new", "none")]));
    assert_eq!(code, 0, "{errors}");
    assert!(shown.contains("headers: {X: (secret)}") && shown.contains("+      - name: new"), "{shown}");
    let after = fs::read_to_string(target).unwrap();
    assert!(after.contains("headers: {X: planted}") && after.contains("# Bearer planted"), "{after}");
}

#[test]
fn a_reference_to_the_environment_that_says_the_same_stays_one() {
    let folder = Folder::new();
    let text = with(SECOND, FLOW)
        .replace("profile: per_user_oauth # for now", "profile: ${P:-oauth2}\n    mcp_server_auth_mode: ${M:-both}");
    let target = folder.write("proxy.yaml", &text);
    let config = |mode: &str| {
        json!({"client": {"mcp_server_auth_mode": mode}, "mcp": {"client_configs": [client("x", "none")]}}).to_string()
    };
    let source = import::file(&folder, "config.json", config("both"));
    let run =
        || import::run(&mut import::import(&[&source, "--into", target.to_str().unwrap(), "--yes", "--site", "a"]));
    let (out, errors, code) = run();
    assert_eq!((out.as_str(), code), ("", 0), "{errors}");
    fs::write(&source, config("oauth")).unwrap();
    let (_, errors, code) = run();
    assert_eq!(code, 0, "{errors}");
    assert_eq!(fs::read_to_string(&target).unwrap(), text.replace("${M:-both}", "oauth"));
}
