//! Statements in the log that control transactions: BEGIN, COMMIT, savepoints, XA.
//!
//! Goes in: a statement's text. Comes out: a [`Control`], or `None` for every other statement. An XA statement whose xid cannot be read
//! is an error: the rows it decides over would be lost.

use super::decode::event::Xid;
use super::decode::reader::malformed;
use super::tokens::{Token, tokenize};
use crate::error::Result;

/// What a control statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// BEGIN.
    Begin,
    /// COMMIT.
    Commit,
    /// ROLLBACK of everything.
    Rollback,
    /// SAVEPOINT.
    Savepoint(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// RELEASE SAVEPOINT, XA END, XA PREPARE: nothing to do; the prepare has its own event.
    Nothing,
    /// XA START.
    XaStart(Xid),
    /// XA COMMIT of a prepared transaction.
    XaCommit(Xid),
    /// XA ROLLBACK of a prepared transaction.
    XaRollback(Xid),
}

/// Reads a control statement.
///
/// # Errors
/// An XA statement is not understood.
pub fn read(statement: &str) -> Result<Option<Control>> {
    let first = statement.trim_start().get(..2).unwrap_or("").to_ascii_uppercase();
    if !["BE", "CO", "RO", "SA", "RE", "XA", "ST"].contains(&first.as_str()) {
        return Ok(None);
    }
    let tokens = tokenize(statement);
    let words: Vec<&Token<'_>> = tokens.iter().collect();
    let word = |index: usize, text: &str| words.get(index).is_some_and(|token| token.is_word(text));
    let name = |index: usize| words.get(index).and_then(|token| token.identifier());
    Ok(Some(if word(0, "BEGIN") || (word(0, "START") && word(1, "TRANSACTION")) {
        Control::Begin
    } else if word(0, "COMMIT") {
        Control::Commit
    } else if word(0, "ROLLBACK") && word(1, "TO") {
        let index = if word(2, "SAVEPOINT") { 3 } else { 2 };
        Control::RollbackTo(name(index).ok_or_else(|| malformed("a rollback names no savepoint"))?)
    } else if word(0, "ROLLBACK") {
        Control::Rollback
    } else if word(0, "SAVEPOINT") {
        Control::Savepoint(name(1).ok_or_else(|| malformed("a savepoint has no name"))?)
    } else if word(0, "RELEASE") && word(1, "SAVEPOINT") {
        Control::Nothing
    } else if word(0, "XA") {
        xa(statement, name(1).unwrap_or_default().to_ascii_uppercase().as_str())?
    } else {
        return Ok(None);
    }))
}

fn xa(statement: &str, verb: &str) -> Result<Control> {
    let xid = || xid(statement).ok_or_else(|| malformed("the xid of an XA statement is not understood"));
    Ok(match verb {
        "START" | "BEGIN" => Control::XaStart(xid()?),
        "COMMIT" => Control::XaCommit(xid()?),
        "ROLLBACK" => Control::XaRollback(xid()?),
        "END" | "PREPARE" => Control::Nothing,
        _ => return Err(malformed("an XA statement is not understood")),
    })
}

/// `X'676c6f62',X'6272',1`, the form in which both server families log it.
fn xid(statement: &str) -> Option<Xid> {
    let mut quoted = statement.split('\'');
    let (_, global, _, branch, rest) = (quoted.next()?, quoted.next()?, quoted.next()?, quoted.next()?, quoted.next()?);
    let format = rest.trim_start_matches([',', ' ']).split([' ', ';']).next()?.parse().ok()?;
    Some(Xid { format, global: hexadecimal(global)?, branch: hexadecimal(branch)? })
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().map(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_statements() {
        let xid = Xid { format: 1, global: b"g1".to_vec(), branch: vec![] };
        let cases = [
            ("BEGIN", Some(Control::Begin)),
            ("COMMIT", Some(Control::Commit)),
            ("ROLLBACK TO `s p`", Some(Control::RollbackTo("s p".into()))),
            ("SAVEPOINT `s p`", Some(Control::Savepoint("s p".into()))),
            ("XA START X'6731',X'',1", Some(Control::XaStart(xid.clone()))),
            ("XA COMMIT X'6731',X'',1", Some(Control::XaCommit(xid.clone()))),
            ("XA ROLLBACK X'6731',X'',1 ", Some(Control::XaRollback(xid))),
            ("XA END X'6731',X'',1", Some(Control::Nothing)),
            ("RENAME TABLE a TO b", None),
            ("CREATE TABLE a (b INT)", None),
        ];
        for (statement, expected) in cases {
            assert_eq!(read(statement).unwrap(), expected, "{statement}");
        }
        assert!(read("XA COMMIT 'plain'").is_err());
    }
}
