//! The worked example of the manual: a fleet moves from an old generation of Bifrost to the next without a bad minute, as
//! two sites, and could go back at every step.

use std::{fs, net::SocketAddr, path::PathBuf};

use tempfile::TempDir;

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    discovery::AS,
    http::Connection,
    program::Running,
};

/// The steps as the manual has them, with the servers of this test.
struct Steps {
    texts: Vec<String>,
    folder: TempDir,
}

impl Steps {
    fn new(old: &Bifrost, new: &Bifrost) -> Self {
        let manual = include_str!("../conf/README.md");
        let section = manual.split("\n## Moving between generations\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let blocks = section.split("\n```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
        let texts = blocks.map(|text| {
            text.replace("old.internal:8080", &old.address().to_string())
                .replace("new.internal:8080", &new.address().to_string())
                .replace("\"[::]:8000\"", "\"127.0.0.1:0\"")
                + "health: {enabled: false}\nverify: {at_start: false}\n"
        });
        Steps { texts: texts.collect(), folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("proxy.yaml")
    }

    fn put(&self, step: usize) {
        let beside = self.folder.path().join("new");
        fs::write(&beside, &self.texts[step]).unwrap();
        fs::rename(beside, self.file()).unwrap();
    }
}

struct Moving {
    edge: Running,
    address: SocketAddr,
    steps: Steps,
}

impl Moving {
    fn to(&mut self, step: usize) {
        self.steps.put(step);
        self.edge.wait_for("loaded again, and served as generation");
    }

    /// The status of a call to this host with a virtual key, which no login has made.
    fn call(&self, host: &str) -> u16 {
        Connection::to(self.address).ask("GET", "/echo", host, "x-bf-vk: sk-bf-1\r\n").status
    }

    /// Where a client that begins to log in at this host gets its token.
    fn token_endpoint(&self, host: &str) -> String {
        let document = Connection::to(self.address).ask("GET", AS, host, "").json();
        assert_eq!(document["issuer"], format!("https://{host}"));
        document["token_endpoint"].as_str().unwrap_or_default().to_owned()
    }
}

const GATEWAY: &str = "gw.example.com";
const NEXT: &str = "next.example.com";
const OLD: &str = "old.example.com";

fn of_old(host: &str) -> String {
    format!("https://{host}/api/oauth/per-user/token")
}

fn of_new(host: &str) -> String {
    format!("https://{host}/oauth2/token")
}

#[test]
fn each_step_serves_virtual_keys_throughout_and_each_can_be_taken_back() {
    let [old, new] = [Bifrost::start(), Bifrost::start()];
    new.set_discovery(Discovery::Oauth2(Mode::Both));
    let steps = Steps::new(&old, &new);
    assert_eq!(steps.texts.len(), 3, "the example has three files");
    steps.put(0);
    let mut edge = Running::start(&steps.file());
    let address = edge.address();
    let mut moving = Moving { edge, address, steps };
    let asked = || (old.recorded().len(), new.recorded().len());
    assert_eq!((moving.call(GATEWAY), moving.token_endpoint(GATEWAY), asked()), (200, of_old(GATEWAY), (1, 0)));
    assert_eq!(moving.call(NEXT), 421);

    // The new one beside the old one: who wants to logs in there, and nobody else notices.
    moving.to(1);
    assert_eq!((moving.call(GATEWAY), moving.token_endpoint(GATEWAY), asked()), (200, of_old(GATEWAY), (2, 0)));
    assert_eq!((moving.call(NEXT), moving.token_endpoint(NEXT), asked()), (200, of_new(NEXT), (2, 1)));

    // The two change places: whoever has a login of the old one has it there.
    moving.to(2);
    assert_eq!((moving.call(GATEWAY), moving.token_endpoint(GATEWAY), asked()), (200, of_new(GATEWAY), (2, 2)));
    assert_eq!((moving.call(OLD), moving.token_endpoint(OLD), asked()), (200, of_old(OLD), (3, 2)));

    // And back.
    moving.to(1);
    assert_eq!((moving.call(GATEWAY), moving.token_endpoint(GATEWAY), asked()), (200, of_old(GATEWAY), (4, 2)));
    moving.to(0);
    assert_eq!((moving.call(GATEWAY), moving.token_endpoint(GATEWAY), asked()), (200, of_old(GATEWAY), (5, 2)));
}
