//! The text of a statement in the log, which is in its client's charset.
//!
//! Goes in: a query event. Comes out: its text. Where the charset is not supported the text must be valid UTF-8, else it is an error:
//! a name in it could be a mapped table's.

use std::borrow::Cow;

use super::charset::{self, Charset};
use super::decode::event::Query;
use crate::error::{Class, Error, Result};

/// The statement as UTF-8.
///
/// # Errors
/// The statement is not valid in its client's charset, or that charset is not supported.
pub fn text<'a>(query: &'a Query<'_>) -> Result<Cow<'a, str>> {
    let bytes = query.statement.as_ref();
    let named = query.client_collation.and_then(charset::of_collation_id).and_then(Charset::parse);
    if bytes.is_ascii() || named.is_none() || named == Some(Charset::Utf8) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(Cow::Borrowed(text));
        }
    } else if let Some(text) = named.as_ref().and_then(|charset| charset.decode(bytes)) {
        return Ok(Cow::Owned(text));
    }
    // A text literal may hold anything; the words and names that matter are still readable where every name is ASCII.
    if bytes.split(|byte| *byte == b'\'').step_by(2).all(<[u8]>::is_ascii) {
        return Ok(String::from_utf8_lossy(bytes));
    }
    Err(Error::new(Class::Person, "a statement is in a character set that cannot be read"))
}
