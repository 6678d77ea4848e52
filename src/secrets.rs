//! Which texts may hold a secret. Conservative: the edge needs none of them. Pure.

use http::{HeaderName, Uri};

/// The reference that a text is, which is no secret: `env.` and the name of a variable, or `vault.` and where the vault
/// has it. Bifrost has no others.
pub(crate) fn reference(text: &str) -> Option<&str> {
    let text = text.trim();
    let (scheme, name) = text.split_once('.')?;
    let is_name = match scheme {
        "env" => is_variable(name),
        "vault" => is_place(name),
        _ => false,
    };
    (is_name && !is_known_secret(name)).then_some(text)
}

/// Whether this may be the place of a secret in a vault, such as `secret/data/mcp#key`.
fn is_place(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"/#_-.:@+".contains(&byte);
    (1..=512).contains(&name.len()) && name.bytes().all(is_part)
}

/// Whether this is the name of an environment variable.
fn is_variable(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_next = |byte: u8| is_first(byte) || byte.is_ascii_digit();
    name.len() <= 128 && name.bytes().next().is_some_and(is_first) && name.bytes().all(is_next)
}

/// The name in an entry of `envs`: `NAME`, or `NAME=value`. A name in lower case may as well be a value.
pub(crate) fn variable_in(entry: &str) -> Option<&str> {
    let name = entry.split_once('=').map_or(entry, |(name, _)| name).trim();
    let is_name = is_variable(name)
        && !name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.split('_').any(may_be_token)
        && !is_known_secret(name);
    is_name.then_some(name)
}

/// Whether this is the name of a header, or stands for all of them.
pub(crate) fn is_header_name(text: &str) -> bool {
    text == "*" || (HeaderName::try_from(text).is_ok() && !is_known_secret(text))
}

/// What of a URL is certainly no secret: scheme, host, port, and the path up to a segment that may be a token.
/// `None` when it is no URL of a web server.
pub(crate) fn open_part(url: &str) -> Option<String> {
    let uri: Uri = url.trim().parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https" | "ws" | "wss"))?;
    let authority = uri.authority()?.as_str();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // Bifrost's API hides parts of what may be secret behind stars.
    if host.is_empty() || host.contains('*') || is_known_secret(host) {
        return None;
    }
    let mut open = format!("{scheme}://{host}");
    for segment in uri.path().split('/').skip(1) {
        if may_be_token(segment)
            || may_be_key(segment)
            || is_known_secret(segment)
            || segment.contains(['*', ';', '=', ':', '@', ','])
        {
            break;
        }
        open.push('/');
        open.push_str(segment);
    }
    Some(open)
}

/// Whether a URL holds nothing that may be secret.
pub(crate) fn is_open_url(url: &str) -> bool {
    open_part(url).is_some_and(|open| open == url || open == format!("{url}/"))
}

/// Whether a text that is no URL by its field is none with something secret in it all the same.
pub(crate) fn is_open_text(text: &str) -> bool {
    !is_known_secret(text) && (!text.contains("://") || !text.contains(['@', '?', '#']))
}

/// The program in a command, without its arguments.
pub(crate) fn program_in(command: &str) -> Option<&str> {
    let program = command.split_whitespace().next()?;
    let is_open = !program.contains(['=', '@', '?', ';', '$'])
        && !is_known_secret(program)
        && !program.split(['/', '\\']).any(may_be_token);
    is_open.then_some(program)
}

/// What the keys and tokens of well-known services begin with, in lower case.
const KNOWN: [&str; 14] = [
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "pk-",
    "pk_live_",
    "pk_test_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "xox",
    "glpat-",
];

/// The same, where capital letters count.
const KNOWN_AS_WRITTEN: [&str; 2] = ["AKIA", "eyJ"];

/// Whether a text has in it, where a word begins, what certainly begins a secret.
pub(crate) fn is_known_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let begins_word = |place: usize| !text[..place].ends_with(|before: char| before.is_ascii_alphanumeric());
    let has = |text: &str, known: &str| text.match_indices(known).any(|(place, _)| begins_word(place));
    has(&lower, "bearer ")
        || KNOWN.iter().any(|known| has(&lower, known))
        || KNOWN_AS_WRITTEN.iter().any(|known| has(text, known))
}

/// Whether a segment of a path may be a key: of some length, with letters and digits, and neither a version nor a date.
fn may_be_key(segment: &str) -> bool {
    let has = |is: fn(&u8) -> bool| segment.bytes().any(|byte| is(&byte));
    let numbers = segment.strip_prefix(['v', 'V']).unwrap_or(segment);
    let is_version = numbers.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    segment.len() >= 8 && has(u8::is_ascii_alphabetic) && has(u8::is_ascii_digit) && !is_version
}

/// A word in quotes that may be shown: the value of a setting rather than a key or a token.
pub(crate) fn word(text: &str) -> Option<String> {
    let is_part = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() <= 20
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && (digits <= 2 || digits == part.len())
    };
    let is_word =
        (1..=40).contains(&text.len()) && !is_known_secret(text) && text.split(['-', '_', '.', ' ']).all(is_part);
    is_word.then(|| format!("{text:?}"))
}

/// Whether a field of this name may hold a secret, whatever it looks like.
pub(crate) fn is_about_secrets(name: &str) -> bool {
    const WORDS: [&str; 16] = [
        "secret",
        "token",
        "key",
        "pass",
        "pw",
        "cred",
        "auth",
        "cert",
        "signature",
        "salt",
        "login",
        "user",
        "bearer",
        "cookie",
        "private",
        "jwt",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Whether words of a person's, such as a comment, may have a secret among them.
pub(crate) fn may_have_secret(text: &str) -> bool {
    text.contains([':', '=']) || is_known_secret(text) || text.split_whitespace().any(is_token)
}

/// Whether a word by itself may be a key or a token.
pub(crate) fn is_token(word: &str) -> bool {
    may_be_token(word) || may_be_key(word) || is_known_secret(word)
}

/// Whether a word may be a key or a token: long, and with digits or without a break.
fn may_be_token(word: &str) -> bool {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_broken = word.contains(['-', '_', '.']);
    (word.len() >= 16 && has_digit) || (word.len() >= 32 && !is_broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_names_and_nothing_else_is() {
        for text in ["env.GITHUB_TOKEN", "vault.secret/data/mcp#gh_secret", "vault.projects/p-1/secrets/s/versions/2"] {
            assert_eq!(reference(&format!(" {text} ")), Some(text));
        }
        for text in [
            "vault.",
            "vault.sk-planted",
            "vault.a b",
            "VAULT.a",
            "aws.a",
            "vault",
            "vault.a?b",
            "env.",
            "env.sk-123",
            "env.A B",
            "ENV.A",
            "sk-123",
            "",
            "env.1A",
            "env.A\nB",
        ] {
            assert_eq!(reference(text), None, "{text}");
        }
    }

    #[test]
    fn a_setting_may_be_shown_and_a_key_may_not() {
        for text in ["mutual_tls", "http3", "aws_sigv4a", "HTTP", "grpc-web", "2025-11-25", "v2", "fast and loose"] {
            assert_eq!(word(text), Some(format!("{text:?}")));
        }
        for text in
            ["", "sk-a", "0123456789abcdef", "a1b2c3d4", "a/b", "a=b", "\u{1b}[2J", "ghp_planted", &"a".repeat(41)]
        {
            assert_eq!(word(text), None, "{text}");
        }
        assert!(is_about_secrets("Api_Key") && is_about_secrets("passphrase") && !is_about_secrets("mode"));
    }

    #[test]
    fn of_an_environment_only_names_are_kept() {
        for (entry, name) in [
            ("HOME", Some("HOME")),
            ("API_KEY=planted", Some("API_KEY")),
            ("sk_live_planted", None),
            ("sk-planted", None),
            ("AKIA1234567890ABCDEF", None),
            ("=planted", None),
            ("", None),
        ] {
            assert_eq!(variable_in(entry), name, "{entry}");
        }
    }

    #[test]
    fn of_a_url_what_may_be_secret_goes() {
        for (url, open) in [
            ("https://a.example/mcp", Some("https://a.example/mcp")),
            ("https://a.example/mcp/", Some("https://a.example/mcp/")),
            ("https://u:planted@a.example:8443/mcp?key=planted#planted", Some("https://a.example:8443/mcp")),
            ("https://a.example/s/Zm9vYmFyYmF6cXV4MTIz/mcp", Some("https://a.example/s")),
            ("https://a.example/bot123:planted", Some("https://a.example")),
            ("https://a****", None),
            ("postgres://u:planted@db", None),
            ("planted", None),
            ("", None),
        ] {
            assert_eq!(open_part(url).as_deref(), open, "{url}");
        }
        assert!(is_open_url("https://a.example") && is_open_url("https://a.example/") && !is_open_url("https://a?b"));
    }

    #[test]
    fn what_begins_like_a_key_of_a_known_service_is_one() {
        for text in [
            "sk-planted",
            "x sk-planted",
            "PK-1",
            "ghp_a",
            "gho_a",
            "github_pat_a",
            "xoxb-1",
            "AKIA1",
            "eyJhb",
            "glpat-1",
            "Bearer x",
            "bearer x",
            "sk_live_x",
            "https://a/x?k=sk-1",
        ] {
            assert!(is_known_secret(text) && !is_open_text(text), "{text}");
        }
        for text in ["risk-report", "desk-1", "a bearer", "keyJ", "github", "per_user_oauth"] {
            assert!(!is_known_secret(text), "{text}");
        }
        assert_eq!(open_part("https://sk-live-x.a.example/mcp"), None);
        assert_eq!(open_part("https://a.example/sk-x/mcp").as_deref(), Some("https://a.example"));
        assert_eq!(reference("env.sk_live_0123"), None);
        assert!(!is_header_name("sk-live-x") && is_header_name("X-Api-Key"));
    }

    #[test]
    fn a_short_key_in_a_path_is_cut_and_a_version_or_a_date_is_not() {
        for (url, open) in [
            ("https://a.example/k/ab12cd34ef56/mcp", "https://a.example/k"),
            ("https://a.example/k/abcdefg1", "https://a.example/k"),
            ("https://a.example/v1/mcp", "https://a.example/v1/mcp"),
            ("https://a.example/v2024-11-05/2025-06-18/20250618", "https://a.example/v2024-11-05/2025-06-18/20250618"),
            ("https://a.example/streamable", "https://a.example/streamable"),
        ] {
            assert_eq!(open_part(url).as_deref(), Some(open), "{url}");
        }
    }

    #[test]
    fn of_a_command_only_the_program_is_kept() {
        assert_eq!(program_in("npx -y server --key planted"), Some("npx"));
        assert_eq!(program_in("/usr/local/bin/mcp-server"), Some("/usr/local/bin/mcp-server"));
        assert_eq!(program_in("KEY=planted npx"), None);
        assert_eq!(program_in("/opt/planted0123456789abc/bin/run"), None);
        assert_eq!(program_in("/opt/sk-live-x/bin/run"), None);
        assert_eq!(program_in(" "), None);
    }
}
