//! How everything on the admin listener is answered.

use std::{fmt::Write, time::SystemTime};

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// An answer, whole.
pub(super) struct Answer {
    pub status: StatusCode,
    content_type: &'static str,
    /// One more header, name and value.
    more: Option<(&'static str, String)>,
    body: Bytes,
}

const PLAIN: &str = "text/plain; charset=utf-8";

impl Answer {
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Answer { status, content_type, more: None, body: body.into() }
    }

    pub fn text(status: StatusCode, line: &str) -> Self {
        Self::new(status, PLAIN, format!("{line}\n"))
    }

    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::new(status, "application/json", text + "\n"),
            Err(error) => Self::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.more = Some((name, value));
        self
    }

    /// As bytes of HTTP/1.1. No header allows another origin anything.
    pub fn into_bytes(self, is_head: bool, is_last: bool) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nDate: {}\r\nConnection: {}\r\n",
            self.status.as_u16(),
            self.status.canonical_reason().unwrap_or_default(),
            self.content_type,
            self.body.len(),
            httpdate::fmt_http_date(SystemTime::now()),
            if is_last { "close" } else { "keep-alive" },
        );
        head += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
                 Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n";
        if let Some((name, value)) = &self.more {
            let _always = write!(head, "{name}: {value}\r\n");
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}
