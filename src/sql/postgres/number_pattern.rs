//! `to_char` of numbers, after `NUM_processor` of `formatting.c`, under `lc_numeric` C.
//!
//! Carried are the patterns `9 0 . , D G FM`, quoted text and other characters that are no letters. Signs elsewhere than before the number,
//! currency, Roman numerals and exponents have no value.

use super::routine::{Arguments, Fault, WRONG};
use crate::value::{Decimal, Value};

const UNREAD: Fault = "a part of this number pattern is not carried exactly";

enum Part {
    /// `9`, or `0` where true.
    Digit(bool),
    Point,
    Comma,
    Plain(char),
}

#[derive(Default)]
struct Pattern {
    parts: Vec<Part>,
    fill: bool,
    before: usize,
    behind: usize,
    /// Where the first `0` stands among the digits before the point.
    zero_start: Option<usize>,
    /// How many digits stand up to the last `0`.
    zero_end: usize,
    has_point: bool,
}

/// `to_char(number, pattern)`.
///
/// # Errors
/// A pattern that is not carried, NaN and the infinities.
pub fn print(a: &Arguments<'_>) -> Result<Value, Fault> {
    let number = match a.get(0) {
        Value::Int(number) => Decimal::from_i64(*number),
        Value::Decimal(number) => number.clone(),
        Value::NonFinite(_) => return Err("NaN and infinities are not printed by a pattern exactly"),
        _ => return Err(WRONG),
    };
    let pattern = read(a.text(1)?)?;
    let behind = u16::try_from(pattern.behind).map_err(|_| UNREAD)?;
    let rounded = number.round(behind);
    let is_negative = rounded.is_negative();
    let digits = padded(&rounded.abs().to_string(), pattern.behind);
    Ok(Value::text(Writer::new(&pattern, digits, is_negative).written()))
}

/// The digits with as many behind the point as the pattern has.
fn padded(digits: &str, behind: usize) -> String {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if behind == 0 { whole.to_owned() } else { format!("{whole}.{fraction:0<behind$}") }
}

fn read(text: &str) -> Result<Pattern, Fault> {
    let mut pattern = Pattern::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (inner, behind) = quoted.split_once('"').ok_or(UNREAD)?;
            if inner.contains('\\') {
                return Err(UNREAD);
            }
            pattern.parts.extend(inner.chars().map(Part::Plain));
            rest = behind;
            continue;
        }
        if let Some((head, behind)) = rest.split_at_checked(2)
            && head.eq_ignore_ascii_case("FM")
        {
            pattern.fill = true;
            rest = behind;
            continue;
        }
        rest = rest.get(first.len_utf8()..).unwrap_or("");
        let part = match first {
            '9' | '0' => {
                let is_zero = first == '0';
                if is_zero && pattern.zero_start.is_none() && !pattern.has_point {
                    pattern.zero_start = Some(pattern.before);
                }
                if pattern.has_point {
                    pattern.behind += 1
                } else {
                    pattern.before += 1
                }
                if is_zero {
                    pattern.zero_end = pattern.before + pattern.behind;
                }
                Part::Digit(is_zero)
            }
            '.' | 'D' | 'd' if !pattern.has_point => {
                pattern.has_point = true;
                Part::Point
            }
            ',' | 'G' | 'g' => Part::Comma,
            '.' | '\\' => return Err(UNREAD),
            letter if letter.is_alphabetic() => return Err(UNREAD),
            other => Part::Plain(other),
        };
        pattern.parts.push(part);
    }
    Ok(pattern)
}

/// What `NUMProc` keeps.
struct Writer<'p> {
    pattern: &'p Pattern,
    number: Vec<char>,
    /// The next character of the number.
    at: usize,
    /// The last digit behind the point that FM keeps; the point itself if there is none.
    last_relevant: Option<usize>,
    blanks: usize,
    is_negative: bool,
    is_signed: bool,
    current: usize,
    in_number: bool,
    out: String,
}

impl<'p> Writer<'p> {
    fn new(pattern: &'p Pattern, digits: String, is_negative: bool) -> Self {
        let whole = digits.find('.').unwrap_or(digits.len());
        let too_long = whole > pattern.before;
        let number: Vec<char> = if too_long {
            let marks = |count| std::iter::repeat_n('#', count);
            marks(pattern.before).chain(['.']).chain(marks(pattern.behind)).collect()
        } else {
            digits.chars().collect()
        };
        let blanks = pattern.before.saturating_sub(whole);
        let mut last_relevant = None;
        if pattern.fill && pattern.has_point {
            let point = number.iter().position(|c| *c == '.');
            last_relevant = point.map(|point| number.iter().rposition(|c| *c != '0').unwrap_or(point).max(point));
            if let Some(last) = last_relevant.as_mut()
                && pattern.zero_end > blanks
            {
                // Digits under a 0 of the pattern stay.
                *last = (*last).max((number.len() - 1).min(pattern.zero_end - blanks));
            }
        }
        // Under FM a positive number has no sign.
        let is_signed = pattern.fill && !is_negative;
        Self {
            pattern,
            number,
            at: 0,
            last_relevant,
            blanks,
            is_negative,
            is_signed,
            current: 0,
            in_number: false,
            out: String::new(),
        }
    }

    fn written(mut self) -> String {
        for part in &self.pattern.parts {
            match part {
                Part::Plain(character) => self.out.push(*character),
                Part::Comma if self.in_number => self.out.push(','),
                Part::Comma if self.pattern.fill => {}
                Part::Comma => self.out.push(' '),
                Part::Digit(is_zero) => self.digit(*is_zero),
                Part::Point => self.digit(false),
            }
        }
        self.out
    }

    /// The zero before the point is not printed under a `9`.
    fn is_leading_zero(&self) -> bool {
        self.pattern.zero_start.is_none() && self.at == 0 && self.number.first() == Some(&'0') && self.pattern.behind != 0
    }

    fn ends_at_point(&self) -> bool {
        self.last_relevant.is_some_and(|last| self.number.get(last) == Some(&'.'))
    }

    fn digit(&mut self, is_zero: bool) {
        let pattern = self.pattern;
        self.in_number = false;
        let zero_start = pattern.zero_start;
        let begins = self.current >= self.blanks || zero_start == Some(self.current);
        if !self.is_signed && begins && (!self.is_leading_zero() || self.ends_at_point()) {
            if self.is_negative {
                self.out.push('-');
            } else if !pattern.fill {
                self.out.push(' ');
            }
            self.is_signed = true;
        }
        if self.current < self.blanks && zero_start.is_none_or(|start| start > self.current) {
            if !pattern.fill {
                self.out.push(' ');
            }
        } else if self.current < self.blanks {
            self.out.push('0');
            self.in_number = true;
        } else {
            self.next(is_zero);
        }
        self.current += 1;
    }

    fn next(&mut self, is_zero: bool) {
        match self.number.get(self.at) {
            None => return,
            Some('.') => self.out.push('.'),
            Some(_) if self.last_relevant.is_some_and(|last| self.at > last) && !is_zero => {}
            Some(_) if self.is_leading_zero() => {
                if !self.pattern.fill {
                    self.out.push(' ');
                } else if self.ends_at_point() {
                    self.out.push('0');
                }
            }
            Some(digit) => {
                self.out.push(*digit);
                self.in_number = true;
            }
        }
        self.at += 1;
    }
}
