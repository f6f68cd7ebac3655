//! `E''` strings as PostgreSQL's scanner reads them.

use crate::sql::types::Refusal;

/// The text of an `E''` string as written.
///
/// # Errors
/// An escape that gives a byte beyond ASCII or no character.
pub(super) fn escaped(written: &str) -> Result<String, Refusal> {
    let bad = || Refusal::new("an escape of this string is not read", "write the character itself");
    let inner = written.get(1..).and_then(|rest| rest.strip_prefix('\'')).and_then(|rest| rest.strip_suffix('\''));
    let mut out = String::new();
    let mut characters = inner.ok_or_else(bad)?.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' {
            // A quote stands twice.
            out.push(characters.next_if_eq(&'\'').ok_or_else(bad)?);
            continue;
        }
        if character != '\\' {
            out.push(character);
            continue;
        }
        let escape = characters.next().ok_or_else(bad)?;
        let mut digits = |radix: u32, most: usize| {
            let mut text = String::new();
            while let Some(digit) = characters.next_if(|next| text.len() < most && next.is_digit(radix)) {
                text.push(digit);
            }
            (text.len(), u32::from_str_radix(&text, radix).ok())
        };
        let code = match escape {
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            '0'..='7' => {
                let first = escape.to_digit(8).unwrap_or(0);
                let (count, rest) = digits(8, 2);
                Some(first * 8_u32.pow(u32::try_from(count).unwrap_or(0)) + rest.unwrap_or(0)).filter(|code| *code < 128)
            }
            'x' => digits(16, 2).1.filter(|code| *code < 128),
            'u' => Some(digits(16, 4)).filter(|(count, _)| *count == 4).and_then(|(_, code)| code),
            'U' => Some(digits(16, 8)).filter(|(count, _)| *count == 8).and_then(|(_, code)| code),
            plain => Some(u32::from(plain)),
        };
        out.push(code.filter(|code| *code != 0).and_then(char::from_u32).ok_or_else(bad)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn escapes_are_those_of_the_scanner() {
        assert_eq!(escaped(r"E'a\nb\t\\\'''\x41\101\u0042\U00000043'").unwrap(), "a\nb\t\\''AABC");
        assert!(escaped(r"E'\x00'").is_err() && escaped(r"E'\xff'").is_err() && escaped(r"E'\u12'").is_err());
    }
}
