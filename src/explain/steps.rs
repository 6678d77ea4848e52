//! The steps of a request to the point where it is answered by the edge, or forwarded.

use http::StatusCode;

use super::telling::{Telling, edge_key};
use crate::{
    config::{AccessRule, KeyPath, Network, PublicUrl, Scheme},
    edge::End,
    limits::AccessRules,
    reason::Reason,
};

impl Telling<'_> {
    /// Says all of it.
    pub fn all(&mut self) {
        self.incoming();
        if self.is_plain_at_tls() {
            let key = edge_key(KeyPath::root("listeners").index(self.listener).key("tls"));
            let says = "400: this is a listener for https, and the request is plain http; mend the URL of the client";
            return self.say("answer", says, vec![key]);
        }
        self.client();
        let end = &self.rehearsal.end;
        let is_unread =
            matches!(end, End::Refused(Reason::Malformed | Reason::HeadTooLarge | Reason::MethodNotAllowed, _));
        if is_unread {
            return self.refusal();
        }
        match end {
            End::Discovery(answer) => {
                self.host();
                self.discovery(*answer);
                return self.answer();
            }
            End::Readiness => {
                let key = edge_key(KeyPath::root("readiness_path"));
                self.say(
                    "readiness",
                    "it asks whether the edge is ready, which is answered here whatever the host",
                    vec![key],
                );
                return;
            }
            End::Redirect => {
                let key = edge_key(KeyPath::root("listeners").index(self.listener).key("redirect_to_https"));
                self.say("redirect", "a GET for a host with an https public URL is sent there", vec![key]);
                return self.answer();
            }
            End::Refused(..) | End::Forwarded(_) => {}
        }
        self.host();
        if matches!(end, End::Refused(Reason::UnknownHost, _)) {
            return self.refusal();
        }
        self.no_discovery();
        self.access();
        if matches!(end, End::Refused(Reason::Forbidden, _)) {
            return self.refusal();
        }
        self.limits();
        match end {
            End::Forwarded(forwarded) => self.forwarded(forwarded),
            _ => self.refusal(),
        }
    }

    fn incoming(&mut self) {
        let listeners = &self.loaded.config.edge.listeners;
        let Some(listener) = listeners.get(self.listener) else { return };
        let path = KeyPath::root("listeners").index(self.listener);
        let mut says = format!("{} ({})", listener.address, listener.protocol());
        if self.asked.parts().is_ok_and(|parts| parts.scheme == Scheme::Https) && listener.tls.is_none() {
            says.push_str("; without TLS, so https ends at something in front of the edge");
        }
        let mut keys = vec![edge_key(path.key("address"))];
        if listener.proxy_protocol {
            says.push_str("; the PROXY header says who the client is: it is taken for --from");
            keys.push(edge_key(path.key("proxy_protocol")));
        }
        self.say("listener", says, keys);
    }

    fn client(&mut self) {
        let (from, rehearsal) = (self.asked.from, self.rehearsal);
        let forwarded = |(name, _): &&(String, String)| name.to_ascii_lowercase().starts_with("x-forwarded-");
        let says = match (rehearsal.is_trusted, self.asked.headers.iter().find(forwarded)) {
            (true, _) if rehearsal.client != from.to_canonical() => {
                format!("{}, as the trusted proxy {from} says in X-Forwarded-For", rehearsal.client)
            }
            (true, _) => format!("{from}, a trusted proxy that does not say for whom"),
            (false, Some((name, _))) => format!("{from}; its {name} is not believed, as it is no trusted proxy"),
            (false, None) => from.to_string(),
        };
        let scheme = format!("{says}; over {}", rehearsal.scheme.as_str());
        let key = edge_key(KeyPath::root("trusted_proxies"));
        self.say("client", scheme, vec![key]);
    }

    fn host(&mut self) {
        let host = self.host_sent();
        if self.rehearsal.site.is_none() {
            let sites = 0..self.loaded.config.sites.len();
            let keys = sites.take(MOST_KEYS).map(|site| self.key_of(site, &KeyPath::root("public_urls"))).collect();
            let says = format!("{host} at this path is no public URL's, and no site has unknown_hosts: forward");
            return self.say("site", says, keys);
        }
        let site = self.site();
        let name = site.name.as_ref().map_or_else(|| "the only site".to_owned(), |name| format!("site {name}"));
        let origins = self.snapshot.discovery.discovery().origins();
        let is_known = origins.base(host.as_bytes(), self.path().as_bytes()).is_some();
        let own = self.rehearsal.own.as_ref().filter(|_| is_known && !site.public_urls.is_empty());
        let place = own.and_then(|own| site.public_urls.iter().position(|url| url == own));
        let (says, key) = match (own, place) {
            (Some(own), Some(place)) => {
                let below = if own.path().is_empty() { "" } else { ", the longest that its path is below" };
                (format!("{name}, by its public URL {own}{below}"), KeyPath::root("public_urls").index(place))
            }
            (Some(_), None) => (format!("{name}, whose public URL the path names"), KeyPath::root("public_urls")),
            (None, _) if site.public_urls.is_empty() => {
                (format!("{name}, which has no public URLs: every host is its own"), KeyPath::root("public_urls"))
            }
            (None, _) => (format!("{name}, which has the requests for unknown hosts"), KeyPath::root("unknown_hosts")),
        };
        let key = self.site_key(&key);
        self.say("site", says, vec![key]);
    }

    /// Which rules of access say something of the path, asked of those that serve.
    fn access(&mut self) {
        let (site, client) = (self.site(), self.rehearsal.client);
        let bases = site.base_paths();
        let path = self.path();
        let alone = |rule: AccessRule| AccessRules::new(&[rule], &bases);
        let everybody = || ["0.0.0.0/0", "::/0"].into_iter().filter_map(|all| Network::try_from(all.to_owned()).ok());
        let covers = |rule: &AccessRule| {
            let closed = AccessRule { path: rule.path.clone(), allow: Vec::new(), deny: everybody().collect() };
            !alone(closed).permit(path.as_bytes(), client)
        };
        let mut covering: Vec<_> = site.access.iter().enumerate().filter(|(_, rule)| covers(rule)).collect();
        covering.sort_by_key(|(_, rule)| std::cmp::Reverse(rule.path.as_str().len()));
        let permits = |rule: &AccessRule| alone(rule.clone()).permit(path.as_bytes(), client);
        if matches!(self.rehearsal.end, End::Refused(Reason::Forbidden, _)) {
            covering.retain(|(_, rule)| !permits(rule));
        }
        let Some((number, rule)) = covering.first() else {
            let key = self.site_key(&KeyPath::root("access"));
            return self.say("access", "no rule for this path: open to everybody", vec![key]);
        };
        let prefix = if rule.path.as_str().is_empty() { "/" } else { rule.path.as_str() };
        let verdict = if permits(rule) { "lets in" } else { "keeps out" };
        let says = format!("the rule for {prefix} {verdict} {client}");
        let rule = KeyPath::root("access").index(*number);
        let keys = ["path", "allow", "deny"].iter().map(|key| self.site_key(&rule.key(key))).collect();
        self.say("access", says, keys);
    }

    fn limits(&mut self) {
        let limits = KeyPath::root("limits");
        let mut says = String::from(
            "a body up to limits.request_body; what comes in too often is answered 429, too much at a time 503",
        );
        let mut keys = vec![self.site_key(&limits.key("request_body"))];
        let is_counted = !self.snapshot.trusted.contains(self.rehearsal.client);
        if is_counted {
            if self.rehearsal.is_login {
                says.push_str("; a step of a login, which is held to limits.logins as well");
                keys.push(edge_key(limits.key("logins")));
            }
            keys.push(edge_key(limits.key("requests")));
            keys.push(edge_key(limits.key("requests_in_flight_per_client")));
        } else {
            says.push_str("; a trusted proxy that does not say who asks is held to no limit of a client");
        }
        keys.push(edge_key(limits.key("requests_in_flight")));
        self.say("limits", says, keys);
    }

    /// Says why the edge refuses it.
    fn refusal(&mut self) {
        let End::Refused(reason, why) = &self.rehearsal.end else { return };
        let key = match reason {
            Reason::BodyTooLarge => Some(self.site_key(&KeyPath::root("limits").key("request_body"))),
            Reason::HeadTooLarge if why.contains("limits.headers") => {
                Some(edge_key(KeyPath::root("limits").key("headers")))
            }
            Reason::HeadTooLarge => Some(edge_key(KeyPath::root("limits").key("head"))),
            _ => None,
        };
        let status = reason.status().map_or(0, |status| status.as_u16());
        let says = format!("{status}, reason {}: {reason} ({why})", reason.name());
        self.say("answer", says, key.into_iter().collect());
    }

    /// Says what the edge answers by itself.
    fn answer(&mut self) {
        let head = self.rehearsal.response.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(head).into_owned();
        let status = line.split(' ').nth(1).and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
        let text = String::from_utf8_lossy(&self.rehearsal.response);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let location = head.lines().find(|line| line.to_ascii_lowercase().starts_with("location:"));
        let mut says = status.map_or(line, |status| status.to_string());
        for part in location.into_iter().chain(Some(body.trim()).filter(|body| !body.is_empty())) {
            says.push_str(": ");
            says.push_str(part);
        }
        self.say("answer", says, Vec::new());
    }

    /// The host that the request is for.
    pub fn host_sent(&self) -> String {
        let own = self.asked.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let of_url = self.asked.parts().map(|parts| parts.authority.to_owned()).unwrap_or_default();
        own.map_or(of_url, |(_, host)| host.trim().to_owned())
    }

    /// Its path, without a query.
    pub fn path(&self) -> String {
        let target = self.asked.parts().map(|parts| parts.target).unwrap_or_default();
        target.split('?').next().unwrap_or_default().to_owned()
    }

    /// Its public URL, or the origin that is derived from it.
    pub fn own(&self) -> Option<&PublicUrl> {
        self.rehearsal.own.as_ref()
    }
}

/// Of many sites so many keys are named.
const MOST_KEYS: usize = 10;
