//! A profile and what turns its discovery on must fit each other, or clients are sent to endpoints that are not there.

use bridgehead::config::Loaded;

use crate::support::{
    edge::CLIENTS,
    in_time::Printed,
    problems::{GOOD, problem},
    program::{bridgehead, config},
    schema,
};

const URL: &str = "public_urls: [\"https://gw.example\"]\n";
const BELOW: &str = "public_urls: [\"https://gw.example/bifrost\"]\n";

/// The warnings of a file with this in it, which says its profile.
fn warnings(more: &str) -> Vec<String> {
    let profile = if more.contains("profile: ") { "" } else { "profile: per_user_oauth\n" };
    all_warnings(&format!("{more}{profile}"))
}

fn all_warnings(more: &str) -> Vec<String> {
    let text = format!("{GOOD}{more}");
    schema::takes(&text);
    let loaded = Loaded::from_text("f.yaml".as_ref(), &text).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.warnings.iter().map(|warning| warning.in_file(&loaded.file)).collect()
}

#[test]
fn a_mode_under_a_profile_that_has_none_is_refused() {
    for more in ["mcp_server_auth_mode: both\n", "profile: per_user_oauth\nmcp_server_auth_mode: headers\n"] {
        let found = problem(more);
        assert!(found.contains("mcp_server_auth_mode: used with profile: oauth2 alone; "), "{found}");
    }
}

#[test]
fn discovery_by_mode_without_a_public_url_is_refused() {
    for mode in ["both", "oauth"] {
        let found = problem(&format!("profile: oauth2\nmcp_server_auth_mode: {mode}\n"));
        let expected = format!("f.yaml:4: mcp_server_auth_mode: {mode} needs public_urls: ");
        assert!(found.starts_with(&expected) && found.contains("issuer_url"), "{found}");
    }
    warnings("profile: oauth2\nmcp_server_auth_mode: headers\n");
}

#[test]
fn an_unknown_mode_names_those_there_are() {
    assert_eq!(
        problem(&format!("{URL}profile: oauth2\nmcp_server_auth_mode: ouath\n")),
        "f.yaml:5: mcp_server_auth_mode: \"ouath\" is not a known value; did you mean \"oauth\"?"
    );
}

#[test]
fn a_good_mixture_is_taken_without_a_word() {
    for mode in ["both", "oauth"] {
        let found = warnings(&format!("{URL}profile: oauth2\nmcp_server_auth_mode: {mode}\n{CLIENTS}"));
        assert!(found.is_empty(), "{found:?}");
    }
    for clients in ["", CLIENTS] {
        assert!(warnings(&format!("{URL}profile: oauth2\nmcp_server_auth_mode: headers\n{clients}")).is_empty());
    }
}

#[test]
fn what_may_be_wrong_is_a_warning() {
    let oauth2 = "profile: oauth2\nmcp_server_auth_mode: both\n";
    for (more, start) in [
        (format!("{URL}profile: oauth2\n"), "f.yaml:4: profile: oauth2, but mcp_server_auth_mode is not set"),
        (
            format!("{URL}profile: oauth2\n{CLIENTS}"),
            "f.yaml:4: profile: oauth2, but mcp_server_auth_mode is not set, and headers is its default, as in \
             Bifrost: discovery is off, and no MCP client",
        ),
        (
            format!("public_urls: [\"https://a.example\", \"https://b.example\"]\n{oauth2}"),
            "f.yaml:3: public_urls[1]: one more issuer",
        ),
        (
            format!(
                "{URL}{oauth2}access: [{{path: /api, allow: [10.0.0.0/8]}}, {{path: /api/oauth, deny: [192.0.2.1]}}]\n"
            ),
            "f.yaml:6: access[0].path: closes /api/oauth2/consent/flows, through which ",
        ),
        (
            format!("{URL}{CLIENTS}access: [{{path: /api, allow: [10.0.0.0/8]}}]\n"),
            "f.yaml:6: access[0].path: closes /api/oauth/per-user/register, /api/oauth/per-user/authorize, \
             /api/oauth/per-user/token, /api/oauth/per-user/consent, /api/oauth/callback, through which ",
        ),
        (
            format!(
                "{URL}profile: oauth2\nmcp_server_auth_mode: headers\nclaude_code_gateway: true\n\
                     access: [{{path: /claude-code/oauth, allow: [10.0.0.0/8]}}]\n"
            ),
            "f.yaml:7: access[0].path: closes /claude-code/oauth/device_authorization, /claude-code/oauth/token, \
             /claude-code/oauth/revoke, through which the logins of Claude Code pass, to some who may reach \
             /claude-code/v1/messages; add a rule",
        ),
        (
            format!("{URL}{oauth2}claude_code_gateway: true\naccess: [{{path: /oauth/device, allow: [10.0.0.0/8]}}]\n"),
            "f.yaml:7: access[0].path: closes /oauth/device, through which the logins of Claude Code pass",
        ),
        (
            format!("{BELOW}{oauth2}access: [{{path: /oauth2, allow: [10.0.0.0/8]}}]\n"),
            "f.yaml:6: access[0].path: closes /oauth2/register, /oauth2/authorize, /oauth2/token, through which ",
        ),
        (
            format!("{URL}profile: per_user_oauth\nclaude_code_gateway: true\n"),
            "f.yaml:5: claude_code_gateway: set, but no Bifrost of profile ",
        ),
        (
            "public_urls: [\"https://gw.example/mcp\"]\nprofile: per_user_oauth\n".to_owned(),
            "f.yaml:3: public_urls[0]: a public URL is what clients type in front of /mcp, so that the MCP server of \
             this one is at https://gw.example/mcp/mcp; if it is at https://gw.example/mcp, write https://gw.example",
        ),
    ] {
        let found = warnings(&more);
        assert!(found.len() == 1 && found[0].starts_with(start), "{start}\n{found:#?}");
    }
}

/// A Bifrost below a path takes requests without it as well, so that such a rule closes half of what it is for.
#[test]
fn a_rule_for_the_path_of_a_public_url_is_warned_of() {
    for (rule, remedy) in [("/bifrost/api", "Write /api, which"), ("/bifrost", "Write /, which")] {
        let found =
            warnings(&format!("{BELOW}profile: per_user_oauth\naccess: [{{path: {rule}, allow: [10.0.0.0/8]}}]\n"));
        assert!(
            found.len() == 1 && found[0].contains("begins with /bifrost") && found[0].contains(remedy),
            "{found:#?}"
        );
    }
    let none =
        warnings(&format!("{BELOW}profile: per_user_oauth\naccess: [{{path: /bifrosts, allow: [10.0.0.0/8]}}]\n"));
    assert!(none.is_empty(), "{none:#?}");
}

#[test]
fn a_gateway_needs_a_public_url_and_a_readiness_path_is_nobody_elses() {
    let found = problem("claude_code_gateway: true\n");
    assert!(found.contains("f.yaml:3: claude_code_gateway: needs public_urls"), "{found}");
    for path in ["/bifrost/mcp", "/bifrost/v1/mcp", "/bifrost/.well-known/x"] {
        let found = problem(&format!("{BELOW}readiness_path: {path}\n"));
        assert!(found.contains("f.yaml:4: readiness_path: https://gw.example/bifrost has something else"), "{found}");
    }
}

#[test]
fn a_rule_that_closes_mcp_as_well_closes_no_login() {
    let rules = [
        "access: [{path: /, allow: [10.0.0.0/8]}]\n",
        "access: [{path: /mcp, allow: [10.0.0.0/8]}, {path: /oauth2, allow: [10.0.0.0/8, 192.0.2.0/24]}]\n",
        "access: [{path: /api, allow: [10.0.0.0/8]}, {path: /api/oauth2, deny: [192.0.2.1]}, \
          {path: /mcp, deny: [192.0.2.1]}]\n",
        "access: [{path: /mcp, allow: [10.1.0.0/16]}, {path: /, allow: [10.0.0.0/8]}]\n",
        "access: [{path: /oauth2, allow: [\"0.0.0.0/1\", \"128.0.0.0/1\", \"::/0\"]}]\n",
        "access: [{path: /oauth2, deny: [192.0.2.0/24]}]\n",
    ];
    for rules in rules {
        let found = warnings(&format!("{URL}profile: oauth2\nmcp_server_auth_mode: both\n{rules}"));
        assert!(found.is_empty(), "{rules}{found:?}");
    }
}

#[test]
fn rules_as_the_commented_example_has_them_close_no_login() {
    for rules in [
        "access: [{path: /api, allow: [10.0.0.0/8]}, {path: /api/oauth, deny: [192.0.2.0/24]}]\n",
        "access: [{path: /api, allow: [10.0.0.0/8]}, {path: /api/oauth/callback, deny: [192.0.2.0/24]}, \
          {path: /api/oauth/per-user, allow: [\"0.0.0.0/0\", \"::/0\"]}]\n",
    ] {
        let found = warnings(&format!("{URL}{CLIENTS}{rules}"));
        assert!(found.is_empty(), "{rules}{found:?}");
    }
}

#[test]
fn the_remedy_for_a_closed_login_is_one_that_check_takes() {
    let text = |rules: &str| format!("{URL}profile: oauth2\nmcp_server_auth_mode: both\naccess: [{rules}]\n");
    for (rules, remedy) in [
        ("{path: /api, allow: [10.0.0.0/8]}", "{path: /api/oauth2/consent/flows, allow: [\"0.0.0.0/0\", \"::/0\"]}"),
        (
            "{path: /mcp, allow: [10.0.0.0/8]}, {path: /api, deny: [10.0.0.0/8]}",
            "{path: /api/oauth2/consent/flows, allow: [\"10.0.0.0/8\"]}",
        ),
    ] {
        let found = warnings(&text(rules));
        assert!(found.len() == 1 && found[0].ends_with(remedy), "{found:?}");
        let found = warnings(&text(&format!("{rules}, {remedy}")));
        assert!(found.is_empty(), "{found:?}");
    }
    let found = warnings(&text("{path: /oauth2/token, allow: [10.0.0.0/8]}"));
    assert!(found[0].ends_with("write allow: [\"0.0.0.0/0\", \"::/0\"] there"), "{found:?}");
}

#[test]
fn check_and_discover_tell_what_the_mode_makes_of_it() {
    let yaml = |mode: &str| format!("{GOOD}{URL}profile: oauth2\nmcp_server_auth_mode: {mode}\n{CLIENTS}");
    let printed = |command: &str, mode: &str| {
        let file = config(&yaml(mode));
        let output = bridgehead().arg(command).arg("--config").arg(file.path()).printed().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let on = printed("check", "oauth");
    for line in [
        "discovery on, profile oauth2: mcp_server_auth_mode is oauth; no MCP client decides (1 listed)",
        "GET https://gw.example/.well-known/oauth-authorization-server -> 200",
        "GET https://gw.example/.well-known/jwks.json -> forwarded",
    ] {
        assert!(on.lines().any(|printed| printed == line), "{line}\n{on}");
    }
    let off = printed("check", "headers");
    assert!(off.contains("discovery off (404), profile oauth2: mcp_server_auth_mode is headers"), "{off}");
    assert!(!off.contains("jwks.json"), "{off}");
    let documents = printed("discover", "both");
    assert!(documents.contains("\"jwks_uri\":\"https://gw.example/.well-known/jwks.json\""), "{documents}");
    assert!(documents.contains("# GET https://gw.example/.well-known/jwks.json -> forwarded"), "{documents}");
}

/// Whoever leaves the profile out is told which Bifrost is assumed, and how to find out; whoever writes it is not.
#[test]
fn a_profile_that_is_left_out_is_said_to_be_assumed() {
    let assumed = "f.yaml: profile: not set, so per_user_oauth is assumed, for Bifrost 1.5.0 to 1.5.2; Bifrost 1.6.3 and \
                   later, 2.x among them, needs oauth2. GET /api/version of a server, or bridgehead verify, tells which it \
                   is: write the profile here";
    for more in ["", "profile: ~\n"] {
        let found = all_warnings(&format!("{URL}{CLIENTS}{more}"));
        assert!(found.iter().any(|line| line.replace(":6: ", ": ") == assumed), "{found:?}");
    }
    for profile in ["per_user_oauth", "oauth2\nmcp_server_auth_mode: headers"] {
        assert_eq!(warnings(&format!("{URL}profile: {profile}\n")), Vec::<String>::new());
    }
}
