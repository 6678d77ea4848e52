//! What `GET /api/mcp/clients` answers, page by page. Source: Bifrost's `MCPHandler` from version 1.5.0 on.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// Asked for as it is, it answers what the process has in memory, all of it; with `limit` and `offset`, what is in the
/// database. From 1.6 on there is only the latter, and asked for as it is, its first page.
pub const CLIENTS: &str = "/api/mcp/clients";

/// So many clients are asked for at a time.
const PAGE: usize = 100;

/// More clients than any fleet has are not asked for.
const MOST_CLIENTS: usize = 200_000;

/// Which of its lists a Bifrost answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientList {
    /// What the process serves; in the database, where a Bifrost does not tell the two apart.
    Memory,
    /// What is stored, and what the process will serve when it is started again.
    Database,
}

/// An MCP client as the API shows it, which has at least a name.
pub trait Named {
    /// Its name.
    fn name(&self) -> &str;
}

/// One answer.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub struct Page<T> {
    /// In Go an empty list may be null. An answer without the key is none at all.
    #[serde(deserialize_with = "may_be_null")]
    clients: Vec<Entry<T>>,
    #[serde(default)]
    total_count: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Entry<T> {
    config: T,
}

/// The pages of the list in the database, put together.
#[derive(Debug)]
pub struct Pages<T> {
    clients: Vec<T>,
    names: HashSet<String>,
}

fn may_be_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The path and query of the page from this place on.
pub fn page_path(offset: usize) -> String {
    format!("{CLIENTS}?limit={PAGE}&offset={offset}")
}

impl<T: DeserializeOwned> Page<T> {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is no list of clients; without anything of it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let fault = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            format!("{CLIENTS} answers no list of MCP clients (line {line}, column {column} of the answer)")
        };
        serde_json::from_slice(body).map_err(fault)
    }

    /// The clients on it.
    pub fn into_clients(self) -> Vec<T> {
        self.clients.into_iter().map(|entry| entry.config).collect()
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Pages { clients: Vec::new(), names: HashSet::new() }
    }
}

impl<T: DeserializeOwned + Named> Pages<T> {
    /// Takes one more page; where the next one begins, if there is one. A Bifrost that does not know pages
    /// answers the whole list again and again, which ends it, too.
    pub fn add(&mut self, page: Page<T>) -> Option<usize> {
        let total = page.total_count;
        let before = self.clients.len();
        for client in page.into_clients() {
            if self.names.insert(client.name().to_owned()) {
                self.clients.push(client);
            }
        }
        let now = self.clients.len();
        let is_done = now == before || total.is_none_or(|total| now >= total) || now >= MOST_CLIENTS;
        (!is_done).then_some(now)
    }

    /// All of them.
    pub fn into_clients(self) -> Vec<T> {
        self.clients
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Client {
        name: String,
    }

    impl Named for Client {
        fn name(&self) -> &str {
            &self.name
        }
    }

    fn page(names: std::ops::Range<usize>, total: Option<usize>) -> Page<Client> {
        let clients: Vec<_> = names
            .map(
                |name| serde_json::json!({"config": {"name": name.to_string()}, "tools": [{"name": "x"}], "state": ""}),
            )
            .collect();
        Page::read(serde_json::json!({"clients": clients, "total_count": total}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn pages_are_asked_for_until_all_are_there() {
        let mut pages = Pages::default();
        assert_eq!(pages.add(page(0..100, Some(250))), Some(100));
        assert_eq!(pages.add(page(100..200, Some(250))), Some(200));
        assert_eq!(pages.add(page(200..250, Some(250))), None);
        assert_eq!(pages.into_clients().len(), 250);
    }

    #[test]
    fn a_list_that_knows_no_pages_or_never_ends_is_not_asked_for_again_and_again() {
        let mut pages = Pages::default();
        assert_eq!(pages.add(page(0..300, None)), None);
        let mut pages = Pages::default();
        assert_eq!(pages.add(page(0..100, Some(1_000_000))), Some(100));
        assert_eq!(pages.add(page(0..100, Some(1_000_000))), None);
        assert_eq!(pages.into_clients().len(), 100);
    }

    #[test]
    fn an_empty_list_may_be_null_and_anything_else_is_told_without_its_contents() {
        assert!(Page::<Client>::read(br#"{"clients":null,"count":0}"#).unwrap().into_clients().is_empty());
        for none in ["{}", r#"{"message":"planted","total_count":0}"#] {
            let fault = Page::<Client>::read(none.as_bytes()).unwrap_err();
            assert!(fault.contains("no list of MCP clients") && !fault.contains("planted"), "{fault}");
        }
        let fault = Page::<Client>::read(br#"{"clients":[{"config":{"name":["planted"]}}]}"#).unwrap_err();
        assert!(!fault.contains("planted") && fault.contains("line 1"), "{fault}");
    }
}
