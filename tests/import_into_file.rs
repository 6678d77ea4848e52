//! `import --into` shows what it would change, and writes a file at once or not at all.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    import_into::{FILE, client},
    support::{bifrost::Bifrost, import, tls_server::Folder},
};

fn run(source: &Path, arguments: &[&str]) -> (String, String, i32) {
    import::run(import::import(&[source.to_str().unwrap()]).args(arguments))
}

fn source(folder: &Folder, clients: &Value) -> PathBuf {
    folder.write("config.json", json!({"mcp": {"client_configs": clients}}).to_string())
}

#[test]
fn the_diff_comes_first_and_only_yes_writes_it() {
    let folder = Folder::new();
    let secret = "    - name: old\n      connection_type: http\n      connection_string: https://a/?k=planted\n      headers: \
                  {X: planted}\n";
    let text = FILE.replace("    # The end of the table.\n", &format!("{secret}    # The end of the table.\n"));
    let (source, target) = (source(&folder, &json!([client("new", "oauth")])), folder.write("proxy.yaml", &text));
    let name = target.to_str().unwrap();
    let (out, errors, code) = run(&source, &["--into", name]);
    assert_eq!(code, 0, "{errors}");
    let expected = "       connection_string: (secret)\n       headers: {X: (secret)}\n+    - name: new\n+      auth_type: \
                    oauth\n+      connection_type: inprocess\n     # The end of the table.\n";
    assert!(out.starts_with(&format!("--- {name}\n+++ {name}\n@@ ")) && out.contains(expected), "{out}");
    assert!(errors.contains("1 added, 0 replaced, 0 taken out, 4 only in it"), "{errors}");
    assert!(errors.contains("not written; --yes writes it"), "{errors}");
    assert_eq!(fs::read_to_string(&target).unwrap(), text);
    let (again, errors, code) = run(&source, &["--into", name, "--yes"]);
    assert!(code == 0 && again == out && errors.contains("written"), "{errors}");
    assert!(fs::read_to_string(&target).unwrap().contains("planted\n      headers: {X: planted}\n    - name: new\n"));
    let (out, errors, code) = run(&source, &["--into", name, "--yes"]);
    assert!(code == 0 && out.is_empty() && errors.contains("nothing to change"), "{out}\n{errors}");
}

/// What the command says to a source of which nothing may come into the file.
fn refused(source: &str) -> String {
    let folder = Folder::new();
    let target = folder.write("proxy.yaml", FILE);
    for arguments in [&["--into", target.to_str().unwrap(), "--prune", "--yes"][..], &[]] {
        let (out, errors, code) = run(source.as_ref(), arguments);
        assert_eq!((out.as_str(), code), ("", 1), "{errors}");
        assert_eq!(fs::read_to_string(&target).unwrap(), FILE);
        if arguments.is_empty() {
            return errors;
        }
    }
    unreachable!()
}

#[test]
fn a_source_without_clients_empties_no_table() {
    let bifrost = Bifrost::start();
    let url = format!("http://{}", bifrost.address());
    let errors = refused(&url);
    assert!(errors.contains("lists no MCP client") && errors.contains("config store"), "{errors}");
    bifrost.answer_no_list();
    let errors = refused(&url);
    assert!(errors.contains("answers no list of MCP clients"), "{errors}");
    let folder = Folder::new();
    for empty in [json!([]), json!([null])] {
        let errors = refused(source(&folder, &empty).to_str().unwrap());
        assert!(errors.contains("is empty, so there is nothing to import"), "{errors}");
    }
}

#[test]
fn a_merge_that_turns_discovery_off_is_warned_of() {
    let folder = Folder::new();
    let target = folder.write("proxy.yaml", FILE.replace("auth_type: none # why", "auth_type: per_user_oauth"));
    for (auth_type, is_warned) in [("none", true), ("per_user_oauth", false)] {
        let source = source(&folder, &json!([client("c", auth_type)]));
        let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap()]);
        let warning = "no MCP client with auth_type per_user_oauth is left (before: 1)";
        assert_eq!((code, errors.contains(warning)), (0, is_warned), "{errors}");
    }
}

#[test]
fn names_that_the_source_has_twice_are_refused_with_the_names() {
    let folder = Folder::new();
    let target = folder.write("proxy.yaml", FILE);
    let source = source(&folder, &json!([client("a", "none"), client("a", "oauth"), client("z", "none")]));
    let (out, errors, code) = run(&source, &["--into", target.to_str().unwrap(), "--yes"]);
    assert_eq!((out.as_str(), code), ("", 1), "{errors}");
    assert!(errors.contains("more than one MCP client of the name \"a\";"), "{errors}");
    assert_eq!(fs::read_to_string(&target).unwrap(), FILE);
}

#[test]
fn permissions_and_a_symbolic_link_are_kept_and_nothing_is_left_beside_it() {
    let folder = Folder::new();
    let source = source(&folder, &json!([client("new", "oauth")]));
    fs::create_dir(folder.path().join("real")).unwrap();
    let target = folder.write("real/proxy.yaml", FILE);
    fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("proxy.yaml");
    symlink("real/proxy.yaml", &link).unwrap();
    let (_, errors, code) = run(&source, &["--into", link.to_str().unwrap(), "--yes"]);
    assert_eq!(code, 0, "{errors}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains("name: new"));
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(fs::read_dir(folder.path().join("real")).unwrap().count(), 1);
}

#[test]
fn a_result_that_would_not_pass_check_is_not_written() {
    let folder = Folder::new();
    let source = source(&folder, &json!([client("new", "oauth")]));
    let twice = FILE.replace("name: c", "name: b");
    let target = folder.write("proxy.yaml", &twice);
    let (out, errors, code) = run(&source, &["--into", target.to_str().unwrap(), "--yes"]);
    assert_eq!((out.as_str(), code), ("", 1), "{errors}");
    assert!(errors.contains("mcp_clients[2].name: the name \"b\" again"), "{errors}");
    assert_eq!(fs::read_to_string(&target).unwrap(), twice);
    for (arguments, expected) in [(&["--yes"][..], 2), (&["--prune"], 2), (&["--into", "no-such-file.yaml"], 1)] {
        assert_eq!(run(&source, arguments).2, expected, "{arguments:?}");
    }
}
