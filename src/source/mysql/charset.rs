//! Character data of the log, which arrives in the column's own charset, becomes UTF-8 exactly as the server itself converts it.
//!
//! Goes in: a charset's name as the server spells it, and bytes. Comes out: a `String`, or an error that never holds the bytes.
//! There are no replacement characters. A charset is supported only if a sweep of its codes against a running server agrees
//! (see the tests); every other name is refused.

use encoding_rs::{EUC_KR, Encoding, SHIFT_JIS};

use super::charset_tables::UPPER_HALVES;
use crate::error::{Class, Error, Result};

/// A supported charset, looked up once per column.
#[derive(Debug, Clone, PartialEq)]
pub enum Charset {
    /// utf8mb4, utf8mb3, utf8.
    Utf8,
    /// 7-bit ASCII.
    Ascii,
    /// One byte per character; the characters of 0x80 to 0xff.
    SingleByte(Box<[char]>),
    /// euckr: MySQL's is the extended one, Windows code page 949.
    EucKr,
    /// cp932: Windows' Shift_JIS.
    Cp932,
    /// ucs2: big-endian, without surrogates.
    Ucs2,
    /// utf16: big-endian.
    Utf16,
    /// utf16le.
    Utf16Le,
    /// utf32: big-endian.
    Utf32,
}

impl Charset {
    /// The charset of this name; `None` if it is not supported.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Self::Utf8,
            "ascii" => Self::Ascii,
            "euckr" => Self::EucKr,
            "cp932" => Self::Cp932,
            "ucs2" => Self::Ucs2,
            "utf16" => Self::Utf16,
            "utf16le" => Self::Utf16Le,
            "utf32" => Self::Utf32,
            _ => {
                let (_, upper) = UPPER_HALVES.iter().find(|(candidate, _)| *candidate == name)?;
                Self::SingleByte(upper.chars().collect())
            }
        })
    }

    /// The text of `bytes`; `None` if some byte has no meaning in this charset.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Option<String> {
        if bytes.is_ascii() && self.is_ascii_superset() {
            return String::from_utf8(bytes.to_vec()).ok();
        }
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Self::Ascii => None,
            Self::SingleByte(upper) => single_byte(upper, bytes),
            Self::EucKr => whole(EUC_KR, bytes),
            Self::Cp932 => cp932(bytes),
            Self::Ucs2 => utf16(bytes, u16::from_be_bytes).filter(|text| text.chars().all(|c| u32::from(c) < 0x1_0000)),
            Self::Utf16 => utf16(bytes, u16::from_be_bytes),
            Self::Utf16Le => utf16(bytes, u16::from_le_bytes),
            Self::Utf32 => utf32(bytes),
        }
    }

    fn is_ascii_superset(&self) -> bool {
        !matches!(self, Self::Ucs2 | Self::Utf16 | Self::Utf16Le | Self::Utf32)
    }
}

/// Whether character data of this charset can be read.
#[must_use]
pub fn is_supported(charset: &str) -> bool {
    Charset::parse(charset).is_some()
}

/// The text of `bytes`.
///
/// # Errors
/// The charset is not supported, or the bytes are not valid in it. The message holds no bytes.
pub fn decode(charset: &str, bytes: &[u8]) -> Result<String> {
    let found = Charset::parse(charset)
        .ok_or_else(|| Error::new(Class::Preflight, format!("character set {charset} is not supported")))?;
    found.decode(bytes).ok_or_else(|| Error::new(Class::Person, format!("text is not valid in character set {charset}")))
}

/// The name of the charset of a collation id, for the few ids that statements of clients carry.
#[must_use]
pub fn of_collation_id(id: u16) -> Option<&'static str> {
    Some(match id {
        8 | 5 | 15 | 31 | 47 | 48 | 49 | 94 => "latin1",
        19 | 85 => "euckr",
        95 | 96 => "cp932",
        11 | 65 => "ascii",
        33 | 83 | 76 | 192..=223 => "utf8mb3",
        45 | 46 | 224..=247 | 255..=323 => "utf8mb4",
        51 | 14 | 23 | 50 | 52 => "cp1251",
        26 | 34 | 44 | 66 | 99 => "cp1250",
        _ => return None,
    })
}

fn single_byte(upper: &[char], bytes: &[u8]) -> Option<String> {
    bytes
        .iter()
        .map(|byte| match byte.checked_sub(0x80) {
            None => Some(char::from(*byte)),
            Some(index) => upper.get(usize::from(index)).copied().filter(|c| *c != char::REPLACEMENT_CHARACTER),
        })
        .collect()
}

fn whole(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
}

/// The library maps a lone 0x80 to a control character; the server's `cp932` has no such code.
fn cp932(bytes: &[u8]) -> Option<String> {
    whole(SHIFT_JIS, bytes).filter(|text| !text.contains('\u{80}'))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, []) = bytes.as_chunks::<2>() else {
        return None;
    };
    char::decode_utf16(units.iter().map(|pair| unit(*pair))).collect::<Result<_, _>>().ok()
}

fn utf32(bytes: &[u8]) -> Option<String> {
    let (units, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    units.iter().map(|four| char::from_u32(u32::from_be_bytes(*four))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f59_legacy_charsets_become_utf8() {
        assert_eq!(decode("euckr", b"\xb0\xa1\xb3\xaa").unwrap(), "가나");
        assert_eq!(decode("euckr", b"\x8c\x63").unwrap(), "똠");
        assert_eq!(decode("latin1", b"\x80\x81\xe9").unwrap(), "€\u{81}é");
        assert_eq!(decode("utf16le", b"\x00\xac").unwrap(), "가");
        assert_eq!(decode("utf32", &[0, 1, 0xf6, 0]).unwrap(), "😀");
    }

    #[test]
    fn f61_invalid_bytes_are_an_error_without_the_bytes() {
        for (charset, bytes) in [("utf8mb4", &b"\xff"[..]), ("euckr", b"\xb0"), ("ascii", b"\x80"), ("ucs2", b"\xd8\x00\xdc\x00")]
        {
            let error = decode(charset, bytes).unwrap_err();
            assert_eq!(error.message(), format!("text is not valid in character set {charset}"));
        }
        assert!(!is_supported("big5") && !is_supported("gbk"));
    }
}
