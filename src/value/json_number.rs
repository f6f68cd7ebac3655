//! Doubles as MySQL prints them inside JSON: the shortest digits that read back as the same double, without an exponent
//! between 1e-15 and 1e15, nor where digits follow the point.
//!
//! Goes in: a finite double. Comes out: its text, which always shows that it is no integer (`1.0`, `1e20`).

use std::fmt::Write;

/// Appends `value` as MySQL's JSON printer does.
pub fn double(value: f64, out: &mut String) {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    out.push_str(sign);
    if value == 0.0 {
        out.push_str("0.0");
    } else if (-14..=15).contains(&point) || usize::try_from(point).is_ok_and(|whole| digits.len() > whole) {
        fixed(&digits, point, out);
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let _ = write!(out, "e{exponent}");
    }
}

/// `digits` with the decimal point after `point` of them, without an exponent.
fn fixed(digits: &str, point: i32, out: &mut String) {
    let Ok(whole) = usize::try_from(point) else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
        out.push_str(digits);
        return;
    };
    if whole == 0 {
        out.push_str("0.");
        out.push_str(digits);
    } else if let Some((head, tail)) = digits.split_at_checked(whole).filter(|(_, tail)| !tail.is_empty()) {
        out.push_str(head);
        out.push('.');
        out.push_str(tail);
    } else {
        out.push_str(digits);
        out.extend(std::iter::repeat_n('0', whole.saturating_sub(digits.len())));
        out.push_str(".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f74_doubles_in_json() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (123.456, "123.456"),
            (1e14, "100000000000000.0"),
            (1e15, "1e15"),
            (1e-14, "0.00000000000001"),
            (1_234_567_890_123_456.8, "1234567890123456.8"),
            (1_234_567_890_123_456.0, "1.234567890123456e15"),
            (1.5e300, "1.5e300"),
            (-2.5e-300, "-2.5e-300"),
        ];
        for (value, expected) in cases {
            let mut out = String::new();
            double(value, &mut out);
            assert_eq!(out, expected);
        }
    }
}
