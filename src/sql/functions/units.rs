//! Units of intervals, simple (`DAY`) and composite (`DAY_HOUR`), and how the source reads the amount of a composite one.

/// A unit of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL unit of its name")]
pub enum Unit {
    Microsecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    YearMonth,
    DayHour,
    DayMinute,
    DaySecond,
    DayMicrosecond,
    HourMinute,
    HourSecond,
    HourMicrosecond,
    MinuteSecond,
    MinuteMicrosecond,
    SecondMicrosecond,
}

const SECOND_US: i128 = 1_000_000;
const DAY_US: i128 = 86_400 * SECOND_US;

impl Unit {
    /// The unit by its SQL name, upper case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("SQL_TSI_").unwrap_or(name) {
            "MICROSECOND" => Self::Microsecond,
            "SECOND" => Self::Second,
            "MINUTE" => Self::Minute,
            "HOUR" => Self::Hour,
            "DAY" => Self::Day,
            "WEEK" => Self::Week,
            "MONTH" => Self::Month,
            "QUARTER" => Self::Quarter,
            "YEAR" => Self::Year,
            "YEAR_MONTH" => Self::YearMonth,
            "DAY_HOUR" => Self::DayHour,
            "DAY_MINUTE" => Self::DayMinute,
            "DAY_SECOND" => Self::DaySecond,
            "DAY_MICROSECOND" => Self::DayMicrosecond,
            "HOUR_MINUTE" => Self::HourMinute,
            "HOUR_SECOND" => Self::HourSecond,
            "HOUR_MICROSECOND" => Self::HourMicrosecond,
            "MINUTE_SECOND" => Self::MinuteSecond,
            "MINUTE_MICROSECOND" => Self::MinuteMicrosecond,
            "SECOND_MICROSECOND" => Self::SecondMicrosecond,
            _ => return None,
        })
    }

    /// Whether adding it to a date keeps a date.
    #[must_use]
    pub fn is_date_unit(self) -> bool {
        self.months().is_some() || matches!(self, Self::Day | Self::Week)
    }

    /// Whether it has several fields, whose amount is written as a string.
    #[must_use]
    pub fn is_composite(self) -> bool {
        self == Self::YearMonth || !self.fields_us().is_empty()
    }

    /// Whether adding it can leave a fraction of a second.
    #[must_use]
    pub fn has_fraction(self) -> bool {
        self == Self::Microsecond || self.ends_in_microseconds()
    }

    fn ends_in_microseconds(self) -> bool {
        matches!(self, Self::DayMicrosecond | Self::HourMicrosecond | Self::MinuteMicrosecond | Self::SecondMicrosecond)
    }

    /// Months per unit, for units that are counted in months.
    pub(super) fn months(self) -> Option<i128> {
        match self {
            Self::Month | Self::YearMonth => Some(1),
            Self::Quarter => Some(3),
            Self::Year => Some(12),
            _ => None,
        }
    }

    /// Microseconds per unit; of a composite unit, whose amount is in microseconds already, 1.
    pub(super) fn us(self) -> i128 {
        match self {
            Self::Second => SECOND_US,
            Self::Minute => 60 * SECOND_US,
            Self::Hour => 3600 * SECOND_US,
            Self::Day => DAY_US,
            Self::Week => 7 * DAY_US,
            _ => 1,
        }
    }

    /// Microseconds of each field of a composite unit.
    fn fields_us(self) -> &'static [i128] {
        const FIELDS: [i128; 5] = [DAY_US, 3600 * SECOND_US, 60 * SECOND_US, SECOND_US, 1];
        let range = match self {
            Self::DayHour => 0..2,
            Self::DayMinute => 0..3,
            Self::DaySecond => 0..4,
            Self::DayMicrosecond => 0..5,
            Self::HourMinute => 1..3,
            Self::HourSecond => 1..4,
            Self::HourMicrosecond => 1..5,
            Self::MinuteSecond => 2..4,
            Self::MinuteMicrosecond => 2..5,
            Self::SecondMicrosecond => 3..5,
            _ => 0..0,
        };
        FIELDS.get(range).unwrap_or(&[])
    }

    /// The amount of a composite unit in months or microseconds: numbers between anything that is no digit, the last one the
    /// smallest; digits of a last microsecond are a fraction. `None` for more numbers than fields, which the source makes NULL.
    pub(super) fn amount(self, text: &str) -> Option<i128> {
        let trimmed = text.trim_start();
        let (sign, rest) = trimmed.strip_prefix('-').map_or((1, trimmed), |rest| (-1, rest));
        let weights: &[i128] = if self == Self::YearMonth { &[12, 1] } else { self.fields_us() };
        let numbers: Vec<&str> = rest.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).collect();
        let skipped = weights.len().checked_sub(numbers.len())?;
        let mut total = 0_i128;
        for (place, (digits, weight)) in numbers.iter().zip(weights.iter().skip(skipped)).enumerate() {
            let is_fraction = self.ends_in_microseconds() && place + 1 == numbers.len();
            let digits = if is_fraction { format!("{digits:0<6}").get(..6)?.to_owned() } else { (*digits).to_owned() };
            total = total.checked_add(digits.parse::<i128>().ok()?.checked_mul(*weight)?)?;
        }
        Some(sign * total)
    }
}
