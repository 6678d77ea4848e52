//! A real headless Chromium, spoken to over its debugging protocol (CDP).

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::PATIENCE;

/// One page in a browser of its own. Dropping it ends the browser.
pub struct Page {
    browser: Child,
    commands: ChildStdin,
    messages: mpsc::Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    complaints: Vec<String>,
    _profile: TempDir,
}

/// What the browser says by itself when something is wrong with a page.
const COMPLAINTS: [&str; 4] =
    ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Audits.issueAdded"];

impl Page {
    /// An empty page.
    pub fn new() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken on the files 3 and 4.
        let mut browser = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", "chromium", "--headless"])
            .args(["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--hide-scrollbars", "--disable-background-networking"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromium is needed: `make test` installs it");
        let commands = browser.stdin.take().unwrap();
        let mut answers = BufReader::new(browser.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let complaints = Vec::new();
        let mut page = Page { browser, commands, messages, session: None, last_id: 0, complaints, _profile: profile };
        let target = page.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = page.call("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}));
        page.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Audits"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page
    }

    /// Sets the size of the window, in the pixels that CSS counts, and how many of the screen's these are.
    pub fn resize(&mut self, width: u32, height: u32, scale: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// `light` or `dark`.
    pub fn prefer(&mut self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.call("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
    }

    pub fn go_to(&mut self, url: &str) {
        let gone = self.call("Page.navigate", &json!({"url": url}));
        assert_eq!(gone.get("errorText"), None, "{url}");
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let evaluated = self.call("Runtime.evaluate", &json!({"expression": expression, "returnByValue": true}));
        assert_eq!(evaluated.get("exceptionDetails"), None, "{expression}");
        evaluated["result"]["value"].clone()
    }

    /// The text of the element with this id.
    pub fn text(&mut self, id: &str) -> String {
        let text = self.value(&format!("document.getElementById({id:?})?.innerText ?? ''"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an expression in the page is true.
    pub fn until(&mut self, expression: &str) {
        let patience = Instant::now() + PATIENCE;
        while self.value(expression) != Value::Bool(true) {
            if Instant::now() > patience {
                let shown = self.value("document.body.innerText");
                panic!("never true: {expression}\n{:?}\n{shown}", self.complaints);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A picture of what the window shows, as PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// What the browser had to say against the page so far: exceptions, its console, violations of its policy.
    pub fn complaints(&mut self) -> Vec<String> {
        self.value("0");
        std::mem::take(&mut self.complaints)
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            // It takes its time to start when many do.
            let message = self.messages.recv_timeout(3 * PATIENCE);
            let message = message.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
            if message["id"] == id {
                assert_eq!(message.get("error"), None, "{method}");
                return message["result"].clone();
            }
            if COMPLAINTS.iter().any(|complaint| message["method"] == *complaint) {
                self.complaints.push(message.to_string());
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _gone = self.browser.kill();
        let _reaped = self.browser.wait();
    }
}
