//! How a path may be read by a server behind the edge.

use std::borrow::Cow;

use smallvec::SmallVec;

/// The ways in which a path may be read.
pub(super) enum Readings<'a> {
    /// As it was sent, and in no other way.
    One,
    /// As it was sent, decoded once and decoded twice, with and without `\` as a slash, as far as these differ.
    Several(SmallVec<[Reading<'a>; 3]>),
    /// As any path: it has a segment `..`, and readers do not agree on what that removes.
    Any,
}

/// A path, perhaps decoded.
pub(super) struct Reading<'a> {
    /// Nothing is left out of it.
    pub literal: Cow<'a, [u8]>,
    /// In lower case, and without all that any reader may leave out. Whatever lies below a plain path to any
    /// reader does so here.
    pub lenient: Vec<u8>,
}

/// A proxy in between may decode once, and the application once more.
const MOST_DECODINGS: usize = 2;

/// The ways in which this path may be read.
pub(super) fn readings(path: &[u8]) -> Readings<'_> {
    if is_ordinary(path) {
        return Readings::One;
    }
    let mut readings = SmallVec::new();
    let mut literal = Cow::Borrowed(path);
    for decoded_before in 0..=MOST_DECODINGS {
        let has_backslash = literal.contains(&b'\\');
        let separators: &[&[u8]] = if has_backslash { &[b"/\\", b"/"] } else { &[b"/"] };
        for separators in separators {
            let Some(lenient) = lenient(&literal, separators) else { return Readings::Any };
            readings.push(Reading { literal: literal.clone(), lenient });
        }
        let decoded: Vec<u8> = percent_encoding::percent_decode(&literal).collect();
        if decoded_before == MOST_DECODINGS || decoded == *literal {
            break;
        }
        literal = Cow::Owned(decoded);
    }
    Readings::Several(readings)
}

/// Whether nobody could read it otherwise than it was sent.
fn is_ordinary(path: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-_~.".contains(byte);
    path.first() == Some(&b'/')
        && path.iter().all(is_plain)
        && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// `None` when it has a segment `..`. Where `\` separates nothing, it ends no parameter either.
fn lenient(path: &[u8], separators: &[u8]) -> Option<Vec<u8>> {
    let mut lenient = Vec::with_capacity(path.len() + 1);
    for segment in path.split(|byte| separators.contains(byte)) {
        match name(segment) {
            b"" | b"." => {}
            b".." => return None,
            name => {
                lenient.push(b'/');
                lenient.extend(name.iter().map(u8::to_ascii_lowercase));
            }
        }
    }
    Some(lenient)
}

/// Without the spaces and control bytes around it, and without what may be a parameter, a query, a fragment or
/// what follows the end of a string in C.
fn name(segment: &[u8]) -> &[u8] {
    let is_kept = |byte: &u8| !byte.is_ascii_control() && *byte != b' ';
    let segment = &segment[segment.iter().position(is_kept).unwrap_or(segment.len())..];
    let end = segment.iter().position(|byte| matches!(byte, b';' | b'?' | b'#' | 0)).unwrap_or(segment.len());
    &segment[..segment[..end].iter().rposition(is_kept).map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_path_has_no_other_reading() {
        for path in ["/", "/v1/chat/completions", "/api/x.json", "/a-b_c~d/1", "/a..b"] {
            assert!(matches!(readings(path.as_bytes()), Readings::One), "{path}");
        }
    }

    #[test]
    fn each_spelling_has_the_reading_that_it_hides() {
        for path in [
            "/API/x",
            "/%61pi/x",
            "//api/x",
            "/api//x",
            "/./api/x",
            "/api;a=b/x",
            "/api%2fx",
            "/%2561pi/x",
            "\\api\\x",
            "/api/%20x",
            "/api/x?y",
            "/api/x%3fy",
            "/api%00y/x",
            "/%00api/x",
        ] {
            let Readings::Several(readings) = readings(path.as_bytes()) else { panic!("{path}") };
            assert_eq!(readings[0].literal, path.as_bytes());
            assert!(readings.iter().any(|reading| reading.lenient == b"/api/x"), "{path}");
        }
    }

    #[test]
    fn a_path_that_climbs_may_be_any() {
        for path in
            ["/..", "/v1/../api", "/v1/%2e./api", "/v1\\..%5capi", "/a/..;x/b", "/a/%252e%252e%3f/b", "/a/..%20/b"]
        {
            assert!(matches!(readings(path.as_bytes()), Readings::Any), "{path}");
        }
    }
}
