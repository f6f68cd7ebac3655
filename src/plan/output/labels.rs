//! ENUM and SET of MySQL and MariaDB targets, where a mapping declares them.
//!
//! They are never chosen by themselves: a label that the legacy system adds, or the empty text that it holds for what it did not know, would
//! stop the mapping. A declared one takes its labels as they are spelled and refuses any other text.

use crate::schema::MySqlType;

/// Labels of a SET, one bit each.
const SET_LABELS_MAX: usize = 64;
/// Characters of a label.
const LABEL_CHARACTERS_MAX: usize = 255;

/// `enum('a','b')` or `set('a','b')` as written in `columns.type`; `None` if it is not one that every server takes as it stands.
pub(super) fn parse(text: &str, collation: &str) -> Option<MySqlType> {
    let (name, rest) = text.split_once('(')?;
    let labels = labels(rest.strip_suffix(')')?)?;
    let collation = collation.to_owned();
    match name.trim().to_ascii_lowercase().as_str() {
        "enum" => Some(MySqlType::Enum { labels, collation }),
        "set" if labels.len() <= SET_LABELS_MAX && !labels.iter().any(|label| label.is_empty() || label.contains(',')) => {
            Some(MySqlType::Set { labels, collation })
        }
        _ => None,
    }
}

/// Quoted labels with commas between. A quote or a backslash in one, and a blank behind one, are not kept alike by all servers.
fn labels(mut rest: &str) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let (label, behind) = rest.trim_start().strip_prefix('\'')?.split_once('\'')?;
        let is_plain = !label.ends_with(' ') && !label.chars().any(|c| c == '\\' || c.is_control());
        if !is_plain || label.chars().count() > LABEL_CHARACTERS_MAX || found.iter().any(|known| known == label) {
            return None;
        }
        found.push(label.to_owned());
        match behind.trim_start().strip_prefix(',') {
            Some(more) => rest = more,
            None => return behind.trim().is_empty().then_some(found),
        }
    }
}

/// Whether a text is a value of the type and comes back as it is.
pub(super) fn holds(own: &MySqlType, text: &str) -> bool {
    match own {
        MySqlType::Enum { labels, .. } => labels.iter().any(|label| label == text),
        MySqlType::Set { .. } if text.is_empty() => true,
        MySqlType::Set { labels, .. } => {
            // The server gives them back in the order of the type, each once.
            let mut left = labels.iter();
            text.split(',').all(|part| left.any(|label| label == part))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_are_spelled() {
        let parsed = parse("ENUM('Gold', '은','')", "utf8mb4_bin").unwrap();
        assert_eq!(parsed.name(), "enum('Gold','은','')");
        assert!(holds(&parsed, "Gold") && holds(&parsed, "") && !holds(&parsed, "gold") && !holds(&parsed, "bronze"));
        let set = parse("set('a','b','c')", "utf8mb4_bin").unwrap();
        assert!(holds(&set, "") && holds(&set, "a,c") && !holds(&set, "c,a") && !holds(&set, "a,a") && !holds(&set, "a,"));
        for wrong in
            ["enum", "enum()", "enum(a)", "enum('a','a')", "enum('a ')", "enum('it''s')", "set('a,b')", "set('')", "enum('a'"]
        {
            assert_eq!(parse(wrong, "utf8mb4_bin"), None, "{wrong}");
        }
    }
}
