//! Finds the lines of key paths. `serde_yaml` keeps no positions in its values, so the text is
//! walked once more, and only when there is a problem to report.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use saphyr_parser::{Event, Parser};

use crate::config::problem::{KeyPath, Problem, Step};

/// A mapping or a list that is open at the current event.
enum Frame {
    Mapping { key: Option<String> },
    List { next: usize },
}

/// Fills in the line of each problem whose path, or the nearest path above it, is in the text.
pub(in crate::config) fn locate(text: &str, problems: &mut [&mut Problem]) {
    let mut wanted: HashMap<KeyPath, Option<usize>> = HashMap::new();
    let mut keys: HashMap<&str, bool> = HashMap::new();
    for problem in problems.iter().filter(|problem| problem.line.is_none()) {
        for (place, step) in problem.path.0.iter().enumerate() {
            // A key that is nowhere in the text need not be looked for in all of a large table.
            if matches!(step, Step::Key(key) if !*keys.entry(key).or_insert_with(|| text.contains(key.as_str()))) {
                break;
            }
            wanted.insert(KeyPath(problem.path.0[..=place].to_vec()), None);
        }
    }
    let mut missing = wanted.len();
    if missing == 0 {
        return;
    }
    walk(text, |path, line| {
        if let Some(found @ None) = wanted.get_mut(path) {
            *found = Some(line);
            missing -= 1;
        }
        if missing == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    for problem in problems.iter_mut().filter(|problem| problem.line.is_none()) {
        problem.line = (1..=problem.path.0.len())
            .rev()
            .find_map(|length| *wanted.get(&KeyPath(problem.path.0[..length].to_vec()))?);
    }
}

/// The line of each of these paths that is in the text.
pub(in crate::config) fn lines_of(text: &str, paths: &[&KeyPath]) -> Vec<Option<usize>> {
    let mut wanted: HashMap<&KeyPath, Option<usize>> = paths.iter().map(|path| (*path, None)).collect();
    let mut missing = wanted.len();
    walk(text, |path, line| {
        if let Some(found @ None) = wanted.get_mut(path) {
            *found = Some(line);
            missing -= 1;
        }
        if missing == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    paths.iter().map(|path| wanted.get(path).copied().flatten()).collect()
}

/// The first key that its mapping has already, which makes a file no valid YAML.
pub(in crate::config) fn first_repeated_key(text: &str) -> Option<Problem> {
    let mut seen = HashSet::new();
    let mut found = None;
    walk(text, |path, line| {
        let is_key = matches!(path.0.last(), Some(Step::Key(_)));
        if !is_key || seen.insert(path.clone()) {
            return ControlFlow::Continue(());
        }
        let message = "not valid YAML: the key is here for the second time; remove one";
        found = Some(Problem { line: Some(line), ..Problem::new(path.clone(), message) });
        ControlFlow::Break(())
    });
    found
}

/// The line of the first key or item that is nested deeper than this.
pub(in crate::config) fn first_deeper_than(text: &str, depth: usize) -> Option<usize> {
    let mut found = None;
    walk(text, |path, line| {
        if path.0.len() <= depth {
            return ControlFlow::Continue(());
        }
        found = Some(line);
        ControlFlow::Break(())
    });
    found
}

/// Calls `visit` with the path and line of every key and list item, until it breaks off or the text has a
/// syntax error.
fn walk(text: &str, mut visit: impl FnMut(&KeyPath, usize) -> ControlFlow<()>) {
    let mut frames: Vec<Frame> = Vec::new();
    let mut path = KeyPath::default();
    for step in Parser::new_from_str(text) {
        let Ok((event, span)) = step else { return };
        let line = span.start.line();
        if matches!(event, Event::Scalar(..) | Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..)) {
            let is_value = match frames.last_mut() {
                Some(Frame::List { next }) => {
                    path.0.push(Step::Index(*next));
                    *next += 1;
                    if visit(&path, line).is_break() {
                        return;
                    }
                    true
                }
                Some(Frame::Mapping { key: key @ None }) => {
                    let name = match &event {
                        Event::Scalar(name, ..) => name.to_string(),
                        _ => String::new(),
                    };
                    path.0.push(Step::Key(name.clone()));
                    if visit(&path, line).is_break() {
                        return;
                    }
                    *key = Some(name);
                    false
                }
                Some(Frame::Mapping { key: Some(_) }) | None => true,
            };
            match event {
                Event::SequenceStart(..) if is_value => frames.push(Frame::List { next: 0 }),
                Event::MappingStart(..) if is_value => frames.push(Frame::Mapping { key: None }),
                // A list or mapping as a key: no path of ours goes there.
                Event::SequenceStart(..) | Event::MappingStart(..) => return,
                _ if is_value => leave(&mut frames, &mut path),
                _ => {}
            }
        } else if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
            frames.pop();
            leave(&mut frames, &mut path);
        } else if matches!(event, Event::DocumentEnd) {
            return;
        }
    }
}

/// A value is complete: its step goes, and a mapping waits for its next key.
fn leave(frames: &mut [Frame], path: &mut KeyPath) {
    path.0.pop();
    if let Some(Frame::Mapping { key }) = frames.last_mut() {
        *key = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(text: &str, path: KeyPath) -> Option<usize> {
        let mut problem = Problem::new(path, "");
        locate(text, &mut [&mut problem]);
        problem.line
    }

    #[test]
    fn keys_items_and_json_are_found() {
        let text = "a: 1\nlist:\n  - x: 1\n    y: 2\n  - {\"x\": 3,\n     \"z\": [1,\n      2]}\n";
        let second = KeyPath::root("list").index(1);
        assert_eq!(line_of(text, KeyPath::root("a")), Some(1));
        assert_eq!(line_of(text, KeyPath::root("list").index(0).key("y")), Some(4));
        assert_eq!(line_of(text, second.clone()), Some(5));
        assert_eq!(line_of(text, second.key("z").index(1)), Some(7));
    }

    #[test]
    fn an_absent_key_is_reported_where_it_belongs() {
        let text = "a: 1\nlist:\n  - x: 1\n";
        assert_eq!(line_of(text, KeyPath::root("list").index(0).key("gone")), Some(3));
        assert_eq!(line_of(text, KeyPath::root("gone")), None);
    }
}
