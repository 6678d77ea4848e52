//! The command `check` for programs.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use serde::Serialize;

use super::outcome::written;
use crate::{
    config::{Loaded, Problem, Problems},
    discovery::{Discovery, SiteDiscovery},
};

/// What is to be said of a configuration.
#[derive(Serialize)]
struct Report {
    file: String,
    valid: bool,
    problems: Vec<Remark>,
    /// How many more problems there are.
    more_problems: usize,
    warnings: Vec<Remark>,
    notes: Vec<Remark>,
    /// The names that it takes from the environment.
    environment: Vec<String>,
    listeners: Vec<String>,
    sites: Vec<SiteReport>,
}

/// One thing, and where.
#[derive(Serialize)]
struct Remark {
    file: String,
    line: Option<usize>,
    /// Empty for the file as a whole.
    key: String,
    message: String,
}

/// What is served of a site.
#[derive(Serialize)]
struct SiteReport {
    name: Option<String>,
    profile: &'static str,
    discovery: bool,
    claude_code_gateway: bool,
    public_urls: Vec<String>,
    servers: Vec<String>,
    mcp_clients: usize,
}

/// Checks a configuration, and prints what is to be said of it as JSON, valid or not.
pub(super) fn check_for_program(file: &Path, is_strict: bool) -> ExitCode {
    let loaded = Loaded::from_file(file);
    let is_good = loaded.as_ref().is_ok_and(|loaded| !is_strict || loaded.warnings.is_empty());
    let report = match &loaded {
        Ok(loaded) => of_loaded(loaded),
        Err(problems) => of_problems(problems),
    };
    written(print(&report), if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)?;
    out.flush()
}

fn of_problems(problems: &Problems) -> Report {
    Report {
        file: problems.file.display().to_string(),
        valid: false,
        problems: remarks(&problems.file, &problems.list),
        more_problems: problems.more,
        warnings: Vec::new(),
        notes: Vec::new(),
        environment: Vec::new(),
        listeners: Vec::new(),
        sites: Vec::new(),
    }
}

fn of_loaded(loaded: &Loaded) -> Report {
    let Loaded { file, config, warnings, notes, environment, .. } = loaded;
    let discovery = Discovery::compile(&config.sites);
    let site = |(site, served): (&crate::config::Site, &SiteDiscovery)| SiteReport {
        name: site.name.as_ref().map(ToString::to_string),
        profile: site.profile().name(),
        discovery: served.is_on(),
        claude_code_gateway: served.has_claude_code(),
        public_urls: site.public_urls.iter().map(ToString::to_string).collect(),
        servers: site.servers.iter().map(|server| server.address.to_string()).collect(),
        mcp_clients: site.mcp_clients.len(),
    };
    Report {
        file: file.display().to_string(),
        valid: true,
        problems: Vec::new(),
        more_problems: 0,
        warnings: remarks(file, warnings),
        notes: remarks(file, notes),
        environment: environment.clone(),
        listeners: config.edge.listeners.iter().map(|listener| listener.address.to_string()).collect(),
        sites: config.sites.iter().zip(discovery.sites()).map(site).collect(),
    }
}

fn remarks(file: &Path, list: &[Problem]) -> Vec<Remark> {
    let remark = |problem: &Problem| Remark {
        file: problem.file.as_deref().unwrap_or(file).display().to_string(),
        line: problem.line,
        key: problem.path.to_string(),
        message: problem.message.clone(),
    };
    list.iter().map(remark).collect()
}
