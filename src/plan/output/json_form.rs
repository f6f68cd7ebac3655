//! Whether a JSON text is the one that MySQL gives back for it.
//!
//! A `json` column stores a document, not its text: keys are ordered by length and then by bytes, doubles are printed anew, spaces are the
//! server's. A text that is already in that form comes back unchanged; any other is not for a `json` column.

use crate::value::json_number;

/// The server refuses deeper documents.
const DEPTH_MAX: usize = 100;

/// Whether MySQL prints the document of `text` as `text`.
pub(super) fn is_mysql(text: &str) -> bool {
    let mut scanner = Scanner { rest: text };
    scanner.value(0).is_some() && scanner.rest.is_empty()
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.rest.bytes().next()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(drop),
            b't' => self.take("true"),
            b'f' => self.take("false"),
            b'n' => self.take("null"),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.take("[")?;
        if self.take("]").is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.take("]").is_some() {
                return Some(());
            }
            self.take(", ")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.take("{")?;
        if self.take("}").is_some() {
            return Some(());
        }
        let mut before: Option<String> = None;
        loop {
            let key = self.string()?;
            let grows = before.as_ref().is_none_or(|before| (before.len(), before.as_bytes()) < (key.len(), key.as_bytes()));
            if !grows {
                return None;
            }
            before = Some(key);
            self.take(": ")?;
            self.value(depth + 1)?;
            if self.take("}").is_some() {
                return Some(());
            }
            self.take(", ")?;
        }
    }

    /// A string whose escapes are those that the server prints; its characters.
    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = String::new();
        loop {
            let character = self.rest.chars().next()?;
            self.rest = self.rest.get(character.len_utf8()..)?;
            match character {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                '\0'..='\x1f' => return None,
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.rest.chars().next()?;
        self.rest = self.rest.get(kind.len_utf8()..)?;
        Some(match kind {
            '"' | '\\' => kind,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits = self.rest.get(..4)?;
                let code = u8::from_str_radix(digits, 16).ok()?;
                let is_printed = code < 0x20 && !matches!(code, 8 | 9 | 10 | 12 | 13) && digits == format!("{code:04x}");
                self.rest = self.rest.get(4..)?;
                return is_printed.then_some(char::from(code));
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<()> {
        let end = self.rest.find([',', ']', '}']).unwrap_or(self.rest.len());
        let token = self.rest.get(..end)?;
        self.rest = self.rest.get(end..)?;
        is_printed_number(token).then_some(())
    }
}

fn is_printed_number(token: &str) -> bool {
    if token.parse::<i64>().is_ok_and(|number| number.to_string() == token)
        || token.parse::<u64>().is_ok_and(|number| number.to_string() == token)
    {
        return true;
    }
    let digits = token.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e'));
    let Some(number) = token.parse::<f64>().ok().filter(|number| digits && number.is_finite()) else { return false };
    // Only what has a point or an exponent is read as a double.
    let mut printed = String::new();
    json_number::double(number, &mut printed);
    printed == token && token.contains(['.', 'e'])
}

#[cfg(test)]
mod tests {
    use super::is_mysql;

    #[test]
    fn what_the_server_prints_is_accepted() {
        for text in [
            "null",
            "[]",
            "{}",
            "-12",
            "18446744073709551615",
            "0.1",
            "1e20",
            "[1, 2.5, \"a\\n\\u0001\", true]",
            "{\"a\": 1, \"b\": {\"k\": []}, \"aa\": \"주문\"}",
        ] {
            assert!(is_mysql(text), "{text}");
        }
    }

    #[test]
    fn what_would_come_back_otherwise_is_not() {
        for text in [
            "1.10",
            "1.0e0",
            "0123",
            "-0",
            "18446744073709551616",
            "0.12345678901234567890",
            "[1,2]",
            "{\"a\":1}",
            "{\"b\": 1, \"a\": 2}",
            "{\"aa\": 1, \"b\": 2}",
            "{\"a\": 1, \"a\": 2}",
            "\"\\u0041\"",
            "\"\\/\"",
            "nul",
            "[1",
            "",
            " 1",
            "1 ",
            "inf",
        ] {
            assert!(!is_mysql(text), "{text}");
        }
    }
}
