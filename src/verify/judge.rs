//! From what one server answered to whether it agrees with the edge.

use std::net::SocketAddr;

use super::{
    Expected, Question,
    documents::{self, Contract, DocumentAnswer, Published},
    lists::{self, ListAnswer, ListedClient},
    report::{ServerReport, Switch, Verdict},
};
use crate::config::{Profile, ServerAddress};

/// Everything that one server answered.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// To each question.
    pub documents: Vec<(Question, DocumentAnswer)>,
    /// For its MCP clients; `None` when it was not asked.
    pub clients: Option<ClientAnswers>,
    /// Why it did not answer the rest; `None` when there is no rest.
    pub missing: Option<String>,
}

/// What one server answered for its MCP clients.
#[derive(Debug, Clone)]
pub struct ClientAnswers {
    /// What its process serves.
    pub memory: ListAnswer,
    /// What is stored.
    pub database: ListAnswer,
}

/// Whether a server agrees with the edge, as far as it answered.
pub fn judge(expected: &Expected, server: &ServerAddress, address: SocketAddr, answers: &Answers) -> ServerReport {
    let mut report = ServerReport::unreachable(server.to_string(), Some(address), String::new());
    report.unreachable.clone_from(&answers.missing);
    documents_of(&answers.documents, expected, &mut report);
    if !expected.uses(server) {
        report.fits = None;
    }
    if let Some(clients) = &answers.clients {
        clients_of(clients, expected, &mut report);
    }
    report.verdict = match (report.differences.is_empty(), &report.unreachable) {
        (false, _) => Verdict::Disagrees,
        (true, Some(_)) => Verdict::Unreachable,
        (true, None) => Verdict::Agrees,
    };
    report.more_differences = report.differences.len().saturating_sub(ServerReport::MOST);
    report.differences.truncate(ServerReport::MOST);
    report
}

fn documents_of(answers: &[(Question, DocumentAnswer)], expected: &Expected, report: &mut ServerReport) {
    let (mut is_on, mut is_off) = (false, false);
    let mut contracts = Vec::new();
    for (question, answer) in answers {
        let published = Published::of(answer);
        documents::compare(question, &published, &mut report.differences);
        if question.is_for_claude_code() {
            report.warnings.extend(claude_code_is_off(&published));
            continue;
        }
        let contract = match &published {
            Published::On(document) => {
                is_on = true;
                Contract::shown_by(document)
            }
            Published::Off(contract) => {
                is_off = true;
                *contract
            }
            Published::Unexpected(_) => None,
        };
        contracts.extend(contract);
    }
    report.discovery = match (is_on, is_off) {
        (true, true) => Some(Switch::Mixed),
        (false, false) => None,
        (is_on, _) => Some(Switch::of(is_on)),
    };
    contracts.dedup();
    match contracts[..] {
        [] => {}
        [contract] => report.contract = Some(contract),
        _ => report.warnings.push("speaks more than one contract: there may be several servers at this address".into()),
    }
    report.fits = report.contract.map(|contract| contract == Contract::of(expected.profile()));
    warn_of_contract(answers, expected, report);
    if report.contract == Some(Contract::None) {
        report.warnings.extend(unknown_path(answers));
    }
}

/// A Bifrost that does not know the path below which it is has its dashboard there.
fn unknown_path(answers: &[(Question, DocumentAnswer)]) -> Option<String> {
    let path = answers.iter().map(|(question, _)| question.base.path()).find(|path| !path.is_empty())?;
    Some(format!("has no documents below {path}: its server.base_path must be that, which Bifrost 2.4.0 brought"))
}

fn claude_code_is_off(published: &Published) -> Option<String> {
    let is_off = matches!(published, Published::Off(_));
    is_off.then(|| {
        "has no Claude Code gateway: turn on oauth2_server_config.claude_code_gateway.enabled there, which needs an \
         issuer_url and Bifrost 2, or take claude_code_gateway out here"
            .to_owned()
    })
}

/// What explains that a server answers otherwise than the edge: its generation or, in that of `oauth2`, its own
/// settings. While neither serves a document no client is sent anywhere, and any generation will do.
fn warn_of_contract(answers: &[(Question, DocumentAnswer)], expected: &Expected, report: &mut ServerReport) {
    let wanted = Contract::of(expected.profile());
    let is_served = expected.site().is_on();
    match report.contract {
        Some(contract) if contract != wanted && (is_served || report.discovery != Some(Switch::Off)) => {
            report.warnings.push(format!(
                "speaks the contract of {}; the profile is {}, for {}",
                contract.versions(),
                wanted.name(),
                wanted.versions()
            ));
        }
        Some(Contract::Oauth2) => match report.discovery {
            Some(Switch::Off) if is_served => {
                let mode = "serves no discovery, so its client.mcp_server_auth_mode is headers, or not set";
                report.warnings.push(mode.into());
            }
            Some(Switch::On) if !is_served => {
                let mode = "serves discovery, and the edge does not: set mcp_server_auth_mode here to what Bifrost has";
                report.warnings.push(mode.into());
            }
            _ if is_served => report.warnings.extend(foreign_issuer(answers)),
            _ => {}
        },
        _ => {}
    }
    if report.contract == Some(Contract::None) && is_served {
        let remedy = match expected.profile() {
            Profile::PerUserOauth => "take the MCP clients of auth_type per_user_oauth out of mcp_clients",
            Profile::Oauth2 => "set mcp_server_auth_mode: headers",
        };
        report.warnings.push(format!(
            "logins end at a path that it does not have: run {} there, or {remedy}, and the edge serves no discovery \
             either",
            wanted.versions()
        ));
    }
}

/// A Bifrost that is told its issuer issues tokens for that one alone, whatever URL a client has.
fn foreign_issuer(answers: &[(Question, DocumentAnswer)]) -> Option<String> {
    let (base, issuer) =
        answers.iter().filter(|(question, _)| !question.is_for_claude_code()).find_map(|(question, answer)| {
            let Published::On(document) = Published::of(answer) else { return None };
            let issuer = document.get("issuer")?.as_str()?.to_owned();
            (issuer != question.base.as_str()).then_some((&question.base, issuer))
        })?;
    Some(if issuer.is_empty() {
        format!("has no issuer_url in its oauth2_server_config: clients of {base} cannot log in")
    } else if issuer.strip_suffix('/') == Some(base.as_str()) {
        format!(
            "has a slash at the end of its oauth2_server_config.issuer_url, and {base} has none: take it off there, or \
             run Bifrost 2.4.0 or later, which leaves it out"
        )
    } else if issuer.split_once("://").map(|(_, rest)| rest) == base.as_str().split_once("://").map(|(_, rest)| rest) {
        let scheme = if issuer.starts_with("http:") { "http" } else { "another scheme" };
        format!(
            "issues tokens for {} with {scheme}, and the public URL is {base}: the schemes must be the same, there in \
             oauth2_server_config.issuer_url",
            base.authority()
        )
    } else {
        // Quoted: it is a server's text, and goes to the log.
        format!(
            "issues tokens for {:?} alone, its oauth2_server_config.issuer_url: clients of {base} cannot log in",
            documents::shortened(&issuer)
        )
    })
}

fn clients_of(answers: &ClientAnswers, expected: &Expected, report: &mut ServerReport) {
    report.clients = answers.memory.as_ref().ok().map(Vec::len);
    if !expected.compares_clients() {
        return;
    }
    let is_empty = |answer: &ListAnswer| answer.as_ref().is_ok_and(Vec::is_empty);
    if is_empty(&answers.memory) && is_empty(&answers.database) && !expected.clients().is_empty() {
        // It cannot be told from a server that has none; what it says for discovery has been compared.
        report.warnings.push(
            "lists no MCP client: a Bifrost without a config store lists none whatever its file says, so they were not \
             compared"
                .into(),
        );
        return;
    }
    let lists = [&answers.memory, &answers.database];
    if let Some(why) = lists.iter().find_map(|answer| answer.as_ref().err()) {
        report.unreachable.get_or_insert_with(|| why.clone());
    }
    let [memory, database] = lists.map(|answer| answer.as_ref().ok().map(Vec::as_slice));
    lists::compare(expected.clients(), memory, database, &mut report.differences);
}

impl ClientAnswers {
    /// Both lists, when the process and the database say the same.
    pub fn same(clients: Vec<ListedClient>) -> Self {
        ClientAnswers { memory: Ok(clients.clone()), database: Ok(clients) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::config::{Loaded, Scheme};

    fn expected(clients: &str) -> (Expected, ServerAddress) {
        expected_of(&format!("mcp_clients: [{clients}]\n"))
    }

    fn expected_of(more: &str) -> (Expected, ServerAddress) {
        let yaml = format!(
            "listeners: [{{address: \"127.0.0.1:8000\"}}]\npublic_urls: [\"https://gw.example\"]\n\
             servers: [{{address: \"bifrost.internal:8080\"}}]\n{more}"
        );
        let config = Loaded::from_text("f.yaml".as_ref(), &yaml).unwrap().config;
        (Expected::new(&config.sites[0]), config.sites[0].servers[0].address.clone())
    }

    const GITHUB: &str = "{name: github, auth_type: per_user_oauth, connection_type: inprocess}";

    /// What a server answers that agrees, but for what `change` makes of each document.
    fn report(clients: Option<ClientAnswers>, change: impl Fn(String) -> (u16, String)) -> ServerReport {
        report_of(&expected(GITHUB), clients, change)
    }

    fn report_of(
        (expected, server): &(Expected, ServerAddress),
        clients: Option<ClientAnswers>,
        change: impl Fn(String) -> (u16, String),
    ) -> ServerReport {
        let documents = expected.questions(server, Scheme::Http).into_iter().map(|question| {
            let (status, body) = change(serde_json::to_string(&question.document).unwrap());
            let answer = DocumentAnswer {
                status: StatusCode::from_u16(status).unwrap(),
                content_type: Some("application/json".into()),
                body: Some(Bytes::from(body)),
            };
            (question, answer)
        });
        let answers = Answers { documents: documents.collect(), clients, missing: None };
        judge(expected, server, ([10, 0, 0, 1], 8080).into(), &answers)
    }

    fn github() -> ListedClient {
        ListedClient { name: "github".into(), auth_type: Some("per_user_oauth".into()) }
    }

    #[test]
    fn a_server_that_answers_as_the_edge_agrees() {
        let report = report(Some(ClientAnswers::same(vec![github()])), |document| (200, document));
        assert_eq!(report.verdict, Verdict::Agrees, "{report:?}");
        assert_eq!((report.discovery, report.contract), (Some(Switch::On), Some(Contract::PerUserOauth)));
        assert!(report.warnings.is_empty() && report.clients == Some(1));
    }

    #[test]
    fn one_that_serves_nothing_disagrees() {
        let report = report(None, |_| (404, "Not Found".into()));
        assert_eq!((report.verdict, report.discovery), (Verdict::Disagrees, Some(Switch::Off)));
        assert_eq!(report.differences.len(), 2);
    }

    #[test]
    fn one_of_another_generation_is_warned_of() {
        let report = report(None, |document| (200, document.replace("/api/oauth/per-user/", "/oauth2/")));
        assert_eq!((report.verdict, report.contract), (Verdict::Disagrees, Some(Contract::Oauth2)));
        assert!(report.warnings[0].contains("Bifrost 1.6.3 and later"), "{:?}", report.warnings);
    }

    #[test]
    fn what_to_do_about_one_that_knows_no_logins_is_said() {
        let report = report(None, |_| (200, "<!doctype html>".into()));
        assert_eq!(report.contract, Some(Contract::None));
        assert!(report.warnings.iter().any(|warning| warning.contains("logins end")), "{:?}", report.warnings);
    }

    #[test]
    fn the_claude_code_gateway_is_compared_and_shows_no_generation() {
        let expected = expected_of("profile: oauth2\nmcp_server_auth_mode: both\nclaude_code_gateway: true\n");
        let agreeing = report_of(&expected, None, |document| (200, document));
        assert_eq!((agreeing.verdict, agreeing.contract), (Verdict::Agrees, Some(Contract::Oauth2)), "{agreeing:?}");
        assert!(agreeing.warnings.is_empty(), "{:?}", agreeing.warnings);
        for absence in [(404, "{\"error\":\"not_found\"}"), (404, "404 - Not found"), (200, "<!doctype html>")] {
            let is_gateway = |document: &str| document.contains("/claude-code");
            let off = report_of(&expected, None, |document| match absence {
                (status, body) if is_gateway(&document) => (status, body.to_owned()),
                _ => (200, document),
            });
            assert_eq!((off.verdict, off.contract), (Verdict::Disagrees, Some(Contract::Oauth2)), "{off:?}");
            assert_eq!((off.discovery, off.differences.len()), (Some(Switch::On), 1));
            assert!(off.warnings.len() == 1 && off.warnings[0].contains("has no Claude Code gateway"), "{off:?}");
        }
    }

    #[test]
    fn an_empty_list_says_nothing_and_a_list_that_cannot_be_read_is_no_agreement() {
        let empty = report(Some(ClientAnswers::same(Vec::new())), |document| (200, document));
        assert_eq!(empty.verdict, Verdict::Agrees);
        assert!(empty.warnings[0].contains("config store"), "{:?}", empty.warnings);
        let refused = ClientAnswers { memory: Err("401".into()), database: Err("401".into()) };
        let refused = report(Some(refused), |document| (200, document));
        assert_eq!((refused.verdict, refused.unreachable.as_deref()), (Verdict::Unreachable, Some("401")));
    }

    #[test]
    fn more_differences_than_anyone_reads_are_counted() {
        let many = (0..1000).map(|number| ListedClient { name: number.to_string(), auth_type: None }).collect();
        let report = report(Some(ClientAnswers::same(many)), |document| (200, document));
        assert_eq!((report.differences.len(), report.more_differences), (ServerReport::MOST, 901));
    }

    #[test]
    fn one_that_speaks_two_contracts_is_of_none() {
        let is_first = std::cell::Cell::new(true);
        let report =
            report(None, |document| if is_first.replace(false) { (200, document) } else { (404, String::new()) });
        assert_eq!((report.contract, report.fits, report.discovery), (None, None, Some(Switch::Mixed)));
        assert!(report.warnings[0].contains("more than one contract"), "{:?}", report.warnings);
    }

    fn oauth2(mode: &str, change: impl Fn(String) -> (u16, String)) -> Vec<String> {
        let expected = expected_of(&format!("profile: oauth2\nmcp_server_auth_mode: {mode}\n"));
        report_of(&expected, None, change).warnings
    }

    #[test]
    fn the_remedy_for_one_without_logins_is_one_of_the_profile() {
        let page = |_| (200, "<!doctype html>".into());
        let warnings = oauth2("both", page);
        assert!(warnings[1].contains("mcp_server_auth_mode: headers") && !warnings[1].contains("per_user_oauth"));
        assert!(oauth2("headers", page).is_empty());
    }

    #[test]
    fn discovery_that_only_the_server_has_is_warned_of_whatever_its_contract() {
        let served = |path: &str| format!("{{\"token_endpoint\":\"https://gw.example{path}/token\"}}");
        assert!(oauth2("headers", |_| (200, served("/oauth2")))[0].contains("set mcp_server_auth_mode here"));
        assert!(oauth2("headers", |_| (200, served("/api/oauth/per-user")))[0].contains("speaks the contract"));
    }

    #[test]
    fn why_an_issuer_is_another_one_is_told_and_no_control_character_with_it() {
        for (issuer, told) in [
            ("", "has no issuer_url"),
            ("https://gw.example/", "has a slash at the end"),
            ("http://gw.example", "gw.example with http, and the public URL is https://gw.example"),
            ("https://other\\r\\n\\u001b[31m", "issues tokens for \"https://other\\r\\n\\u{1b}[31m\" alone"),
        ] {
            let of =
                |body: String| body.replace("\"issuer\":\"https://gw.example\"", &format!("\"issuer\":\"{issuer}\""));
            let warnings = oauth2("both", |body| (200, of(body)));
            assert!(warnings.len() == 1 && warnings[0].contains(told), "{warnings:?}");
            assert!(!warnings[0].contains(char::is_control), "{warnings:?}");
        }
    }
}
