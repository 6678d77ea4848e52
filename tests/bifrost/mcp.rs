//! Official MCP clients call a tool of the real Bifrost through the edge, with a virtual key, over plain HTTP and
//! behind a TLS terminator.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    server::{RealBifrost, TOOL, VIRTUAL_KEY, provider},
    support::{
        edge::{CLIENTS, Edge, servers_yaml},
        interop::{installed, printed},
        nobody_yet,
        tls_terminator::TlsTerminator,
    },
};

/// One of the official SDKs: its folder, and the program that runs it, relative to where clients are installed.
struct Client(&'static str, Option<&'static str>);

const PYTHON_V1: Client = Client("python-v1", Some("python-v1/bin/python"));
const PYTHON_V2: Client = Client("python-v2", Some("python-v2/bin/python"));
const NODE_V1: Client = Client("node-v1", None);
const NODE_V2: Client = Client("node-v2", None);

impl Client {
    /// Lists the tools at this origin and calls one; what the client saw.
    fn call(&self, origin: &str, ca: Option<&Path>) -> Value {
        let Client(name, program) = self;
        let installed = installed(name);
        let (program, script) = match program {
            Some(program) => (installed.join(program), "call.py"),
            None => ("node".into(), "call.mjs"),
        };
        let mut command = Command::new(program);
        command.arg(format!("{name}/{script}")).args([&format!("{origin}/mcp"), VIRTUAL_KEY, TOOL]);
        serde_json::from_str(&printed(name, &mut command, ca)).unwrap()
    }
}

fn called(seen: &Value) {
    assert_eq!(*seen, json!({"server": "one key", "tools": [TOOL], "result": "counted to 3"}));
}

fn over_http(client: &Client) {
    let provider = provider();
    let bifrost = RealBifrost::start_closed(&provider);
    let edge = Edge::in_front_of(&[bifrost.address]);
    called(&client.call(&format!("http://{}", edge.host()), None));
}

fn behind_tls(client: &Client) {
    let provider = provider();
    let bifrost = RealBifrost::start_closed(&provider);
    let port = nobody_yet().port();
    let origin = format!("https://localhost:{port}");
    let edge = Edge::start(&format!("public_urls: [\"{origin}\"]\n{}{CLIENTS}", servers_yaml(&[bifrost.address])));
    let terminator = TlsTerminator::start(port, edge.address);
    called(&client.call(&origin, Some(&terminator.ca())));
}

macro_rules! calls {
    ($($name:ident: $client:expr;)*) => {$(
        mod $name {
            #[test]
            fn calls_a_tool_over_http() {
                super::over_http(&$client);
            }

            #[test]
            fn calls_a_tool_behind_a_tls_terminator() {
                super::behind_tls(&$client);
            }
        }
    )*};
}

calls! {
    python_sdk_1: super::PYTHON_V1;
    python_sdk_2: super::PYTHON_V2;
    typescript_sdk_1: super::NODE_V1;
    typescript_sdk_2: super::NODE_V2;
}
