//! The setup lock: while nobody can log in to the dashboard, the API wants the setup token.
//!
//! Source: release notes of Bifrost 2.2.6 (#8010), which name the header, the cookie, the public paths and the statuses.
//! The words of the errors are not in them, and are made up.

use hyper::{StatusCode, header};

use super::{Bifrost, lock, reply::Reply, route::Ask};

const COOKIE: &str = "bifrost_setup_session";
/// Behind `/api`; a path outside it is public anyway.
const PUBLIC: [&str; 2] = ["/api/version", "/api/session/"];

/// Who may use the API.
#[derive(Debug, Default)]
pub(super) enum Lock {
    /// Dashboards that have a login, versions before 2.2.6, and the enterprise edition have no such lock.
    #[default]
    Open,
    /// There is a lock with this token or, where the server was started without one, with none that opens it.
    Locked(Option<String>),
}

impl Bifrost {
    pub const SETUP_TOKEN: &str = "planted-setup-token";

    /// Makes it a fresh server, of 2.2.6 or later, whose setup token is this one.
    pub fn lock_setup(&self, token: Option<&str>) {
        *lock(&self.state.setup) = Lock::Locked(token.map(str::to_owned));
    }

    /// Lets a login be set, which lifts the lock.
    pub fn end_setup(&self) {
        *lock(&self.state.setup) = Lock::Open;
    }
}

/// Whether a request is refused for want of the token, and how.
pub(super) fn refusal(ask: &Ask) -> Option<Reply> {
    let Lock::Locked(token) = &*lock(&ask.state.setup) else { return None };
    if !ask.path.starts_with("/api/") || PUBLIC.iter().any(|public| ask.path.starts_with(public)) {
        return None;
    }
    let header = ask.headers.get("x-bifrost-setup-token").and_then(|value| value.to_str().ok());
    let cookies = ask.texts(header::COOKIE).flat_map(|cookies| cookies.split("; "));
    let sent = header.or_else(|| {
        cookies.filter_map(|cookie| cookie.split_once('=')).find_map(|(name, value)| (name == COOKIE).then_some(value))
    });
    let (status, message) = match (token, sent) {
        (None, _) => (StatusCode::FORBIDDEN, "no setup token is configured"),
        (Some(_), None) => (StatusCode::UNAUTHORIZED, "a setup token is needed"),
        (Some(token), Some(sent)) if token == sent => return None,
        (Some(_), Some(_)) => (StatusCode::FORBIDDEN, "the setup token is wrong"),
    };
    Some(ask.error(status, message))
}
