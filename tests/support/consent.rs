//! The script of a Bifrost's consent page, of the generation of `profile: oauth2`.

use serde_json::{Value, json};

use super::{bifrost::Bifrost, http::Response};

/// Approves with a virtual key, once: from the URL of the page to what it shows, and the URL where it sends the browser.
/// The script sends a method, a target, the token of the page if it has one, and a body.
pub fn consent(page: &str, send: impl Fn(&str, &str, Option<&str>, &str) -> Response) -> (Value, String) {
    let (url, token) = page.split_once("#t=").expect("the fragment has arrived");
    let flow = url.split_once("/oauth/consent?flow=").unwrap().1;
    let target = format!("/api/oauth2/consent/flows/{flow}");
    assert_eq!(send("GET", &target, None, "").status, 401);
    let shown = send("GET", &target, Some(token), "").json();
    assert_eq!(shown["available_modes"], json!(["vk"]));
    let key = json!({"mode": "vk", "value": Bifrost::VIRTUAL_KEY}).to_string();
    let done = send("PUT", &target, Some(token), &key);
    assert_eq!(send("PUT", &target, Some(token), &key).status, 410);
    (shown, done.json()["redirect_url"].as_str().unwrap().to_owned())
}
