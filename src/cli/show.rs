//! The commands `check` and `discover`: what would be served.

use std::io::{self, Write};

use super::summary::summary;
use crate::{
    config::{Loaded, PublicUrl, Scheme},
    discovery::{Answer, Discovery, Request, Verdict, places},
    generation::JWKS,
};

pub(super) fn check(loaded: &Loaded) -> io::Result<()> {
    let discovery = Discovery::compile(&loaded.config.sites);
    let mut out = io::stdout().lock();
    writeln!(out, "{}: valid", loaded.file.display())?;
    for listener in &loaded.config.edge.listeners {
        writeln!(out, "listening on {} ({})", listener.address, listener.protocol())?;
    }
    if let Some(admin) = &loaded.config.edge.admin {
        writeln!(out, "status page and metrics on http://{}/", admin.address.0)?;
    }
    for line in summary(loaded, &discovery) {
        writeln!(out, "{line}")?;
    }
    for warning in &loaded.warnings {
        writeln!(out, "warning: {}", warning.in_file(&loaded.file))?;
    }
    for note in &loaded.notes {
        writeln!(out, "note: {}", note.in_file(&loaded.file))?;
    }
    for (url, answer) in documents(&discovery) {
        writeln!(out, "GET {url} -> {}", answer.status.as_u16())?;
    }
    for url in forwarded(&discovery) {
        writeln!(out, "GET {url} -> forwarded")?;
    }
    Ok(())
}

pub(super) fn discover(loaded: &Loaded) -> io::Result<()> {
    let discovery = Discovery::compile(&loaded.config.sites);
    let mut out = io::stdout().lock();
    if discovery.origins().are_derived() {
        writeln!(out, "# no public_urls: the documents depend on the host of each request")?;
    }
    for (url, answer) in documents(&discovery) {
        writeln!(out, "# GET {url} -> {}", answer.status.as_u16())?;
        let body = String::from_utf8_lossy(&answer.body);
        writeln!(out, "{}\n", body.trim_end())?;
    }
    for url in forwarded(&discovery) {
        writeln!(out, "# GET {url} -> forwarded: the servers have the keys")?;
    }
    Ok(())
}

/// What a GET of each document at each public URL is answered: asked of the discovery that serves.
fn documents(discovery: &Discovery) -> impl Iterator<Item = (String, &Answer)> {
    let urls = discovery.origins().urls().iter();
    let places = urls.flat_map(|url| places(url.path()).into_iter().map(move |path| (url, path)));
    places.filter_map(|(url, path)| match get(discovery, url, &path) {
        Verdict::Prepared(id, _) => Some((format!("{}{path}", url.origin()), discovery.answer(id)?)),
        Verdict::NotOurs | Verdict::Derived(..) => None,
    })
}

/// What belongs to discovery and is answered by the servers.
fn forwarded(discovery: &Discovery) -> impl Iterator<Item = String> {
    let urls = discovery.origins().urls().iter();
    let keys = urls.map(|url| (url, format!("{}{JWKS}", url.path())));
    let forwarded = keys.filter(|(url, path)| get(discovery, url, path) == Verdict::NotOurs);
    forwarded.map(|(url, path)| format!("{}{path}", url.origin()))
}

fn get(discovery: &Discovery, url: &PublicUrl, path: &str) -> Verdict {
    discovery.decide(&Request {
        method: &http::Method::GET,
        target: path.as_bytes(),
        host: Some(url.authority().as_bytes()),
        scheme: Scheme::Http,
        if_none_match: None,
    })
}
