//! Why discovery answers what it does, or does not.

use super::telling::{Deciding, Telling};
use crate::{
    config::{AuthType, KeyPath, Profile},
    discovery::{DiscoveryAnswer, DiscoveryOutcome, DocumentAsked, SiteDiscovery},
    generation::JWKS,
};

impl Telling<'_> {
    /// Says what discovery answers, and why.
    pub fn discovery(&mut self, answer: DiscoveryAnswer) {
        let DiscoveryAnswer { document, outcome } = answer;
        let name = match document {
            DocumentAsked::AuthorizationServer => "the authorization server metadata (RFC 8414)",
            DocumentAsked::ProtectedResource => "the protected resource metadata (RFC 9728)",
            DocumentAsked::ClaudeCode => "the metadata of the Claude Code gateway",
            DocumentAsked::Other => "below /.well-known, and no document",
        };
        let (why, keys) = self.why(answer);
        let says = match outcome {
            DiscoveryOutcome::Ok => format!("{name} is answered here; {why}"),
            DiscoveryOutcome::NotModified => format!("{name}, which the client has already; {why}"),
            DiscoveryOutcome::NotFound if document == DocumentAsked::Other => {
                format!("{name}: another spelling, another place, or one that this profile does not have; {why}")
            }
            DiscoveryOutcome::NotFound => format!("{name} is answered 404; {why}"),
            DiscoveryOutcome::Misdirected => {
                format!("{name}, for a host that is no public URL's; add the origin that clients type to public_urls")
            }
            DiscoveryOutcome::MethodNotAllowed => format!("{name} is for GET and HEAD"),
            DiscoveryOutcome::Preflight => "a preflight of a web page is answered before anything else".to_owned(),
            DiscoveryOutcome::BadHost => format!("{name}, for a host that no issuer can be made of"),
        };
        self.say("discovery", says, keys);
    }

    fn why(&self, DiscoveryAnswer { document, outcome }: DiscoveryAnswer) -> (String, Vec<Deciding>) {
        let Some(served) = self.served() else {
            return (String::new(), Vec::new());
        };
        if matches!(outcome, DiscoveryOutcome::MethodNotAllowed | DiscoveryOutcome::Preflight) {
            return (String::new(), Vec::new());
        }
        if document == DocumentAsked::ClaudeCode {
            return (
                "claude_code_gateway is true".to_owned(),
                vec![self.site_key(&KeyPath::root("claude_code_gateway"))],
            );
        }
        let mut keys = vec![self.site_key(&KeyPath::root("profile"))];
        let (why, key) = self.switch(served);
        keys.push(key);
        if outcome == DiscoveryOutcome::Ok {
            keys.push(self.site_key(&KeyPath::root("discovery").key("max_age")));
        }
        (why, keys)
    }

    /// What turns discovery on or off.
    fn switch(&self, served: &SiteDiscovery) -> (String, Deciding) {
        let on = if served.is_on() { "on" } else { "off" };
        if let Some(mode) = served.mode() {
            let why = format!("discovery is {on}, because mcp_server_auth_mode is {}", mode.name());
            return (why, self.site_key(&KeyPath::root("mcp_server_auth_mode")));
        }
        let (clients, table) = (&self.site().mcp_clients, KeyPath::root("mcp_clients"));
        let Some(client) = clients.iter().find(|client| client.auth_type == AuthType::PerUserOauth) else {
            let clients = count(clients.len());
            let why = format!("discovery is {on}, because none of {clients} has auth_type per_user_oauth");
            return (why, self.site_key(&table));
        };
        let why = format!("discovery is {on}, because the MCP client {:?} has auth_type per_user_oauth", client.name);
        (why, self.site_key(&table.index(client.place()).key("auth_type")))
    }

    /// Says why something below `/.well-known` is not answered here.
    pub fn no_discovery(&mut self) {
        let path = &self.rehearsal.bifrost_path;
        if !path.contains("/.well-known") {
            return;
        }
        if path.starts_with(JWKS) && self.site().profile() == Profile::Oauth2 {
            let keys = ["profile", "mcp_server_auth_mode"].map(|key| self.site_key(&KeyPath::root(key)));
            return self.say("discovery", "the keys that sign tokens are the servers'", keys.into());
        }
        let key = self.site_key(&KeyPath::root("claude_code_gateway"));
        self.say("discovery", "nothing that the edge answers, so the servers are asked", vec![key]);
    }

    fn served(&self) -> Option<&SiteDiscovery> {
        let discovery = self.snapshot.discovery.discovery();
        discovery.sites().get(self.rehearsal.site?)
    }
}

fn count(clients: usize) -> String {
    if clients == 1 { "1 MCP client".to_owned() } else { format!("{clients} MCP clients") }
}
