//! "Which Bifrost do you run?" leads from what a server answers to lines that fit it: its table says what each generation
//! answers, and its lines are a configuration with which such a server agrees.

use std::process::Command;

use bridgehead::config::{Loaded, McpServerAuthMode, Profile};

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    http::Connection,
    in_time::Printed,
    program::{bridgehead, config, without_credentials},
};

const PAGE: &str = include_str!("../conf/which-bifrost.md");
const SHIPPED: &str = include_str!("../conf/proxy.yaml");

/// A generation in this state: what the table says that it answers, and the heading that its lines are under.
const GENERATIONS: [(Discovery, &str, &str); 6] = [
    (Discovery::Oauth2(Mode::Both), "200 with `\"scopes_supported\":[\"mcp\"]`", "A"),
    (Discovery::Oauth2(Mode::Headers), "404 without a body", "A"),
    (Discovery::On, "200 with `\"scopes_supported\":[\"mcp:read\",\"mcp:write\"]`", "B"),
    (Discovery::Off, "404 with `Not Found`", "B"),
    (Discovery::Gap, "404 with `404 - Not found`", "C"),
    (Discovery::Page, "200 with a web page", "C"),
];

/// The YAML below a heading, as a whole file in front of this server.
fn lines(heading: &str) -> String {
    let section = PAGE.split(&format!("\n### {heading}: ")).nth(1).unwrap();
    let yaml = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(yaml.lines().count(), 4, "{yaml}");
    format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\n{yaml}")
}

#[test]
fn the_table_says_what_each_generation_answers_and_where_its_lines_are() {
    for (discovery, told, heading) in GENERATIONS {
        let bifrost = Bifrost::start();
        bifrost.set_discovery(discovery);
        let path = "/.well-known/oauth-protected-resource";
        let answer = Connection::to(bifrost.address()).ask("GET", path, "bifrost.internal:8080", "");
        let (status, part) = told.split_once(" with").unwrap();
        assert_eq!(answer.status.to_string(), status, "{discovery:?}");
        match part.split('`').nth(1) {
            Some(part) => assert!(answer.text().contains(part), "{discovery:?}: {answer:?}"),
            None if part == "out a body" => assert_eq!(answer.text(), "", "{discovery:?}"),
            None => assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{answer:?}"),
        }
        let mut rows = PAGE.lines().filter(|line| line.starts_with('|') && line.contains(told));
        assert!(rows.any(|row| row.contains(&format!("[{heading}](#{}-", heading.to_lowercase()))), "{told}");
    }
}

#[test]
fn a_server_agrees_with_the_lines_that_its_answer_leads_to() {
    for (discovery, _, heading) in GENERATIONS {
        let bifrost = Bifrost::start();
        bifrost.set_discovery(discovery);
        bifrost.set_issuer_url("https://gateway.example.com");
        let mut yaml = lines(heading).replace("bifrost.internal:8080", &bifrost.address().to_string());
        match discovery {
            // As the row says.
            Discovery::Oauth2(Mode::Headers) => yaml = yaml.replace("mode: both", "mode: headers"),
            Discovery::Off => yaml = yaml.replace("auth_type: per_user_oauth", "auth_type: headers"),
            _ => {}
        }
        let file = config(&yaml);
        let mut command: Command = bridgehead();
        without_credentials(&mut command);
        let output = command.args(["verify", "--config"]).arg(file.path()).printed().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && said.contains("1 agree"), "{discovery:?}, {heading}: {said}");
        assert!(!said.contains("warning"), "{discovery:?}, {heading}: {said}");
    }
}

#[test]
fn each_set_of_lines_is_a_configuration_without_a_warning() {
    let of = |heading: &str| {
        let loaded = Loaded::from_text("f.yaml".as_ref(), &lines(heading)).unwrap_or_else(|fault| panic!("{fault}"));
        assert!(loaded.warnings.is_empty(), "{heading}: {:?}", loaded.warnings);
        (loaded.config.sites[0].profile(), loaded.config.sites[0].mcp_server_auth_mode)
    };
    assert_eq!(of("A"), (Profile::Oauth2, Some(McpServerAuthMode::Both)));
    assert_eq!(of("B"), (Profile::PerUserOauth, None));
    assert_eq!(of("C"), (Profile::Oauth2, Some(McpServerAuthMode::Headers)));
}

/// What is shipped has the lines of both generations, and those of the other one are right as they stand.
#[test]
fn the_shipped_file_shows_both_generations() {
    let lines = |from: &str, to: &str| SHIPPED.replace(&format!("\n{from}\n"), &format!("\n{to}\n"));
    assert!(SHIPPED.contains("\nprofile: per_user_oauth\n") && SHIPPED.contains("\n# profile: oauth2\n"));
    let other = lines("profile: per_user_oauth", "")
        .replace("\n# profile: oauth2\n", "\nprofile: oauth2\n")
        .replace("\n# mcp_server_auth_mode: both\n", "\nmcp_server_auth_mode: both\n");
    let loaded = Loaded::from_text("f.yaml".as_ref(), &other).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.sites[0].profile(), Profile::Oauth2);
    assert_eq!(loaded.config.sites[0].mcp_server_auth_mode, Some(McpServerAuthMode::Both));
}
