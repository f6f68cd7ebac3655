//! What an example's project file says of its databases: enough to start servers for them and to point the file at those.
//!
//! In: the text of `strangler.yaml` with urls on 127.0.0.1. Only `url`, `password: { env: NAME }` and `publication` are read; everything
//! else is for the program itself, which reads the file as any other.

use super::failure::{StoryError, Told};

/// A database of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name in the file.
    pub name: String,
    /// Whether it is a legacy database.
    pub is_source: bool,
    /// `mysql`, `mariadb` or `postgresql`.
    pub scheme: String,
    /// The account of the engine.
    pub user: String,
    /// The port that the file names: databases with the same one are on one server.
    pub port: u16,
    /// The database's own name.
    pub database: String,
    /// The variable of its password.
    pub password: String,
    /// What is published, of a PostgreSQL source.
    pub publication: Option<String>,
}

impl Database {
    /// What the file says behind the scheme.
    fn address(&self, port: u16) -> String {
        format!("{}@127.0.0.1:{port}/{}", self.user, self.database)
    }

    /// Points the file at another port.
    #[must_use]
    pub fn moved(&self, text: &str, port: u16) -> String {
        text.replace(&self.address(self.port), &self.address(port))
    }
}

/// The databases of a project file, in its order.
///
/// # Errors
/// A database that cannot be shown in servers of ours.
pub fn databases(text: &str) -> Told<Vec<Database>> {
    let mut found: Vec<Database> = Vec::new();
    let (mut is_source, mut name) = (true, "");
    for line in text.lines() {
        let (indent, entry) = (line.len() - line.trim_start().len(), line.trim());
        let Some((key, value)) = entry.split_once(':') else { continue };
        match (indent, key) {
            (0, _) => is_source = key == "sources",
            (2, _) if value.trim().is_empty() => name = key,
            (4.., "url") => found.push(database(name, is_source, value)?),
            (4.., "password") => {
                let variable = value.split_once("env:").map(|(_, rest)| rest.trim_matches([' ', '}']));
                if let (Some(database), Some(variable)) = (found.last_mut(), variable) {
                    variable.clone_into(&mut database.password);
                }
            }
            (4.., "publication") => {
                if let Some(database) = found.last_mut() {
                    database.publication = Some(value.trim().to_owned());
                }
            }
            _ => {}
        }
    }
    match found.iter().find(|database| database.password.is_empty()) {
        Some(database) => Err(StoryError::Unexpected(format!("{} has no `password: {{ env: NAME }}`", database.name))),
        None if found.is_empty() => Err(StoryError::Unexpected("the project file names no database".into())),
        None => Ok(found),
    }
}

/// ` scheme://user@127.0.0.1:port/database`, with or without a comment behind it.
fn database(name: &str, is_source: bool, value: &str) -> Told<Database> {
    let parsed = || {
        let (scheme, rest) = value.split_whitespace().next()?.split_once("://")?;
        let (user, rest) = rest.split_once("@127.0.0.1:")?;
        let (port, database) = rest.split_once('/')?;
        Some((scheme, user, port.parse().ok()?, database))
    };
    let (scheme, user, port, database) = parsed().ok_or_else(|| {
        StoryError::Unexpected(format!("the url of {name} is not of the form scheme://user@127.0.0.1:port/database"))
    })?;
    Ok(Database {
        name: name.to_owned(),
        is_source,
        scheme: scheme.to_owned(),
        user: user.to_owned(),
        port,
        database: database.to_owned(),
        password: String::new(),
        publication: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_of_a_project_file_are_found_and_moved() {
        let text = "# two\nsources:\n  crm:\n    url: postgresql://reader@127.0.0.1:5432/crm\n    password: { env: CRM_PASSWORD }\n    \
                    publication: crm_out\ntargets:\n  orders-db:\n    url: mariadb://writer@127.0.0.1:3307/orders   # beside it\n    \
                    password: { env: ORDERS_PASSWORD }\nstate: ./state\n";
        let found = databases(text).unwrap();
        let [crm, orders] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((crm.name.as_str(), crm.is_source, crm.publication.as_deref()), ("crm", true, Some("crm_out")));
        assert_eq!((orders.scheme.as_str(), orders.is_source, orders.password.as_str()), ("mariadb", false, "ORDERS_PASSWORD"));
        assert!(orders.moved(&crm.moved(text, 7), 8).contains("writer@127.0.0.1:8/orders   # beside"));
        assert!(databases("sources:\n  a:\n    url: mysql://db.internal/shop\n").is_err());
    }
}
