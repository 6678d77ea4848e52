//! Where a head ends, and the fields in it (RFC 9112 sections 2.2 and 5), of requests and responses alike.

use memchr::{memchr, memchr_iter};

/// The fields of a head, from the line after its first one to its empty line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(lines: &'a [u8]) -> Self {
        Fields(lines)
    }
}

impl<'a> Iterator for Fields<'a> {
    /// Name and value. A line without a colon has no name, and that of a folded one begins with a blank.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr(b'\n', self.0)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        let Some(colon) = memchr(b':', line) else { return Some((b"", line)) };
        // A blank before the colon is taken away (section 5.1).
        let name = trim_end(&line[..colon]);
        Some((name, trim(&line[colon + 1..])))
    }
}

/// Takes away the blanks around a value; other white space is part of it, and refused.
fn trim(value: &[u8]) -> &[u8] {
    let begin = value.iter().position(|byte| !is_blank(*byte)).unwrap_or(value.len());
    trim_end(&value[begin..])
}

fn trim_end(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
    &value[..end]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Finds where the head ends, if it has come whole: behind the first empty line. All up to `searched` is known to have
/// no end in it.
pub fn end_of_head(bytes: &[u8], searched: &mut usize) -> Option<usize> {
    // An end that is split may have begun two bytes before.
    let from = searched.saturating_sub(2);
    for place in memchr_iter(b'\n', &bytes[from..]) {
        let after = from + place + 1;
        if bytes[after..].starts_with(b"\r\n") {
            return Some(after + 2);
        }
        if bytes[after..].starts_with(b"\n") {
            return Some(after + 1);
        }
    }
    *searched = bytes.len();
    None
}

/// Looks at all of it: that is one step for many bytes.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | byte.is_ascii_control())
}

/// Tells a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| IS_OF_TOKEN[usize::from(*byte)])
}

const IS_OF_TOKEN: [bool; 256] = {
    let mut is_of_token = [false; 256];
    let signs = b"!#$%&'*+-.^_`|~";
    let mut byte = 0_u8;
    let mut sign = 0;
    while byte < 128 {
        is_of_token[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    while sign < signs.len() {
        is_of_token[signs[sign] as usize] = true;
        sign += 1;
    }
    is_of_token
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_names_and_values_to_the_empty_line() {
        let fields: Vec<_> = Fields::new(b"A: b\r\nC :\t d e \nF\r\n g\r\nH:\r\n\r\nI: j\r\n").collect();
        let expected: [(&[u8], &[u8]); 5] = [(b"A", b"b"), (b"C", b"d e"), (b"", b"F"), (b"", b" g"), (b"H", b"")];
        assert_eq!(fields, expected);
    }

    proptest! {
        #[test]
        fn the_end_is_found_however_the_bytes_come(
            lines in proptest::collection::vec("[ -~]{1,12}", 1..6),
            is_bare in any::<bool>(),
            body in proptest::collection::vec(any::<u8>(), 0..20),
            piece in 1..9_usize,
        ) {
            let end_of_line = if is_bare { "\n" } else { "\r\n" };
            let head = lines.join(end_of_line) + end_of_line + end_of_line;
            let all = [head.as_bytes(), &body].concat();
            let (mut searched, mut found) = (0, None);
            for end in (0..all.len()).step_by(piece).chain([all.len()]) {
                found = end_of_head(&all[..end], &mut searched);
                if found.is_some() {
                    break;
                }
            }
            prop_assert_eq!(found, Some(head.len()));
        }
    }
}
