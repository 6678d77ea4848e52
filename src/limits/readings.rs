//! How a path may be read by a server behind the edge.

use smallvec::SmallVec;

/// The readings of a path besides the one as it was sent, in lower case: decoded once and twice, without empty
/// segments, dots and parameters. None for the ordinary paths, which have one reading only.
pub(super) fn readings(path: &[u8]) -> SmallVec<[Vec<u8>; 2]> {
    let mut readings = SmallVec::new();
    if is_ordinary(path) {
        return readings;
    }
    let mut decoded = path.to_vec();
    // Each time, a reader may decode once more.
    for _ in 0..3 {
        for reading in [normalised(&decoded, false), normalised(&decoded, true)] {
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        let next: Vec<u8> = percent_encoding::percent_decode(&decoded).collect();
        if next == decoded {
            break;
        }
        decoded = next;
    }
    readings
}

/// Whether nobody could read it otherwise than it was sent.
fn is_ordinary(path: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-_~.".contains(byte);
    path.first() == Some(&b'/')
        && path.iter().all(is_plain)
        && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// Without what a reader may leave out. `;` and what follows it in a segment are left out by some, and are part of
/// a name for others.
fn normalised(path: &[u8], with_parameters: bool) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    for segment in path[..end].split(|byte| matches!(byte, b'/' | b'\\')) {
        let segment = match segment.iter().position(|byte| *byte == b';') {
            Some(place) if !with_parameters => &segment[..place],
            _ => segment,
        };
        match trimmed(segment) {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut path = vec![b'/'];
    path.extend(segments.join(&b'/'));
    path.make_ascii_lowercase();
    path
}

/// Without the spaces and control bytes around it, which a lenient server may drop.
fn trimmed(segment: &[u8]) -> &[u8] {
    let is_kept = |byte: &u8| !byte.is_ascii_control() && *byte != b' ';
    let begin = segment.iter().position(is_kept).unwrap_or(segment.len());
    let end = segment.iter().rposition(is_kept).map_or(begin, |last| last + 1);
    &segment[begin..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_path_has_no_other_reading() {
        for path in ["/", "/v1/chat/completions", "/api/x.json", "/a-b_c~d/1"] {
            assert!(readings(path.as_bytes()).is_empty(), "{path}");
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
            "/v1/../api/x",
            "/api;a=b/x",
            "/api%2fx",
            "/%2561pi/x",
            "/v1/%2e%2e/api/x",
            "\\api\\x",
            "/api/%20x",
            "/v1/..%2fapi/x",
            "/api/x?y",
            "/api/x%3fy",
            "/api/.%2e/api/x",
        ] {
            assert!(
                readings(path.as_bytes()).iter().any(|reading| reading == b"/api/x"),
                "{path}: {:?}",
                readings(path.as_bytes())
            );
        }
    }
}
