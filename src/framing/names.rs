//! The table of the fields that are not simply passed on.

/// What a field is for, by its name, as far as somebody on the way has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For the next hop alone (RFC 9110 section 7.6.1); each writes its own.
    HopByHop,
    /// `Upgrade`: for the next hop alone, but a 426 must say to what (RFC 9110 section 15.5.22).
    Upgrade,
    /// Says where the body ends.
    Framing,
    /// The edge writes its own in a request: `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Real-IP`.
    Own,
    /// `X-Request-Id`: the edge writes its own in a request, and in a response that has none.
    RequestId,
    /// Says who the client is, or what it asked for, also with `_` in the place of `-`: believed of a trusted proxy
    /// alone. Bifrost reads `X-BF-Forwarded-Proto`.
    Trust,
    /// The `Host`.
    Host,
    /// The `Cookie`, of which HTTP/2 may have several (RFC 9113 section 8.2.3).
    Cookie,
    /// What a server lets somebody in by: `Authorization` and Bifrost's own `X-BF-...`.
    Credentials,
    /// When the message was made, which a trailer cannot say.
    Date,
    /// `traceparent` and `tracestate` (W3C Trace Context): the edge writes its own where it traces.
    Trace,
    /// Everything else.
    Other,
}

impl Kind {
    /// Tells the kind of a field.
    pub fn of(name: &[u8]) -> Self {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match name.len() {
            2 if is(b"te") => Kind::HopByHop,
            4 if is(b"date") => Kind::Date,
            4 if is(b"host") => Kind::Host,
            6 if is(b"cookie") => Kind::Cookie,
            7 if is(b"upgrade") => Kind::Upgrade,
            7 if is(b"trailer") => Kind::HopByHop,
            9 if is(b"forwarded") => Kind::Trust,
            9 if is(b"x-real-ip") => Kind::Own,
            10 if is(b"connection") || is(b"keep-alive") => Kind::HopByHop,
            10 if is(b"tracestate") => Kind::Trace,
            11 if is(b"traceparent") => Kind::Trace,
            12 if is(b"x-request-id") => Kind::RequestId,
            13 if is(b"authorization") => Kind::Credentials,
            14 if is(b"content-length") => Kind::Framing,
            14 if is(b"http2-settings") => Kind::HopByHop,
            15 if is(b"x-forwarded-for") => Kind::Own,
            16 if is(b"proxy-connection") => Kind::HopByHop,
            17 if is(b"transfer-encoding") => Kind::Framing,
            17 if is(b"x-forwarded-proto") => Kind::Own,
            18 if is(b"proxy-authenticate") => Kind::HopByHop,
            19 if is(b"proxy-authorization") => Kind::HopByHop,
            20 if is(b"x-bf-forwarded-proto") => Kind::Trust,
            12.. if begins(name, b"x-forwarded-") => Kind::Trust,
            _ if is_misspelt(name) => Kind::Trust,
            5.. if begins(name, b"x-bf-") => Kind::Credentials,
            _ => Kind::Other,
        }
    }

    /// Whether a `Connection` of the client must not take the field away: the server or the edge relies on it.
    pub(super) fn is_protected(self) -> bool {
        !matches!(self, Kind::HopByHop | Kind::Upgrade | Kind::Date | Kind::Trace | Kind::Other)
    }
}

/// Whether a name is one of those that say who the client is, but for `_` in the place of `-`: some servers do not tell
/// the two signs apart.
fn is_misspelt(name: &[u8]) -> bool {
    if !begins(name, b"x") || !name.contains(&b'_') {
        return false;
    }
    let is_same = |(sign, other): (&u8, &u8)| sign.eq_ignore_ascii_case(other) || (*sign == b'_' && *other == b'-');
    let is = |other: &[u8]| name.len() == other.len() && name.iter().zip(other).all(is_same);
    name.get(..11).is_some_and(|start| start.iter().zip(b"x-forwarded").all(is_same))
        || is(b"x-real-ip")
        || is(b"x-request-id")
        || is(b"x-bf-forwarded-proto")
}

fn begins(name: &[u8], with: &[u8]) -> bool {
    name.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_its_field_is_for() {
        for (name, kind) in [
            ("TE", Kind::HopByHop),
            ("Keep-Alive", Kind::HopByHop),
            ("transfer-encoding", Kind::Framing),
            ("X-Forwarded-For", Kind::Own),
            ("X-Forwarded-Host", Kind::Trust),
            ("X_FORWARDED_PROTO", Kind::Trust),
            ("X-Forwarded_For", Kind::Trust),
            ("x_forwarded-for", Kind::Trust),
            ("X_Real_IP", Kind::Trust),
            ("X-Real_Ip", Kind::Trust),
            ("X_Request-Id", Kind::Trust),
            ("x-bf-forwarded_proto", Kind::Trust),
            ("x-bf_vk", Kind::Other),
            ("X_Real_IPs", Kind::Other),
            ("X-Forwarded", Kind::Other),
            ("x-bf-vk", Kind::Credentials),
            ("X-BF-Forwarded-Proto", Kind::Trust),
            ("Date", Kind::Date),
            ("X-Forwarding", Kind::Other),
            ("TraceParent", Kind::Trace),
            ("tracestate", Kind::Trace),
            ("", Kind::Other),
        ] {
            assert_eq!(Kind::of(name.as_bytes()), kind, "{name}");
        }
    }
}
