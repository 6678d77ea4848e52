//! Log in to an MCP server with the Rust SDK, then list and call its tools.

mod headless;

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use rmcp::{
    ClientHandler, RoleClient, ServiceExt,
    model::{CallToolRequestParams, Implementation, ProgressNotificationParam},
    service::NotificationContext,
    transport::{
        AuthClient, StreamableHttpClientTransport,
        auth::{AuthorizationManager, AuthorizationRequest, AuthorizationSession},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use tokio::time;
use url::Url;

use headless::HeadlessBrowser;

const CLIENT: &str = "rust-rmcp";
const REDIRECT_URI: &str = "http://127.0.0.1:9/callback"; // named, never dialled
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
const COUNT_TO: usize = 3;

/// Counts the progress notifications of the one call.
#[derive(Clone, Default)]
struct Handler {
    progress: Arc<AtomicUsize>,
}

impl ClientHandler for Handler {
    async fn on_progress(&self, _params: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the walk through the login pages showed.
struct Login {
    issuer: Option<String>,
    authorize_origin: String,
    visited: Vec<String>,
}

/// Discover, register, authorize in the headless browser and redeem the code.
async fn log_in(url: &str) -> Result<(AuthorizationManager, Login)> {
    let mut manager = AuthorizationManager::new(url).await?;
    let metadata = manager.resolve_metadata().await?.metadata;
    let issuer = metadata.issuer.clone();
    manager.set_metadata(metadata);

    let request = AuthorizationRequest::new(REDIRECT_URI).with_client_name(format!("interop {CLIENT}"));
    let session = AuthorizationSession::new(manager, request).await.map_err(|(_, error)| error)?;

    let authorize_url = Url::parse(session.get_authorization_url())?;
    let authorize_origin = authorize_url.origin().ascii_serialization();
    let mut browser = HeadlessBrowser::new()?;
    let callback = browser.walk(authorize_url, REDIRECT_URI).await?;
    session.handle_callback_url(callback.as_str()).await?;

    let login = Login { issuer, authorize_origin, visited: browser.visited };
    Ok((session.auth_manager, login))
}

async fn run(url: &str) -> Result<Value> {
    let (manager, login) = log_in(url).await?;
    let transport = StreamableHttpClientTransport::with_client(
        AuthClient::new(reqwest::Client::new(), manager),
        StreamableHttpClientTransportConfig::with_uri(url),
    );
    let handler = Handler::default();
    let client = handler.clone().serve(transport).await?;

    let tools = client.list_all_tools().await?;
    let arguments = json!({ "to": COUNT_TO }).as_object().cloned();
    let call = CallToolRequestParams::new("count").with_arguments(arguments.unwrap_or_default());
    let result = client.call_tool(call).await?;
    ensure!(result.is_error != Some(true), "the tool answered {result:?}");
    let text = result.content.first().and_then(|block| block.as_text());
    let text = text.context("the tool answered without a text")?;

    // Each notification runs in a task of its own, which may end after the answer.
    let counted = async {
        while handler.progress.load(Ordering::Relaxed) < COUNT_TO {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = time::timeout(Duration::from_millis(500), counted).await;

    let outcome = json!({
        "client": CLIENT,
        "version": Implementation::from_build_env().version,
        "issuer": login.issuer,
        "authorize_url_origin": login.authorize_origin,
        "browser_urls": login.visited,
        "tools": tools.iter().map(|tool| &tool.name).collect::<Vec<_>>(),
        "result": text.text,
        "progress": handler.progress.load(Ordering::Relaxed),
    });
    client.cancel().await?;
    Ok(outcome)
}

async fn run_in_time() -> Result<Value> {
    let url = env::args().nth(1).context("usage: interop-rust-rmcp MCP_URL")?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider is already installed"))?;
    time::timeout(TOTAL_TIMEOUT, run(&url))
        .await
        .with_context(|| format!("not done after {} seconds", TOTAL_TIMEOUT.as_secs()))?
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run_in_time().await {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{CLIENT}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
