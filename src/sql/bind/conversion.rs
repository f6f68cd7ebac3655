//! Calls with a grammar of their own: CAST, CONVERT, EXTRACT, TRIM, and dates plus or minus an INTERVAL.

use sqlparser::ast::{
    self, CastFormat, CastKind, CeilFloorKind, CharacterLength, DateTimeField, ExactNumberInfo, Interval, TimezoneInfo,
};

use super::{Binder, Bound};
use crate::sql::functions::{self, Unit};
use crate::sql::query::{Expr, Span};
use crate::sql::types::{self, CastTarget};

impl Binder<'_> {
    pub(super) fn cast_call(
        &mut self,
        kind: &CastKind,
        expr: &ast::Expr,
        data_type: &ast::DataType,
        format: Option<&CastFormat>,
        span: Span,
    ) -> Bound<Expr> {
        if *kind != CastKind::Cast || format.is_some() {
            return Err(self.refuse(span, "this form of CAST is not MySQL's", "write CAST(expression AS type)"));
        }
        // sqlparser takes all that follows for the operand of BINARY, the server one operand.
        let is_prefix = self.tokens.text(&span).get(..6).is_some_and(|word| word.eq_ignore_ascii_case("BINARY"));
        if is_prefix && !super::precedence::is_operand(expr) {
            return Err(self.refuse(span, "what BINARY applies to is not clear", "write CAST(expression AS BINARY)"));
        }
        let inner = self.expr(expr)?;
        let Some(target) = cast_target(data_type) else {
            let message = format!("CAST to {data_type} is not supported");
            return Err(self.refuse(
                span,
                message,
                "cast to SIGNED, UNSIGNED, DECIMAL(p,s), CHAR(n), DATE, DATETIME(n) or TIME(n)",
            ));
        };
        self.cast(inner, &target, span)
    }

    pub(super) fn convert_call(
        &mut self,
        expr: &ast::Expr,
        data_type: Option<&ast::DataType>,
        charset: Option<&ast::ObjectName>,
        span: Span,
    ) -> Bound<Expr> {
        match (data_type, charset) {
            (Some(data_type), None) => self.cast_call(&CastKind::Cast, expr, data_type, None, span),
            (None, Some(charset)) => {
                let inner = self.expr(expr)?;
                let target = CastTarget::Char { length: None, charset: Some(charset.to_string().to_lowercase()) };
                self.cast(inner, &target, span)
            }
            (Some(ast::DataType::Char(length)), Some(charset)) => {
                let Some(length) = characters(length.as_ref()) else {
                    return Err(self.broken("a CHAR without a length in characters"));
                };
                let inner = self.expr(expr)?;
                self.cast(inner, &CastTarget::Char { length, charset: Some(charset.to_string().to_lowercase()) }, span)
            }
            _ => Err(self.refuse(span, "this form of CONVERT is not supported", "write CAST(expression AS type)")),
        }
    }

    pub(super) fn extract(&mut self, field: &DateTimeField, expr: &ast::Expr, span: Span) -> Bound<Expr> {
        let unit = self.unit(&field.to_string(), &span)?;
        let inner = self.expr(expr)?;
        let extracted = functions::extract(unit, inner, span.clone(), &self.context);
        self.typed(extracted, &span)
    }

    pub(super) fn ceil_or_floor(&mut self, name: &str, expr: &ast::Expr, field: &CeilFloorKind, span: Span) -> Bound<Expr> {
        if *field != CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) {
            return Err(self.refuse(span, format!("{name} takes one number"), "write ROUND or TRUNCATE for other precisions"));
        }
        let inner = self.expr(expr)?;
        self.resolve(name, vec![inner], span)
    }

    pub(super) fn trim(
        &mut self,
        expr: &ast::Expr,
        side: Option<&ast::TrimWhereField>,
        what: Option<&ast::Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let name = match side {
            None | Some(ast::TrimWhereField::Both) => "TRIM_BOTH",
            Some(ast::TrimWhereField::Leading) => "TRIM_LEADING",
            Some(ast::TrimWhereField::Trailing) => "TRIM_TRAILING",
        };
        let mut arguments = self.exprs([Some(expr), what].into_iter().flatten())?;
        if arguments.len() == 1 {
            arguments.push(self.blank(&span));
        }
        self.resolve(name, arguments, span)
    }

    /// The blank that TRIM removes if nothing else is named.
    pub(super) fn blank(&self, span: &Span) -> Expr {
        types::literal_string(" ", span.clone(), &self.context)
    }

    /// Functions with a unit or an INTERVAL among their arguments; `None` for others.
    pub(super) fn unit_function(&mut self, name: &str, arguments: &[&ast::Expr], span: &Span) -> Option<Bound<Expr>> {
        let subtract = matches!(name, "DATE_SUB" | "SUBDATE");
        match (name, arguments) {
            ("DATE_ADD" | "ADDDATE" | "DATE_SUB" | "SUBDATE", [date, ast::Expr::Interval(interval)]) => {
                Some(self.date_arithmetic(subtract, date, interval, span.clone()))
            }
            ("ADDDATE" | "SUBDATE", [date, days]) => Some(self.shifted_by_days(subtract, date, days, span)),
            ("TIMESTAMPDIFF", [unit, from, to]) => Some(self.timestamp_difference(unit, from, to, span)),
            ("TIMESTAMPADD", [unit, amount, date]) => Some(self.timestamp_add(unit, amount, date, span)),
            ("DATE_ADD" | "DATE_SUB" | "TIMESTAMPDIFF" | "TIMESTAMPADD", _) => Some(Err(self.refuse(
                span.clone(),
                format!("this form of {name} is not MySQL's"),
                "write DATE_ADD(date, INTERVAL n unit)",
            ))),
            _ => None,
        }
    }

    /// `date + INTERVAL amount unit`, or minus.
    pub(super) fn date_arithmetic(&mut self, subtract: bool, date: &ast::Expr, interval: &Interval, span: Span) -> Bound<Expr> {
        let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
        let plain = leading_precision.is_none() && last_field.is_none() && fractional_seconds_precision.is_none();
        let Some(field) = leading_field.as_ref().filter(|_| plain) else {
            return Err(self.refuse(span, "an INTERVAL has one unit", "write INTERVAL n DAY"));
        };
        // A composite unit is another word in the text than the parser was given.
        let amount_end = self.span(value).end;
        let word = self.tokens.after(amount_end).next().map(|token| self.tokens.text(&token.span).to_owned());
        let unit = self
            .unit(&word.filter(|word| Unit::parse(&word.to_uppercase()).is_some()).unwrap_or_else(|| field.to_string()), &span);
        let operands = [self.expr(date), self.expr(value)];
        let [date, amount] = operands;
        self.shifted(unit?, subtract, date?, amount?, span)
    }

    fn shifted_by_days(&mut self, subtract: bool, date: &ast::Expr, days: &ast::Expr, span: &Span) -> Bound<Expr> {
        let operands = [self.expr(date), self.expr(days)];
        let [date, days] = operands;
        let unit = self.unit("DAY", span)?;
        self.shifted(unit, subtract, date?, days?, span.clone())
    }

    fn timestamp_add(&mut self, unit: &ast::Expr, amount: &ast::Expr, date: &ast::Expr, span: &Span) -> Bound<Expr> {
        let unit = self.unit_word(unit);
        let operands = [self.expr(amount), self.expr(date)];
        let [amount, date] = operands;
        self.shifted(unit?, false, date?, amount?, span.clone())
    }

    fn shifted(&mut self, unit: Unit, subtract: bool, date: Expr, amount: Expr, span: Span) -> Bound<Expr> {
        let shifted = functions::date_add(date, amount, unit, subtract, span.clone(), &self.context);
        self.typed(shifted, &span)
    }

    fn timestamp_difference(&mut self, unit: &ast::Expr, from: &ast::Expr, to: &ast::Expr, span: &Span) -> Bound<Expr> {
        let unit = self.unit_word(unit);
        let operands = [self.expr(from), self.expr(to)];
        let [from, to] = operands;
        let difference = functions::timestamp_diff(unit?, from?, to?, span.clone(), &self.context);
        self.typed(difference, span)
    }

    fn unit_word(&mut self, unit: &ast::Expr) -> Bound<Unit> {
        let span = self.span(unit);
        match unit {
            ast::Expr::Identifier(ast::Ident { value, quote_style: None, span: _ }) => self.unit(value, &span),
            _ => Err(self.refuse(span, "the first argument is a unit of time", "write DAY, MONTH, HOUR or another unit")),
        }
    }

    fn unit(&mut self, word: &str, span: &Span) -> Bound<Unit> {
        let word = word.to_uppercase();
        match Unit::parse(word.strip_prefix("SQL_TSI_").unwrap_or(&word)) {
            Some(unit) => Ok(unit),
            None => Err(self.refuse(
                span.clone(),
                format!("the unit {word} is not supported"),
                "write YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MICROSECOND or a pair such as DAY_HOUR",
            )),
        }
    }
}

fn cast_target(data_type: &ast::DataType) -> Option<CastTarget> {
    use ast::DataType as D;
    Some(match data_type {
        D::Signed | D::SignedInteger => CastTarget::Signed,
        D::Unsigned | D::UnsignedInteger => CastTarget::Unsigned,
        // MariaDB's spelling of SIGNED.
        D::Int(None) | D::Integer(None) => CastTarget::Signed,
        D::Decimal(size) => decimal(size)?,
        D::Char(length) => CastTarget::Char { length: characters(length.as_ref())?, charset: None },
        D::Binary(length) => CastTarget::Binary { length: length.map(u32::try_from).transpose().ok()? },
        D::Date => CastTarget::Date,
        D::Datetime(fraction) => CastTarget::DateTime { fraction: digits(*fraction)? },
        D::Time(fraction, TimezoneInfo::None) => CastTarget::Time { fraction: digits(*fraction)? },
        D::Double(ExactNumberInfo::None) | D::Real => CastTarget::Double,
        D::JSON => CastTarget::Other("JSON".to_owned()),
        _ => return None,
    })
}

fn decimal(size: &ExactNumberInfo) -> Option<CastTarget> {
    let (precision, scale) = match size {
        ExactNumberInfo::None => (10, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, u64::try_from(*scale).ok()?),
    };
    (precision <= 65 && scale <= 30 && scale <= precision.max(10))
        .then(|| Some(CastTarget::Decimal { precision: u16::try_from(precision).ok()?, scale: u16::try_from(scale).ok()? }))?
}

fn digits(fraction: Option<u64>) -> Option<u8> {
    u8::try_from(fraction.unwrap_or(0)).ok().filter(|digits| *digits <= 6)
}

/// The length in characters; the outer `None` for lengths that are not understood.
fn characters(length: Option<&CharacterLength>) -> Option<Option<u32>> {
    match length {
        None => Some(None),
        Some(CharacterLength::IntegerLength { length, unit: None }) => u32::try_from(*length).ok().map(Some),
        Some(CharacterLength::IntegerLength { length: _, unit: Some(_) } | CharacterLength::Max) => None,
    }
}
