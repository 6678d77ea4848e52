//! Hosts: the first line is what a client sends, the others are public URLs or addresses of servers.

#![no_main]

use std::net::Ipv6Addr;

use bridgehead::{
    config::{InvalidValue, PublicUrl, Scheme, ServerAddress},
    discovery::Origins,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let host = lines.next().unwrap();
    let mut urls: Vec<PublicUrl> = Vec::new();
    for text in lines.filter_map(|line| std::str::from_utf8(line).ok()) {
        match PublicUrl::try_from(text.to_owned()) {
            Ok(url) => {
                is_whole(&url, text);
                // The configuration refuses another one that is the same, or has another scheme.
                let may_be_beside = |other: &PublicUrl| {
                    other.authority() != url.authority() || other.scheme() == url.scheme() && *other != url
                };
                if urls.iter().all(may_be_beside) {
                    urls.push(url);
                }
            }
            Err(fault) => shows_no_secret::<PublicUrl>(text, &fault.to_string()),
        }
        match ServerAddress::try_from(text.to_owned()) {
            Ok(address) => is_an_address(&address, text),
            Err(fault) => shows_no_secret::<ServerAddress>(text, &fault.to_string()),
        }
    }
    for url in urls.iter().filter(|url| url.path().is_empty()) {
        is_derived(url);
    }
    let origins = Origins::of_urls(urls);
    is_found(&origins, host);
    is_redirected(&origins, host);
    for scheme in [Scheme::Http, Scheme::Https] {
        is_origin_of_request(&origins, host, scheme);
    }
});

/// Nothing but scheme, host, port and a path, in the one form that an issuer has.
fn is_whole(url: &PublicUrl, text: &str) {
    assert_eq!(url.as_str(), text);
    assert_eq!(format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.path()), text);
    assert!(url.origin().bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
    assert!(url.path().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte)));
    assert!(!url.path().ends_with('/') && url.path().split('/').skip(1).all(|name| !["", ".", ".."].contains(&name)));
    let uri: http::Uri = text.parse().unwrap();
    assert_eq!(uri.scheme_str(), Some(url.scheme().as_str()));
    assert_eq!(uri.authority().unwrap().as_str(), url.authority());
    assert_eq!(uri.path_and_query().unwrap(), if url.path().is_empty() { "/" } else { url.path() });
    assert_ne!(uri.port_u16(), Some(url.scheme().default_port()));
    let host = uri.host().unwrap();
    let is_loopback = host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback());
    assert_eq!(url.is_loopback(), is_loopback || ["localhost", "[::1]"].contains(&host));
}

/// A host in lower case and a port.
fn is_an_address(address: &ServerAddress, text: &str) {
    assert_eq!(address.as_str(), text.to_ascii_lowercase());
    let authority: http::uri::Authority = address.as_str().parse().unwrap();
    assert_eq!(authority.host().trim_start_matches('[').trim_end_matches(']'), address.host());
    assert!(authority.port_u16().is_some_and(|port| port > 0));
    assert_eq!(address.ip().is_some(), address.host().parse::<std::net::IpAddr>().is_ok());
}

/// What stands where a password or a token may stand is not in the message.
fn shows_no_secret<T: TryFrom<String, Error = InvalidValue>>(text: &str, fault: &str) {
    assert!(!fault.is_empty());
    for (sign, with_secret) in [('@', "s3cr3t@"), ('?', "?s3cr3t"), ('#', "#s3cr3t")] {
        if text.contains(sign) {
            let fault = T::try_from(text.replacen(sign, with_secret, 1)).err().unwrap();
            assert!(!fault.to_string().contains("s3cr3t"), "{fault}");
        }
    }
}

/// How a client may write the host of a public URL, in lower case.
fn spellings(url: &PublicUrl) -> Vec<String> {
    let (name, port) = parts(url.authority());
    let default = url.scheme().default_port().to_string();
    let ports = match port.strip_prefix(':') {
        Some(port) => vec![format!(":{port}"), format!(":0{port}")],
        None => vec![String::new(), ":".to_owned(), format!(":{default}")],
    };
    let mut names = vec![name.to_owned()];
    match name.strip_prefix('[') {
        Some(address) => {
            let address: Ipv6Addr = address.trim_end_matches(']').parse().unwrap();
            let segments: Vec<_> = address.segments().iter().map(|segment| format!("{segment:04x}")).collect();
            names.push(format!("[{}]", segments.join(":")));
        }
        None => names.push(format!("{name}.")),
    }
    names.iter().flat_map(|name| ports.iter().map(move |port| format!("{name}{port}"))).collect()
}

fn parts(authority: &str) -> (&str, &str) {
    let end = authority.rfind(']').unwrap_or(0);
    authority[end..].find(':').map_or((authority, ""), |colon| authority.split_at(end + colon))
}

/// Whether the name is the same, and the port, where the default of the URL's scheme may be left out.
fn may_mean(host: &[u8], url: &PublicUrl) -> bool {
    let host = std::str::from_utf8(host).unwrap();
    let ((name, port), (own, own_port)) = (parts(host), parts(url.authority()));
    let number = |port: &str| match port.trim_start_matches(':') {
        "" => url.scheme().default_port(),
        digits => digits.parse().unwrap(),
    };
    is_same_name(name, own) && number(port) == number(own_port)
}

fn is_same_name(name: &str, own: &str) -> bool {
    match (name.strip_prefix('['), own.strip_prefix('[')) {
        (Some(name), Some(own)) => {
            let address = |text: &str| text.strip_suffix(']').unwrap().parse::<Ipv6Addr>().unwrap();
            address(name) == address(own)
        }
        (None, None) => name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(own),
        _ => false,
    }
}

/// The host finds a public URL that it may mean; and each public URL is found, also in upper case.
fn is_found(origins: &Origins, host: &[u8]) {
    let urls = origins.urls();
    match origins.find(host, b"") {
        Some(url) => assert!(may_mean(host, url), "{} is not {url}", host.escape_ascii()),
        None => assert!(!urls.iter().any(|url| url.authority().as_bytes() == host.to_ascii_lowercase())),
    }
    for url in urls {
        assert_eq!(origins.find(url.authority().as_bytes(), url.path().as_bytes()), Some(url));
        let below = format!("{}/x", url.path());
        let longer = origins.find(url.authority().as_bytes(), below.as_bytes()).unwrap();
        assert!(longer == url || longer.path() == below);
        let base = origins.base(url.authority().as_bytes(), below.as_bytes());
        assert_eq!(base.map(|base| base.length), Some(longer.path().len()));
        for spelling in &spellings(url) {
            let found = origins.find(spelling.to_ascii_uppercase().as_bytes(), b"");
            // With the default port it may also be another one's own host.
            assert!(found.is_some_and(|found| may_mean(spelling.as_bytes(), found)), "{spelling}");
        }
    }
}

/// A redirect goes to an https URL on the same name.
fn is_redirected(origins: &Origins, host: &[u8]) {
    let https = |url: &&PublicUrl| url.scheme() == Scheme::Https;
    if let Some(url) = origins.https_of(host) {
        assert!(https(&url) && origins.urls().contains(url));
        assert!(is_same_name(parts(std::str::from_utf8(host).unwrap()).0, parts(url.authority()).0));
    }
    if let Some(url) = origins.find(host, b"").filter(https) {
        assert_eq!(origins.https_of(host), Some(url));
    }
    for url in origins.urls().iter().filter(https) {
        let name = parts(url.authority()).0;
        for port in ["", ":80", ":443", ":8000"] {
            let found = origins.https_of(format!("{name}{port}").as_bytes());
            assert!(found.is_some_and(|found| parts(found.authority()).0 == name), "{name}{port}");
        }
    }
}

/// With public URLs, one of them; without, one that the host may mean.
fn is_origin_of_request(origins: &Origins, host: &[u8], scheme: Scheme) {
    let found = origins.of_request(host, b"/", scheme);
    if !origins.are_derived() {
        assert_eq!(found.as_deref(), origins.find(host, b"/"));
    } else if let Some(url) = found.as_deref() {
        assert_eq!(url.scheme(), scheme);
        assert!(may_mean(host, url), "{} is not {url}", host.escape_ascii());
        assert_eq!(PublicUrl::try_from(url.as_str().to_owned()).as_ref(), Ok(url));
    }
}

/// Without public URLs it is what comes of each of its spellings.
fn is_derived(url: &PublicUrl) {
    for spelling in spellings(url) {
        let derived = PublicUrl::of_request(spelling.to_ascii_uppercase().as_bytes(), url.scheme());
        assert_eq!(derived.as_ref(), Some(url), "{spelling}");
    }
}
