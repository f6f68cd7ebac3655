//! Internet addresses as the source reads and prints them.

use std::net::Ipv6Addr;

/// The bytes of an IPv4 or IPv6 address.
pub(super) fn parse(text: &str) -> Option<Vec<u8>> {
    parse_v4(text).map(|address| address.to_vec()).or_else(|| parse_v6(text).map(|address| address.to_vec()))
}

/// Four numbers of up to three digits each.
pub(super) fn parse_v4(text: &str) -> Option<[u8; 4]> {
    let bytes = text
        .split('.')
        .map(|part| {
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u8>().ok().filter(|_| digits)
        })
        .collect::<Option<Vec<u8>>>()?;
    bytes.try_into().ok()
}

/// Eight groups, a gap, or a dotted end; no zone, and no longer than eight plain groups.
pub(super) fn parse_v6(text: &str) -> Option<[u8; 16]> {
    const LONGEST: usize = 39;
    if text.len() > LONGEST {
        return None;
    }
    text.parse::<Ipv6Addr>().ok().map(|address| address.octets())
}

/// The notation of 4 or 16 bytes; `None` for other lengths.
pub(super) fn print(bytes: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(bytes).to_string());
    }
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    let words = address.segments();
    let (start, length) = longest_gap(&words);
    let is_dotted = start == 0 && (length == 6 || (length == 5 && words.get(5) == Some(&0xffff)));
    if is_dotted {
        let [.., a, b, c, d] = address.octets();
        let prefix = if length == 6 { "::" } else { "::ffff:" };
        return Some(format!("{prefix}{a}.{b}.{c}.{d}"));
    }
    let written = |words: &[u16]| words.iter().map(|word| format!("{word:x}")).collect::<Vec<_>>().join(":");
    if length == 0 {
        return Some(written(&words));
    }
    let (before, after) = (words.get(..start)?, words.get(start + length..)?);
    Some(format!("{}::{}", written(before), written(after)))
}

/// The first longest run of zero groups: also a run of one, unlike the standard's recommendation.
fn longest_gap(words: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut current = (0, 0);
    for (place, word) in words.iter().enumerate() {
        current = if *word == 0 { (if current.1 == 0 { place } else { current.0 }, current.1 + 1) } else { (0, 0) };
        if current.1 > best.1 {
            best = current;
        }
    }
    best
}

/// Whether 16 bytes are an IPv4-compatible address: `::a.b.c.d`, neither `::` nor `::1`.
pub(super) fn is_compatible(bytes: &[u8]) -> bool {
    <[u8; 16]>::try_from(bytes).is_ok_and(|bytes| {
        let number = u128::from_be_bytes(bytes);
        number > 1 && number <= u128::from(u32::MAX)
    })
}

/// Whether 16 bytes are an IPv4-mapped address: `::ffff:a.b.c.d`.
pub(super) fn is_mapped(bytes: &[u8]) -> bool {
    <[u8; 16]>::try_from(bytes).is_ok_and(|bytes| u128::from_be_bytes(bytes) >> 32 == 0xffff)
}
