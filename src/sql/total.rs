//! Aggregates that rows can be taken away from again: what a group needs to remember so that a change costs the same however large it is.
//!
//! A [`Total`] is a sum over rows with signs, so that its rows come and go in any order, and it ends in the value that
//! [`crate::sql::aggregate::Accumulator`] gives for the rows that are left, digit for digit. Numbers are added up per scale: the scale of a
//! sum is the greatest of those that are still there. Floats are not here: their sums depend on the order of the rows.

use std::collections::BTreeMap;

use crate::error::{Class, Error, Result};
use crate::schema::DataType;
use crate::sql::aggregate::Accumulator;
use crate::sql::functions::coerce;
use crate::sql::postgres::aggregate::Collected;
use crate::sql::query::{Aggregate, AggregateFunction};
use crate::value::{Decimal, NonFinite, Value};

/// How an aggregate is kept up while its rows come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// A count of rows.
    Count,
    /// Sums of exact numbers, with their counts.
    Number,
    /// A count of rows and of true ones.
    Truth,
    /// A sorted list of the values, with how often each occurs; the least or the greatest stands first.
    Extreme {
        /// The greatest stands first.
        greatest: bool,
    },
    /// A list of the different values, with how often each occurs, and how many there are.
    Distinct,
    /// A list of the rows of a SELECT with ORDER BY and LIMIT, in their order, with how often each occurs.
    First,
}

impl Upkeep {
    /// How an aggregate is kept up; `None`: only the whole group tells its value.
    #[must_use]
    pub fn of(aggregate: &Aggregate) -> Option<Self> {
        let distinct = aggregate.distinct;
        match &aggregate.function {
            AggregateFunction::Count if distinct => (!aggregate.arguments.is_empty()).then_some(Self::Distinct),
            AggregateFunction::Count => Some(Self::Count),
            AggregateFunction::Min if !distinct => Some(Self::Extreme { greatest: false }),
            AggregateFunction::Max if !distinct => Some(Self::Extreme { greatest: true }),
            // Only exact numbers are bound to them.
            AggregateFunction::Sum | AggregateFunction::Avg if !distinct => Some(Self::Number),
            AggregateFunction::Postgres(Collected::Sum | Collected::Average) if !distinct => {
                (aggregate.data_type != DataType::Interval).then_some(Self::Number)
            }
            AggregateFunction::Postgres(Collected::BoolAnd | Collected::BoolOr) => Some(Self::Truth),
            _ => None,
        }
    }

    /// Whether its values are listed one by one beside the total.
    #[must_use]
    pub fn lists_values(self) -> bool {
        matches!(self, Self::Extreme { .. } | Self::Distinct | Self::First)
    }
}

/// The rows of one group as one aggregate sees them, added up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Total {
    /// Rows that count; of [`Upkeep::Distinct`] the different values.
    count: i64,
    /// True ones among them.
    truths: i64,
    /// Per scale, how many finite numbers there are and their sum.
    sums: Vec<(u16, (i64, Decimal))>,
    /// How many there are of each that is no number.
    beside: BTreeMap<NonFinite, i64>,
}

impl Total {
    /// Adds a row (`sign` 1) or takes it away again (-1). Rows with a NULL argument do not count.
    ///
    /// # Errors
    /// [`Class::Bug`] if the values are not of the argument types.
    pub fn add(&mut self, upkeep: Upkeep, arguments: &[Value], sign: i64) -> Result<()> {
        if arguments.iter().any(Value::is_null) {
            return Ok(());
        }
        match (upkeep, arguments.first()) {
            (Upkeep::Count, _) => {}
            (Upkeep::Truth, Some(value)) => self.truths += if *value == Value::Bool(true) { sign } else { 0 },
            (Upkeep::Number, Some(Value::NonFinite(number))) => {
                *self.beside.entry(*number).or_default() += sign;
            }
            (Upkeep::Number, Some(value)) => self.add_number(&coerce::decimal(value)?, sign),
            (Upkeep::Extreme { .. } | Upkeep::Distinct | Upkeep::First, _) => return Ok(()),
            (_, None) => return Err(Error::bug("an aggregate has no argument")),
        }
        self.count += sign;
        self.tidy();
        Ok(())
    }

    fn add_number(&mut self, number: &Decimal, sign: i64) {
        let number = if sign < 0 { number.neg() } else { number.clone() };
        self.add_sum(number.scale(), sign, &number);
    }

    /// The scales stay in their order.
    fn add_sum(&mut self, scale: u16, count: i64, sum: &Decimal) {
        match self.sums.binary_search_by_key(&scale, |(scale, _)| *scale) {
            Ok(place) => {
                if let Some((_, (own, total))) = self.sums.get_mut(place) {
                    *own += count;
                    *total = total.add(sum);
                }
            }
            Err(place) => {
                self.sums.reserve_exact(1);
                self.sums.insert(place, (scale, (count, Decimal::from_small(0, scale).add(sum))));
            }
        }
    }

    /// Adds another total of the same aggregate.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.truths += other.truths;
        for (scale, (count, sum)) in &other.sums {
            self.add_sum(*scale, *count, sum);
        }
        for (number, count) in &other.beside {
            *self.beside.entry(*number).or_default() += count;
        }
        self.tidy();
    }

    /// One value more, or one less, is there.
    pub fn count_value(&mut self, sign: i64) {
        self.count += sign;
    }

    /// A difference can hold a sum without a count, e.g. of two numbers that changed places; a group without rows cannot.
    fn tidy(&mut self) {
        self.sums.retain(|(_, (count, sum))| *count != 0 || !sum.is_zero());
        self.beside.retain(|_, count| *count != 0);
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it can be the total of a set of rows.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let finite: i64 = self.sums.iter().map(|(_, (count, _))| count).sum();
        let beside: i64 = self.beside.values().sum();
        let numbers = finite + beside;
        (0..=self.count).contains(&self.truths)
            && self.sums.iter().all(|(_, (count, _))| *count > 0)
            && self.beside.values().all(|count| *count > 0)
            && (numbers == 0 || numbers == self.count)
    }

    /// Appends it to a row of the state.
    pub fn write(&self, upkeep: Upkeep, out: &mut Vec<Value>) {
        out.push(Value::Int(self.count));
        match upkeep {
            Upkeep::Truth => out.push(Value::Int(self.truths)),
            Upkeep::Number => {
                out.push(Value::Int(i64::try_from(self.sums.len()).unwrap_or(i64::MAX)));
                for (_, (count, sum)) in &self.sums {
                    out.extend([Value::Int(*count), Value::Decimal(sum.clone())]);
                }
                for number in [NonFinite::NegativeInfinity, NonFinite::Infinity, NonFinite::NaN] {
                    out.push(Value::Int(self.beside.get(&number).copied().unwrap_or(0)));
                }
            }
            Upkeep::Count | Upkeep::Extreme { .. } | Upkeep::Distinct | Upkeep::First => {}
        }
    }

    /// Reads back what [`Total::write`] appended.
    ///
    /// # Errors
    /// [`Class::Local`] if the values are no such thing: the state is damaged.
    pub fn read(upkeep: Upkeep, values: &mut impl Iterator<Item = Value>) -> Result<Self> {
        let mut total = Self { count: next_int(values)?, ..Self::default() };
        match upkeep {
            Upkeep::Truth => total.truths = next_int(values)?,
            Upkeep::Number => {
                for _ in 0..next_int(values)? {
                    let count = next_int(values)?;
                    let Some(Value::Decimal(sum)) = values.next() else { return Err(damaged()) };
                    total.add_sum(sum.scale(), count, &sum);
                }
                for number in [NonFinite::NegativeInfinity, NonFinite::Infinity, NonFinite::NaN] {
                    let count = next_int(values)?;
                    if count != 0 {
                        total.beside.insert(number, count);
                    }
                }
            }
            Upkeep::Count | Upkeep::Extreme { .. } | Upkeep::Distinct | Upkeep::First => {}
        }
        Ok(total)
    }

    /// The value of the aggregate; not for [`Upkeep::Extreme`], whose values are listed.
    ///
    /// # Errors
    /// As [`Accumulator::finish`].
    pub fn finish(&self, aggregate: &Aggregate) -> Result<Value> {
        match &aggregate.function {
            AggregateFunction::Count => Ok(Value::Int(self.count)),
            AggregateFunction::Sum | AggregateFunction::Avg => {
                let sums = self.sums.iter().map(|(_, (_, sum))| sum.clone());
                let sum = sums.reduce(|left, right| left.add(&right));
                Accumulator::of_numbers(aggregate, self.count, sum).finish()
            }
            AggregateFunction::Postgres(_) if self.count == 0 => Ok(Value::Null),
            AggregateFunction::Postgres(Collected::BoolAnd) => Ok(Value::Bool(self.truths == self.count)),
            AggregateFunction::Postgres(Collected::BoolOr) => Ok(Value::Bool(self.truths > 0)),
            AggregateFunction::Postgres(collected) => {
                let finite = self.sums.iter().map(|(_, (_, sum))| Value::Decimal(sum.clone()));
                let numbers: Vec<Value> = finite.chain(self.beside.keys().map(|number| Value::NonFinite(*number))).collect();
                crate::sql::postgres::aggregate::of_numbers(collected, &numbers, self.count, aggregate)
            }
            _ => Err(Error::bug("an aggregate that is not kept up was asked for its total")),
        }
    }
}

fn next_int(values: &mut impl Iterator<Item = Value>) -> Result<i64> {
    match values.next() {
        Some(Value::Int(number)) => Ok(number),
        _ => Err(damaged()),
    }
}

fn damaged() -> Error {
    Error::new(Class::Local, "the state is damaged: an accumulator does not decode")
        .with_hint("check the disk of the state folder, then rebuild the state with `strangler run --rebuild`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::query::{Expr, ExprKind};

    fn aggregate(function: AggregateFunction, data_type: DataType) -> Aggregate {
        let argument = Expr { kind: ExprKind::Literal(Value::Null), data_type: DataType::Numeric, nullable: true, span: 0..0 };
        Aggregate { function, distinct: false, arguments: vec![argument], rules: vec![], order_by: vec![], data_type, span: 0..0 }
    }

    fn number(rng: &mut fastrand::Rng, aggregate: &Aggregate) -> Value {
        let is_postgres = matches!(aggregate.function, AggregateFunction::Postgres(_));
        match rng.u8(0..20) {
            0..=2 => Value::Null,
            3 if is_postgres => {
                Value::NonFinite([NonFinite::NaN, NonFinite::Infinity, NonFinite::NegativeInfinity][rng.usize(..3)])
            }
            4 | 5 => Value::Int(rng.i64(-5..5)),
            6 => Value::Decimal(Decimal::parse("99999999999999999999999999999999999999999999999999999999999.5").unwrap()),
            _ => Value::Decimal(Decimal::from_small(rng.i128(-500..500), rng.u16(0..4))),
        }
    }

    /// Rows come and go, totals are merged and stored; the value is that of the rows that are left, digit for digit.
    #[test]
    fn totals_equal_the_accumulation_of_the_rows_that_are_left() {
        let average = DataType::Decimal { precision: 40, scale: 8, unsigned: false };
        let aggregates = [
            aggregate(AggregateFunction::Count, DataType::Integer { bits: 64, unsigned: false }),
            aggregate(AggregateFunction::Sum, average.clone()),
            aggregate(AggregateFunction::Avg, average),
            aggregate(AggregateFunction::Postgres(Collected::Sum), DataType::Numeric),
            aggregate(AggregateFunction::Postgres(Collected::Average), DataType::Numeric),
        ];
        for (seed, aggregate) in (0..50).flat_map(|seed| aggregates.iter().map(move |aggregate| (seed, aggregate))) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let upkeep = Upkeep::of(aggregate).unwrap();
            let mut total = Total::default();
            let mut rows: Vec<Value> = Vec::new();
            for _ in 0..60 {
                let mut change = Total::default();
                for _ in 0..rng.u8(0..4) {
                    if rng.bool() || rows.is_empty() {
                        let value = number(&mut rng, aggregate);
                        change.add(upkeep, std::slice::from_ref(&value), 1).unwrap();
                        rows.push(value);
                    } else {
                        let gone = rows.swap_remove(rng.usize(..rows.len()));
                        change.add(upkeep, &[gone], -1).unwrap();
                    }
                }
                total.merge(&change);
                assert!(total.is_possible(), "seed {seed}: {total:?}");
                let mut stored = Vec::new();
                total.write(upkeep, &mut stored);
                assert_eq!(Total::read(upkeep, &mut stored.into_iter()).unwrap(), total);
                let mut accumulator = Accumulator::new(aggregate);
                rows.iter().for_each(|value| accumulator.add(vec![value.clone()], vec![]).unwrap());
                let expected = accumulator.finish().unwrap();
                assert_eq!(total.finish(aggregate).unwrap(), expected, "seed {seed}, {:?}", aggregate.function);
            }
            rows.iter().for_each(|value| total.add(upkeep, std::slice::from_ref(value), -1).unwrap());
            assert!(total.is_zero(), "seed {seed}: {total:?}");
        }
    }

    #[test]
    fn truths_are_counted() {
        let every = aggregate(AggregateFunction::Postgres(Collected::BoolAnd), DataType::Boolean);
        let some = aggregate(AggregateFunction::Postgres(Collected::BoolOr), DataType::Boolean);
        let mut total = Total::default();
        let values = |total: &Total| (total.finish(&every).unwrap(), total.finish(&some).unwrap());
        assert_eq!(values(&total), (Value::Null, Value::Null));
        for value in [Value::Bool(true), Value::Null, Value::Bool(false)] {
            total.add(Upkeep::Truth, &[value], 1).unwrap();
        }
        assert_eq!(values(&total), (Value::Bool(false), Value::Bool(true)));
        total.add(Upkeep::Truth, &[Value::Bool(false)], -1).unwrap();
        assert_eq!(values(&total), (Value::Bool(true), Value::Bool(true)));
    }

    /// What the order of the rows decides, or only all rows tell, is not kept up.
    #[test]
    fn what_cannot_be_taken_back_is_not_kept_up() {
        let interval = aggregate(AggregateFunction::Postgres(Collected::Sum), DataType::Interval);
        let bits = aggregate(AggregateFunction::BitAnd, DataType::Integer { bits: 64, unsigned: true });
        let mut sum = aggregate(AggregateFunction::Sum, DataType::Numeric);
        sum.distinct = true;
        for aggregate in [interval, bits, sum] {
            assert_eq!(Upkeep::of(&aggregate), None);
        }
    }
}
