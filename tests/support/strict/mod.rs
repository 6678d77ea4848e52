//! A second reader of HTTP/1.1, written from RFC 9110 and RFC 9112 and from nothing of the edge's: where a message
//! ends, or why nobody can say.

mod answer;
mod chunks;
mod fields;
mod framing;
mod grammar;
mod request;
mod sent;
mod tests;

pub use self::{
    answer::{AnswerHead, answer, answers},
    fields::Fields,
    framing::Framing,
    request::{RequestHead, request, requests},
};

/// Who has written what is read, and so how much of it may be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What could be read in two ways must go no further.
    Client,
    /// What the standard says how to mend may be mended, or refused.
    Server,
    /// What the edge sends on is beyond doubt.
    Edge,
}

/// How the reading of a message has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the end of the message.
    Whole,
    /// With the end of the bytes, before that of the message.
    Missing,
    /// With the end of the bytes, which is that of the message if the connection was closed there.
    Closing,
    /// With bytes that have no place there.
    Fault(&'static str),
}

/// A message as far as it can be read.
#[derive(Debug, Clone)]
pub struct Reading<H> {
    /// None: it is not whole, or faulty.
    pub head: Option<H>,
    /// Its content, or the beginning of it.
    pub body: Vec<u8>,
    pub end: End,
    /// Whether a recipient may refuse it as well.
    pub is_doubtful: bool,
    /// The same of its body alone, of which the beginning may be on its way by then.
    pub is_body_doubtful: bool,
    /// How many bytes were read.
    pub length: usize,
}

/// What is held against a message while it is read.
#[derive(Debug, Clone, Copy)]
struct Notes {
    side: Side,
    is_doubtful: bool,
}

/// Why a message is none.
type Fault = &'static str;

impl<H> Reading<H> {
    /// A head that is none, or not whole.
    fn headless(end: End, notes: Notes) -> Self {
        let is_doubtful = notes.is_doubtful;
        Reading { head: None, body: Vec::new(), end, is_doubtful, is_body_doubtful: false, length: 0 }
    }

    /// Reads the body behind a head: these are the bytes of both, and those behind the head.
    fn with_body(head: H, framing: Framing, (all, rest): (&[u8], &[u8]), mut notes: Notes) -> Self {
        let mut of_body = Notes::new(notes.side);
        let body = framing.body(rest, &mut of_body);
        notes.is_doubtful |= of_body.is_doubtful;
        Reading {
            head: Some(head),
            body: body.content,
            end: body.end,
            is_doubtful: notes.is_doubtful,
            is_body_doubtful: of_body.is_doubtful,
            length: all.len() - rest.len() + body.length,
        }
    }

    pub fn is_whole(&self) -> bool {
        self.end == End::Whole
    }
}

impl Notes {
    fn new(side: Side) -> Self {
        Notes { side, is_doubtful: false }
    }

    /// Notes what a recipient may refuse, and the edge may pass on.
    fn flag(&mut self) {
        self.is_doubtful = true;
    }

    /// Notes what a recipient may refuse, and nobody should send.
    fn doubt(&mut self, why: Fault) -> Result<(), Fault> {
        self.is_doubtful = true;
        if self.side == Side::Edge { Err(why) } else { Ok(()) }
    }

    /// Notes what may be mended in an answer (RFC 9112 names each), and is a fault anywhere else.
    fn mend(&mut self, why: Fault) -> Result<(), Fault> {
        self.is_doubtful = true;
        if self.side == Side::Server { Ok(()) } else { Err(why) }
    }
}
