//! Paths as they stand in blocks of HTTP/2's fields (RFC 7541): whether a fragment comes with one. The parser of URLs
//! that requests of HTTP/2 pass through cuts it off, and nobody behind it knows.

/// What a block says of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// It has no fragment, as far as it is spelled out.
    Plain,
    /// It has one, in this block alone.
    Fragment,
    /// It has one, and may be named by its index in later blocks.
    IndexedFragment,
}

/// The name in the Huffman code (appendix B).
const CODED_NAME: [u8; 4] = [0xb9, 0x58, 0xd3, 0x3f];

/// Reads a block as far as its path may go. What is malformed in it is the library's to find.
pub fn path(block: &[u8]) -> Path {
    read(block).unwrap_or(Path::Plain)
}

fn read(mut block: &[u8]) -> Option<Path> {
    while let Some(first) = block.first() {
        let (bits, is_literal, is_indexed) = match first {
            0x80.. => (7, false, false),
            0x40.. => (6, true, true),
            0x20.. => (5, false, false),
            _ => (4, true, false),
        };
        let (name, rest) = integer(block, bits)?;
        block = rest;
        if matches!(name, LAST_PSEUDO..=LAST_STATIC) && *first >= 0x40 {
            // What is no pseudo-header comes behind all that are (RFC 9113 section 8.3).
            return None;
        }
        if !is_literal {
            continue;
        }
        let mut is_path = matches!(name, 4 | 5);
        if name == 0 {
            let (is_coded, name, rest) = string(block)?;
            is_path = if is_coded { name == CODED_NAME } else { name == b":path" };
            block = rest;
        }
        let (is_coded, value, rest) = string(block)?;
        block = rest;
        let has_fragment = || if is_coded { is_in_code(value) } else { value.contains(&b'#') };
        if is_path && has_fragment() {
            return Some(if is_indexed { Path::IndexedFragment } else { Path::Fragment });
        }
    }
    None
}

/// Behind the pseudo-headers in the static table (appendix A).
const LAST_PSEUDO: usize = 15;
const LAST_STATIC: usize = 61;

/// Reads an integer whose prefix has so many bits (section 5.1).
fn integer(bytes: &[u8], bits: u32) -> Option<(usize, &[u8])> {
    let most = (1 << bits) - 1;
    let (first, mut rest) = bytes.split_first()?;
    let mut value = usize::from(first & most);
    if value < usize::from(most) {
        return Some((value, rest));
    }
    for shift in (0..28).step_by(7) {
        let (next, after) = rest.split_first()?;
        rest = after;
        value += usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// Reads a string: whether it is in the Huffman code, its bytes, and the rest (section 5.2).
fn string(bytes: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let is_coded = bytes.first()? & 0x80 != 0;
    let (length, rest) = integer(bytes, 7)?;
    let (string, rest) = rest.split_at_checked(length)?;
    Some((is_coded, string, rest))
}

/// The lengths of codes, and the last code of each length: shorter ones are smaller (appendix B).
const LAST_CODES: [(u32, u32); 21] = [
    (5, 0x9),
    (6, 0x2d),
    (7, 0x7b),
    (8, 0xfd),
    (10, 0x3fc),
    (11, 0x7fc),
    (12, 0xffb),
    (13, 0x1ffd),
    (14, 0x3ffd),
    (15, 0x7ffe),
    (19, 0x7_fff2),
    (20, 0xf_ffed),
    (21, 0x1f_ffe8),
    (22, 0x3f_ffeb),
    (23, 0x7f_fff4),
    (24, 0xff_fff5),
    (25, 0x1ff_ffef),
    (26, 0x3ff_ffee),
    (27, 0x7ff_fff0),
    (28, 0xfff_fffe),
    (30, 0x3fff_ffff),
];

/// The code of `#`.
const FRAGMENT: (u32, u32) = (12, 0xffa);

/// Whether a string in the Huffman code has a `#` in it.
fn is_in_code(coded: &[u8]) -> bool {
    // Nine ones in a row are in that code, and in few others that a path has.
    if !coded.windows(2).any(|two| u32::from(two[0].trailing_ones()) + u32::from(two[1].leading_ones()) >= 9) {
        return false;
    }
    let (mut bits, mut has) = (0_u64, 0);
    let mut bytes = coded.iter();
    loop {
        while has <= 32 {
            let Some(byte) = bytes.next() else { break };
            bits = bits << 8 | u64::from(*byte);
            has += 8;
        }
        let code = |length: u32| (has >= length).then(|| (bits >> (has - length)) as u32 & (u32::MAX >> (32 - length)));
        let found = LAST_CODES.iter().find(|(length, last)| code(*length).is_some_and(|code| code <= *last));
        // What is left is padding.
        let Some((length, _)) = found else { return false };
        if (*length, code(*length)) == (FRAGMENT.0, Some(FRAGMENT.1)) {
            return true;
        }
        has -= length;
        bits &= (1 << has) - 1;
    }
}
