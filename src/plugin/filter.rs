//! The filter: answers discovery, and repairs what servers say of it.

use std::{fmt, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use http::{HeaderValue, StatusCode, header};
use pingora::{Result, http::ResponseHeader};
use pingora_proxy::Session;

use super::{
    prepared::{Prepared, drain},
    request::{asked, host, scheme},
};
use crate::{
    config::{Options, Problems, Scheme},
    discovery::{Discovery, DiscoveryAnswer, DiscoveryOutcome, DocumentAsked, Verdict, repair::Repair},
    trust::TrustedProxies,
};

/// MCP OAuth discovery for the hooks of any Pingora proxy. A clone answers with the same [`Options`], also after they
/// were [replaced](Self::replace).
#[derive(Clone)]
pub struct DiscoveryFilter(Arc<ArcSwap<Compiled>>);

struct Compiled {
    discovery: Discovery,
    /// The discovery's answers, in the form that Pingora writes.
    prepared: Vec<Prepared>,
    trusted: TrustedProxies,
}

impl DiscoveryFilter {
    /// Renders every answer that these options can lead to.
    ///
    /// # Errors
    /// Everything that makes the options wrong together, such as one public URL twice, or
    /// [`Profile::Oauth2`](crate::plugin::Profile) turned on without a public URL.
    pub fn new(options: &Options) -> Result<Self, Problems> {
        Ok(DiscoveryFilter(Arc::new(ArcSwap::from_pointee(Compiled::new(options)?))))
    }

    /// Answers with other options from now on; so does every clone. A request that is being answered is not disturbed.
    ///
    /// # Errors
    /// As for [`DiscoveryFilter::new`]; then nothing changes.
    pub fn replace(&self, options: &Options) -> Result<(), Problems> {
        self.0.store(Arc::new(Compiled::new(options)?));
        Ok(())
    }

    /// Whether discovery is on: whether a document is answered at all, and not a 404 in its place.
    pub fn is_on(&self) -> bool {
        self.0.load().discovery.is_on()
    }

    /// Answers the request if it is for discovery at one of the public URLs, for `request_filter`. `Some`: the response
    /// has been written, and this is what it was. `None`: it is for somebody else, and nothing was done; of a request for
    /// `/.well-known/jwks.json` under [`Profile::Oauth2`](crate::plugin::Profile), that is the Bifrost server, which
    /// alone has the keys.
    ///
    /// # Errors
    /// When the client cannot be read from or written to.
    pub async fn answer(&self, session: &mut Session) -> Result<Option<DiscoveryAnswer>> {
        let compiled = self.0.load_full();
        let derived;
        let (prepared, asked) = match compiled.decide(session) {
            Verdict::NotOurs => return Ok(None),
            Verdict::Prepared(id, asked) => (&compiled.prepared[id.0], asked),
            Verdict::Derived(answer, asked) => {
                derived = Prepared::new(&answer);
                (&derived, asked)
            }
        };
        drain(session).await;
        prepared.write(session, None).await?;
        let document = DocumentAsked::of(asked.target);
        Ok(Some(DiscoveryAnswer { document, outcome: DiscoveryOutcome::of(prepared.header.status) }))
    }

    /// Makes what a Bifrost server says of itself agree with the documents, for `response_filter`: `resource_metadata` in
    /// a `WWW-Authenticate` (RFC 9728 section 5.1) and the origin in a `Location` name the public URL, and a 401 may be
    /// read by web pages of other origins (`Access-Control-Expose-Headers`, Fetch standard). The response to a request
    /// for somebody else is left alone. Whether anything was changed.
    ///
    /// # Errors
    /// When a value cannot be set, which no value that Pingora has read can lead to.
    pub fn repair(&self, session: &Session, response: &mut ResponseHeader) -> Result<bool> {
        let compiled = self.0.load();
        let path = session.req_header().uri.path().as_bytes();
        let origins = compiled.discovery.origins();
        let own = host(session).and_then(|host| origins.own(host, path, compiled.scheme(session)));
        let Some(own) = own else { return Ok(false) };
        let mut is_changed = false;
        if let Some(repair) = Repair::new(own, origins) {
            is_changed |= replace(response, &header::LOCATION, |value| repair.location(value))?;
            is_changed |= replace(response, &header::WWW_AUTHENTICATE, |value| repair.challenge(value))?;
        }
        Ok(is_changed | expose_challenge(response)?)
    }
}

impl Compiled {
    fn new(options: &Options) -> Result<Self, Problems> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(Problems::new(Path::new("options of the discovery filter"), problems));
        }
        let discovery = Discovery::compile([options]);
        let prepared = discovery.answers().iter().map(Prepared::new).collect();
        Ok(Compiled { discovery, prepared, trusted: TrustedProxies::new(options.trusted()) })
    }

    fn scheme(&self, session: &Session) -> Scheme {
        scheme(session, &self.trusted)
    }

    /// What becomes of a request. On a host that is not one of the public URLs', and below somebody else's path, nothing is
    /// ours.
    fn decide(&self, session: &Session) -> Verdict {
        let request = asked(session, self.scheme(session));
        if self.discovery.owns(&request) { self.discovery.decide(&request) } else { Verdict::NotOurs }
    }
}

impl fmt::Debug for DiscoveryFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compiled = self.0.load();
        let urls: Vec<_> = compiled.discovery.origins().urls().iter().map(ToString::to_string).collect();
        f.debug_struct("DiscoveryFilter")
            .field("is_on", &compiled.discovery.is_on())
            .field("public_urls", &urls)
            .finish()
    }
}

/// Replaces the values of a field that are to be repaired. Whether there were any.
fn replace(
    response: &mut ResponseHeader,
    name: &header::HeaderName,
    repaired: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<bool> {
    let values: Vec<_> = response.headers.get_all(name).iter().cloned().collect();
    let repaired: Vec<_> = values.iter().map(|value| repaired(value.as_bytes())).collect();
    if repaired.iter().all(Option::is_none) {
        return Ok(false);
    }
    response.remove_header(name);
    for (value, repaired) in values.into_iter().zip(repaired) {
        match repaired {
            Some(repaired) => response.append_header(name.clone(), repaired)?,
            None => response.append_header(name.clone(), value)?,
        };
    }
    Ok(true)
}

/// Lets a web page of another origin read the challenge of a 401. Whether it could not before.
fn expose_challenge(response: &mut ResponseHeader) -> Result<bool> {
    if response.status != StatusCode::UNAUTHORIZED || !response.headers.contains_key(header::WWW_AUTHENTICATE) {
        return Ok(false);
    }
    let exposed = response.headers.get_all(header::ACCESS_CONTROL_EXPOSE_HEADERS).iter().map(HeaderValue::as_bytes);
    let mut names = exposed.flat_map(|value| value.split(|byte| *byte == b','));
    if names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"www-authenticate")) {
        return Ok(false);
    }
    response.append_header(header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate")?;
    Ok(true)
}
