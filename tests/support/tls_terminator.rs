//! A program that ends TLS in front of an edge.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{in_time::Printed, until};

/// stunnel in front of an edge or a server: it ends TLS and says nothing of it in any header.
pub struct TlsTerminator {
    child: Child,
    folder: tempfile::TempDir,
}

impl TlsTerminator {
    /// Ends TLS for `localhost` on this port.
    pub fn start(port: u16, edge: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let ca = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        openssl(&ca, &["-subj", "/CN=test CA", "-keyout", &file("ca.key"), "-out", &file("ca.pem")]);
        let leaf =
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"];
        openssl(&leaf, &["-keyout", &file("leaf.key"), "-out", &file("leaf.csr")]);
        let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";
        fs::write(file("leaf.ext"), extensions).unwrap();
        let sign = ["x509", "-req", "-days", "2", "-CAcreateserial"];
        let (csr, ca, key, ext, pem) =
            (file("leaf.csr"), file("ca.pem"), file("ca.key"), file("leaf.ext"), file("leaf.pem"));
        openssl(&sign, &["-in", &csr, "-CA", &ca, "-CAkey", &key, "-extfile", &ext, "-out", &pem]);
        let settings = format!(
            "foreground = yes\npid =\n[edge]\naccept = 127.0.0.1:{port}\nconnect = {edge}\ncert = {pem}\nkey = {}\n",
            file("leaf.key")
        );
        fs::write(file("stunnel.conf"), settings).unwrap();
        let child =
            Command::new("stunnel").arg(file("stunnel.conf")).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.expect("stunnel is not installed: run `make test`, which installs it");
        let terminator = TlsTerminator { child, folder };
        until("stunnel listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        terminator
    }

    /// The certificate of its authority.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for TlsTerminator {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn openssl(first: &[&str], then: &[&str]) {
    let output = Command::new("openssl").args(first).args(then).printed().expect("openssl is not installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
