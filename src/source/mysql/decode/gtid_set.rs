//! The executed ids of a history, as text that the server reads back.
//!
//! Goes in: the server's own text (`uuid:1-24:tag:3,..` or `0-1-25,..`) and the ids of transactions as they commit. Comes out: the
//! text again, merged. Compares nothing and proves nothing; that is for whoever resumes.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::gtid::Gtid;
use super::reader::{Reader, malformed};
use crate::error::{Class, Error, Result};

/// A set of executed ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet {
    /// MySQL: per uuid and tag, sorted disjoint ranges, both ends included.
    ranges: BTreeMap<(String, String), Vec<(u64, u64)>>,
    /// MariaDB: per domain, the last server and sequence number.
    domains: BTreeMap<u32, (u32, u64)>,
}

impl GtidSet {
    /// Reads the server's text; empty text is the empty set.
    ///
    /// # Errors
    /// The text is neither form.
    pub fn parse(text: &str) -> Result<Self> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let read = if part.contains(':') { set.read_ranges(part) } else { set.read_domain(part) };
            read.ok_or_else(|| Error::new(Class::Person, "a recorded GTID set is malformed"))?;
        }
        Ok(set)
    }

    fn read_ranges(&mut self, part: &str) -> Option<()> {
        let mut fields = part.split(':').map(str::trim);
        let uuid = fields.next()?.to_ascii_lowercase();
        let mut tag = String::new();
        for field in fields {
            if field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                tag = field.to_ascii_lowercase();
                continue;
            }
            let (first, last) = field.split_once('-').unwrap_or((field, field));
            self.add_range(&uuid, &tag, first.parse().ok()?, last.parse().ok()?);
        }
        Some(())
    }

    fn read_domain(&mut self, part: &str) -> Option<()> {
        let mut numbers = part.split('-');
        let (domain, server, sequence) = (numbers.next()?, numbers.next()?, numbers.next()?);
        self.domains.insert(domain.parse().ok()?, (server.parse().ok()?, sequence.parse().ok()?));
        numbers.next().is_none().then_some(())
    }

    /// Adds one committed transaction.
    pub fn add(&mut self, gtid: &Gtid) {
        match gtid {
            Gtid::Anonymous => {}
            Gtid::MySql { uuid, tag, number } => self.add_range(&uuid_text(uuid), tag, *number, *number),
            Gtid::MariaDb { domain, server, sequence } => drop(self.domains.insert(*domain, (*server, *sequence))),
        }
    }

    /// Adds MySQL's PREVIOUS_GTIDS event: everything in earlier files.
    ///
    /// # Errors
    /// The body is malformed.
    pub fn add_previous(&mut self, body: &[u8]) -> Result<()> {
        let mut reader = Reader::new(body);
        let head = reader.u64()?;
        // A top byte of 1 says that tags follow the uuids; the count then lies in the six bytes between the format bytes.
        let tagged = head >> 56 == 1;
        let count = if tagged { (head >> 8) & 0xffff_ffff_ffff } else { head };
        for _ in 0..count {
            let uuid: [u8; 16] = reader.bytes(16)?.try_into().map_err(|_| malformed("a uuid is malformed"))?;
            let mut tag = String::new();
            if tagged {
                let length = usize::try_from(reader.variable()?).map_err(|_| malformed("a tag is too long"))?;
                tag = std::str::from_utf8(reader.bytes(length)?).map_err(|_| malformed("a tag is not text"))?.to_owned();
            }
            for _ in 0..reader.u64()? {
                let (first, end) = (reader.u64()?, reader.u64()?);
                self.add_range(&uuid_text(&uuid), &tag, first, end.saturating_sub(1));
            }
        }
        Ok(())
    }

    fn add_range(&mut self, uuid: &str, tag: &str, first: u64, last: u64) {
        let key = (uuid.to_owned(), tag.to_owned());
        let ranges = self.ranges.entry(key).or_default();
        if let Some(end) = ranges.last_mut().filter(|end| end.1.checked_add(1) == Some(first)) {
            end.1 = last;
            return;
        }
        ranges.push((first, last));
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges.drain(..) {
            match merged.last_mut().filter(|end| first <= end.1.saturating_add(1)) {
                Some(end) => end.1 = end.1.max(last),
                None => merged.push((first, last)),
            }
        }
        *ranges = merged;
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<&str> = None;
        for ((uuid, tag), ranges) in &self.ranges {
            match previous {
                Some(same) if same == uuid => {}
                Some(_) => write!(f, ",{uuid}")?,
                None => f.write_str(uuid)?,
            }
            previous = Some(uuid);
            if !tag.is_empty() {
                write!(f, ":{tag}")?;
            }
            for (first, last) in ranges {
                if first == last { write!(f, ":{first}")? } else { write!(f, ":{first}-{last}")? }
            }
        }
        for (index, (domain, (server, sequence))) in self.domains.iter().enumerate() {
            write!(f, "{}{domain}-{server}-{sequence}", if index > 0 || previous.is_some() { "," } else { "" })?;
        }
        Ok(())
    }
}

fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mysql_sets_merge() {
        let uuid = "00000000-0000-0000-0000-000000000001";
        let mut set = GtidSet::parse(&format!("{uuid}:1-3:7:blue:1-2")).unwrap();
        let mut id = [0; 16];
        id[15] = 1;
        for number in [5, 4, 6] {
            set.add(&Gtid::MySql { uuid: id, tag: String::new(), number });
        }
        set.add(&Gtid::MySql { uuid: id, tag: "blue".into(), number: 3 });
        assert_eq!(set.to_string(), format!("{uuid}:1-7:blue:1-3"));
        assert_eq!(GtidSet::parse(&set.to_string()).unwrap(), set);
    }

    #[test]
    fn mariadb_domains_advance() {
        let mut set = GtidSet::parse("0-1-25,1-2-7").unwrap();
        set.add(&Gtid::MariaDb { domain: 0, server: 3, sequence: 26 });
        assert_eq!(set.to_string(), "0-3-26,1-2-7");
        assert!(GtidSet::parse("0-1").is_err());
    }
}
