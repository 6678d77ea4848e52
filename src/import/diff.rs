//! What an import changes in a file, for a person.

use std::{ops::Range, time::Duration};

use similar::{Algorithm, TextDiff};

use super::{
    edit::{
        comments::comments,
        layout::Edits,
        nodes::{self, Node, NodeKind},
    },
    keys::KEY,
    source::{
        duration::nanoseconds,
        fields::{Kept, field, keep},
    },
};
use crate::{
    config::{FIELDS, Field, Form},
    secrets::{is_token, may_have_secret},
};

/// A file in which everything is another may take so long; then the diff is longer than it need be.
const PATIENCE: Duration = Duration::from_secs(5);

/// A unified diff between two texts of a configuration, empty when they are the same. What may be a secret in the MCP
/// client table is not shown.
pub fn diff(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new) = (shown(old), shown(new));
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).timeout(PATIENCE).diff_lines(&old, &new);
    diff.unified_diff().header(name, name).to_string()
}

/// The text with what may be a secret in the table replaced.
fn shown(text: &str) -> String {
    let mut edits = Edits::default();
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = nodes::root(body);
    let (sites, ends) = root.as_ref().map(sites).unwrap_or_default();
    for site in sites {
        let Some((key, table)) = site.get(KEY) else { continue };
        match &table.kind {
            NodeKind::List { items, .. } => items.iter().for_each(|item| hide_fields(body, item, FIELDS, &mut edits)),
            _ => hide(body, table, &mut edits),
        }
        let start = key.place.end;
        let end = ends.get(ends.partition_point(|end| *end <= start)).copied().unwrap_or(body.len());
        hide_comments(body, start..end, table, &mut edits);
    }
    edits.apply(body)
}

/// The mappings that may have a table, and where the table of one may end: at the next key, or at the next site.
fn sites(root: &Node) -> (Vec<&Node>, Vec<usize>) {
    let mut sites = vec![root];
    if let Some((_, Node { kind: NodeKind::List { items, .. }, .. })) = root.get("sites") {
        sites.extend(items);
    }
    let mut ends: Vec<_> = sites.iter().map(|site| site.place.start).collect();
    for site in &sites {
        if let NodeKind::Mapping { entries, .. } = &site.kind {
            ends.extend(entries.iter().map(|(key, _)| key.place.start));
        }
    }
    ends.sort_unstable();
    (sites, ends)
}

const HIDDEN: &str = "(secret)";

/// Hides the comments in the table, and those behind it up to the next key: they may be about an entry that was.
fn hide_comments(text: &str, place: Range<usize>, table: &Node, edits: &mut Edits) {
    for comment in comments(text, place, table) {
        if may_have_secret(&text[comment.clone()]) {
            edits.add(comment, format!("# {HIDDEN}"));
        }
    }
}

fn hide_fields(text: &str, node: &Node, fields: &'static [Field], edits: &mut Edits) {
    let NodeKind::Mapping { entries, .. } = &node.kind else { return hide(text, node, edits) };
    for (key, value) in entries {
        let form = match &key.kind {
            NodeKind::Scalar(name) => field(fields, name).map(|field| field.form),
            _ => None,
        };
        match form {
            Some(Form::Fields(fields)) => hide_fields(text, value, fields, edits),
            Some(form) => hide_values(text, value, form, edits),
            None => hide(text, value, edits),
        }
    }
}

fn hide_values(text: &str, node: &Node, form: Form, edits: &mut Edits) {
    match &node.kind {
        NodeKind::Scalar(value) if is_open(form, value) => {}
        NodeKind::List { items, .. } => items.iter().for_each(|item| hide_values(text, item, form, edits)),
        NodeKind::Mapping { entries, .. }
            if matches!(form, Form::NamedSecrets | Form::NamedFields(_) | Form::Prices) =>
        {
            for (key, value) in entries {
                if matches!(&key.kind, NodeKind::Scalar(name) if is_token(name)) {
                    hide(text, key, edits);
                }
                match form {
                    Form::NamedFields(fields) => hide_fields(text, value, fields, edits),
                    form => hide_values(text, value, form, edits),
                }
            }
        }
        _ => hide(text, node, edits),
    }
}

fn is_open(form: Form, text: &str) -> bool {
    match form {
        Form::Flag => matches!(text, "true" | "false"),
        Form::Prices | Form::Number => text.parse::<f64>().is_ok(),
        Form::Duration => text.parse::<i64>().is_ok() || nanoseconds(text).is_some(),
        Form::Status => text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        _ => matches!(keep(form, &text.into()), Kept::Whole(_) | Kept::Empty),
    }
}

/// Hides every text in a node.
fn hide(text: &str, node: &Node, edits: &mut Edits) {
    match &node.kind {
        NodeKind::Scalar(value) if value.is_empty() => {}
        NodeKind::Scalar(_) => {
            // A block of text ends where the next node begins.
            let end = text[..node.place.end].trim_end().len().max(node.place.start);
            edits.add(node.place.start..end, HIDDEN.to_owned());
        }
        NodeKind::Alias => {}
        NodeKind::List { items, .. } => items.iter().for_each(|item| hide(text, item, edits)),
        NodeKind::Mapping { entries, .. } => entries.iter().for_each(|(_, value)| hide(text, value, edits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_and_no_secret_around_it() {
        let old = "mcp_clients:\n- name: a\n  connection_string: https://a/?key=planted\n  headers:\n    X: planted\n    \
                   Y: env.Y\n  tls_config:\n    ca_cert_pem: |\n      planted\n      planted\n  stdio_config: {command: \
                   'npx planted', args: [planted], envs: [\"A=planted\"]}\n  other: [planted]\n  disabled: false\n";
        let new = old.replace("disabled: false", "disabled: true");
        let diff = shown(old) + &diff("f.yaml", old, &new);
        assert!(!diff.contains("planted"), "{diff}");
        for part in ["-  disabled: false\n", "+  disabled: true\n", "Y: env.Y", "X: (secret)", "--- f.yaml"] {
            assert!(diff.contains(part), "{part}\n{diff}");
        }
        assert_eq!(super::diff("f.yaml", old, old), "");
    }

    #[test]
    fn what_may_be_a_secret_in_a_comment_or_a_key_is_not_shown() {
        let old = "# Not: the table.\nmcp_clients: # key=planted\n- name: a # ours\n  # Authorization: Bearer planted\n  \
                   # Moved from the old one.\n  tool_pricing: {planted1234567890: 1, read: 2, sk-planted: planted}\n  \
                   headers:\n    X-Team: env.TEAM # sk-planted\n    ghp_planted: env.B\n    Z: | # the planted12\n      \
                   planted\n    # bearer planted\n  tool_sync_interval: planted1234\n  disabled: planted\n# - name: \
                   planted\nservers: [] # a: b\n";
        let shown = shown(old);
        assert!(!shown.contains("planted"), "{shown}");
        for part in
            ["# Not: the table.", "# ours", "# Moved from the old one.", "read: 2", "X-Team: env.TEAM", "# a: b"]
        {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }
}
