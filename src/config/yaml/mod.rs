//! From the text of a YAML file to a tree, and from a tree to typed values, or to everything that is wrong with them,
//! each with its line.

pub(super) mod decode;
pub(super) mod environment;
mod fault;
pub(super) mod lines;
pub(super) mod outline;
pub(super) mod text;

use serde_yaml::Value;

use self::outline::{Outline, Tables};
use crate::config::problem::Problem;

/// The list of sites, and the files that have more of them.
pub(super) const SITES: &str = "sites";

/// The MCP client table of a site.
pub(super) const TABLE: &str = "mcp_clients";

/// What a text says, or why it says nothing, with what to do when that is because it is empty. Where a table is not good, it is part of the tree, as is all that is said of
/// it.
pub(super) fn parse(text: &str, when_empty: &str) -> Result<Outline, Problem> {
    if let Some(line) = too_deep(text) {
        let message = "nested deeper than any configuration; look for a bracket that is never closed";
        return Err(Problem { line: Some(line), ..Problem::of_file(message) });
    }
    if let Ok(outline) = serde_yaml::from_str(text) {
        return Ok(outline);
    }
    match serde_yaml::from_str(text) {
        Ok(Value::Null) => Err(Problem::of_file(format!("the file is empty; {when_empty}"))),
        Ok(tree) => Ok(Outline { tree, tables: Tables::new() }),
        Err(syntax) => Err(lines::first_repeated_key(text).unwrap_or_else(|| syntax_problem(&syntax, text))),
    }
}

/// The line on which the text is nested so deep that libyaml would take minutes to refuse it. A file
/// without so many open brackets cannot be; one that has them, perhaps in its texts, is looked at closely
/// up to there.
fn too_deep(text: &str) -> Option<usize> {
    // serde_yaml itself goes no deeper than 128.
    const DEEPEST: usize = 200;
    let mut open = 0_usize;
    let suspect = text.bytes().position(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        // Twice, so that the nesting is there to be seen before the text is cut off.
        open > 2 * DEEPEST
    })?;
    let before = &text[..suspect];
    // Lists that open one right after the other are too much for the parser that finds lines, too.
    if before.ends_with(&"[".repeat(DEEPEST)) {
        return Some(before.lines().count());
    }
    lines::first_deeper_than(before, DEEPEST)
}

fn syntax_problem(fault: &serde_yaml::Error, text: &str) -> Problem {
    let line = fault.location().map(|place| place.line());
    let faulty = line.and_then(|line| text.lines().nth(line.checked_sub(1)?)).unwrap_or_default();
    let indentation = &faulty[..faulty.len() - faulty.trim_start_matches([' ', '\t']).len()];
    if indentation.contains('\t') {
        let message = "the line is indented with a tab, which YAML does not allow; write spaces in its place";
        return Problem { line, ..Problem::of_file(message) };
    }
    Problem {
        line,
        ..Problem::of_file(format!("not valid YAML: {fault}; look at the indentation, quotes and brackets there"))
    }
}
