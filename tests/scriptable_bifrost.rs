//! The scriptable Bifrost answers what the real one does, wherever all versions of that answer the same: its golden
//! answers are in `tests/bifrost/golden`.

use crate::{
    golden::{Golden, ask},
    questions,
    support::bifrost::Bifrost,
};

/// Where a version with logins answers something else, or the scriptable one has other MCP clients.
fn is_of_its_own(question: &questions::Question) -> bool {
    let path = question.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    let is_login = ["/api/oauth/per-user", "/oauth", "/oauth2"].iter().any(|prefix| path.starts_with(prefix));
    let is_document =
        ["oauth-authorization-server", "oauth-protected-resource"].iter().any(|name| path.ends_with(name));
    let is_post = question.method == "POST";
    let is_get = question.method == "GET";
    is_login
        || is_document && question.method != "OPTIONS"
        || path == "/mcp" && question.target == "/mcp" && (is_get || is_post)
        || path == "/api/mcp/clients" && is_get && !question.target.ends_with('/')
        || path == "/v1/chat/completions" && is_post
        || ["/ws", "/robots.txt"].contains(&path)
}

#[test]
fn the_scriptable_bifrost_answers_as_the_real_one_does() {
    let golden = Golden::read("open");
    let bifrost = Bifrost::start();
    let mut compared = 0;
    let mut differences = Vec::new();
    for question in questions::open().into_iter().filter(|question| !is_of_its_own(question)) {
        let (expected, answer) = (golden.answer(&question).unwrap(), ask(bifrost.address(), &question));
        if expected != answer {
            differences.push(format!("{}:\n  {expected:?}\n  {answer:?}", question.name()));
        }
        compared += 1;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 60, "only {compared} answers were compared");
}
