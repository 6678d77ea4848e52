//! In which other spellings a server behind us might read one of our paths.

const WELL_KNOWN: &[u8] = b".well-known";
/// The names under `/.well-known/` that belong to discovery.
pub(super) const NAMES: [&[u8]; 4] =
    [b"oauth-authorization-server", b"oauth-protected-resource", b"openid-configuration", b"jwks.json"];

/// A path can only be ours if it shows `.well-known` in some case, or hides it behind an escape.
pub(super) fn may_hide_well_known(path: &[u8]) -> bool {
    path.contains(&b'%') || path.windows(WELL_KNOWN.len()).any(|part| part.eq_ignore_ascii_case(WELL_KNOWN))
}

/// Whether any reading of the path passes `.well-known` followed by one of our names, at the root
/// or below (RFC 8615 section 3 knows it at the root only).
pub(super) fn names_ours(path: &[u8]) -> bool {
    any_reading(path, |_, _| true)
}

/// Whether this is so of what any reading of the path has before `/.well-known` and behind one of our names: each empty,
/// or a slash and more, plainly spelled.
pub(super) fn any_reading(path: &[u8], is_so: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode(path).collect();
    [path, &decoded].iter().any(|path| {
        // Whoever leaves out most sees most, unless `..` takes away something that another one has left out, or a
        // backslash ends what another one leaves out.
        let is_odd = path.contains(&b'\\') || path.windows(2).any(|pair| pair == b"..");
        let sees = |reader: Reader| reader.read(path).is_some_and(|(before, after)| is_so(&before, &after));
        sees(Reader::MOST_LENIENT) || is_odd && Reader::all().any(sees)
    })
}

/// A path of these segments.
fn joined(segments: &[&[u8]]) -> Vec<u8> {
    segments.iter().flat_map(|segment| [b"/", *segment].concat()).collect()
}

/// What a server leaves out of a path, or takes for a slash.
#[expect(clippy::struct_excessive_bools, reason = "each is a way of reading, and all combinations are tried")]
#[derive(Clone, Copy)]
struct Reader {
    parameters: bool,
    ends: bool,
    blanks: bool,
    empty: bool,
    backslash: bool,
}

impl Reader {
    const MOST_LENIENT: Reader = Reader { parameters: true, ends: true, blanks: true, empty: true, backslash: true };

    fn all() -> impl Iterator<Item = Reader> {
        let bit = |bits: u8, place: u8| bits >> place & 1 == 1;
        let of = move |bits| Reader {
            parameters: bit(bits, 0),
            blanks: bit(bits, 1),
            empty: bit(bits, 2),
            backslash: bit(bits, 3),
            ends: bit(bits, 4),
        };
        (0..32).map(of)
    }

    /// What stands before `/.well-known` and behind the name, for the first of our names that it sees.
    fn read(self, path: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let is_ours = |name: &[u8]| NAMES.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        let is_well_known = |segment: &&[u8]| segment.eq_ignore_ascii_case(WELL_KNOWN);
        let mut parts = path.split(|byte| *byte == b'/' || self.backslash && *byte == b'\\');
        let mut segments: Vec<&[u8]> = Vec::new();
        while let Some(part) = parts.next() {
            let name = self.segment(part);
            if is_ours(name) && segments.pop_if(|last| is_well_known(&*last)).is_some() {
                let mut after = Vec::new();
                parts.for_each(|part| self.go_on(&mut after, part));
                return Some((joined(&segments), joined(&after)));
            }
            self.go_on(&mut segments, part);
        }
        None
    }

    /// Goes one part of the path further.
    fn go_on<'p>(self, segments: &mut Vec<&'p [u8]>, part: &'p [u8]) {
        match self.segment(part) {
            // What stands before the first slash is no segment.
            b"" if self.empty || segments.is_empty() => {}
            b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }

    fn segment(self, part: &[u8]) -> &[u8] {
        let is_end = |byte: &u8| self.parameters && *byte == b';' || self.ends && matches!(byte, b'?' | b'#' | 0);
        let is_blank = |byte: &u8| self.blanks && (*byte <= b' ' || *byte == 0x7f);
        // A zero byte in front is a blank, and not the end.
        let start = part.iter().position(|byte| !is_blank(byte)).unwrap_or(part.len());
        let name = part[start..].split(is_end).next().unwrap_or_default();
        let end = name.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
        &name[..end]
    }
}
