//! The lines of SHOW GRANTS of MySQL and MariaDB, understood.
//!
//! In: the lines, those of active roles included. Out: whether a privilege is held globally or on a table. Column grants do
//! not count as the table's; a partial revoke takes back what a global grant gave.

use super::TableName;

/// What the account holds.
#[derive(Debug, Default)]
pub struct Grants {
    given: Vec<Entry>,
    revoked: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    privileges: Vec<String>,
    /// `*` or a pattern.
    schema: String,
    /// `*` or a name.
    table: String,
}

impl Grants {
    /// Reads the lines; what is no grant of privileges on an object (roles, proxies) is left out.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut grants = Self::default();
        for line in lines {
            if let Some(entry) = line.strip_prefix("GRANT ").and_then(|rest| Entry::parse(rest, " TO ")) {
                grants.given.push(entry);
            } else if let Some(entry) = line.strip_prefix("REVOKE ").and_then(|rest| Entry::parse(rest, " FROM ")) {
                grants.revoked.push(entry);
            }
        }
        grants
    }

    /// Whether any of `names` is held on everything.
    pub fn globally(&self, names: &[&str]) -> bool {
        self.given.iter().any(|entry| entry.schema == "*" && entry.table == "*" && entry.holds(names))
    }

    /// Whether `name` is held on `table`.
    pub fn on_table(&self, name: &str, table: &TableName) -> bool {
        let revoked = self.revoked.iter().any(|entry| entry.holds(&[name]) && like(&entry.schema, &table.schema));
        self.given.iter().any(|entry| {
            entry.holds(&[name])
                && match (entry.schema.as_str(), entry.table.as_str()) {
                    ("*", "*") => !revoked,
                    (schema, "*") => like(schema, &table.schema),
                    // A table grant names its schema literally.
                    (schema, own) => schema.eq_ignore_ascii_case(&table.schema) && own.eq_ignore_ascii_case(&table.name),
                }
        })
    }
}

impl Entry {
    fn parse(text: &str, end: &str) -> Option<Self> {
        let (privileges, rest) = text.split_once(" ON ")?;
        let (object, _) = rest.split_once(end)?;
        let object = object.trim_start_matches("TABLE ");
        if ["PROCEDURE ", "FUNCTION ", "PACKAGE "].iter().any(|kind| object.starts_with(kind)) {
            return None;
        }
        let mut names = Names(object);
        let (schema, table) = (names.next()?, names.next()?);
        let privileges = split_outside_parentheses(privileges).into_iter().map(|name| name.trim().to_ascii_uppercase()).collect();
        Some(Self { privileges, schema, table })
    }

    fn holds(&self, names: &[&str]) -> bool {
        self.privileges.iter().any(|held| held == "ALL PRIVILEGES" || held == "ALL" || names.contains(&held.as_str()))
    }
}

/// `` `a``b`.`c` ``, `*.*`.
struct Names<'a>(&'a str);

impl Iterator for Names<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start_matches('.');
        let Some(quoted) = text.strip_prefix('`') else {
            let (name, rest) = text.split_once('.').unwrap_or((text, ""));
            self.0 = rest;
            return (!name.is_empty()).then(|| name.to_owned());
        };
        let mut name = String::new();
        let mut characters = quoted.char_indices().peekable();
        while let Some((index, character)) = characters.next() {
            if character != '`' {
                name.push(character);
            } else if characters.next_if(|(_, next)| *next == '`').is_some() {
                name.push('`');
            } else {
                self.0 = quoted.get(index + 1..).unwrap_or_default();
                return Some(name);
            }
        }
        None
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

/// A schema pattern of a grant: `%`, `_` and backslash escapes.
fn like(pattern: &str, text: &str) -> bool {
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['%', rest @ ..], _) => matches(rest, text) || matches!(text, [_, tail @ ..] if matches(pattern, tail)),
            (['\\', escaped, rest @ ..], [first, tail @ ..]) if escaped == first => matches(rest, tail),
            (['_', rest @ ..], [_, tail @ ..]) => matches(rest, tail),
            ([own, rest @ ..], [first, tail @ ..]) if own != &'\\' && own.eq_ignore_ascii_case(first) => matches(rest, tail),
            _ => false,
        }
    }
    matches(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &str, name: &str) -> TableName {
        TableName { schema: schema.into(), name: name.into() }
    }

    #[test]
    fn levels_columns_patterns_and_revokes_are_told_apart() {
        let grants = Grants::parse(
            [
                "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD 'x'",
                "GRANT SELECT ON `shop\\_a%`.* TO `u`@`%`",
                "GRANT SELECT, INSERT ON `erp`.`a``b` TO `u`@`%`",
                "GRANT SELECT (a, b), UPDATE ON `erp`.`c` TO `u`@`%`",
                "GRANT `role`@`%` TO `u`@`%`",
                "GRANT PROXY ON ``@`%` TO `u`@`%`",
            ]
            .into_iter(),
        );
        assert!(grants.globally(&["REPLICATION CLIENT", "BINLOG MONITOR"]));
        assert!(!grants.globally(&["SELECT"]));
        assert!(grants.on_table("SELECT", &table("shop_a1", "t")));
        assert!(!grants.on_table("SELECT", &table("shopxa1", "t")));
        assert!(grants.on_table("SELECT", &table("erp", "a`b")));
        assert!(!grants.on_table("SELECT", &table("erp", "c")), "some columns are not the table");
        let revoked = Grants::parse(["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE SELECT ON `erp`.* FROM `u`@`%`"].into_iter());
        assert!(revoked.on_table("SELECT", &table("crm", "t")));
        assert!(!revoked.on_table("SELECT", &table("erp", "t")));
    }
}
