//! The filter: answers discovery, and repairs what servers say of it.

use std::{borrow::Cow, fmt, sync::Arc};

use arc_swap::ArcSwap;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::{Result, http::ResponseHeader};
use pingora_proxy::Session;

use super::{
    prepared::{Prepared, drain},
    request::{host, of_session, scheme},
};
use crate::{
    config::{Options, Problems, PublicUrl, Scheme},
    discovery::{
        Discovery, DiscoveryAnswer, DiscoveryOutcome, DocumentAsked, PROTECTED_RESOURCE_MCP, Verdict, may_be_discovery,
        repair::{Repair, exposes_challenges, is_bifrosts},
    },
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
    /// When the client cannot be written to.
    pub async fn answer(&self, session: &mut Session) -> Result<Option<DiscoveryAnswer>> {
        // Nearly every request ends here.
        if !may_be_discovery(session.req_header().uri.path().as_bytes()) {
            return Ok(None);
        }
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

    /// Whether a request of somebody without a credential is to be let through, for a proxy that demands one: a step of a
    /// login at the Bifrost (registration, authorization, token, consent, keys), or the preflight of a web page. What
    /// discovery itself is has been [answered](Self::answer) before.
    pub fn is_open(&self, session: &Session) -> bool {
        let compiled = self.0.load();
        let header = session.req_header();
        compiled.own(session).is_some_and(|own| {
            let path = header.uri.path().as_bytes().get(own.path().len()..).unwrap_or_default();
            header.method == Method::OPTIONS || compiled.discovery.sites().iter().any(|site| site.is_open(path))
        })
    }

    /// Makes the `WWW-Authenticate` of a 401 of your own, so that an MCP client finds the documents (RFC 9728 section 5.1).
    /// `None` where there are none: discovery is off, or the request is for somebody else.
    pub fn challenge(&self, session: &Session) -> Option<String> {
        let compiled = self.0.load();
        let own = compiled.own(session).filter(|_| compiled.discovery.is_on())?;
        Some(format!("Bearer resource_metadata=\"{own}{PROTECTED_RESOURCE_MCP}\""))
    }

    /// Makes what a Bifrost server says of itself agree with the documents, for `response_filter`: `resource_metadata` in
    /// a `WWW-Authenticate` (RFC 9728 section 5.1) and the scheme in a `Location` become those of the public URL, and a
    /// challenge that is a Bifrost's is exposed to web pages that may read the response (`Access-Control-Expose-Headers`,
    /// Fetch standard). Whether anything was changed.
    ///
    /// A public URL has all that is at its host and below its path. Where something else of yours is there, do not call
    /// this for its responses. Those of other hosts, and above the path, are left alone.
    ///
    /// # Errors
    /// When a value cannot be set, which no value that Pingora has read can lead to.
    pub fn repair(&self, session: &Session, response: &mut ResponseHeader) -> Result<bool> {
        // Nearly every response ends here.
        if ![header::LOCATION, header::WWW_AUTHENTICATE].iter().any(|name| response.headers.contains_key(name)) {
            return Ok(false);
        }
        let compiled = self.0.load();
        let Some(own) = compiled.own(session) else { return Ok(false) };
        let is_exposed = expose_challenge(response, own.path())?;
        let Some(repair) = Repair::new(own, compiled.discovery.origins()) else { return Ok(is_exposed) };
        let is_moved = replace(response, &header::LOCATION, |value| repair.location(value))?;
        let is_challenged = replace(response, &header::WWW_AUTHENTICATE, |value| repair.challenge(value))?;
        Ok(is_exposed || is_moved || is_challenged)
    }
}

impl Compiled {
    fn new(options: &Options) -> Result<Self, Problems> {
        let discovery = Discovery::new(options)?;
        let prepared = discovery.answers().iter().map(Prepared::new).collect();
        Ok(Compiled { discovery, prepared, trusted: TrustedProxies::new(options.trusted()) })
    }

    fn scheme(&self, session: &Session) -> Scheme {
        scheme(session, &self.trusted)
    }

    /// The public URL that a request is for, or the origin that is made of it.
    fn own(&self, session: &Session) -> Option<Cow<'_, PublicUrl>> {
        let path = session.req_header().uri.path().as_bytes();
        self.discovery.origins().above_request(host(session)?, path, self.scheme(session))
    }

    /// What becomes of a request. On a host that is not one of the public URLs', and below somebody else's path, nothing is
    /// ours.
    fn decide(&self, session: &Session) -> Verdict {
        let request = of_session(session, self.scheme(session));
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

/// Lets web pages of other origins read the challenge of a 401, if it is that of a Bifrost below this path. Whether they
/// could not before.
fn expose_challenge(response: &mut ResponseHeader, base: &str) -> Result<bool> {
    let values = |name| response.headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let is_exposed = response.status != StatusCode::UNAUTHORIZED
        || !values(header::WWW_AUTHENTICATE).any(|value| is_bifrosts(value, base))
        || values(header::ACCESS_CONTROL_EXPOSE_HEADERS).any(exposes_challenges);
    if !is_exposed {
        response.append_header(header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate")?;
    }
    Ok(!is_exposed)
}
