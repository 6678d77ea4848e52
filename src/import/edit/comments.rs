//! Where the comments of a YAML text are.

use std::ops::Range;

use super::nodes::{Node, NodeKind};

/// The comments in a part of a text, from their `#` to the end of the line. `node` has every scalar of that part.
pub(in crate::import) fn comments(text: &str, part: Range<usize>, node: &Node) -> Vec<Range<usize>> {
    let mut scalars = Vec::new();
    collect(text, node, &mut scalars);
    let (mut found, mut at) = (Vec::new(), part.start);
    for scalar in scalars.into_iter().filter(|scalar| scalar.start >= part.start) {
        between(text, at..scalar.start.min(part.end), &mut found);
        at = at.max(scalar.end);
    }
    between(text, at..part.end, &mut found);
    found
}

/// What stands between scalars has no `#` that does not begin a comment.
fn between(text: &str, part: Range<usize>, found: &mut Vec<Range<usize>>) {
    let mut at = part.start;
    while let Some(place) = text.get(at..part.end).and_then(|rest| rest.find('#')) {
        let start = at + place;
        let end = text[start..].find(['\r', '\n']).map_or(text.len(), |end| start + end);
        found.push(start..end);
        at = end;
    }
}

fn collect(text: &str, node: &Node, scalars: &mut Vec<Range<usize>>) {
    match &node.kind {
        NodeKind::Scalar(_) => {
            let mut place = node.place.clone();
            let Some(inside) = text.get(place.clone()) else { return };
            // Behind the sign that opens a block of text there may be a comment.
            if inside.starts_with(['|', '>']) {
                place.start += inside.find('\n').unwrap_or(inside.len());
            }
            place.end = place.start + text[place.clone()].trim_end().len();
            if !place.is_empty() {
                scalars.push(place);
            }
        }
        NodeKind::Alias => {}
        NodeKind::List { items, .. } => items.iter().for_each(|item| collect(text, item, scalars)),
        NodeKind::Mapping { entries, .. } => {
            for (key, value) in entries {
                collect(text, key, scalars);
                collect(text, value, scalars);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::edit::nodes;

    #[test]
    fn what_is_in_quotes_or_in_a_block_of_text_is_no_comment() {
        let text = "a: '# ''no' # 1\nb: | # 2\n  # no\n  no # no\n# 3\nc: no#no\nd: [a, # 4\n  \"#\"]\ne: # 5\n# 6\nf: &f '#' # 7";
        let root = nodes::root(text).unwrap();
        let found: Vec<_> = comments(text, 0..text.len(), &root).into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, ["# 1", "# 2", "# 3", "# 4", "# 5", "# 6", "# 7"]);
    }
}
