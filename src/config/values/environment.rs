//! Other ways to name a variable of the environment: what they are for is not followed in the edge's own keys.

/// What to write instead, where a text names a variable as Bifrost (`env.NAME`) or a shell (`$NAME`) has it. A name in
/// small letters after `env.` may be a host.
pub(in crate::config) fn other_reference(text: &str) -> Option<String> {
    let (name, how) = match (text.strip_prefix("env."), text.strip_prefix('$')) {
        (Some(name), _) => (name, "env.NAME is Bifrost's, for mcp_clients"),
        (_, Some(name)) => (name, "$NAME is a shell's"),
        _ => return None,
    };
    let end = name.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_')).unwrap_or(name.len());
    let (name, rest) = name.split_at(end);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && (text.starts_with('$') || !name.contains(|sign: char| sign.is_ascii_lowercase()));
    let is_rest = rest.is_empty() || rest.starts_with([':', '/']);
    // What follows one of these, or stands before it, may be secret.
    let shown = if rest.contains(['@', '?', '#']) { "" } else { rest };
    let written = &text[..text.len() - rest.len()];
    (is_name && is_rest).then(|| {
        let written = format!("{written}{shown}");
        format!("{written:?} names a variable of the environment: {how}; write \"${{{name}}}{shown}\"")
    })
}

#[cfg(test)]
mod tests {
    use super::other_reference;

    #[test]
    fn a_variable_is_told_from_a_host() {
        for (text, remedy) in [
            ("env.BIFROST", "write \"${BIFROST}\""),
            ("env.BIFROST_1:8080", "write \"${BIFROST_1}:8080\""),
            ("$bifrost:8080", "write \"${bifrost}:8080\""),
            ("$URL/x", "write \"${URL}/x\""),
            ("$HOST:80#secret", "\"$HOST\" names a variable of the environment: $NAME is a shell's; write \"${HOST}\""),
            ("$HOST:secret@h", "\"$HOST\" names a variable of the environment: $NAME is a shell's; write \"${HOST}\""),
            ("env.HOST/x?secret", "write \"${HOST}\""),
        ] {
            assert!(other_reference(text).is_some_and(|said| said.ends_with(remedy)), "{text}");
        }
        for text in
            ["env.internal:8080", "env.example.com:80", "environment:1", "a$B:1", "$", "env.", "$1:2", "env.A.example"]
        {
            assert_eq!(other_reference(text), None, "{text}");
        }
    }
}
