//! Where a body ends (RFC 9112 section 6), and the reading of it.

use super::{End, Fault, Fields, Notes, chunks, grammar};

/// What tells where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    Length(u64),
    Chunked,
    /// The end of the connection.
    Close,
}

/// A body as far as it can be read.
pub(super) struct Body {
    pub content: Vec<u8>,
    pub end: End,
    pub length: usize,
}

impl Framing {
    /// Reads what two fields say, or what they leave open. `is_1_0`: the sender cannot know of chunks.
    pub(super) fn read(fields: &Fields, is_1_0: bool, notes: &mut Notes) -> Result<Option<Self>, Fault> {
        let length = length(fields, notes);
        if !fields.has("transfer-encoding") {
            return length;
        }
        if fields.has("content-length") {
            // Section 6.3: it is overridden in an answer, and must be removed.
            notes.mend("a Content-Length beside a Transfer-Encoding")?;
        }
        if is_1_0 {
            // Section 6.1.
            notes.mend("a Transfer-Encoding in HTTP/1.0")?;
        }
        let codings: Vec<_> = fields.items("transfer-encoding").collect();
        if codings.len() > 1 && codings.iter().any(|coding| coding.is_empty()) {
            // RFC 9110 section 5.6.1.2.
            notes.mend("an empty item in Transfer-Encoding")?;
        }
        let mut codings = codings.into_iter().filter(|coding| !coding.is_empty());
        match (codings.next(), codings.next()) {
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Some(Framing::Chunked)),
            _ => Err("a Transfer-Encoding other than chunked"),
        }
    }

    /// Reads the body that follows the head.
    pub(super) fn body(self, bytes: &[u8], notes: &mut Notes) -> Body {
        match self {
            Framing::Empty => Body { content: Vec::new(), end: End::Whole, length: 0 },
            Framing::Close => Body { content: bytes.to_vec(), end: End::Closing, length: bytes.len() },
            Framing::Chunked => chunks::read(bytes, notes),
            Framing::Length(length) => {
                let have = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
                let end = if have as u64 == length { End::Whole } else { End::Missing };
                Body { content: bytes[..have].to_vec(), end, length: have }
            }
        }
    }
}

fn length(fields: &Fields, notes: &mut Notes) -> Result<Option<Framing>, Fault> {
    let mut said = fields.items("content-length");
    let Some(first) = said.next() else { return Ok(None) };
    let length = grammar::length(first).ok_or("a Content-Length that is no number")?;
    for more in said {
        if grammar::length(more) != Some(length) {
            return Err("more than one Content-Length");
        }
        // RFC 9110 section 8.6.
        notes.mend("a Content-Length that is said twice")?;
    }
    Ok(Some(Framing::Length(length)))
}
