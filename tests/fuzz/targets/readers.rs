//! How servers behind an edge read a path. They agree that empty segments and dots go and that case does not matter,
//! and on nothing else.

/// A path without its slashes, in lower case.
pub type Segments = Vec<Vec<u8>>;

/// One way to read a path.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// How often escapes are resolved.
    pub decodings: usize,
    /// A backslash is a slash.
    backslash: bool,
    /// An escaped `?`, `#` or zero byte ends the path, too.
    ends: bool,
    /// `;` and what follows it in a segment goes.
    parameters: bool,
    /// Spaces and control bytes around a segment go.
    trims: bool,
}

/// What the path is to all readers, each reading once.
pub fn readings(path: &[u8]) -> Vec<(Reader, Segments)> {
    let mut readings: Vec<(Reader, Segments)> = Vec::new();
    let mut path = path.to_vec();
    for decodings in 0..=2 {
        let has = |what: fn(&u8) -> bool, bit| if path.iter().any(what) { bit } else { 0 };
        let differ = has(|byte| *byte == b'\\', 1) | has(is_end, 2) | has(|byte| *byte == b';', 4) | has(is_blank, 8);
        for bits in (0..16).filter(|bits| bits & !differ == 0) {
            let [backslash, ends, parameters, trims] = [1, 2, 4, 8].map(|bit| bits & bit > 0);
            let reader = Reader { decodings, backslash, ends, parameters, trims };
            let segments = reader.segments(&path);
            if readings.iter().all(|(_, other)| *other != segments) {
                readings.push((reader, segments));
            }
        }
        path = decoded(&path);
    }
    readings
}

impl Reader {
    fn segments(&self, path: &[u8]) -> Segments {
        let end = path.iter().position(|byte| self.ends && is_end(byte)).unwrap_or(path.len());
        let mut segments = Vec::new();
        for mut segment in path[..end].split(|byte| *byte == b'/' || self.backslash && *byte == b'\\') {
            if self.parameters {
                segment = segment.split(|byte| *byte == b';').next().unwrap();
            }
            while self.trims && segment.first().is_some_and(is_blank) {
                segment = &segment[1..];
            }
            while self.trims && segment.last().is_some_and(is_blank) {
                segment = &segment[..segment.len() - 1];
            }
            match segment {
                b"" | b"." => {}
                b".." => drop(segments.pop()),
                _ => segments.push(segment.to_ascii_lowercase()),
            }
        }
        segments
    }
}

fn is_end(byte: &u8) -> bool {
    matches!(byte, b'?' | b'#' | 0)
}

fn is_blank(byte: &u8) -> bool {
    byte.is_ascii_control() || *byte == b' '
}

/// With its escapes resolved.
pub fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    decoded
}
