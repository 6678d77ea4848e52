//! Clients of TLS that nobody here wrote are served by the edge itself, and a scanner finds nothing weak.

use std::{path::PathBuf, process::Command};

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, servers_yaml},
    in_time::Printed,
    interop::installed,
    tls_server::Trust,
    tools::lacks,
};

struct Setup {
    bifrost: Bifrost,
    edge: Edge,
    trust: Trust,
}

fn setup() -> Setup {
    let (bifrost, trust) = (Bifrost::start(), Trust::new());
    let edge = trust.edge_with_tls(&format!("{}{CLIENTS}", servers_yaml(&[bifrost.address()])));
    Setup { bifrost, edge, trust }
}

impl Setup {
    fn ca(&self) -> PathBuf {
        self.trust.folder.path().join("ca.pem")
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.edge.host())
    }
}

/// What a program prints, which must end well.
fn run(command: &mut Command) -> String {
    let output =
        command.printed().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make test`, which installs it"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}{printed}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[test]
fn curl_is_served_over_http_1_and_http_2() {
    if lacks(&["curl"]) {
        return;
    }
    let setup = setup();
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let document = setup.url("/.well-known/oauth-authorization-server");
        let ask = |more: &[&str], url: &str| {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--max-time", "20", option, "--cacert"]).arg(setup.ca());
            run(curl.args(["--write-out", "\n%{http_code} %{http_version}"]).args(more).arg(url))
        };
        let answer = ask(&[], &document);
        assert!(answer.ends_with(&format!("\n200 {version}")), "{answer}");
        assert!(answer.contains(&format!("\"issuer\":\"{}\"", setup.url(""))), "{answer}");
        let upload = ask(&["--data", "hello"], &setup.url("/echo"));
        assert!(upload.contains("\"body_length\":5") && upload.ends_with(&format!("\n200 {version}")), "{upload}");
    }
}

#[test]
fn openssl_verifies_the_certificate_in_both_versions() {
    if lacks(&["openssl"]) {
        return;
    }
    let setup = setup();
    for (version, shown) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-verify_return_error", "-brief", "-servername", "localhost", version, "-CAfile"]);
        openssl.arg(setup.ca()).args(["-connect", &setup.edge.address.to_string()]);
        // It says all of it on the wrong output.
        let output = openssl.printed().expect("openssl is not installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(shown) && said.contains("Verification: OK"), "{said}");
    }
    for old in ["-tls1", "-tls1_1"] {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-brief", "-cipher", "ALL:@SECLEVEL=0", old, "-connect"]);
        let output = openssl.arg(setup.edge.address.to_string()).printed().unwrap();
        assert!(!output.status.success(), "{old} was spoken");
    }
}

#[test]
fn a_browser_is_served() {
    if lacks(&["chromium"]) {
        return;
    }
    let setup = setup();
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("chromium");
    // The authority of a test is in no browser's store.
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium
        .args(["--ignore-certificate-errors", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()));
    let page = run(chromium.arg(setup.url("/echo?from=browser")));
    assert!(page.contains("/echo?from=browser"), "{page}");
    let seen = setup.bifrost.recorded();
    let seen = seen.iter().find(|request| request.target == "/echo?from=browser").unwrap();
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert!(setup.edge.metric("bridgehead_tls_handshakes_total") > 0);
}

/// Fields of what sslyze finds, and what they must be.
const SOUND: [(&str, &str); 9] = [
    ("/heartbleed/result/is_vulnerable_to_heartbleed", "false"),
    ("/openssl_ccs_injection/result/is_vulnerable_to_ccs_injection", "false"),
    ("/robot/result/robot_result", "\"NOT_VULNERABLE_RSA_NOT_SUPPORTED\""),
    ("/tls_compression/result/supports_compression", "false"),
    ("/session_renegotiation/result/supports_secure_renegotiation", "true"),
    ("/session_renegotiation/result/is_vulnerable_to_client_renegotiation_dos", "false"),
    ("/tls_1_3_early_data/result/supports_early_data", "false"),
    ("/tls_extended_master_secret/result/supports_ems_extension", "true"),
    ("/tls_fallback_scsv/result/supports_fallback_scsv", "true"),
];

#[test]
fn a_scanner_finds_nothing_weak() {
    if lacks(&["tls-scanner"]) {
        return;
    }
    let setup = setup();
    let report = setup.trust.folder.path().join("report.json");
    let mut sslyze = Command::new(installed("tls-scanner").join("tls-scanner/bin/sslyze"));
    sslyze.args([
        "--mozilla_config",
        "disable",
        "--sslv2",
        "--sslv3",
        "--tlsv1",
        "--tlsv1_1",
        "--tlsv1_2",
        "--tlsv1_3",
    ]);
    sslyze.args(["--heartbleed", "--openssl_ccs", "--robot", "--compression", "--reneg", "--early_data", "--ems"]);
    sslyze.args(["--fallback", "--resum", "--elliptic_curves", "--quiet", "--sni", "localhost", "--json_out"]);
    run(sslyze.arg(&report).arg(setup.edge.address.to_string()));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let found = &report["server_scan_results"][0]["scan_result"];
    for (field, sound) in SOUND {
        let value = found.pointer(field).unwrap_or_else(|| panic!("no {field} in {found}"));
        assert_eq!(value.to_string(), sound, "{field}");
    }
    let suites = |version: &str| -> Vec<String> {
        let result = &found[format!("{version}_cipher_suites")]["result"];
        let accepted = result["accepted_cipher_suites"].as_array().unwrap_or_else(|| panic!("{version}: {found}"));
        accepted.iter().map(|suite| suite["cipher_suite"]["name"].as_str().unwrap().to_owned()).collect()
    };
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert_eq!(suites(old), Vec::<String>::new(), "{old}");
    }
    for (version, key_exchange) in [("tls_1_2", "TLS_ECDHE_"), ("tls_1_3", "TLS_")] {
        let suites = suites(version);
        assert!(!suites.is_empty(), "{version}");
        for suite in suites {
            let is_aead = suite.contains("_GCM_") || suite.contains("_CHACHA20_POLY1305_");
            assert!(suite.starts_with(key_exchange) && is_aead, "{version}: {suite}");
        }
    }
}
