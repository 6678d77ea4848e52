//! What it means that a Bifrost does not let the edge ask, and what to do.
//!
//! Source: release notes of Bifrost 2.2.6 (#8010). While nobody can log in to its dashboard, its API wants the setup
//! token: without one it answers 401, and 403 when the token is another one or the server has none.

use http::StatusCode;

use super::credentials::{Credentials, PASSWORD, SETUP_TOKEN, TOKEN, USER};

/// The cause and the remedy of a status that refuses; `None` of any other status.
pub(crate) fn refusal(status: StatusCode, sent: Option<&Credentials>) -> Option<String> {
    let has_user = sent.is_some_and(Credentials::has_user);
    let has_setup = sent.is_some_and(Credentials::has_setup);
    Some(match (status, has_user, has_setup) {
        (StatusCode::UNAUTHORIZED, false, false) => format!(
            "401, credentials are needed; set {TOKEN}, or {USER} and {PASSWORD}, or {SETUP_TOKEN} if its dashboard has \
             no login yet (Bifrost 2.2.6 and later)"
        ),
        (StatusCode::UNAUTHORIZED, true, false) => format!(
            "401, the credentials are not accepted; mend them, or set {SETUP_TOKEN} if its dashboard has no login yet \
             (Bifrost 2.2.6 and later)"
        ),
        (StatusCode::UNAUTHORIZED, false, true) => format!(
            "401, the setup token is not enough: its dashboard has a login; set {TOKEN}, or {USER} and {PASSWORD}"
        ),
        (StatusCode::UNAUTHORIZED, true, true) => {
            format!(
                "401, neither the credentials nor the setup token are accepted; mend {TOKEN}, or {USER} and {PASSWORD}"
            )
        }
        (StatusCode::FORBIDDEN, _, true) => format!(
            "403, the setup token is not the server's, or the server has none; set its setup_token in config.json, or \
             BIFROST_SETUP_TOKEN in its environment, start it again, and set {SETUP_TOKEN} to the same"
        ),
        (StatusCode::FORBIDDEN, true, false) => format!(
            "403, these credentials may not list MCP clients, or its dashboard has no login yet and it has no setup \
             token (Bifrost 2.2.6 and later); give the user that right, or set BIFROST_SETUP_TOKEN for the server, start \
             it again, and set {SETUP_TOKEN} to the same"
        ),
        (StatusCode::FORBIDDEN, false, false) => format!(
            "403, its dashboard has no login yet, and it has no setup token (Bifrost 2.2.6 and later); set \
             BIFROST_SETUP_TOKEN for the server, start it again, and set {SETUP_TOKEN} to the same"
        ),
        _ => return None,
    })
}
