//! The context of a trace as it travels between systems: the fields `traceparent` and `tracestate` of W3C Trace Context
//! (level 1). Pure.

/// The name of the field that says to which trace a request belongs.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the field in which other systems of a trace keep what is theirs.
pub const TRACESTATE: &str = "tracestate";

/// So much of `tracestate` must be passed on (section 3.3.1.5); what is longer is dropped.
const MOST_STATE: usize = 512;
/// A `tracestate` has at most so many members (section 3.3.1.1).
const MOST_MEMBERS: usize = 32;
/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The one flag of version 00: the caller may have recorded its span (section 3.2.2.5.1).
const SAMPLED: u8 = 1;

/// A span and its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace: u128,
    /// The span; never 0.
    pub span: u64,
    /// Whether it is recorded.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`, of this version or a later one (section 4.3). `None` when it is malformed.
    pub fn read(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (head, rest) = value.split_at_checked(LENGTH)?;
        let [version, trace, span, flags] = parts(head)?;
        let is_whole = match version {
            // Forbidden (section 3.2.2.1).
            0xff => return None,
            0 => rest.is_empty(),
            // What a later version has besides begins with another dash.
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        let (span, flags) = (u64::try_from(span).ok()?, u8::try_from(flags).ok()?);
        (is_whole && trace != 0 && span != 0).then_some(TraceContext { trace, span, is_sampled: flags & SAMPLED != 0 })
    }

    /// Writes it as a `traceparent` of version 00.
    pub fn write(self) -> [u8; LENGTH] {
        let mut written = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(&self.trace.to_be_bytes(), &mut written[3..35]);
        hex(&self.span.to_be_bytes(), &mut written[36..52]);
        hex(&[u8::from(self.is_sampled)], &mut written[53..]);
        written
    }

    /// Writes the id of the trace.
    pub fn trace_id(self) -> [u8; 32] {
        let mut written = [0; 32];
        hex(&self.trace.to_be_bytes(), &mut written);
        written
    }
}

/// Version, trace, span and flags, between their dashes.
fn parts(head: &[u8]) -> Option<[u128; 4]> {
    let mut parts = head.split(|byte| *byte == b'-');
    let numbers = [2, 32, 16, 2].map(|length| number(parts.next()?, length));
    let [Some(version), Some(trace), Some(span), Some(flags)] = numbers else { return None };
    parts.next().is_none().then_some([version, trace, span, flags])
}

/// A number of so many hexadecimal digits, in lower case.
fn number(digits: &[u8], length: usize) -> Option<u128> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(u128::from(byte - b'0')),
        b'a'..=b'f' => Some(u128::from(byte - b'a') + 10),
        _ => None,
    };
    if digits.len() != length {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| Some(number << 4 | digit(byte)?))
}

fn hex(bytes: &[u8], to: &mut [u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (digits, byte) in to.chunks_exact_mut(2).zip(bytes) {
        digits.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Whether the fields of a `tracestate`, joined, are one (section 3.3.1) that is short enough to be passed on.
pub fn is_state<'f>(fields: impl Iterator<Item = &'f [u8]>) -> bool {
    let (mut length, mut count) = (0, 0);
    for field in fields {
        length += field.len() + usize::from(length > 0);
        let members = field.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for member in members.filter(|member| !member.is_empty()) {
            count += 1;
            if count > MOST_MEMBERS || !is_member(member) {
                return false;
            }
        }
    }
    length <= MOST_STATE
}

/// Whether this is a member of a `tracestate`: key, `=`, value.
fn is_member(member: &[u8]) -> bool {
    let Some(place) = member.iter().position(|byte| *byte == b'=') else { return false };
    let (key, value) = (&member[..place], &member[place + 1..]);
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_next = |byte: &u8| is_first(byte) || b"_-*/@".contains(byte);
    let is_value = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'=';
    (1..=256).contains(&key.len())
        && key.first().is_some_and(is_first)
        && key.iter().all(is_next)
        && (1..=256).contains(&value.len())
        && value.iter().all(is_value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(text: &str) -> Option<TraceContext> {
        TraceContext::read(text.as_bytes())
    }

    #[test]
    fn the_example_of_the_standard() {
        let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
        let context = TraceContext { trace, span: 0x00f0_67aa_0ba9_02b7, is_sampled: true };
        assert_eq!(read(EXAMPLE), Some(context));
        assert_eq!(context.write(), EXAMPLE.as_bytes());
        assert_eq!(&context.trace_id(), b"4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn what_is_malformed_is_no_context() {
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_later_version_may_have_more() {
        for later in ["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &EXAMPLE.replacen("00", "cc", 1)] {
            assert_eq!(read(later), read(EXAMPLE), "{later}");
            assert_eq!(read(&format!("{later}-what-else")), read(EXAMPLE), "{later}");
        }
        // Of the flags only the one that is known counts.
        assert!(!read(&EXAMPLE.replace("-01", "-fe")).unwrap().is_sampled);
    }

    #[test]
    fn a_state_is_one_by_its_grammar() {
        let is = |fields: &[&str]| is_state(fields.iter().map(|field| field.as_bytes()));
        for good in [&[][..], &[""], &["a=1"], &["a=1, b@c=2 ,,", "0*/-_=x y"], &[&format!("a={}", "x".repeat(256))]] {
            assert!(is(good), "{good:?}");
        }
        let many = vec!["a=1"; 33].join(",");
        let long = ["a=", &"x".repeat(255), ",b=", &"x".repeat(254)].concat();
        for bad in
            ["a", "=1", "a=", "A=1", "a=b=c", "a=\u{7f}", "_a=1", &many, &long, &format!("a={}", "x".repeat(257))]
        {
            assert!(!is(&[bad]), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1..=u128::MAX, span in 1..=u64::MAX, is_sampled: bool) {
            let context = TraceContext { trace, span, is_sampled };
            prop_assert_eq!(TraceContext::read(&context.write()), Some(context));
        }

        /// Whatever a client sends: no panic, and what is read is what was there.
        #[test]
        fn anything_may_come(value in prop::collection::vec(any::<u8>(), 0..80), fields in prop::collection::vec("\\PC{0,40}", 0..5)) {
            if let Some(context) = TraceContext::read(&value) {
                prop_assert_eq!(&value.trim_ascii()[3..52], &context.write()[3..52]);
            }
            is_state(fields.iter().map(String::as_bytes));
        }

        #[test]
        fn one_other_byte_is_another_context_or_none(place in 0..55_usize, byte: u8) {
            let mut value = EXAMPLE.as_bytes().to_vec();
            value[place] = byte;
            let whole = TraceContext::read(&value);
            let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let is_dash = [2, 35, 52].contains(&place);
            let is_good = if is_dash { byte == b'-' } else { is_digit };
            // A later version is read, too, and no example of these has an id of 0.
            prop_assert_eq!(whole.is_some(), is_good, "{:?}", String::from_utf8_lossy(&value));
        }
    }
}
