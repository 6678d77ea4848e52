//! Which clients may reach which paths.

use std::net::IpAddr;

use super::readings::{Reading, Readings, readings};
use crate::config::{AccessRule, Network, PathPrefix, below_bases};

/// The rules of the configuration, the longest path first.
#[derive(Debug, Clone, Default)]
pub struct AccessRules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    path: PathPrefix,
    /// The same in lower case, for servers that do not tell cases apart.
    lower: PathPrefix,
    allow: Vec<Network>,
    deny: Vec<Network>,
}

impl AccessRules {
    /// Compiles the rules, which hold below these paths of public URLs as well.
    pub fn new(rules: &[AccessRule], bases: &[&str]) -> Self {
        let rules = below_bases(rules.iter().map(|rule| (rule.path.clone(), rule)), bases);
        let rule = |(path, rule): (PathPrefix, &AccessRule)| Rule {
            lower: path.to_lower_case(),
            path,
            allow: rule.allow.clone(),
            deny: rule.deny.clone(),
        };
        AccessRules(rules.into_iter().map(rule).collect())
    }

    /// Whether the client may reach the path, however a server may read it. The path is as it was sent, without a
    /// query. One with a segment `..` is held to every rule.
    pub fn permit(&self, path: &[u8], client: IpAddr) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let as_sent = self.0.iter().find(|rule| rule.path.covers(path));
        as_sent.is_none_or(|rule| rule.permits(client))
            && match readings(path) {
                Readings::One => self.permit_reading(path, path, client),
                Readings::Several(readings) => {
                    readings.iter().all(|Reading { literal, lenient }| self.permit_reading(literal, lenient, client))
                }
                Readings::Any => self.0.iter().all(|rule| rule.permits(client)),
            }
    }

    /// The longest rule decides alone where every reader finds it. Where something is left out to find it, a reader
    /// who leaves out less finds a shorter one, so all that cover the path decide.
    fn permit_reading(&self, literal: &[u8], lenient: &[u8], client: IpAddr) -> bool {
        let covering = || self.0.iter().filter(|rule| rule.lower.covers(lenient));
        let Some(longest) = covering().next() else { return true };
        let length = longest.path.as_str().len();
        let is_plain = longest.is_spelled_out_in(literal);
        covering().filter(|rule| !is_plain || rule.path.as_str().len() == length).all(|rule| rule.permits(client))
    }
}

impl Rule {
    /// Stricter than [`PathPrefix::covers`]: a `?` that was decoded belongs to a name for some readers.
    fn is_spelled_out_in(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.path.as_str().as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }

    fn permits(&self, client: IpAddr) -> bool {
        let has = |networks: &[Network]| networks.iter().any(|network| network.contains(client));
        !has(&self.deny) && (self.allow.is_empty() || has(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| Network::try_from((*text).to_owned()).unwrap()).collect()
    }

    fn rule(path: &str, allow: &[&str], deny: &[&str]) -> AccessRule {
        AccessRule { path: path.to_owned().try_into().unwrap(), allow: networks(allow), deny: networks(deny) }
    }

    fn closed_api() -> AccessRules {
        AccessRules::new(
            &[rule("/api", &["10.0.0.0/8", "fd00::/8"], &[]), rule("/api/oauth", &[], &["192.0.2.0/24"])],
            &[],
        )
    }

    fn permits(rules: &AccessRules, path: &str, client: &str) -> bool {
        rules.permit(path.as_bytes(), client.parse().unwrap())
    }

    #[test]
    fn the_rule_with_the_longest_path_decides() {
        let rules = closed_api();
        for (path, client, is_permitted) in [
            ("/v1/models", "198.51.100.7", true),
            ("/api", "198.51.100.7", false),
            ("/api/x", "198.51.100.7", false),
            ("/apis", "198.51.100.7", true),
            ("/api/x", "10.1.2.3", true),
            ("/api/x", "::ffff:10.1.2.3", true),
            ("/api/x", "fd00::1", true),
            ("/api/x", "2001:db8::1", false),
            ("/api/oauth/token", "198.51.100.7", true),
            ("/api/oauth/token", "192.0.2.7", false),
        ] {
            assert_eq!(permits(&rules, path, client), is_permitted, "{path} {client}");
        }
    }

    #[test]
    fn what_is_denied_is_denied_even_where_it_is_allowed() {
        let rules = AccessRules::new(&[rule("/", &["10.0.0.0/8"], &["10.6.6.0/24"])], &[]);
        assert!(permits(&rules, "/x", "10.1.1.1"));
        assert!(!permits(&rules, "/x", "10.6.6.6"));
        assert!(!permits(&rules, "/x", "192.0.2.1"));
    }

    #[test]
    fn no_spelling_gets_around_a_rule() {
        let rules = closed_api();
        for path in [
            "/API/x",
            "/%61pi/x",
            "//api/x",
            "/./api/x",
            "/v1/../api/x",
            "/api;a=b/x",
            "/api%2fx",
            "/%2561pi",
            "\\api",
            "/x/%2e%2e/api",
            "/v1/..%2fapi",
            "/api%20/x",
            "/api/oauth/../x",
            "/api%00/x",
            // What one reader leaves out and `..` removes for another.
            "/v1%3f/%2e%2e/api/x",
            "/%61pi/%20/%2e%2e/x",
            "/API//../x",
            "/%61pi/../x",
            // An open path within a closed one, for those alone who leave something out.
            "/%61pi/%20/oauth",
            "/%61pi/oauth%3fx",
            "/;x\\v1/%61pi",
        ] {
            assert!(!permits(&rules, path, "198.51.100.7"), "{path}");
            assert!(permits(&rules, path, "10.1.2.3"), "{path}");
        }
    }

    #[test]
    fn a_rule_has_no_case_to_servers_that_have_none() {
        let rules = AccessRules::new(&[rule("/Admin", &["10.0.0.0/8"], &[])], &[]);
        for path in ["/Admin/x", "/admin/x", "/ADMIN/x"] {
            assert!(!permits(&rules, path, "198.51.100.7"), "{path}");
        }
    }

    #[test]
    fn a_rule_holds_below_the_path_of_a_public_url_in_whatever_spelling() {
        let rules = [
            rule("/", &["10.0.0.0/8", "203.0.113.0/24"], &[]),
            rule("/api", &["10.0.0.0/8"], &[]),
            rule("/mcp", &["0.0.0.0/0"], &[]),
        ];
        let rules = AccessRules::new(&rules, &["/bifrost", "/two"]);
        for path in [
            "/api/x",
            "/bifrost/api/x",
            "/two/api",
            "/Bifrost/API/x",
            "/%62ifrost/api/x",
            "//bifrost//api/x",
            "/bifrost/./api",
            "/bifrost/x/../api",
            "/x/../bifrost/api",
            "/bifrost%2fapi",
            "/bifrost;v/api;v",
        ] {
            assert!(!permits(&rules, path, "203.0.113.7"), "{path}");
            assert!(permits(&rules, path, "10.1.2.3"), "{path}");
        }
        for (path, is_permitted) in
            [("/mcp", true), ("/bifrost/mcp/x", true), ("/other/mcp", false), ("/bifrost/v1", false)]
        {
            assert_eq!(permits(&rules, path, "198.51.100.7"), is_permitted, "{path}");
        }
        assert!(permits(&rules, "/bifrost/v1", "203.0.113.7"));
    }

    #[test]
    fn unusual_spellings_of_open_paths_are_let_in() {
        for path in
            ["/v1/models/GPT-4", "/v1/a%2Fb;c", "/v1//chat", "/v1/a..b%20", "/api/oauth/Done", "/api/oauth/x%20y"]
        {
            assert!(permits(&closed_api(), path, "198.51.100.7"), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_mangled_spelling_gets_around_a_rule(tricks in proptest::collection::vec(0..8_usize, 1..6)) {
            let mut path = "/api/x".to_owned();
            for trick in tricks {
                path = match trick {
                    0 => path.replacen('/', "//", 1),
                    1 => path.replacen('/', "/./", 1),
                    2 => path.replacen('/', "/v1/../", 1),
                    3 => path.replacen('a', "%61", 1),
                    4 => path.replacen('p', "P", 1),
                    5 => path.replacen("api", "api;v=1", 1),
                    6 => path.replacen("/x", "%2Fx", 1),
                    _ => path.replacen('/', "\\", 1),
                };
            }
            prop_assert!(!permits(&closed_api(), &path, "198.51.100.7"), "{}", path);
        }

        #[test]
        fn no_path_makes_it_panic(path in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _verdict = closed_api().permit(&path, "192.0.2.1".parse().unwrap());
        }
    }
}
