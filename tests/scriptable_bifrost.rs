//! The scriptable Bifrost is a fair witness: as 1.6.0, the one version that could be run, it answers what that one does,
//! logins, documents and `/mcp` included; and every answer that it has for other versions names what it was written
//! from. The golden answers are in `tests/bifrost/golden`.

use std::{fs, path::Path};

use crate::{
    golden::{Golden, ask},
    questions::{self, Question},
    support::bifrost::{Bifrost, Discovery},
};

/// What the stand-in does not have, and why.
const MISSING: [(&str, &str, &str); 4] = [
    ("GET", "/ws", "it has no WebSocket of a dashboard"),
    ("GET", "/robots.txt", "it has no files of a dashboard"),
    ("POST", "/v1/chat/completions", "it takes every model, and is its own provider"),
    ("GET", "/api/mcp/clients", "each test says which MCP clients it has"),
];

/// Why a question is not asked, if it is not.
fn is_missing(question: &Question, status: u16) -> bool {
    let path = question.target.split('?').next().unwrap_or_default();
    let missing = MISSING.iter().any(|(method, missing, _)| question.method == *method && path == *missing);
    // To refuse is the same for any list.
    missing && !(path == "/api/mcp/clients" && status == 401)
}

/// Asks a server, and the golden answers, and says where they differ. Returns how many answers were compared, and the
/// paths of the questions that the server was not asked.
fn compare(name: &str, questions: Vec<Question>, bifrost: &Bifrost) -> (usize, Vec<String>) {
    let golden = Golden::read(name);
    let (mut compared, mut left_out) = (0, Vec::new());
    let mut differences = Vec::new();
    for question in questions {
        let expected = golden.answer(&question).unwrap();
        if is_missing(&question, expected.status) {
            left_out.push(question.target);
            continue;
        }
        let answer = ask(bifrost.address(), &question);
        if expected != answer {
            differences.push(format!("{}:\n  {expected:?}\n  {answer:?}", question.name()));
        }
        compared += 1;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    left_out.sort();
    left_out.dedup();
    (compared, left_out)
}

fn of_1_6_0() -> Bifrost {
    let bifrost = Bifrost::start();
    bifrost.set_discovery(Discovery::Gap);
    bifrost.add_virtual_key("sk-bf-planted-virtual-key", "one key");
    bifrost
}

#[test]
fn an_open_one_answers_as_the_real_one_does() {
    let (_, left_out) = compare("open", questions::open(), &of_1_6_0());
    let pages = ["/api/mcp/clients", "/api/mcp/clients?limit=1&offset=1"];
    assert_eq!(left_out, [&pages[..], &["/robots.txt", "/v1/chat/completions", "/ws"]].concat());
}

#[test]
fn a_closed_one_answers_as_the_real_one_does() {
    let bifrost = of_1_6_0();
    bifrost.close_api();
    bifrost.enforce_auth(true);
    let wrong_user =
        |question: &Question| question.headers.contains("planted-token") && question.target.starts_with("/api/");
    // The stand-in's own token is one of its credentials.
    let questions = questions::closed().into_iter().filter(|question| !wrong_user(question)).collect();
    let (_, left_out) = compare("closed", questions, &bifrost);
    assert_eq!(left_out, ["/api/mcp/clients", "/v1/chat/completions", "/ws"]);
}

/// What all versions answer alike, another version answers so, too.
#[test]
fn another_version_answers_alike_where_logins_and_documents_are_not_concerned() {
    let is_special = |question: &Question| {
        let path = question.target.split('?').next().unwrap_or_default().trim_end_matches('/');
        let is_login = ["/api/oauth/per-user", "/oauth", "/oauth2"].iter().any(|prefix| path.starts_with(prefix));
        let documents = ["oauth-authorization-server", "oauth-protected-resource"];
        is_login
            || documents.iter().any(|name| path.ends_with(name)) && question.method != "OPTIONS"
            || path == "/mcp" && question.target == "/mcp" && ["GET", "POST"].contains(&question.method)
    };
    let questions = questions::open().into_iter().filter(|question| !is_special(question)).collect();
    let (compared, _) = compare("open", questions, &Bifrost::start());
    assert!(compared > 60, "only {compared} answers were compared");
}

/// Each file of it that answers for a version which could not be run says what it was written from.
#[test]
fn every_part_names_its_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/bifrost");
    for part in ["admission", "claude_code", "consent", "grants", "mcp", "oauth", "oauth2", "setup"] {
        let text = fs::read_to_string(folder.join(format!("{part}.rs"))).unwrap();
        let head: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(head.join(" ").contains("Source"), "{part}.rs names no source");
    }
}
