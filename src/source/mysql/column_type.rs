//! The text of a column type, as `information_schema.COLUMNS.COLUMN_TYPE` spells it, becomes a [`DataType`].
//!
//! In: e.g. `decimal(15,2) unsigned` or `enum('Y','N')`, with the column's charset and collation. Out: the type, or
//! [`DataType::Unsupported`] with the server's own text where the engine cannot carry the values exactly. Never guesses.

use crate::schema::DataType;

/// Reads a column type.
#[must_use]
pub fn parse(native: &str, charset: Option<&str>, collation: Option<&str>) -> DataType {
    read(native, charset, collation).unwrap_or_else(|| DataType::Unsupported { native: native.to_owned() })
}

struct TypeText<'a> {
    word: &'a str,
    arguments: Option<&'a str>,
    unsigned: bool,
}

impl<'a> TypeText<'a> {
    fn split(native: &'a str) -> Option<Self> {
        // The temporal formats of before 2013 hold the same values; the comment is all that differs.
        let native = native.trim_end_matches(" /* mariadb-5.3 */").trim_end_matches(" /* 5.5 binary format */").trim();
        let end = native.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(native.len());
        let (word, rest) = native.split_at_checked(end)?;
        let (arguments, attributes) = match rest.strip_prefix('(') {
            Some(inner) => {
                let (arguments, attributes) = inner.rsplit_once(')')?;
                (Some(arguments), attributes)
            }
            None => (None, rest),
        };
        let mut unsigned = false;
        for attribute in attributes.split_whitespace() {
            match attribute {
                "unsigned" => unsigned = true,
                "signed" => {}
                // ZEROFILL changes the text of a number, COMPRESSED its form in the log: neither is reproduced.
                _ => return None,
            }
        }
        Some(Self { word, arguments, unsigned })
    }

    fn number(&self) -> Option<u32> {
        self.arguments?.trim().parse().ok()
    }

    fn fraction(&self) -> Option<u8> {
        match self.arguments {
            None => Some(0),
            Some(text) => text.trim().parse().ok().filter(|digits| *digits <= 6),
        }
    }
}

// size: one line per type of the two servers
fn read(native: &str, charset: Option<&str>, collation: Option<&str>) -> Option<DataType> {
    let text = TypeText::split(native)?;
    let unsigned = text.unsigned;
    let integer = |bits| Some(DataType::Integer { bits, unsigned });
    let characters =
        |length, fixed| Some(DataType::Text { length, fixed, charset: charset?.to_owned(), collation: collation?.to_owned() });
    match text.word {
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" | "integer" => integer(32),
        "bigint" => integer(64),
        "decimal" | "numeric" => {
            let (precision, scale) = text.arguments?.split_once(',')?;
            Some(DataType::Decimal { precision: precision.trim().parse().ok()?, scale: scale.trim().parse().ok()?, unsigned })
        }
        "float" => Some(DataType::Float),
        "double" | "real" => Some(DataType::Double),
        "char" => characters(Some(text.number()?), true),
        "varchar" => characters(Some(text.number()?), false),
        "tinytext" | "text" | "mediumtext" | "longtext" => characters(None, false),
        "binary" => Some(DataType::Bytes { length: Some(text.number()?), fixed: true }),
        "varbinary" => Some(DataType::Bytes { length: Some(text.number()?), fixed: false }),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => Some(DataType::Bytes { length: None, fixed: false }),
        "enum" => Some(DataType::Enum {
            labels: labels(text.arguments?)?,
            charset: charset?.to_owned(),
            collation: collation?.to_owned(),
        }),
        "set" => Some(DataType::Set {
            labels: labels(text.arguments?)?,
            charset: charset?.to_owned(),
            collation: collation?.to_owned(),
        }),
        "bit" => Some(DataType::Bit { length: u8::try_from(text.number()?).ok()? }),
        "date" => Some(DataType::Date),
        "datetime" => Some(DataType::DateTime { fraction: text.fraction()? }),
        "timestamp" => Some(DataType::Timestamp { fraction: text.fraction()? }),
        "time" => Some(DataType::Time { fraction: text.fraction()? }),
        "year" => Some(DataType::Year),
        "json" => Some(DataType::Json),
        _ => None,
    }
}

/// The labels of an ENUM or SET. Both servers double the quote and write backslash, NUL and line ends with a backslash.
fn labels(text: &str) -> Option<Vec<String>> {
    let mut labels = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        if rest.next()? != '\'' {
            return None;
        }
        let mut label = String::new();
        loop {
            match rest.next()? {
                '\'' if rest.peek() == Some(&'\'') => {
                    rest.next();
                    label.push('\'');
                }
                '\'' => break,
                '\\' => label.push(match rest.next()? {
                    '0' => '\0',
                    'n' => '\n',
                    'r' => '\r',
                    other => other,
                }),
                other => label.push(other),
            }
        }
        labels.push(label);
        match rest.next() {
            None => return Some(labels),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(native: &str) -> DataType {
        parse(native, Some("utf8mb4"), Some("utf8mb4_bin"))
    }

    #[test]
    fn every_type_word_is_read() {
        assert_eq!(plain("bigint(20) unsigned"), DataType::Integer { bits: 64, unsigned: true });
        assert_eq!(plain("mediumint"), DataType::Integer { bits: 24, unsigned: false });
        assert_eq!(plain("decimal(65,30)"), DataType::Decimal { precision: 65, scale: 30, unsigned: false });
        assert_eq!(plain("float(7,3)"), DataType::Float);
        assert_eq!(plain("datetime(6)"), DataType::DateTime { fraction: 6 });
        assert_eq!(plain("timestamp /* mariadb-5.3 */"), DataType::Timestamp { fraction: 0 });
        assert_eq!(plain("bit(64)"), DataType::Bit { length: 64 });
        assert_eq!(plain("year(4)"), DataType::Year);
        assert_eq!(plain("binary(16)"), DataType::Bytes { length: Some(16), fixed: true });
    }

    #[test]
    fn f80_what_is_not_carried_exactly_is_named_not_guessed() {
        for native in [
            "geometry",
            "point",
            "vector(3)",
            "inet6",
            "uuid",
            "int(5) unsigned zerofill",
            "longtext /*M!100301 COMPRESSED*/",
            "xmltype",
            "decimal",
        ] {
            assert_eq!(plain(native), DataType::Unsupported { native: native.to_owned() }, "{native}");
        }
    }

    #[test]
    fn labels_with_quotes_commas_and_parentheses_stay_whole() {
        let DataType::Enum { labels, .. } = plain(r"enum('it''s','a,b','(x)','back\\slash','')") else { panic!() };
        assert_eq!(labels, ["it's", "a,b", "(x)", r"back\slash", ""]);
    }
}
