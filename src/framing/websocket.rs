//! The handshake of a WebSocket (RFC 6455 section 4).

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::response::ResponseHead;

/// Tells whether a 101 switches to the WebSocket that a request with this key has asked for: a server that knows nothing
/// of WebSockets cannot say so. A request without a key is no business of the edge's.
///
/// # Errors
/// Why not.
pub fn switches_to_websocket(response: &ResponseHead<'_>, key: Option<&[u8]>) -> Result<(), &'static str> {
    let value = |wanted: &'static str| {
        let mut values = response.fields().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        values.next().map(|(_, value)| value).filter(|_| values.next().is_none())
    };
    if !value("upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket")) {
        return Err("a 101 to another protocol than a WebSocket");
    }
    match key {
        Some(key) if value("sec-websocket-accept") != Some(accept(key).as_bytes()) => {
            Err("a 101 whose Sec-WebSocket-Accept does not fit the request")
        }
        _ => Ok(()),
    }
}

/// What a server answers to a key (section 4.2.2).
fn accept(key: &[u8]) -> String {
    const OF_WEBSOCKETS: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, OF_WEBSOCKETS].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_websocket_that_was_asked_for_is_switched_to() {
        // The example of section 1.3.
        let key = Some(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]);
        let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        for (fields, key, switches) in [
            (format!("Upgrade: websocket\r\n{accept}"), key, true),
            (format!("upgrade: WebSocket\r\n{}", accept.to_ascii_uppercase().replace("S3PPLM", "s3pPLM")), key, false),
            (format!("Upgrade: websocket\r\n{accept}{accept}"), key, false),
            ("Upgrade: websocket\r\n".to_owned(), key, false),
            ("Upgrade: websocket\r\n".to_owned(), None, true),
            (format!("Upgrade: websocket\r\n{accept}"), Some(b"another"), false),
            (format!("Upgrade: h2c\r\n{accept}"), key, false),
            (format!("Upgrade: websocket, h2c\r\n{accept}"), key, false),
            (accept.to_owned(), key, false),
        ] {
            let head = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
            let head = ResponseHead::read(head.as_bytes()).unwrap();
            assert_eq!(switches_to_websocket(&head, key).is_ok(), switches, "{fields:?}");
        }
    }
}
