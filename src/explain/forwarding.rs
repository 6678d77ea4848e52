//! How a request goes to a server, and what comes back.

use crate::{
    config::{KeyPath, PathPrefix},
    discovery::repair,
    edge::Forwarded,
};

use super::telling::{Telling, edge_key};

impl Telling<'_> {
    /// Says how it is forwarded.
    pub fn forwarded(&mut self, forwarded: &Forwarded) {
        let class = self.rehearsal.class.name();
        let path = format!("{class}, by its path as Bifrost has it: {}", self.rehearsal.bifrost_path);
        self.say("class", if forwarded.is_websocket { "websocket: it opens one".to_owned() } else { path }, Vec::new());
        self.waits(forwarded);
        self.servers();
        self.request_fields(forwarded);
        self.repairs();
    }

    fn waits(&mut self, forwarded: &Forwarded) {
        let site = self.site();
        let is_of = |prefix: &str| {
            let of = forwarded.waits_of.as_ref().map(PathPrefix::as_str);
            let below = |base: &&str| of == Some(&format!("{base}{prefix}"));
            of == Some(prefix) || site.base_paths().iter().any(below)
        };
        let rule = site.timeouts.paths.iter().position(|path| is_of(path.prefix.as_str()));
        let root = KeyPath::root("timeouts");
        let mut keys = Vec::new();
        let mut says = Vec::new();
        for (key, wait) in &forwarded.waits {
            let own = rule.and_then(|rule| {
                let path = site.timeouts.paths.get(rule)?;
                let is_own = match *key {
                    "connect" => path.connect.is_some(),
                    "first_byte" => path.first_byte.is_some(),
                    "silence" => path.silence.is_some(),
                    _ => path.request.is_some(),
                };
                is_own.then(|| root.key("paths").index(rule).key(key))
            });
            keys.push(self.site_key(&own.unwrap_or_else(|| root.key(key))));
            says.push(match wait {
                Some(wait) => format!("{key} {}", humantime::format_duration(*wait)),
                None => format!("{key} without a limit"),
            });
        }
        self.say("timeouts", says.join(", "), keys);
    }

    fn servers(&mut self) {
        let site = self.site();
        let mut says = Vec::new();
        let mut keys = vec![self.site_key(&KeyPath::root("balance").key("policy"))];
        if site.balance.hash_key.is_some() {
            keys.push(self.site_key(&KeyPath::root("balance").key("hash_key")));
        }
        for (number, server) in site.servers.iter().enumerate().take(MOST_SERVERS) {
            let mut words = vec![server.address.to_string()];
            words.extend((server.weight == 0).then(|| "weight 0: gets nothing".to_owned()));
            words.extend((server.weight > 1).then(|| format!("weight {}", server.weight)));
            words.extend(server.backup.then(|| "backup".to_owned()));
            words.extend(server.tls.is_some().then(|| "TLS".to_owned()));
            words.extend(server.http2.then(|| "HTTP/2".to_owned()));
            says.push(words.join(", "));
            keys.push(self.site_key(&KeyPath::root("servers").index(number).key("address")));
        }
        if let more @ 1.. = site.servers.len().saturating_sub(MOST_SERVERS) {
            says.push(format!("and {more} more"));
        }
        if says.is_empty() {
            keys.push(self.site_key(&KeyPath::root("servers")));
            says.push("none, so it is answered 503, reason no_server".to_owned());
        }
        self.say("servers", says.join("; "), keys);
    }

    fn request_fields(&mut self, forwarded: &Forwarded) {
        let head = String::from_utf8_lossy(&forwarded.head);
        let fields: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
        let is_sent = |wanted: &str| self.asked.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let sets = fields.iter().filter(|(name, _)| SET.contains(name)).map(|(name, value)| {
            let is_new = *name == "X-Request-Id" && !(self.rehearsal.is_trusted && is_sent(name));
            format!("{name}: {}", if is_new { "(new for each request)" } else { value })
        });
        let mut says = vec![format!("sets {}", sets.collect::<Vec<_>>().join(", "))];
        let goes_on = |wanted: &str| fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let names = self.asked.headers.iter().map(|(name, _)| name.as_str());
        let dropped: Vec<_> = names.filter(|name| !goes_on(name)).collect();
        if !dropped.is_empty() {
            says.push(format!("does not hand on {}", dropped.join(", ")));
        }
        let key = edge_key(KeyPath::root("trusted_proxies"));
        self.say("request headers", says.join("; "), vec![key]);
    }

    /// Says what becomes of a server's words of itself, asked of what repairs them.
    fn repairs(&mut self) {
        let Some(own) = self.own() else { return };
        let origins = self.snapshot.discovery.discovery().origins();
        let other = if own.scheme().as_str() == "https" { "http" } else { "https" };
        let location = format!("{other}://{}/x", own.authority());
        let challenge = format!(
            "Bearer resource_metadata=\"{other}://{}/.well-known/oauth-protected-resource{}/mcp\"",
            own.authority(),
            own.path()
        );
        let shown = |repaired: Option<Vec<u8>>| repaired.map(|value| String::from_utf8_lossy(&value).into_owned());
        let mut says = Vec::new();
        if let Some(to) = shown(repair::location(location.as_bytes(), own, origins)) {
            says.push(format!("Location {location} becomes {to}"));
        }
        if let Some(to) = shown(repair::challenge(challenge.as_bytes(), own, origins)) {
            says.push(format!("WWW-Authenticate {challenge} becomes {to}"));
        }
        if says.is_empty() {
            says.push("Location and WWW-Authenticate stay as they are".to_owned());
        }
        let key = self.site_key(&KeyPath::root("public_urls"));
        self.say("response", says.join("; "), vec![key]);
    }
}

/// What the edge says of the client.
const SET: [&str; 5] = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "X-Request-Id", "X-Forwarded-Host"];

/// Of many servers so many are named.
const MOST_SERVERS: usize = 10;
