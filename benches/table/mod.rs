//! The configuration of an edge with so many MCP clients, as an import writes it.

use bridgehead::config::{Config, Loaded};

pub fn yaml(clients: usize) -> String {
    let head = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"10.0.0.1:8080\"}]\n\
                profile: per_user_oauth\n\
                public_urls: [\"https://gw.example.com\"]\nmcp_clients:\n";
    head.to_owned() + &(0..clients).map(|number| client_yaml(number, "")).collect::<String>()
}

/// The same with the clients in so many sites, half of them with a host of their own and half below a path.
pub fn yaml_of_sites(sites: usize, clients: usize) -> String {
    let of_each = clients / sites;
    let site = |number: usize| {
        let url = if number.is_multiple_of(2) {
            format!("https://gw{number}.example.com")
        } else {
            format!("https://gw.example.com/site{number}")
        };
        let clients = (0..of_each).map(|client| client_yaml(number * of_each + client, "    "));
        format!(
            "- name: site{number}\n  public_urls: [\"{url}\"]\n  profile: per_user_oauth\n  \
             servers: [{{address: \"10.0.0.1:8080\"}}]\n  mcp_clients:\n{}",
            clients.collect::<String>()
        )
    };
    let sites: String = (0..sites).map(site).collect();
    format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\nsites:\n{sites}")
}

/// An entry of the list, with this before each line.
fn client_yaml(number: usize, indent: &str) -> String {
    format!(
        "{indent}- name: client_{number}\n{indent}  client_id: id-{number:08}\n{indent}  connection_type: http\n\
         {indent}  connection_string: \"https://mcp{number}.example.com/mcp\"\n{indent}  auth_type: per_user_oauth\n\
         {indent}  headers: {{Authorization: env.TOKEN}}\n{indent}  tools_to_execute: [\"*\"]\n{indent}  disabled: false\n"
    )
}

pub fn parse(yaml: &str) -> Config {
    let loaded = Loaded::from_text("bench.yaml".as_ref(), yaml);
    loaded.expect("a table that was just made is valid").config
}
