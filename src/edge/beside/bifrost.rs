//! Asks a Bifrost that is none of the fleet's for everything that an import takes.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::upstreams::peer::HttpPeer;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    ask::{Api, Asker, Get, Got},
    lookup::lookup,
};
use crate::{
    api::{BaseUrl, CONFIG, ClientList, Credentials, Named, client_config_in, version_in},
    discovery::AUTHORIZATION_SERVER,
    generation::VERSION,
    verify::{Contract, DocumentAnswer},
};

/// What a Bifrost answered, as far as it did.
#[derive(Debug)]
pub struct Answered<T> {
    /// Its MCP clients: those in its database, or if there are none, those that its process has.
    pub clients: Vec<T>,
    /// Its version, as it says it.
    pub version: Option<String>,
    /// The members of `client` of a `config.json`.
    pub client: Option<serde_json::Value>,
    /// What its authorization server metadata shows: the contract, where that can be told, and whether it is served.
    pub document: Option<(Option<Contract>, bool)>,
}

/// One answer besides the lists must be there within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// And be no longer than this.
const MOST_BYTES: usize = 1024 * 1024;
/// For a connection to it.
const CONNECT: Duration = Duration::from_secs(5);

impl Asker {
    /// Asks the Bifrost at a URL for its MCP clients, and for what it is.
    ///
    /// # Errors
    /// Why there is no list of MCP clients.
    pub async fn bifrost_at<T>(&self, url: &BaseUrl, credentials: Option<&Credentials>) -> Result<Answered<T>, String>
    where
        T: DeserializeOwned + Named,
    {
        let mut fault = String::new();
        for address in lookup(url.host(), url.port(), CONNECT).await? {
            let mut peer = HttpPeer::new(address, url.is_tls(), url.host().to_owned());
            peer.options.connection_timeout = Some(CONNECT);
            peer.options.total_connection_timeout = Some(CONNECT);
            let api = Api { peer, host: url.authority(), prefix: url.path(), credentials };
            match self.stored_clients(&api).await {
                Ok(clients) => return Ok(self.answered(&api, url.is_tls(), clients).await),
                Err(why) => fault = format!("{address}: {why}"),
            }
        }
        Err(fault)
    }

    async fn stored_clients<T: DeserializeOwned + Named>(&self, api: &Api<'_>) -> Result<Vec<T>, String> {
        match self.clients(api, ClientList::Database).await {
            Ok(clients) if clients.is_empty() => self.clients(api, ClientList::Memory).await,
            answered => answered,
        }
    }

    async fn answered<T>(&self, api: &Api<'_>, is_tls: bool, clients: Vec<T>) -> Answered<T> {
        let body = |got: Option<Got>| got.filter(|got| got.status == StatusCode::OK)?.body;
        let version = body(self.public(api, VERSION, is_tls).await);
        let config = body(self.besides(api, CONFIG, &api.headers()).await);
        let document = self.public(api, AUTHORIZATION_SERVER, is_tls).await.and_then(|got| {
            let Got { status, content_type, body } = got;
            Contract::shown_by_answer(&DocumentAnswer { status, content_type, body })
        });
        Answered {
            clients,
            version: version.and_then(|body| version_in(&body)),
            client: config.and_then(|body| client_config_in(&body)),
            document,
        }
    }

    /// What everybody may ask for, as a client behind TLS asks.
    async fn public(&self, api: &Api<'_>, path: &str, is_tls: bool) -> Option<Got> {
        let scheme = HeaderValue::from_static(if is_tls { "https" } else { "http" });
        self.besides(api, path, &[(FORWARDED_PROTO, scheme)]).await
    }

    async fn besides(&self, api: &Api<'_>, path: &str, headers: &[(HeaderName, HeaderValue)]) -> Option<Got> {
        let path = format!("{}{path}", api.prefix);
        let mut headers = headers.to_vec();
        headers.push((header::ACCEPT, HeaderValue::from_static("application/json")));
        let get = Get { host: api.host, path: &path, headers: &headers, most: MOST_BYTES };
        timeout(PATIENCE, self.get(&api.peer, &get)).await.ok()?.ok()
    }
}

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
