//! Files of real Bifrosts, 1.5 to 2.7, are taken as they are: their list of MCP clients pasted into a configuration,
//! and imported. The files are in `tests/bifrost_configs`, with placeholders for every name and secret.

use std::{fs, path::PathBuf};

use bridgehead::{
    config::{AuthType, KeyPath, Loaded, McpServerAuthMode, Problem, Profile},
    discovery::Discovery,
};
use serde_json::Value;

use crate::support::{
    import::{import, run},
    problems::GOOD,
    schema,
    tls_server::Folder,
};

/// What a file must give.
struct Case {
    name: &'static str,
    /// The clients that turn discovery on under `per_user_oauth`.
    deciding: &'static [&'static str],
    /// How many clients there are.
    clients: usize,
    /// What is said when it is pasted.
    warnings: &'static [&'static str],
    notes: &'static [&'static str],
    /// The profile that is written.
    profile: Option<&'static str>,
    /// What the file says of the mode.
    mode: Option<&'static str>,
    /// What is left out by an import, or said of it.
    left_out: &'static [&'static str],
}

/// One client that decides nothing, and of which there is nothing to say.
const PLAIN: Case =
    Case { name: "", deciding: &[], clients: 1, warnings: &[], notes: &[], profile: None, mode: None, left_out: &[] };

const CASES: [Case; 9] = [
    Case {
        name: "old_names",
        clients: 2,
        notes: &[
            "mcp_clients[0].id: MCP client \"filesystem\": the old name of \"client_id\", and taken for it",
            "mcp_clients[0].is_enabled: MCP client \"filesystem\": an old field, which newer versions of Bifrost do not \
             read; they have \"disabled\"",
            "mcp_clients[1].id: MCP client \"weather_service\": the old name of \"client_id\", and taken for it",
            "mcp_clients[1].is_enabled: MCP client \"weather_service\": an old field, which newer versions of Bifrost do \
             not read; they have \"disabled\"",
            "mcp_clients[1].http_url: MCP client \"weather_service\": the old name of \"connection_string\", and taken \
             for it",
        ],
        left_out: &[
            "\"filesystem\": id: an old name, written as client_id",
            "\"filesystem\": stdio_config.args[0]: left out, it may hold a secret",
            "\"filesystem\": stdio_config.args[1]: left out, it may hold a secret",
            "\"filesystem\": stdio_config.args[2]: left out, it may hold a secret",
            "\"weather_service\": id: an old name, written as client_id",
            "\"weather_service\": http_url: an old name, written as connection_string",
        ],
        ..PLAIN
    },
    Case {
        name: "slugs",
        profile: Some("oauth2"),
        left_out: &[
            "\"everything\": stdio_config.args[0]: left out, it may hold a secret",
            "\"everything\": stdio_config.args[1]: left out, it may hold a secret",
        ],
        ..PLAIN
    },
    Case {
        name: "plain_http",
        clients: 6,
        left_out: &["\"docs\": connection_string: a part that may be a secret was left out"],
        ..PLAIN
    },
    Case { name: "auto_execute", ..PLAIN },
    Case { name: "openapi", deciding: &["login"], clients: 2, profile: Some("oauth2"), ..PLAIN },
    Case {
        name: "auth_types",
        deciding: &["peruser"],
        clients: 4,
        profile: Some("oauth2"),
        mode: Some("both"),
        ..PLAIN
    },
    Case { name: "values_as_objects", deciding: &["linear"], clients: 2, profile: Some("oauth2"), ..PLAIN },
    Case { name: "base_path", deciding: &["github"], profile: Some("oauth2"), mode: Some("oauth"), ..PLAIN },
    Case {
        name: "wrong_forms",
        clients: 2,
        warnings: &[
            "mcp_clients[1].stdio_config.command: MCP client \"wrongtype\": a list in place of text is newer than this \
             edge knows; treated as if it were not there",
        ],
        left_out: &[
            "\"aslist\": headers.Authorization: left out, it may hold a secret",
            "\"wrongtype\": stdio_config.command: left out, this edge knows only text there",
        ],
        ..PLAIN
    },
];

impl Case {
    fn file(&self) -> PathBuf {
        PathBuf::from(format!("{}/tests/bifrost_configs/{}.json", env!("CARGO_MANIFEST_DIR"), self.name))
    }

    fn config(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file()).unwrap()).unwrap()
    }
}

const URL: &str = "public_urls: [\"https://gw.example.com\"]\n";
/// What decides, as it is written in front of a table.
const HEADS: [&str; 4] = [
    "profile: per_user_oauth\n",
    "profile: oauth2\nmcp_server_auth_mode: headers\n",
    "profile: oauth2\nmcp_server_auth_mode: both\n",
    "profile: oauth2\nmcp_server_auth_mode: oauth\n",
];

fn load(text: &str) -> Loaded {
    schema::takes(text);
    Loaded::from_text("f.yaml".as_ref(), text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// Whether discovery is on where these clients, and this, decide.
fn is_on(head: &str, deciding: &[&str]) -> bool {
    match head {
        head if head.contains("per_user_oauth") => !deciding.is_empty(),
        head => !head.contains("headers"),
    }
}

fn lines(problems: &[Problem]) -> Vec<String> {
    let of_table = problems.iter().filter(|problem| problem.path != KeyPath::root("profile"));
    of_table.map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[test]
fn every_file_has_a_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bifrost_configs");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    let mut cases: Vec<_> = CASES.iter().map(Case::file).collect();
    files.sort();
    cases.sort();
    assert_eq!(files, cases);
}

#[test]
fn the_list_can_be_pasted_under_both_profiles() {
    for case in CASES {
        let list = serde_json::to_string_pretty(&case.config()["mcp"]["client_configs"]).unwrap();
        for head in HEADS {
            let loaded = load(&format!("{GOOD}{URL}{head}mcp_clients: {list}\n"));
            assert_eq!(lines(&loaded.warnings), case.warnings, "{}", case.name);
            let mut notes = lines(&loaded.notes);
            // Printed again, the fields are in another order.
            notes.sort_by_key(|note| case.notes.iter().position(|expected| expected == note));
            assert_eq!(notes, case.notes, "{}", case.name);
            let discovery = Discovery::compile(&loaded.config.sites);
            assert_eq!(discovery.is_on(), is_on(head, case.deciding), "{} under {head}", case.name);
            assert_eq!(discovery.sites()[0].clients(), case.clients);
            let clients = loaded.config.sites[0].mcp_clients.iter();
            let deciding = clients.filter(|client| client.auth_type == AuthType::PerUserOauth);
            assert_eq!(deciding.map(|client| client.name.as_str()).collect::<Vec<_>>(), case.deciding);
        }
    }
}

#[test]
fn an_import_prints_a_table_that_says_the_same_and_what_is_not_in_it() {
    for case in CASES {
        let (out, errors, code) = run(&mut import(&[case.file().to_str().unwrap()]));
        assert_eq!(code, 0, "{}: {errors}", case.name);
        let left_out: Vec<_> = errors.lines().filter_map(|line| line.strip_prefix("MCP client ")).collect();
        assert_eq!(left_out, case.left_out, "{}", case.name);
        let warned = errors.lines().any(|line| line.starts_with("warning: the imported table:"));
        assert!(!warned, "{}: {errors}", case.name);
        let told = format!("MCP clients: {}, with auth_type per_user_oauth: {}", case.clients, case.deciding.len());
        assert!(errors.contains(&told), "{errors}");
        let loaded = load(&format!("{GOOD}{URL}{out}"));
        assert_eq!(lines(&loaded.warnings), Vec::<String>::new(), "{}", case.name);
        let mode = loaded.config.sites[0].mcp_server_auth_mode.map(McpServerAuthMode::name);
        assert_eq!(mode, case.mode, "{}", case.name);
        assert_eq!(loaded.config.sites[0].profile.map(Profile::name), case.profile, "{}", case.name);
        let name = case.file().display().to_string();
        assert_eq!(errors.lines().filter(|line| line.starts_with(&format!("{name}: "))).count(), 1, "{errors}");
        assert_eq!(loaded.config.sites[0].mcp_clients.len(), case.clients);
    }
}

#[test]
fn an_import_into_a_file_under_either_profile_gives_what_the_source_says() {
    let folder = Folder::new();
    for case in CASES {
        for head in HEADS {
            let target = folder.write("proxy.yaml", format!("# Ours.\n{GOOD}{URL}{head}# The end.\n"));
            let (source, name) = (case.file(), target.to_str().unwrap());
            let arguments = [source.to_str().unwrap(), "--into", name, "--yes"];
            let (_, errors, code) = run(&mut import(&arguments));
            assert_eq!(code, 0, "{} under {head}: {errors}", case.name);
            let text = fs::read_to_string(&target).unwrap();
            let loaded = load(&text);
            let now = match (case.profile, case.mode) {
                (_, Some(mode)) => format!("profile: oauth2 {mode}"),
                // It says no mode, so that of the file stays, or there is none.
                (Some(_), None) => head.replace("per_user_oauth", "headers"),
                (None, None) => head.to_owned(),
            };
            let discovery = Discovery::compile(&loaded.config.sites);
            assert_eq!(discovery.is_on(), is_on(&now, case.deciding), "{} under {head}", case.name);
            assert_eq!(
                (discovery.sites()[0].clients(), lines(&loaded.warnings)),
                (case.clients, Vec::new()),
                "{}",
                case.name
            );
            assert!(text.starts_with("# Ours.\n") && text.contains("# The end.\n"), "{text}");
            let (_, errors, _) = run(&mut import(&arguments));
            assert!(errors.contains("nothing to change"), "{}: {errors}", case.name);
        }
    }
}

/// The whole text, where there is much that could be missed.
#[test]
fn what_newer_versions_have_is_imported_field_by_field() {
    for (name, parts) in [
        (
            "auth_types",
            &[
                "    client_credentials:\n      client_id: env.M2M_ID\n      client_secret: env.M2M_SECRET\n      token_url: \
                 https://idp.example/token\n      scopes:\n      - mcp\n      token_endpoint_auth_method: \
                 client_secret_basic\n",
                "    aws_sigv4:\n      region: eu-west-1\n      service: bedrock-agentcore\n      role_arn: \
                 arn:aws:iam::000000000000:role/mcp\n      external_id: env.AWS_EXTERNAL_ID\n      session_name: bifrost\n",
                "    oauth_config:\n      scopes:\n      - openid\n      use_client_metadata_document: true\n    \
                 per_user_discovery: true\n    max_protocol_version: 2025-11-25\n",
                "    token_exchange:\n      profile: id_jag\n      audience: https://mcp.obo.example\n",
            ][..],
        ),
        (
            "openapi",
            &[
                "    connection_type: openapi\n    openapi_config:\n      spec_file: ./specs/petstore.yaml\n      base_url: \
                 https://api.petstore.example/v1\n      include_deprecated: false\n      max_response_bytes: 1048576\n      \
                 security_credentials:\n        ApiKeyAuth:\n          value: env.PETSTORE_API_KEY\n        BasicAuth:\n          \
                 username: env.PETSTORE_USER\n          password: env.PETSTORE_PASSWORD\n",
            ],
        ),
        ("slugs", &["    allow_by_default: true\n    endpoint_slug: everything\n"]),
        ("plain_http", &["    connection_string: http://docs-mcp:8000/mcp\n    allow_by_default: false\n"]),
        (
            "base_path",
            &[
                "    headers:\n      X-Team: vault.secret/data/mcp#team\n",
                "      client_secret: vault.secret/data/mcp#gh_secret\n",
            ],
        ),
        (
            "values_as_objects",
            &[
                "    oauth_config:\n      client_id: env.NOTION_CLIENT_ID\n      client_secret: env.NOTION_CLIENT_SECRET\n",
            ],
        ),
        ("old_names", &["    connection_string: http://weather.example.internal:3001/mcp\n    is_enabled: false\n"]),
        ("wrong_forms", &["    stdio_config:\n      command: (dropped by import)\n"]),
    ] {
        let case = CASES.iter().find(|case| case.name == name).unwrap();
        let (out, _, _) = run(&mut import(&[case.file().to_str().unwrap()]));
        for part in parts {
            assert!(out.contains(part), "{part}\n{out}");
        }
    }
}
