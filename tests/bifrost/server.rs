//! The real Bifrost: started, killed and started again.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{bifrost::Bifrost, in_time::Ended, nobody_yet, program::signal};

/// It has migrations of a database to do before it serves.
const PATIENCE: Duration = Duration::from_mins(1);

/// The name of the MCP client that every server has, and with it of its one tool.
pub const TOOLS: &str = "tools";
pub const TOOL: &str = "tools-count";
/// A virtual key that every server knows.
pub const VIRTUAL_KEY: &str = "sk-bf-planted-virtual-key";
/// Who may ask a closed server for its MCP clients.
pub const USER: &str = "admin";
pub const PASSWORD: &str = "planted-password";
/// What the provider's MCP server asks for.
const TOOLS_TOKEN: &str = "planted-tools-token";

/// A provider of models and an MCP server, in one: what a Bifrost is configured to use.
pub fn provider() -> Bifrost {
    let provider = Bifrost::start();
    provider.accept_token(TOOLS_TOKEN);
    provider
}

/// A real Bifrost. Dropping it kills it.
pub struct RealBifrost {
    pub address: SocketAddr,
    /// The key with which it, and no other server, asks the provider.
    pub key: String,
    /// The MCP server of the provider.
    mcp: String,
    folder: tempfile::TempDir,
    process: Option<Child>,
    log: Log,
}

type Log = Arc<Mutex<Vec<String>>>;

impl RealBifrost {
    /// Starts one that everybody may use.
    pub fn start(provider: &Bifrost) -> Self {
        Self::start_with(provider, "sk-provider", |_| ())
    }

    /// Starts one that wants a virtual key for models and tools, and a user for its API.
    pub fn start_closed(provider: &Bifrost) -> Self {
        Self::start_with(provider, "sk-provider", |config| {
            config["client"]["enforce_auth_on_inference"] = true.into();
            config["governance"]["auth_config"] =
                json!({"is_enabled": true, "admin_username": USER, "admin_password": PASSWORD});
        })
    }

    /// Starts one with its own key for the provider, and changes in its configuration.
    pub fn start_with(provider: &Bifrost, key: &str, change: impl FnOnce(&mut Value)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(provider.address(), folder.path());
        change(&mut config);
        fs::write(folder.path().join("config.json"), serde_json::to_string_pretty(&config).unwrap()).unwrap();
        let mut server = RealBifrost {
            address: nobody_yet(),
            key: key.to_owned(),
            mcp: format!("http://{}/mcp", provider.address()),
            folder,
            process: None,
            log: Log::default(),
        };
        server.run();
        server
    }

    /// The configuration that it runs with.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }

    /// Kills it as the kernel does when memory is short.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.ended().unwrap();
        }
    }

    /// Tells it to stop, as an orchestrator does, and waits for its end.
    pub fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        assert!(signal(process.id(), "TERM"));
        let patience = Instant::now() + PATIENCE;
        while process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < patience, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it again, at the same address and with the same data.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none());
        self.run();
    }

    /// The requests that it has answered, but for those of health, by its own log: method and target.
    pub fn answered(&self) -> Vec<(String, String)> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let request = |line: Value| {
            let text = |name: &str| Some(line.get(name)?.as_str()?.to_owned());
            Some((text("http.method")?, text("http.target")?))
        };
        lines.filter_map(request).collect()
    }

    /// The traces that it has made, as its plugin `otel` prints them.
    pub fn traces(&self) -> Vec<Value> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get("otel.trace").is_some()).collect()
    }

    fn run(&mut self) {
        let program = program();
        let mut command = Command::new(&program);
        command.arg("-app-dir").arg(self.folder.path()).arg("-port").arg(self.address.port().to_string());
        command.env("BIFROST_TEST_KEY", &self.key).env("BIFROST_TEST_TOOLS_TOKEN", format!("Bearer {TOOLS_TOKEN}"));
        command.env("BIFROST_TEST_MCP", &self.mcp);
        command.env("HOME", self.folder.path()).current_dir(self.folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut child = child.unwrap_or_else(|fault| {
            panic!("{}: {fault}: build the real Bifrost, as `make test-bifrost` does", program.display())
        });
        let listening = listening(child.stdout.take().unwrap(), Arc::clone(&self.log));
        self.process = Some(child);
        let address = listening.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let last: Vec<_> = log.iter().rev().take(10).rev().collect();
            panic!("it does not serve; its log ends {last:#?}")
        });
        assert_eq!(address, self.address);
    }
}

impl Drop for RealBifrost {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bifrost/.build");
    env::var_os("BIFROST_BUILD_DIR").map_or(default, PathBuf::from).join("bifrost")
}

/// Keeps what it prints, and says on which address it serves.
fn listening(output: ChildStdout, log: Log) -> mpsc::Receiver<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("listening on ") {
                // Nobody waits any more when that took too long.
                let _told = sender.send(address.parse().unwrap());
            }
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    receiver
}

fn config(provider: SocketAddr, folder: &Path) -> Value {
    json!({
        "$schema": "https://www.getbifrost.ai/schema",
        "config_store": {"enabled": true, "type": "sqlite", "config": {"path": folder.join("config.db")}},
        "logs_store": {"enabled": true, "type": "sqlite", "config": {"path": folder.join("logs.db")}},
        "client": {"allowed_origins": ["*"], "enable_logging": true},
        // Else it would fetch them from the Internet before it serves.
        "framework": {"pricing": {
            "pricing_url": "env.BIFROST_TEST_PRICES",
            "model_parameters_url": "env.BIFROST_TEST_MODEL_PARAMETERS",
            "mcp_library_url": "env.BIFROST_TEST_MCP_LIBRARY",
        }},
        "providers": {"openai": {
            "keys": [{"name": "key", "value": "env.BIFROST_TEST_KEY", "weight": 1, "models": ["*"]}],
            "network_config": {"base_url": format!("http://{provider}")},
        }},
        "governance": {"virtual_keys": [{
            "id": "key-1", "name": "one key", "value": VIRTUAL_KEY, "is_active": true,
            "provider_configs": [{"provider": "openai", "weight": 1.0, "allowed_models": ["*"], "key_ids": ["*"]}],
        }]},
        "mcp": {"client_configs": [
            {
                "client_id": "client-1", "name": TOOLS, "connection_type": "http",
                "connection_string": format!("http://{provider}/mcp"),
                "auth_type": "headers", "headers": {"Authorization": "env.BIFROST_TEST_TOOLS_TOKEN"},
                "tools_to_execute": ["*"], "allow_on_all_virtual_keys": true,
            },
            {
                "client_id": "client-2", "name": "shell", "connection_type": "stdio",
                "stdio_config": {"command": "false", "args": ["--token", "planted-argument"], "envs": ["HOME"]},
                "auth_type": "none", "tools_to_execute": [], "disabled": true,
            },
        ]},
    })
}
