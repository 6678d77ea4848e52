//! Values of the environment in the configuration: `${NAME}` and `${NAME:-default}` in the edge's own keys.

use std::{fs, process::Command};

use crate::support::{in_time::Printed, program::bridgehead};

fn check(yaml: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.yaml");
    fs::write(&file, yaml).unwrap();
    run(bridgehead().arg("check").arg("--config").arg(&file).envs(variables.iter().copied()), &folder.path().display())
}

/// The exit code and all that was printed, without the folder.
fn run(command: &mut Command, folder: &impl ToString) -> (i32, String) {
    let output = command.printed().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text.replace(&format!("{}/", folder.to_string()), ""))
}

const YAML: &str = "listeners: [{address: \"127.0.0.1:${PORT:-8000}\"}]\nthreads: ${THREADS}\n\
                    public_urls: [\"https://${HOST}\"]\nprofile: ${PROFILE}\n\
                    servers: [{address: \"${SERVER}\", weight: \"${WEIGHT:-3}\", backup: \"${BACKUP:-false}\"}]\n\
                    mcp_clients: [{name: \"${NAME}\", auth_type: per_user_oauth, connection_type: inprocess}]\n";

#[test]
fn names_are_resolved_before_anything_is_judged_and_shown_without_their_values() {
    let variables =
        [("THREADS", "2"), ("HOST", "gw.example.com"), ("PROFILE", "per_user_oauth"), ("SERVER", "10.1.2.3:8080")];
    let (code, shown) = check(YAML, &variables);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("listening on 127.0.0.1:8000 (http)\n"), "{shown}");
    assert!(shown.contains("GET https://gw.example.com/.well-known/oauth-authorization-server -> 200\n"), "{shown}");
    assert!(shown.contains("auth_type per_user_oauth: ${NAME}\n"), "the table is Bifrost's: {shown}");
    assert!(shown.contains("from the environment: BACKUP, HOST, PORT, PROFILE, SERVER, THREADS, WEIGHT\n"), "{shown}");
}

#[test]
fn a_missing_name_is_a_problem_with_its_file_line_and_key() {
    let (code, shown) = check(YAML, &[("THREADS", "2"), ("HOST", "gw.example.com"), ("PROFILE", "oauth2")]);
    let expected = "f.yaml:5: servers[0].address: the environment has no SERVER; set it, or write ${SERVER:-default}\n";
    assert_eq!((code, shown.as_str()), (1, expected));
    let (_, shown) = check(YAML, &[("THREADS", "many"), ("HOST", "h"), ("PROFILE", "oauth2"), ("SERVER", "h:1")]);
    assert_eq!(shown, "f.yaml:2: threads: found text; write a whole number from 1 to 1024\n");
}

#[test]
fn the_file_is_named_by_the_environment_or_found_in_its_usual_places() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\n";
    fs::write(folder.path().join("named.yaml"), yaml).unwrap();
    let check = |command: &mut Command| run(command.arg("check").current_dir(folder.path()), &folder.path().display());
    let (code, shown) = check(&mut bridgehead());
    assert_eq!(code, 1);
    assert!(
        shown.contains("conf/proxy.yaml: there is no such file; name one with --config or BRIDGEHEAD_CONFIG"),
        "{shown}"
    );
    let (code, shown) = check(bridgehead().env("BRIDGEHEAD_CONFIG", "named.yaml"));
    assert_eq!((code, shown.lines().next()), (0, Some("named.yaml: valid")), "{shown}");
    fs::create_dir(folder.path().join("conf")).unwrap();
    fs::write(folder.path().join("conf/proxy.yaml"), yaml).unwrap();
    assert_eq!(check(&mut bridgehead()).1.lines().next(), Some("conf/proxy.yaml: valid"));
    // What is said counts before what is found, and the option before the environment.
    let named = check(bridgehead().env("BRIDGEHEAD_CONFIG", "named.yaml"));
    assert_eq!(named.1.lines().next(), Some("named.yaml: valid"));
    let option = check(bridgehead().env("BRIDGEHEAD_CONFIG", "nowhere.yaml").args(["--config", "named.yaml"]));
    assert_eq!(option.1.lines().next(), Some("named.yaml: valid"));
}
