//! What a server's answer for a discovery document means.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Question, difference::Difference};
use crate::{
    config::Profile,
    generation::{self, Generation, Served},
};

/// A server's answer for a document.
#[derive(Debug, Clone)]
pub struct DocumentAnswer {
    /// The status.
    pub status: StatusCode,
    /// The media type, if it gives one.
    pub content_type: Option<String>,
    /// The body; `None` when it was too long for a document.
    pub body: Option<Bytes>,
}

/// Which generation of Bifrost's discovery contract a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// That of `generation::PER_USER_OAUTH`.
    PerUserOauth,
    /// That of `generation::OAUTH2`.
    Oauth2,
    /// None at all: the path is one of the dashboard's.
    None,
}

/// A document, or what is there in its place.
#[derive(Debug, PartialEq)]
pub(super) enum Published {
    /// It is served.
    On(Map<String, Value>),
    /// It is not; with the contract where that can be told.
    Off(Option<Contract>),
    /// Neither of them: what it is.
    Unexpected(String),
}

impl Contract {
    /// The contract of a profile.
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::PerUserOauth => Contract::PerUserOauth,
            Profile::Oauth2 => Contract::Oauth2,
        }
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        self.generation().map_or("none", |generation| generation.name)
    }

    /// The versions of Bifrost that speak it.
    pub fn versions(self) -> String {
        match self.generation() {
            Some(generation) => format!("Bifrost {}", generation.versions),
            None => format!("Bifrost {}, which have no discovery", generation::VERSIONS_WITHOUT),
        }
    }

    /// What a Bifrost that speaks it serves.
    pub fn served(self) -> Served {
        match self {
            Contract::PerUserOauth => Served::PerUserOauth,
            Contract::Oauth2 => Served::Oauth2,
            Contract::None => Served::Nothing,
        }
    }

    /// What an answer for a document shows: the contract, where that can be told, and whether the document is served;
    /// `None` when it is neither one nor that there is none.
    pub fn shown_by_answer(answer: &DocumentAnswer) -> Option<(Option<Self>, bool)> {
        match Published::of(answer) {
            Published::On(document) => Some((Contract::shown_by(&document), true)),
            Published::Off(contract) => Some((contract, false)),
            Published::Unexpected(_) => None,
        }
    }

    fn generation(self) -> Option<&'static Generation> {
        match self {
            Contract::PerUserOauth => Some(&generation::PER_USER_OAUTH),
            Contract::Oauth2 => Some(&generation::OAUTH2),
            Contract::None => None,
        }
    }

    /// The first contract of which this is true.
    fn find(is_it: impl Fn(&Generation) -> bool) -> Option<Self> {
        let contracts = [Contract::PerUserOauth, Contract::Oauth2];
        contracts.into_iter().find(|contract| contract.generation().is_some_and(&is_it))
    }

    /// The contract that a 404 shows by its body: each generation has its own, and so has the dashboard of versions
    /// between them, for a path that is none of its own.
    fn shown_by_absence(body: &[u8]) -> Option<Self> {
        let dashboard = body.starts_with(generation::DASHBOARD_ABSENCE).then_some(Contract::None);
        Contract::find(|generation| generation.absence == body).or(dashboard)
    }

    /// The contract that a document shows by its endpoints.
    pub(super) fn shown_by(document: &Map<String, Value>) -> Option<Self> {
        let endpoint = generation::ENDPOINT_MEMBERS.iter().find_map(|member| document.get(*member)?.as_str())?;
        Contract::find(|generation| endpoint.contains(generation.endpoints))
    }
}

impl Published {
    pub fn of(answer: &DocumentAnswer) -> Self {
        let status = answer.status.as_u16();
        let Some(body) = &answer.body else {
            return Published::Unexpected(format!("{status} and more than any document"));
        };
        let is_page = is_html(answer.content_type.as_deref(), body);
        match answer.status {
            StatusCode::OK if is_page => Published::Off(Some(Contract::None)),
            StatusCode::OK => match serde_json::from_slice(body) {
                Ok(document) => Published::On(document),
                Err(_) => Published::Unexpected(format!("{status} and no JSON object")),
            },
            StatusCode::NOT_FOUND => Published::Off(Contract::shown_by_absence(body)),
            redirect if redirect.is_redirection() => Published::Unexpected(format!("{status}, a redirect")),
            _ => Published::Unexpected(status.to_string()),
        }
    }
}

fn is_html(content_type: Option<&str>, body: &[u8]) -> bool {
    let is_said = content_type.is_some_and(|media_type| {
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("text/html") || media_type.eq_ignore_ascii_case("application/xhtml+xml")
    });
    is_said || body.trim_ascii_start().starts_with(b"<")
}

/// Where a document of a server's is not what the edge serves.
pub(super) fn compare(question: &Question, published: &Published, differences: &mut Vec<Difference>) {
    let url = question.url();
    let (edge, server) = match (&question.document, published) {
        (_, Published::Unexpected(answer)) => {
            differences.push(Difference::Unexpected { url, answer: answer.clone() });
            return;
        }
        (None, Published::Off(_)) => return,
        (Some(edge), Published::On(server)) => (edge, server),
        (edge, server) => {
            let (edge, server) = (edge.is_some(), matches!(server, Published::On(_)));
            differences.push(Difference::Discovery { url, edge, server });
            return;
        }
    };
    let only_there = server.keys().filter(|member| !edge.contains_key(*member));
    for member in edge.keys().chain(only_there) {
        let (edge, server) = (edge.get(member), server.get(member));
        if !is_same(edge, server) {
            let (edge, server) = (edge.cloned(), server.map(bounded));
            let member = shortened(member);
            differences.push(Difference::Member { url: url.clone(), member, edge, server });
        }
    }
}

/// The order of a list of names says nothing (RFC 8414 section 2).
fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.iter().chain(other).all(Value::is_string) => {
            let sorted = |list: &[Value]| {
                let mut names: Vec<_> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                names.sort_unstable();
                names
            };
            sorted(one) == sorted(other)
        }
        _ => one == other,
    }
}

/// A value of a server's may be of any size.
fn bounded(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= MOST_SHOWN { value.clone() } else { Value::String(shortened(&text)) }
}

/// A text of a server's, no longer than can be shown.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= MOST_SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST_SHOWN / 4).collect();
    format!("{start}…")
}

/// In bytes.
const MOST_SHOWN: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::PublicUrl;

    fn answer(status: u16, content_type: &str, body: &str) -> DocumentAnswer {
        DocumentAnswer {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: Some(content_type.to_owned()),
            body: Some(Bytes::copy_from_slice(body.as_bytes())),
        }
    }

    fn question(document: Option<Value>) -> Question {
        let document = document.map(|document| document.as_object().unwrap().clone());
        Question { base: PublicUrl::try_from("https://gw.example".to_owned()).unwrap(), path: "/d", document }
    }

    fn differences(document: Option<Value>, published: &Published) -> Vec<Difference> {
        let mut differences = Vec::new();
        compare(&question(document), published, &mut differences);
        differences
    }

    fn on(document: &Value) -> Published {
        Published::On(document.as_object().unwrap().clone())
    }

    #[test]
    fn a_web_page_is_no_document_whatever_its_status_and_type() {
        let page = "<!doctype html><title>Bifrost</title>";
        for content_type in ["text/html", "Text/HTML; charset=utf-8", "application/octet-stream"] {
            assert_eq!(Published::of(&answer(200, content_type, page)), Published::Off(Some(Contract::None)));
        }
        let later = answer(404, "text/plain; charset=utf-8", "404 - Not found");
        assert_eq!(Published::of(&later), Published::Off(Some(Contract::None)));
    }

    #[test]
    fn a_404_shows_its_generation() {
        for (body, contract) in [
            ("Not Found", Some(Contract::PerUserOauth)),
            ("", Some(Contract::Oauth2)),
            ("404 - Not found", Some(Contract::None)),
            ("no such page", None),
        ] {
            assert_eq!(Published::of(&answer(404, "text/plain", body)), Published::Off(contract), "{body:?}");
        }
    }

    #[test]
    fn whatever_is_neither_is_told() {
        for (given, told) in [
            (answer(301, "text/plain", ""), "301, a redirect"),
            (answer(503, "application/json", "{}"), "503"),
            (answer(200, "application/json", "[1]"), "200 and no JSON object"),
            (DocumentAnswer { body: None, ..answer(200, "application/json", "") }, "200 and more than any document"),
        ] {
            let published = Published::of(&given);
            assert_eq!(published, Published::Unexpected(told.into()));
            assert_eq!(differences(None, &published).len(), 1);
        }
    }

    #[test]
    fn the_endpoints_show_the_contract() {
        let shown = |path: &str| Contract::shown_by(json!({"token_endpoint": path}).as_object().unwrap());
        assert_eq!(shown("https://a/api/oauth/per-user/token"), Some(Contract::PerUserOauth));
        assert_eq!(shown("https://a/base/oauth2/token"), Some(Contract::Oauth2));
        assert_eq!(shown("https://a/token"), None);
    }

    #[test]
    fn members_that_differ_or_are_on_one_side_alone_are_named() {
        let edge = json!({"issuer": "https://a", "scopes_supported": ["x", "y"], "gone": 1});
        let server = json!({"issuer": "http://a", "scopes_supported": ["y", "x"], "jwks_uri": "https://a/jwks"});
        let found = differences(Some(edge), &on(&server));
        let members: Vec<_> = found
            .iter()
            .map(|difference| match difference {
                Difference::Member { member, .. } => member.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(members, ["gone", "issuer", "jwks_uri"]);
    }

    #[test]
    fn on_and_off_is_one_difference() {
        assert_eq!(differences(Some(json!({})), &Published::Off(None)).len(), 1);
        assert_eq!(differences(None, &on(&json!({}))).len(), 1);
        assert!(differences(None, &Published::Off(None)).is_empty());
    }

    #[test]
    fn what_a_server_says_is_bounded() {
        let long = "x".repeat(60_000);
        let found = differences(Some(json!({})), &on(&json!({long.clone(): long})));
        assert!(serde_json::to_string(&found).unwrap().len() < 1000);
    }

    fn document() -> impl Strategy<Value = Value> {
        let value = prop_oneof![
            any::<String>().prop_map(Value::from),
            prop::collection::vec("[a-c]{1,2}", 0..4).prop_map(Value::from),
            any::<u32>().prop_map(Value::from),
        ];
        prop::collection::btree_map("[a-e]{1,2}", value, 0..6).prop_map(|map| json!(map))
    }

    proptest! {
        #[test]
        fn a_document_agrees_with_itself_in_any_order_and_with_no_other(one in document(), other in document()) {
            let mut turned = one.clone();
            for value in turned.as_object_mut().unwrap().values_mut() {
                if let Value::Array(list) = value { list.reverse() }
            }
            prop_assert!(differences(Some(one.clone()), &on(&turned)).is_empty());
            // Found from either side, as often.
            let there = differences(Some(one.clone()), &on(&other));
            let back = differences(Some(other.clone()), &on(&one));
            prop_assert_eq!(there.len(), back.len());
            if one == other { prop_assert!(there.is_empty()) }
        }

        #[test]
        fn no_answer_is_too_strange(status in 100_u16..1000, content_type: Option<String>, body: Vec<u8>) {
            let status = StatusCode::from_u16(status).unwrap();
            let _published = Published::of(&DocumentAnswer { status, content_type, body: Some(body.into()) });
        }
    }
}
