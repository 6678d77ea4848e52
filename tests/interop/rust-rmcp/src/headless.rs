//! A headless browser, just enough for one OAuth login: cookies, redirects, and one HTML form, or what the script of
//! Bifrost's consent page does since 1.6.3.

use std::{collections::HashMap, env, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{
    Client, RequestBuilder, Response,
    header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use serde_json::{Value, json};
use url::Url;

const MAX_STEPS: usize = 10;
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

type Fields = Vec<(String, String)>;

struct Cookie {
    value: String,
    secure: bool,
}

/// Walks from an authorization URL to the redirect URI, which is never dialled.
///
/// Trust is that of the SDK's own client: the system's roots, or those of `SSL_CERT_FILE`.
pub struct HeadlessBrowser {
    pub visited: Vec<String>,
    client: Client,
    cookies: HashMap<(String, String), Cookie>, // by host and name
}

impl HeadlessBrowser {
    pub fn new() -> Result<Self> {
        let client = Client::builder().redirect(Policy::none()).timeout(STEP_TIMEOUT).build()?;
        Ok(Self { visited: Vec::new(), client, cookies: HashMap::new() })
    }

    /// Follow redirects and consent; return the callback's URL.
    pub async fn walk(&mut self, mut url: Url, redirect_uri: &str) -> Result<Url> {
        let mut form: Option<Fields> = None;
        for _ in 0..MAX_STEPS {
            let response = self.send(&url, form.take()).await?;
            let status = response.status();
            if status.is_redirection() {
                let location = response.headers().get(LOCATION).context("no Location")?;
                url = url.join(location.to_str()?)?;
                if url.as_str().starts_with(redirect_uri) {
                    return Ok(url);
                }
                continue;
            }
            let text = response.text().await?;
            let place = origin_and_path(&url);
            if status.as_u16() != 200 {
                let words: Vec<_> = text.split_whitespace().collect();
                let summary: String = words.join(" ").chars().take(200).collect();
                bail!("{} at {place}: {summary}", status.as_u16());
            }
            if let Some(token) = url.fragment().and_then(|part| part.strip_prefix("t=")) {
                url = self.consent(&url, token).await?;
                if url.as_str().starts_with(redirect_uri) {
                    return Ok(url);
                }
                continue;
            }
            let (action, fields) = parse_form(&text).with_context(|| format!("no form to post at {place}"))?;
            url = url.join(&action)?;
            form = Some(fields);
        }
        bail!("no callback after {MAX_STEPS} steps")
    }

    /// As the page's script: the token of the fragment is a header of its API.
    async fn consent(&mut self, page: &Url, token: &str) -> Result<Url> {
        let flow = page.query_pairs().find(|(name, _)| name == "flow");
        let (_, flow) = flow.context("a consent page without a flow")?;
        let url = page.join(&format!("../api/oauth2/consent/flows/{flow}"))?;
        let key = env::var("BIFROST_VIRTUAL_KEY").unwrap_or_default();
        let put = self
            .client
            .put(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "mode": "vk", "value": key }).to_string());
        for request in [self.client.get(url.clone()), put] {
            let request = request.header("X-Bifrost-Temp-Token", token);
            let response = self.open(&url, request).await?;
            let status = response.status();
            let text = response.text().await?;
            if status.as_u16() != 200 {
                bail!("{} at {}: {text}", status.as_u16(), origin_and_path(&url));
            }
            let answer: Value = serde_json::from_str(&text)?;
            if let Some(redirect) = answer["redirect_url"].as_str() {
                return Ok(Url::parse(redirect)?);
            }
        }
        bail!("consent led nowhere")
    }

    async fn send(&mut self, url: &Url, form: Option<Fields>) -> Result<Response> {
        let request = match form {
            Some(fields) => self.client.post(url.clone()).form(&fields),
            None => self.client.get(url.clone()),
        };
        self.open(url, request).await
    }

    async fn open(&mut self, url: &Url, mut request: RequestBuilder) -> Result<Response> {
        self.visited.push(origin_and_path(url));
        if let Some(cookies) = self.cookies_for(url) {
            request = request.header(COOKIE, cookies);
        }
        let response =
            request.send().await.map_err(reqwest::Error::without_url).with_context(|| origin_and_path(url))?;
        self.store_cookies(url, &response);
        Ok(response)
    }

    /// A `Secure` cookie goes over https only, with no exception for localhost.
    fn cookies_for(&self, url: &Url) -> Option<String> {
        let https = url.scheme() == "https";
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .filter(|((host, _), cookie)| Some(host.as_str()) == url.host_str() && (https || !cookie.secure))
            .map(|((_, name), cookie)| format!("{name}={}", cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn store_cookies(&mut self, url: &Url, response: &Response) {
        for line in response.headers().get_all(SET_COOKIE) {
            let mut parts = line.to_str().unwrap_or_default().split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let options: Vec<_> = parts.map(str::to_ascii_lowercase).collect();
            let host = url.host_str().unwrap_or_default().to_owned();
            let key = (host, name.to_owned());
            if options.iter().any(|option| option == "max-age=0") {
                self.cookies.remove(&key);
                continue;
            }
            let cookie = Cookie { value: value.to_owned(), secure: options.iter().any(|option| option == "secure") };
            self.cookies.insert(key, cookie);
        }
    }
}

/// The URL without its query and fragment, which carry codes and states.
fn origin_and_path(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// The action and the hidden inputs of the first form that is posted.
fn parse_form(html: &str) -> Option<(String, Fields)> {
    let (opening, rest) = html.split("<form").skip(1).find_map(|form| {
        let (opening, rest) = form.split_once('>')?;
        let method = attribute(opening, "method")?;
        method.eq_ignore_ascii_case("post").then_some((opening, rest))
    })?;
    let inside = rest.split("</form").next()?;
    let fields = inside
        .split("<input")
        .skip(1)
        .filter_map(|input| input.split('>').next())
        .filter(|input| attribute(input, "type").as_deref() == Some("hidden"))
        .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
    Some((attribute(opening, "action")?, fields.collect()))
}

/// The value of one quoted attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let after = tag.split(&format!(" {name}=")).nth(1)?;
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = after[1..].split(quote).next()?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'")];
    let value = plain.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to));
    Some(value.replace("&amp;", "&"))
}
