//! Sizes as people write them: `512MiB`, `20GiB`, `100000`.

/// The bytes of a size; `None` if it is not one.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn units_are_binary_or_decimal_as_written() {
        assert_eq!(bytes("512MiB"), Some(536_870_912));
        assert_eq!(bytes("20 GB"), Some(20_000_000_000));
        assert_eq!(bytes("100"), Some(100));
        assert_eq!(bytes("512M"), None);
        assert_eq!(bytes("-1"), None);
        assert_eq!(bytes("99999999TiB"), None);
    }
}
