//! Paths: which ones are discovery's, and which ones a client may reach, whatever server reads them.

#![no_main]

mod readers;

use std::{net::IpAddr, sync::LazyLock};

use bridgehead::{
    config::{AccessRule, Network},
    discovery::{
        AUTHORIZATION_SERVER, CLAUDE_CODE_METADATA, Document, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP, Target,
        classify,
    },
    generation::JWKS,
    limits::AccessRules,
};
use libfuzzer_sys::fuzz_target;

use crate::readers::{Reader, Segments, decoded, readings};

/// In lower case, as readings are.
static RULES: LazyLock<[AccessRule; 3]> = LazyLock::new(|| {
    let networks = |texts: &[&str]| texts.iter().map(|text| Network::try_from((*text).to_owned()).unwrap()).collect();
    let rule = |path: &str, allow: &[&str], deny: &[&str]| AccessRule {
        path: path.to_owned().try_into().unwrap(),
        allow: networks(allow),
        deny: networks(deny),
    };
    [
        rule("/api", &["10.0.0.0/8", "fd00::/8"], &[]),
        rule("/api/oauth", &[], &["192.0.2.0/24"]),
        rule("/admin", &["10.0.0.0/8"], &["10.6.6.0/24"]),
    ]
});
static ACCESS: LazyLock<AccessRules> = LazyLock::new(|| AccessRules::new(&*RULES, &[]));
static CLIENTS: LazyLock<[IpAddr; 4]> =
    LazyLock::new(|| ["10.1.2.3", "10.6.6.6", "::ffff:192.0.2.7", "2001:db8::1"].map(|text| text.parse().unwrap()));

fuzz_target!(|target: &[u8]| {
    let path = target.split(|byte| *byte == b'?').next().unwrap();
    let found = classify(target);
    assert_eq!(found, classify(path), "a query decides");
    is_at_one_spelling(path, found);
    let permitted = CLIENTS.map(|client| ACCESS.permit(path, client));
    assert!(permitted == [true; 4] || is_near_a_closed_one(path), "refused where nothing is closed");
    // No request has another path.
    if path.iter().all(|byte| !byte.is_ascii_control() && !b" #".contains(byte)) {
        let readings = readings(path);
        is_not_forwarded(&readings, found);
        for (client, is_permitted) in CLIENTS.iter().zip(permitted) {
            is_kept(&readings, *client, is_permitted);
        }
    }
});

fn is_at_one_spelling(path: &[u8], found: Option<Target>) {
    let text = std::str::from_utf8(path).unwrap_or_default();
    let slug = text.strip_prefix(PROTECTED_RESOURCE_MCP).and_then(|rest| rest.strip_prefix('/'));
    match (text, found) {
        (AUTHORIZATION_SERVER, _) => assert_eq!(found, Some(Target::Document(Document::AuthorizationServer))),
        (PROTECTED_RESOURCE | PROTECTED_RESOURCE_MCP, _) => {
            assert_eq!(found, Some(Target::Document(Document::ProtectedResource)));
        }
        (CLAUDE_CODE_METADATA, _) => assert_eq!(found, Some(Target::Document(Document::ClaudeCode))),
        (JWKS, _) => assert_eq!(found, Some(Target::Keys)),
        ("/.well-known/oauth-protected-resource/v1/mcp", _) => assert_eq!(found, Some(Target::Oauth2Resource)),
        (_, Some(Target::Oauth2Resource)) => {
            let is_one = slug.is_some_and(|slug| !slug.is_empty() && !slug.contains(['/', '%', '\\', ';']));
            assert!(is_one, "the metadata of no slug");
        }
        _ => assert!(matches!(found, None | Some(Target::Nothing)), "a document at another spelling"),
    }
}

/// What is discovery's for any reader, after no more than one decoding, goes to none of them.
fn is_not_forwarded(readings: &[(Reader, Segments)], found: Option<Target>) {
    const NAMES: [&[u8]; 4] =
        [b"oauth-authorization-server", b"oauth-protected-resource", b"openid-configuration", b"jwks.json"];
    let names = |segments: &Segments| {
        segments.windows(2).any(|pair| pair[0] == b".well-known" && NAMES.contains(&pair[1].as_slice()))
    };
    if let Some((reader, _)) = readings.iter().find(|(reader, segments)| reader.decodings < 2 && names(segments)) {
        assert!(found.is_some(), "forwarded, and discovery's for {reader:?}");
    }
}

/// The client gets nowhere where any reader sees a path that is closed to it.
fn is_kept(readings: &[(Reader, Segments)], client: IpAddr, is_permitted: bool) {
    if let Some((reader, _)) = readings.iter().find(|(_, segments)| !is_open(segments, client)) {
        assert!(!is_permitted, "{client} gets in, and {reader:?} sees a closed path");
    }
}

/// Whether anything in it is the name of a closed path, or leads anywhere. Then it may be refused although nobody
/// reads it so.
fn is_near_a_closed_one(path: &[u8]) -> bool {
    let path = decoded(&decoded(path)).to_ascii_lowercase();
    let has = |what: &[u8]| path.windows(what.len()).any(|part| part == what);
    has(b"api") || has(b"admin") || has(b"..")
}

/// By the longest of the rules for the path.
fn is_open(segments: &Segments, client: IpAddr) -> bool {
    let covers = |rule: &&AccessRule| {
        let mut segments = segments.iter();
        let mut wanted = rule.path.as_str().split('/').skip(1);
        wanted.all(|wanted| segments.next().is_some_and(|segment| segment == wanted.as_bytes()))
    };
    let has = |networks: &[Network]| networks.iter().any(|network| network.contains(client));
    let rule = RULES.iter().filter(covers).max_by_key(|rule| rule.path.as_str().len());
    rule.is_none_or(|rule| !has(&rule.deny) && (rule.allow.is_empty() || has(&rule.allow)))
}
