//! How everything on the admin listener is answered.

use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::framing::{Body, write};

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
        let mut bytes = Vec::with_capacity(512 + self.body.len());
        let date = httpdate::fmt_http_date(SystemTime::now());
        write::status_line(&mut bytes, self.status, self.status.canonical_reason().unwrap_or_default().as_bytes());
        write::framing(&mut bytes, Body::Length(self.body.len() as u64));
        let own = [
            ("Content-Type", self.content_type),
            ("Date", &date),
            ("Connection", if is_last { "close" } else { "keep-alive" }),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ];
        let more = self.more.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.into_iter().chain(more) {
            write::field(&mut bytes, name.as_bytes(), value.as_bytes());
        }
        write::end(&mut bytes);
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}
