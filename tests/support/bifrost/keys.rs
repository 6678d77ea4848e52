//! The key with which generation B signs its tokens, made anew for each run.

use std::{process::Command, sync::LazyLock};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::RSA_PKCS1_SHA256,
};
use serde_json::{Value, json};

use super::super::in_time::Printed;

const KID: &str = "kid-1";

pub(super) static KEYS: LazyLock<Keys> = LazyLock::new(Keys::new);

pub(super) struct Keys(KeyPair);

impl Keys {
    fn new() -> Self {
        let arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let output = Command::new("openssl").args(arguments).printed().expect("openssl is not installed");
        // Its DER is another format, by version; its PEM is not.
        let pem = String::from_utf8(output.stdout).expect("a key in PEM");
        let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = STANDARD.decode(lines).expect("a key in Base64");
        Keys(KeyPair::from_pkcs8(&key).expect("a key of openssl"))
    }

    /// As RFC 7517 has them.
    pub fn jwks(&self) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.0.public());
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"keys": [{"kty": "RSA", "use": "sig", "kid": KID, "alg": "RS256", "n": n, "e": e}]})
    }

    /// A token with these claims (RFC 7515).
    pub fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "RS256", "kid": KID, "typ": "JWT"})), part(claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
