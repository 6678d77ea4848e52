//! The MCP clients that a server lists, next to those of the edge's table.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    difference::{Difference, Lists},
    documents::shortened,
};
use crate::{api::Named, config::AuthType};

/// An MCP client as a server lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedClient {
    /// Its name.
    pub name: String,
    /// Its `auth_type`; Bifrost's default when it has none.
    #[serde(default)]
    pub auth_type: Option<String>,
}

/// What a server answered for one of its lists: the clients, or why there are none.
pub type ListAnswer = Result<Vec<ListedClient>, String>;

impl Named for ListedClient {
    fn name(&self) -> &str {
        &self.name
    }
}

impl ListedClient {
    fn auth_type(&self) -> &str {
        match self.auth_type.as_deref() {
            None | Some("") => AuthType::DEFAULT,
            Some(auth_type) => auth_type,
        }
    }
}

/// In what a list and the table differ.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ClientDifference {
    client: String,
    /// `None` when the table does not have it.
    edge: Option<String>,
    /// `None` when the list does not have it.
    server: Option<String>,
}

/// Adds the differences between the table and the lists that were answered; what is the same for both lists is told
/// once.
pub(super) fn compare(
    table: &BTreeMap<String, AuthType>,
    memory: Option<&[ListedClient]>,
    database: Option<&[ListedClient]>,
    differences: &mut Vec<Difference>,
) {
    let found = |list: Option<&[ListedClient]>| list.map(|list| of_one(table, list)).unwrap_or_default();
    let (in_memory, in_database) = (found(memory), found(database));
    let mut all: BTreeMap<ClientDifference, Lists> = BTreeMap::new();
    for difference in in_memory {
        all.insert(difference, Lists::Memory);
    }
    for difference in in_database {
        all.entry(difference).and_modify(|lists| *lists = Lists::Both).or_insert(Lists::Database);
    }
    differences.extend(all.into_iter().filter_map(|(ClientDifference { client, edge, server }, lists)| {
        let client = shortened(&client);
        Some(match (edge, server) {
            (Some(edge), None) => Difference::MissingOnServer { client, auth_type: shortened(&edge), lists },
            (None, Some(server)) => Difference::MissingOnEdge { client, auth_type: shortened(&server), lists },
            (Some(edge), Some(server)) => {
                Difference::AuthType { client, edge: shortened(&edge), server: shortened(&server), lists }
            }
            (None, None) => return None,
        })
    }));
}

fn of_one(table: &BTreeMap<String, AuthType>, list: &[ListedClient]) -> Vec<ClientDifference> {
    let listed: BTreeMap<&str, &str> = list.iter().map(|client| (client.name.as_str(), client.auth_type())).collect();
    let on_edge = table.iter().filter_map(|(name, auth_type)| {
        let (edge, server) = (auth_type.name(), listed.get(name.as_str()).copied());
        (server != Some(edge)).then(|| ClientDifference {
            client: name.clone(),
            edge: Some(edge.to_owned()),
            server: server.map(str::to_owned),
        })
    });
    let on_server_alone = listed.iter().filter(|(name, _)| !table.contains_key(**name)).map(|(name, auth_type)| {
        ClientDifference { client: (*name).to_owned(), edge: None, server: Some((*auth_type).to_owned()) }
    });
    on_edge.chain(on_server_alone).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(name: &str, auth_type: Option<&str>) -> ListedClient {
        ListedClient { name: name.to_owned(), auth_type: auth_type.map(str::to_owned) }
    }

    fn table(clients: &[(&str, AuthType)]) -> BTreeMap<String, AuthType> {
        clients.iter().map(|(name, auth_type)| ((*name).to_owned(), auth_type.clone())).collect()
    }

    fn told(
        table: &BTreeMap<String, AuthType>,
        memory: Option<&[ListedClient]>,
        database: Option<&[ListedClient]>,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        compare(table, memory, database, &mut differences);
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clients_on_one_side_alone_are_told_with_their_auth_type_and_where() {
        let table = table(&[("github", AuthType::PerUserOauth), ("search", AuthType::Headers)]);
        let memory = [listed("search", None), listed("wiki", Some("oauth"))];
        let database = [listed("github", Some("per_user_oauth")), listed("search", Some("none"))];
        assert_eq!(
            told(&table, Some(&memory), Some(&database)),
            [
                r#"MCP client "github" (auth_type per_user_oauth): missing on the server's memory, the edge has it"#,
                r#"MCP client "search": auth_type headers on the edge, none on the server's database"#,
                r#"MCP client "wiki" (auth_type oauth): missing on the edge, the server's memory has it"#,
            ]
        );
        assert_eq!(
            told(&table, Some(&[]), Some(&[])).last().unwrap(),
            r#"MCP client "search" (auth_type headers): missing on the server, the edge has it"#
        );
        assert!(told(&table, None, None).is_empty());
    }

    #[test]
    fn an_auth_type_that_is_newer_than_the_edge_is_compared_like_any_other() {
        let table = table(&[("new", AuthType::Other("kerberos".into()))]);
        assert!(told(&table, Some(&[listed("new", Some("kerberos"))]), None).is_empty());
        assert_eq!(
            told(&table, Some(&[listed("new", Some("oauth"))]), None),
            [r#"MCP client "new": auth_type kerberos on the edge, oauth on the server's memory"#]
        );
    }

    #[test]
    fn a_hostile_name_does_not_reach_a_terminal() {
        let client = listed("\u{1b}[2J", Some("\u{1b}[2J"));
        let told = told(&table(&[]), Some(&[client]), None);
        assert!(!told[0].contains('\u{1b}'), "{told:?}");
    }

    proptest! {
        #[test]
        fn every_name_that_is_on_one_side_alone_is_told_once(
            on_edge in prop::collection::btree_set("[a-f]", 0..6),
            on_server in prop::collection::btree_set("[a-f]", 0..6),
        ) {
            let table = on_edge.iter().map(|name| (name.clone(), AuthType::Oauth)).collect();
            let list: Vec<_> = on_server.iter().map(|name| listed(name, Some("oauth"))).collect();
            let mut differences = Vec::new();
            compare(&table, Some(&list), Some(&list), &mut differences);
            let told: Vec<_> = differences.iter().map(|difference| match difference {
                Difference::MissingOnServer { client, lists: Lists::Both, .. } => (client.clone(), true),
                Difference::MissingOnEdge { client, lists: Lists::Both, .. } => (client.clone(), false),
                other => panic!("{other:?}"),
            }).collect();
            let wanted: Vec<_> = on_edge.symmetric_difference(&on_server)
                .map(|name| (name.clone(), on_edge.contains(name))).collect();
            prop_assert_eq!(told, wanted);
        }
    }
}
