//! Which generation of Bifrost a source is of, as far as it can be known.

use serde_yaml::Value;

use super::config_json::{AuthorizationServer, authorization_server_in, entries_in, parse};
use crate::{
    config::{McpServerAuthMode, Profile},
    generation::{self, Generation, Served, VERSION, served_by},
    import::keys::MODE,
    secrets::reference,
    verify::Contract,
};

/// What a source says of its generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The profile for it; `None` when that cannot be known.
    pub profile: Option<Profile>,
    /// What turns its discovery on; `None` when that cannot be known, or is up to the MCP clients.
    pub server: Option<AuthorizationServer>,
    /// How it was found out, for a person.
    pub told: String,
}

/// What a running Bifrost answered, as far as it did.
#[derive(Debug, Clone, Default)]
pub struct Running {
    /// For its version.
    pub version: Option<String>,
    /// For its configuration, which has the members of `client` in a `config.json`.
    pub client: Option<Value>,
    /// For its authorization server metadata: the contract that shows, and whether it is served.
    pub document: Option<(Option<Contract>, bool)>,
}

/// What the text of a `config.json` shows of its generation, with so many MCP clients that would turn discovery on.
///
/// # Errors
/// Why that cannot be told; without anything of the text.
pub fn known_of_config(text: &str, deciding: usize) -> Result<Known, String> {
    let config = parse(text)?;
    if let Some(server) = authorization_server_in(&config)? {
        let told = format!("client.mcp_server_auth_mode is {}: that decides, and no MCP client", server.mode.name());
        return Ok(Known { profile: Some(Profile::Oauth2), server: Some(server), told });
    }
    let [old, new] = [&generation::PER_USER_OAUTH, &generation::OAUTH2];
    let known = match mark_in(&config) {
        Some((what, since)) => Known {
            profile: Some(Profile::Oauth2),
            server: None,
            told: format!(
                "it has {what}, which came with Bifrost {since}: profile {}. client.{MODE} is not set, so it serves no \
                 discovery, unless that was set in its dashboard",
                new.name
            ),
        },
        None => Known {
            told: format!(
                "it does not say which Bifrost it is of, so no profile is written. {}: {}. {}: none, as \
                 client.{MODE} is not set. GET {VERSION} of it tells which",
                reading(old),
                match deciding {
                    0 => "no discovery, as no MCP client has auth_type per_user_oauth".to_owned(),
                    count => format!("discovery, because of {count} with auth_type per_user_oauth"),
                },
                reading(new),
            ),
            ..Known::default()
        },
    };
    Ok(known)
}

fn reading(generation: &Generation) -> String {
    format!("Read as {} (profile {})", generation.versions, generation.name)
}

/// What a running Bifrost shows of its generation.
pub fn known_of_running(running: &Running) -> Known {
    let Running { version, client, document } = running;
    let kind = version.as_deref().and_then(served_by);
    let named = match (kind, version) {
        (Some(_), Some(version)) => format!("it is Bifrost {version}"),
        (None, Some(version)) => format!("its version, {version:?}, is none that is known"),
        (_, None) => format!("it does not answer {VERSION}"),
    };
    // A version that cannot be read is told by its documents.
    let kind = kind.or_else(|| document.as_ref()?.0.map(Contract::served));
    match kind {
        None => Known { told: format!("{named}, so no profile is written"), ..Known::default() },
        Some(Served::PerUserOauth) => {
            let profile = Profile::PerUserOauth;
            let told = format!("{named}: profile {}", profile.name());
            Known { profile: Some(profile), server: None, told }
        }
        Some(Served::Nothing) => {
            let server = AuthorizationServer { mode: McpServerAuthMode::Headers, ..AuthorizationServer::default() };
            let told = format!("{named}, which serves no discovery: profile oauth2, {MODE} headers");
            Known { profile: Some(Profile::Oauth2), server: Some(server), told }
        }
        Some(Served::Oauth2) => {
            let said = client.as_ref().and_then(|client| authorization_server_in(&wrapped(client)).ok()?);
            // Which of the two that turn it on makes no difference to the edge.
            let seen = document.as_ref().map(|(_, is_on)| AuthorizationServer {
                mode: if *is_on { McpServerAuthMode::Both } else { McpServerAuthMode::Headers },
                ..AuthorizationServer::default()
            });
            let how = if said.is_some() { "in its configuration" } else { "by what it serves" };
            let server = said.or(seen);
            let told = match &server {
                Some(server) => format!("{named}: profile oauth2, {MODE} {} {how}", server.mode.name()),
                None => format!("{named}: profile oauth2; what turns discovery on there it does not say: set {MODE}"),
            };
            Known { profile: Some(Profile::Oauth2), server, told }
        }
    }
}

fn wrapped(client: &Value) -> Value {
    Value::Mapping([(Value::from("client"), client.clone())].into_iter().collect())
}

/// Something in a `config.json` that no Bifrost of the first generation has, and the version that it came with.
fn mark_in(config: &Value) -> Option<(&'static str, &'static str)> {
    let has =
        |path: &[&str]| path.iter().try_fold(config, |value, key| value.get(key)).is_some_and(|value| !value.is_null());
    let whole = [
        ("client.oauth2_server_config", "1.6.3", has(&["client", "oauth2_server_config"])),
        ("server.base_path", "2.4.0", has(&["server", "base_path"])),
        ("mcp.max_protocol_version", "2.3", has(&["mcp", "max_protocol_version"])),
        ("mcp.virtual_mcps", "2.3", has(&["mcp", "virtual_mcps"])),
    ];
    let of_whole = whole.into_iter().find_map(|(what, since, is_there)| is_there.then_some((what, since)));
    of_whole.or_else(|| entries_in(config).ok()?.iter().find_map(mark_of_client))
}

fn mark_of_client(client: &Value) -> Option<(&'static str, &'static str)> {
    const VALUES: [(&str, &str, &str, &str); 3] = [
        ("connection_type", "openapi", "connection_type openapi", "2.3.1"),
        ("auth_type", "client_credentials", "auth_type client_credentials", "2.7.0"),
        ("auth_type", "aws_sigv4", "auth_type aws_sigv4", "2.7.0"),
    ];
    const FIELDS: [(&str, &str); 8] = [
        ("openapi_config", "2.3.1"),
        ("client_credentials", "2.7.0"),
        ("aws_sigv4", "2.7.0"),
        ("allow_by_default", "2.3"),
        ("endpoint_slug", "2.3"),
        ("per_user_discovery", "2.3"),
        ("max_protocol_version", "2.3"),
        ("oauth_config", "1.5.4"),
    ];
    let of_value = VALUES.iter().find(|(key, value, ..)| client.get(key).and_then(Value::as_str) == Some(value));
    let of_field = || FIELDS.iter().find(|(key, _)| client.get(key).is_some_and(|value| !value.is_null()));
    let of_secret = || has_new_reference(client).then_some(("references as it writes them", "1.6"));
    of_value.map(|(.., what, since)| (*what, *since)).or_else(|| of_field().copied()).or_else(of_secret)
}

/// Whether something in it is a reference to a vault, or an object with a reference as Bifrost writes it from 1.6 on.
fn has_new_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with("vault.") && reference(text).is_some(),
        Value::Sequence(items) => items.iter().any(has_new_reference),
        Value::Mapping(object) => {
            let is_secret =
                object.contains_key("value") && (object.contains_key("ref") || object.contains_key("secret_ref"));
            is_secret || object.values().any(has_new_reference)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(client: &str, deciding: usize) -> Known {
        known_of_config(&format!("{{\"mcp\": {{\"client_configs\": [{client}]}}}}"), deciding).unwrap()
    }

    #[test]
    fn what_came_after_the_first_generation_shows_that_it_is_not_of_it() {
        for client in [
            r#"{"name": "a", "connection_type": "openapi"}"#,
            r#"{"name": "a", "auth_type": "aws_sigv4"}"#,
            r#"{"name": "a", "auth_type": "per_user_oauth", "oauth_config": {}}"#,
            r#"{"name": "a", "endpoint_slug": "a"}"#,
            r#"{"name": "a", "allow_by_default": false}"#,
            r#"{"name": "a", "headers": {"X": "vault.secret/x"}}"#,
            r#"{"name": "a", "connection_string": {"value": "x", "ref": "", "type": "plain_text"}}"#,
        ] {
            let known = known(client, 1);
            assert_eq!((known.profile, &known.server), (Some(Profile::Oauth2), &None), "{client}");
            assert!(known.told.contains("which came with Bifrost ") && known.told.contains("is not set"), "{known:?}");
        }
        for whole in [r#"{"client": {"oauth2_server_config": {}}}"#, r#"{"server": {"base_path": "/b"}}"#] {
            assert_eq!(known_of_config(whole, 0).unwrap().profile, Some(Profile::Oauth2), "{whole}");
        }
    }

    #[test]
    fn otherwise_both_readings_are_told_in_one_line() {
        for client in [
            r#"{"name": "a", "auth_type": "per_user_oauth", "headers": {"X": {"value": "", "env_var": "env.A"}}}"#,
            r#"{"name": "a", "endpoint_slug": null, "oauth_config": null}"#,
        ] {
            let known = known(client, 1);
            assert_eq!((known.profile, known.server), (None, None), "{client}");
            assert_eq!(
                known.told,
                "it does not say which Bifrost it is of, so no profile is written. Read as 1.5.0 to 1.5.2 (profile \
                 per_user_oauth): discovery, because of 1 with auth_type per_user_oauth. Read as 1.6.3 and later \
                 (profile oauth2): none, as client.mcp_server_auth_mode is not set. GET /api/version of it tells which"
            );
        }
        assert!(known(r#"{"name": "a"}"#, 0).told.contains(": no discovery, as no MCP client has"));
    }

    #[test]
    fn a_running_one_is_known_by_its_version_and_else_by_what_it_serves() {
        let running = |version: &str, mode: Option<&str>, document: Option<(Option<Contract>, bool)>| {
            let client = mode.map(|mode| serde_yaml::from_str(&format!("{{mcp_server_auth_mode: {mode}}}")).unwrap());
            let version = (!version.is_empty()).then(|| version.to_owned());
            let known = known_of_running(&Running { version, client, document });
            (known.profile, known.server.map(|server| server.mode))
        };
        let (old, new) = (Some(Profile::PerUserOauth), Some(Profile::Oauth2));
        let (headers, both, oauth) = (McpServerAuthMode::Headers, McpServerAuthMode::Both, McpServerAuthMode::Oauth);
        for (given, expected) in [
            (running("v1.5.2", None, None), (old, None)),
            (running("v1.5.0-prerelease2", Some("both"), None), (old, None)),
            (running("1.5.3", None, None), (new, Some(headers))),
            (running("v1.6.2", Some("both"), None), (new, Some(headers))),
            (running("1.4.9", None, None), (new, Some(headers))),
            (running("v1.6.3", Some("oauth"), Some((Some(Contract::Oauth2), true))), (new, Some(oauth))),
            (running("v2.7.0", Some("headers"), None), (new, Some(headers))),
            (running("v2.7.0", Some("\"\""), Some((Some(Contract::Oauth2), true))), (new, Some(both))),
            (running("v2.7.0", None, Some((Some(Contract::Oauth2), false))), (new, Some(headers))),
            (running("v2.7.0", None, None), (new, None)),
            (running("v13.0.1", None, Some((None, true))), (new, Some(both))),
            (running("dev", None, None), (None, None)),
            (running("dev", None, Some((Some(Contract::Oauth2), true))), (new, Some(both))),
            (running("", None, Some((Some(Contract::PerUserOauth), false))), (old, None)),
            (running("", None, Some((Some(Contract::None), false))), (new, Some(headers))),
            (running("", None, Some((None, false))), (None, None)),
        ] {
            assert_eq!(given, expected);
        }
    }
}
