//! Who embeds the edge makes values of the configuration in code: they pass the checks that a file passes, or fail with
//! an error that is one.

use std::{error::Error, fmt::Debug, str::FromStr};

use bridgehead::{
    config::{
        AuthType, Count, HealthyStatus, InvalidValue, Loaded, McpClient, McpClients, Mode, Network, PathPrefix,
        PublicUrl, ServerAddress, ServerName, SiteName, Size,
    },
    discovery::Discovery,
};

/// What is wrong with a text that is refused, as a caller with `?` gets it.
fn fault<T: FromStr<Err = InvalidValue> + Debug>(text: &str) -> String {
    let fault: Box<dyn Error + Send + Sync> = text.parse::<T>().unwrap_err().into();
    fault.to_string()
}

#[test]
fn values_are_parsed_as_the_file_is_read() -> Result<(), Box<dyn Error + Send + Sync>> {
    assert_eq!("https://gw.example.com/b".parse::<PublicUrl>()?.path(), "/b");
    assert_eq!("Bifrost.internal:8080".parse::<ServerAddress>()?.as_str(), "bifrost.internal:8080");
    assert_eq!("team-a".parse::<SiteName>()?.as_str(), "team-a");
    assert_eq!("/v1/".parse::<PathPrefix>()?.as_str(), "/v1");
    assert_eq!("[FD00::7]".parse::<ServerName>()?.as_str(), "fd00::7");
    assert_eq!("0640".parse::<Mode>()?.bits(), 0o640);
    assert_eq!(HealthyStatus::try_from(204)?.as_u16(), 204);
    assert_eq!(("7".parse::<Count>()?.limit(), "unlimited".parse::<Count>()?.limit()), (Some(7), None));
    assert_eq!(("2KiB".parse::<Size>()?.limit(), "unlimited".parse::<Size>()?.limit()), (Some(2048), None));
    let network: Network = "10.0.0.0/8".parse()?;
    assert_eq!((network.prefix_len(), network.contains("::ffff:10.1.2.3".parse()?)), (8, true));
    Ok(())
}

#[test]
fn what_a_file_may_not_say_cannot_be_made_in_code() {
    for (fault, remedy) in [
        (fault::<PublicUrl>("https://GW.example.com"), "write \"https://gw.example.com\""),
        (fault::<ServerAddress>("10.0.0.7"), "write host and port"),
        (fault::<SiteName>("a b"), "write 1 to 64 letters"),
        (fault::<PathPrefix>("v1"), "write one such as \"/v1\""),
        (fault::<Network>("10.0.0.1/8"), "write \"10.0.0.0/8\""),
        (fault::<ServerName>("a b"), "write the name in the server's certificate"),
        (fault::<Mode>("7777"), "write octal digits"),
        (fault::<Count>("0"), "write for example 1000"),
        (fault::<Size>("0"), "write for example \"100MiB\""),
        (HealthyStatus::try_from(600).unwrap_err().to_string(), "write one from 100 to 599"),
        (AuthType::of_name("per_user_oath").unwrap_err().to_string(), "did you mean \"per_user_oauth\"?"),
    ] {
        assert!(fault.contains(remedy), "{fault}");
    }
}

#[test]
fn an_error_shows_no_secret_of_the_value() {
    for (text, fault) in [
        ("https://u:s3cr3t@h", "https://u:s3cr3t@h".parse::<PublicUrl>().unwrap_err()),
        ("h:80?s3cr3t", "h:80?s3cr3t".parse::<ServerAddress>().unwrap_err()),
        ("/v1#s3cr3t", "/v1#s3cr3t".parse::<PathPrefix>().unwrap_err()),
    ] {
        assert!(!format!("{fault} {fault:?}").contains("s3cr3t"), "{text}: {fault:?}");
    }
}

#[test]
fn a_table_made_in_code_turns_discovery_on() {
    let text = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\n";
    let mut sites = Loaded::from_text("t.yaml".as_ref(), text).unwrap().config.sites;
    assert!(!Discovery::compile(&sites).is_on());

    let clients = [("plain", AuthType::None), ("deciding", AuthType::PerUserOauth)];
    let table: McpClients = clients.into_iter().map(|(name, auth_type)| McpClient::new(name, auth_type)).collect();
    let places: Vec<_> = table.iter().map(|client| (client.place(), client.name.as_str())).collect();
    assert_eq!(places, [(0, "plain"), (1, "deciding")]);

    sites[0].mcp_clients = table;
    assert_eq!(Discovery::compile(&sites).sites()[0].deciding_clients(), ["deciding"]);
}
