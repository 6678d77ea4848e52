//! What a server is asked, and what it should answer.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value};

use crate::{
    config::{AuthType, Profile, PublicUrl, Scheme, ServerAddress, Site},
    discovery::{
        AUTHORIZATION_SERVER, CLAUDE_CODE_METADATA, Discovery, PROTECTED_RESOURCE, Request, SiteDiscovery, Verdict,
    },
};

/// What the edge serves of one site.
#[derive(Debug, Clone)]
pub struct Expected {
    discovery: Discovery,
    profile: Profile,
    clients: BTreeMap<String, AuthType>,
    /// The documents of one public URL stand for all: they show which generation of Bifrost a server is.
    is_brief: bool,
    /// Those of weight 0.
    out_of_use: Vec<ServerAddress>,
}

/// A GET that a server is asked, and the answer of the edge to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The public URL whose host and scheme are sent; without public URLs the server's own address.
    pub base: PublicUrl,
    /// The path of a document, below the URL.
    pub path: &'static str,
    /// The members of the document that the edge serves there; `None` when it serves none.
    pub document: Option<Map<String, Value>>,
}

impl Expected {
    /// Compiles what is served of a site.
    pub fn new(site: &Site) -> Self {
        let clients = site.mcp_clients.iter().map(|client| (client.name.clone(), client.auth_type.clone()));
        Expected { clients: clients.collect(), is_brief: false, ..Self::brief(site) }
    }

    /// The same, as far as it shows which generation of Bifrost a server is: the documents of one public URL.
    pub fn brief(site: &Site) -> Self {
        let out_of_use = site.servers.iter().filter(|server| server.weight == 0);
        Expected {
            discovery: Discovery::compile(std::slice::from_ref(site)),
            profile: site.profile(),
            clients: BTreeMap::new(),
            is_brief: true,
            out_of_use: out_of_use.map(|server| server.address.clone()).collect(),
        }
    }

    /// What decides about the documents.
    pub fn site(&self) -> &SiteDiscovery {
        &self.discovery.sites()[0]
    }

    /// The generation of Bifrost that the edge serves.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether clients are sent to the server: not with weight 0.
    pub fn uses(&self, server: &ServerAddress) -> bool {
        !self.out_of_use.contains(server)
    }

    /// Whether the documents of one public URL stand for all, and no MCP clients are compared.
    pub fn is_brief(&self) -> bool {
        self.is_brief
    }

    /// The MCP clients of the table, by name.
    pub fn clients(&self) -> &BTreeMap<String, AuthType> {
        &self.clients
    }

    /// Whether the MCP clients of the servers should be those of the table: not where the table decides nothing and is
    /// empty, as it may be then.
    pub fn compares_clients(&self) -> bool {
        self.site().mode().is_none() || !self.clients.is_empty()
    }

    /// What a server is asked: each document that Bifrost has, for each public URL, or the first alone; that of the
    /// Claude Code gateway if the edge serves it.
    pub fn questions(&self, server: &ServerAddress, scheme: Scheme) -> Vec<Question> {
        let urls = self.discovery.origins().urls();
        let urls = urls.get(..1).filter(|_| self.is_brief).unwrap_or(urls);
        let bases = if urls.is_empty() {
            PublicUrl::of_request(server.as_str().as_bytes(), scheme).into_iter().collect()
        } else {
            urls.to_vec()
        };
        let claude_code = self.site().has_claude_code().then_some(CLAUDE_CODE_METADATA);
        let paths = || [AUTHORIZATION_SERVER, PROTECTED_RESOURCE].into_iter().chain(claude_code);
        let question = |base: PublicUrl| {
            paths().map(move |path| Question { document: self.document(&base, path), base: base.clone(), path })
        };
        bases.into_iter().flat_map(question).collect()
    }

    fn document(&self, base: &PublicUrl, path: &str) -> Option<Map<String, Value>> {
        let verdict = self.discovery.decide(&Request {
            method: &Method::GET,
            target: format!("{}{path}", base.path()).as_bytes(),
            host: Some(base.authority().as_bytes()),
            scheme: base.scheme(),
            if_none_match: None,
        });
        let body = match &verdict {
            Verdict::Prepared(id, _) => &self.discovery.answer(*id)?.body,
            Verdict::Derived(answer, _) => &answer.body,
            Verdict::NotOurs => return None,
        };
        // A refusal is text.
        serde_json::from_slice(body).ok()
    }
}

impl Question {
    /// The URL of the document, as a client knows it.
    pub fn url(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    /// The target of the request. A server that does not know of the path of the public URL does not have it.
    pub fn target(&self) -> String {
        format!("{}{}", self.base.path(), self.path)
    }

    /// Whether it is for the metadata of the Claude Code gateway, which is of no generation.
    pub fn is_for_claude_code(&self) -> bool {
        self.path == CLAUDE_CODE_METADATA
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Loaded;

    fn questions(more: &str) -> Vec<Question> {
        let yaml = format!(
            "listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{{address: \"bifrost.internal:8080\"}}]\n{more}"
        );
        let config = Loaded::from_text("f.yaml".as_ref(), &yaml).unwrap().config;
        Expected::new(&config.sites[0]).questions(&config.sites[0].servers[0].address, Scheme::Http)
    }

    #[test]
    fn no_client_is_sent_to_a_server_of_weight_0() {
        let servers = "servers: [{address: \"10.0.0.1:8080\", weight: 0}, {address: \"10.0.0.2:8080\"}]\n";
        let yaml = format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\n{servers}");
        let config = Loaded::from_text("f.yaml".as_ref(), &yaml).unwrap().config;
        let expected = Expected::new(&config.sites[0]);
        assert_eq!([0, 1].map(|place| expected.uses(&config.sites[0].servers[place].address)), [false, true]);
    }

    const GITHUB: &str = "mcp_clients: [{name: a, auth_type: per_user_oauth, connection_type: inprocess}]\n";

    #[test]
    fn each_document_of_each_public_url_is_asked_for() {
        let all = questions(&format!("public_urls: [\"https://a.example\", \"http://b.example:81\"]\n{GITHUB}"));
        let urls: Vec<_> = all.iter().map(Question::url).collect();
        assert_eq!(urls.len(), 4);
        assert_eq!(urls[3], "http://b.example:81/.well-known/oauth-protected-resource");
        assert_eq!(all[0].document.as_ref().unwrap()["issuer"], "https://a.example");
        assert_eq!(all[3].document.as_ref().unwrap()["resource"], "http://b.example:81/mcp");
    }

    #[test]
    fn below_a_path_the_documents_are_asked_for_there() {
        let all =
            questions(&format!("public_urls: [\"https://a.example/bifrost\"]\nclaude_code_gateway: true\n{GITHUB}"));
        let asked: Vec<_> = all.iter().map(|question| (question.url(), question.target())).collect();
        assert_eq!(asked.len(), 3);
        let path = "/bifrost/.well-known/oauth-authorization-server";
        assert_eq!(asked[0], (format!("https://a.example{path}"), path.to_owned()));
        assert_eq!(all[0].document.as_ref().unwrap()["issuer"], "https://a.example/bifrost");
        assert!(all[2].is_for_claude_code());
        assert_eq!(all[2].document.as_ref().unwrap()["issuer"], "https://a.example/bifrost/claude-code");
    }

    #[test]
    fn without_public_urls_the_address_of_the_server_stands_in() {
        let all = questions(GITHUB);
        assert_eq!(all[0].document.as_ref().unwrap()["issuer"], "http://bifrost.internal:8080");
    }

    #[test]
    fn with_discovery_off_no_document_is_expected() {
        assert!(questions("public_urls: [\"https://a.example\"]\n").iter().all(|asked| asked.document.is_none()));
    }
}
