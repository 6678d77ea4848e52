//! Discovery alone, in a Pingora proxy of your own.
//!
//! You have a proxy on Pingora, with hosts, routes and authentication of its own, and a Bifrost behind one of its hosts. Two
//! calls make that Bifrost's MCP clients find their way to log in: [`DiscoveryFilter::answer`] in `request_filter` answers
//! `GET /.well-known/oauth-authorization-server` (RFC 8414) and `/.well-known/oauth-protected-resource` (RFC 9728), and
//! [`DiscoveryFilter::repair`] in `response_filter` makes what Bifrost says of itself agree with them.
//!
//! ```
//! use async_trait::async_trait;
//! use bridgehead::plugin::{AuthType, DiscoveryFilter, McpClient, Options, Profile};
//! use pingora::{Result, http::ResponseHeader, upstreams::peer::HttpPeer};
//! use pingora_proxy::{ProxyHttp, Session};
//!
//! struct MyProxy {
//!     discovery: DiscoveryFilter,
//! }
//!
//! #[async_trait]
//! impl ProxyHttp for MyProxy {
//!     type CTX = ();
//!     fn new_ctx(&self) {}
//!
//!     async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
//!         // Whatever is for somebody else goes on to the upstream.
//!         Ok(self.discovery.answer(session).await?.is_some())
//!     }
//!
//!     async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
//!         Ok(Box::new(HttpPeer::new(("127.0.0.1", 8080), false, String::new())))
//!     }
//!
//!     async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, _: &mut ()) -> Result<()> {
//!         self.discovery.repair(session, response)?;
//!         Ok(())
//!     }
//! }
//!
//! let options = Options::new(Profile::PerUserOauth)
//!     .public_urls(["https://gateway.example.com".parse()?])
//!     .mcp_clients([McpClient::new("github", AuthType::PerUserOauth)]);
//! let proxy = MyProxy { discovery: DiscoveryFilter::new(&options)? };
//! assert!(proxy.discovery.is_on());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is answered, and what is left alone
//!
//! Answered are, on the hosts of the public URLs alone, the documents at each of them, and what clients look for in their
//! place: `/.well-known/openid-configuration`, a document of `/mcp`, of `/mcp/<slug>` and of the Claude Code gateway. What is
//! not there gets a 404, because Bifrost's dashboard would answer it with HTML. A public URL may have a path; then the
//! documents are where RFC 8414 section 3.1 and RFC 9728 section 3.1 put them, and where clients look that append to what
//! they are given. Another host, another path such as `/realms/x/.well-known/openid-configuration` or `/.well-known/openid-configuration/realms/x` of an
//! identity provider,
//! and everything that is no discovery is left alone: [`answer`](DiscoveryFilter::answer) returns `None`, and has done
//! nothing. With [`Options::any_host`] every host is answered, with an issuer made of the request's own: only for a
//! proxy that knows its hosts before.
//!
//! A path is judged in whatever spelling a server behind you might read it: `//.well-known/…` and `%2ewell-known` are as
//! much the Bifrost's as the plain one, and get a 404, so that nobody can have its dashboard or an unrepaired document
//! instead.
//!
//! Each filter is for one Bifrost, or for several that share profile and MCP client table. For more, ask one filter after
//! the other, in both hooks; the order does not matter.
//!
//! # Order
//!
//! Discovery is for clients that have no credential yet, so ask the filter before anything that demands one, and before
//! what counts requests against a client: the documents are public. Web pages ask with `OPTIONS` first, which is answered,
//! too. After what refuses a client altogether, such as a list of addresses, is right as well.
//!
//! The documents are not all that such a client needs. A check of yours that refuses who has no token must let the login
//! itself through, [`is_open`](DiscoveryFilter::is_open), and its 401 should say where to begin,
//! [`challenge`](DiscoveryFilter::challenge):
//!
//! ```no_run
//! # use bridgehead::plugin::DiscoveryFilter;
//! # use pingora::{Result, http::ResponseHeader};
//! # use pingora_proxy::Session;
//! # async fn request_filter(discovery: &DiscoveryFilter, session: &mut Session) -> Result<bool> {
//! if discovery.answer(session).await?.is_some() {
//!     return Ok(true);
//! }
//! let has_token = session.get_header("authorization").is_some(); // yours to judge
//! if has_token || discovery.is_open(session) {
//!     return Ok(false);
//! }
//! let mut refusal = ResponseHeader::build(401, None)?;
//! if let Some(challenge) = discovery.challenge(session) {
//!     refusal.insert_header("WWW-Authenticate", challenge)?;
//! }
//! session.write_response_header(Box::new(refusal), true).await?;
//! Ok(true)
//! # }
//! ```
//!
//! Pingora's downstream modules see the request, since they run before `request_filter`. They do not see the answer: it is
//! written past them, so that nobody compresses or rewrites a document. `response_filter`, `upstream_response_filter` and the
//! caching hooks do not see it either; `logging` does, with the status in `session.response_written()`. What your
//! `early_request_filter` refuses comes before all of this.
//!
//! Leave the client's request as it came where these calls see it. Whoever takes `/bifrost` off the path, or sets another
//! `Host`, does so in `upstream_request_filter`, on the request for the server: [`repair`](DiscoveryFilter::repair) asks
//! the session what the client wanted. Better, let a Bifrost below a path know of it (`server.base_path`): one that does not
//! redirects to places above it, which nobody can repair.
//!
//! # HTTP/2, and request bodies
//!
//! Answers are the same over HTTP/1.1 and HTTP/2, where `:authority` is the host, and over HTTP/1.0, where one without a
//! `Host` is nobody's. A request for a document rarely
//! has a body. One up to 64 KiB is read and thrown away, for at most 2 s, so that an HTTP/1.1 connection can go on to be
//! used; after a larger one, or one that waits for `100 Continue`, the connection is closed behind the answer, or over HTTP/2
//! the stream is reset. If your
//! `request_filter` reads bodies before, do so only once the filter has returned `None`.
//!
//! # What it costs
//!
//! Every answer is rendered when the options are compiled. A request that is not for discovery costs one look for
//! `.well-known` in its path. Nothing is logged or counted: [`answer`](DiscoveryFilter::answer) returns what was answered,
//! for counters of yours or for [`DiscoveryCounters`].
//!
//! # How to test it
//!
//! [`Discovery::new`](crate::discovery::Discovery::new) takes the same options, and decides without a socket: what it
//! [owns](crate::discovery::Discovery::owns) is what a filter answers. In front of a running proxy, the issuer must be the public URL, byte for byte, and an MCP client must get from a 401 to the
//! document:
//!
//! ```text
//! curl -s https://gateway.example.com/.well-known/oauth-authorization-server | jq -r .issuer
//! curl -si -X POST https://gateway.example.com/mcp | grep -i www-authenticate
//! ```

mod file;
mod filter;
pub(crate) mod prepared;
pub(crate) mod request;

pub use self::{
    file::DiscoveryFile,
    filter::DiscoveryFilter,
    request::{host, is_for, peer, scheme},
};
pub use crate::{
    config::{
        AuthType, InvalidValue, KeyPath, McpClient, McpServerAuthMode, Network, Options, Problem, Problems, Profile,
        PublicUrl, Scheme,
    },
    discovery::{DiscoveryAnswer, DiscoveryCounters, DiscoveryOutcome, DocumentAsked},
    trust::TrustedProxies,
};
