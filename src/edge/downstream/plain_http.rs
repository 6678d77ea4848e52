//! A client that speaks plain HTTP where TLS is spoken is told so: it would see nothing but a connection that ends.

use std::time::SystemTime;

use httpdate::fmt_http_date;

use crate::edge::client::{ClientStream, Socket};

const BODY: &str = "This is a port for HTTPS, and the request came without: write https:// in its URL.\n";

/// The beginning of a request of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlainHttp {
    is_head: bool,
}

/// What a client begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstWord {
    /// Nothing: it has left without a byte, as load balancers do that only see whether somebody listens.
    Nothing,
    /// A request of HTTP.
    Plain(PlainHttp),
    /// Anything else.
    Other,
}

/// Waits for the first bytes of a client, and tells whether a request of HTTP begins with them: a method in capital
/// letters. A record of TLS begins with a number below 32. They stay where they are.
pub(super) async fn first_word(socket: &Socket) -> FirstWord {
    let mut first = [0; 16];
    match socket.peek(&mut first).await {
        // The end, or a reset.
        Ok(0) | Err(_) => FirstWord::Nothing,
        Ok(length) if begins_a_request(&first[..length]) => {
            FirstWord::Plain(PlainHttp { is_head: first.starts_with(b"HEAD ") })
        }
        Ok(_) => FirstWord::Other,
    }
}

fn begins_a_request(first: &[u8]) -> bool {
    let method = first.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    method > 0 && first.get(method).is_none_or(|next| *next == b' ')
}

/// Answers 400, and closes the connection once the client has read it.
pub(super) async fn refuse(client: &ClientStream, request: PlainHttp) {
    let date = fmt_http_date(SystemTime::now());
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nDate: {date}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{}",
        BODY.len(),
        if request.is_head { "" } else { BODY }
    );
    client.end_with(answer.as_bytes()).await;
    client.close().await;
}

#[cfg(test)]
mod tests {
    use super::begins_a_request;

    #[test]
    fn requests_are_told_from_handshakes_and_from_other_protocols() {
        for request in
            ["GET / HTTP/1.1\r\n", "POST /v1/chat", "OPTIONS * HTTP/", "PRI * HTTP/2.0\r\n", "G", "SUBSCRIBECHANGES"]
        {
            assert!(begins_a_request(request.as_bytes()), "{request}");
        }
        let others: [&[u8]; 7] =
            [b"", b"\x16\x03\x01\x02\x00", b"\x80\x2e\x01", b"SSH-2.0-x", b"get / HTTP/1.1", b" GET", b"\x15\x03\x03"];
        for other in others {
            assert!(!begins_a_request(other), "{other:?}");
        }
    }
}
