//! The status page: one file that asks for nothing but `/status`.

use http::StatusCode;

use super::answer::Answer;

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPT: &str = concat!(include_str!("plot.js"), include_str!("page.js"));

/// The page, which only its own style and script may touch, and which talks to nobody but this listener.
pub(super) fn page() -> Answer {
    // A new one each time, as the standard wants it (CSP3 section 7.1).
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let style = format!("<style nonce=\"{nonce}\">{CSS}</style>");
    let script = format!("<script nonce=\"{nonce}\">{SCRIPT}</script>");
    let page = HTML.replacen("<!-- style -->", &style, 1).replacen("<!-- script -->", &script, 1);
    Answer::new(StatusCode::OK, "text/html; charset=utf-8", page).with("Content-Security-Policy", policy)
}
