//! Values in flow style at the left margin, such as JSON that was pasted into a file. libyaml takes them, the parser
//! that tells places follows the letter of YAML 1.2 (section 7.4: they are indented) and does not: for its eyes they
//! are moved to the right.

use std::{borrow::Cow, ops::Range};

/// A text in which some lines are indented, and the way back to the text itself.
pub(super) struct Padded<'a> {
    source: &'a str,
    text: Cow<'a, str>,
    /// Where in the source there is so much more, in order.
    pads: Vec<(usize, usize)>,
    /// Where each of them ends in the padded text.
    ends: Vec<usize>,
}

impl<'a> Padded<'a> {
    /// The text as it is.
    pub fn new(source: &'a str) -> Self {
        Padded { source, text: Cow::Borrowed(source), pads: Vec::new(), ends: Vec::new() }
    }

    /// The text as it is.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// The text with indented lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Moves all lines but the first of a place in the source to the right of its beginning.
    pub fn indent(&mut self, place: Range<usize>) {
        let line = self.source[..place.start].rfind('\n').map_or(0, |end| end + 1);
        let width = self.source[line..place.start].chars().count().clamp(1, MOST_WIDTH);
        let breaks = self.source[place.clone()].match_indices('\n');
        self.pads.extend(breaks.map(|(end, _)| (place.start + end + 1, width)));
        self.pads.sort_unstable();
        let mut padded =
            String::with_capacity(self.source.len() + self.pads.iter().map(|(_, width)| width).sum::<usize>());
        self.ends.clear();
        let mut at = 0;
        for (pad, width) in &self.pads {
            padded.push_str(&self.source[at..*pad]);
            padded.extend(std::iter::repeat_n(' ', *width));
            self.ends.push(padded.len());
            at = *pad;
        }
        padded.push_str(&self.source[at..]);
        self.text = Cow::Owned(padded);
    }

    /// The place in the source of one in the padded text.
    pub fn original(&self, padded: usize) -> usize {
        let before = self.ends.partition_point(|end| *end <= padded);
        let begun = match before.checked_sub(1) {
            Some(last) => self.pads[last].0 + (padded - self.ends[last]),
            None => padded,
        };
        // In the middle of what was put in.
        self.pads.get(before).map_or(begun, |(pad, _)| begun.min(*pad))
    }
}

/// Wider than any indentation.
const MOST_WIDTH: usize = 64;

/// Behind the bracket that closes the one at this place.
pub(super) fn flow_end(text: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut is_comment = false;
    let (mut before, mut is_escaped, mut may_begin) = (' ', false, true);
    for (place, character) in text[start..].char_indices() {
        if is_comment {
            is_comment = character != '\n';
        } else if let Some(open) = quote {
            let is_end = character == open && !is_escaped;
            is_escaped = open == '"' && character == '\\' && !is_escaped;
            if is_end {
                quote = None;
                // Twice, it is one within the text.
                may_begin = open == '\'';
            }
        } else {
            match character {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.checked_sub(1)?,
                // Within a word it is part of it.
                '"' | '\'' if may_begin => quote = Some(character),
                '#' if before.is_whitespace() => is_comment = true,
                _ => {}
            }
            if depth == 0 {
                return Some(start + place + character.len_utf8());
            }
            may_begin = matches!(character, '[' | '{' | ',' | ':') || (may_begin && character.is_whitespace());
        }
        before = character;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_value_is_found_behind_quotes_and_comments() {
        for text in ["[]", "[a, [b], {c: ']'}]", "[\"]\\\"]\", 'it''s ]', it's]", "[a, # ]\n b]", "{\"a\":\"]}\"}"] {
            assert_eq!(flow_end(&format!("é {text} ]"), 3), Some(3 + text.len()), "{text}");
        }
        assert_eq!(flow_end("[[]", 0), None);
    }

    #[test]
    fn every_place_has_its_way_back() {
        let source = "é: [\n1,\n\n2]\nz: 1\n";
        let mut padded = Padded::new(source);
        let start = source.find('[').unwrap();
        padded.indent(start..flow_end(source, start).unwrap());
        assert_eq!(padded.text(), "é: [\n   1,\n   \n   2]\nz: 1\n");
        for (place, character) in source.char_indices().filter(|(_, character)| !character.is_whitespace()) {
            let there = padded.text().find(character).unwrap();
            let found = padded.original(there);
            assert_eq!(source[found..].chars().next(), Some(character), "{place}");
        }
        assert_eq!(padded.original(padded.text().len()), source.len());
    }
}
