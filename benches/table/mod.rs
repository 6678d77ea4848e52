//! The configuration of an edge with so many MCP clients, as an import writes it.

use bridgehead::config::{Config, Loaded};

pub fn yaml(clients: usize) -> String {
    let head = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"10.0.0.1:8080\"}]\n\
                public_urls: [\"https://gw.example.com\"]\nmcp_clients:\n";
    let client = |number| {
        format!(
            "- name: client_{number}\n  client_id: id-{number:08}\n  connection_type: http\n  \
             connection_string: \"https://mcp{number}.example.com/mcp\"\n  auth_type: per_user_oauth\n  \
             headers: {{Authorization: env.TOKEN}}\n  tools_to_execute: [\"*\"]\n  disabled: false\n"
        )
    };
    head.to_owned() + &(0..clients).map(client).collect::<String>()
}

pub fn parse(yaml: &str) -> Config {
    let loaded = Loaded::from_text("bench.yaml".as_ref(), yaml);
    loaded.expect("a table that was just made is valid").config
}
