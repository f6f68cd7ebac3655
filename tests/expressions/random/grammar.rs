//! Typed random expressions: templates with holes for expressions of a kind, as deep as allowed, and how to make one smaller.

use super::statement::Statement;
use super::world::World;

/// What an expression is, as far as templates care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Decimal,
    Double,
    Text,
    Date,
    DateTime,
    Time,
    Truth,
    /// timestamptz
    Instant,
    Interval,
    Json,
    /// text[]
    Array,
}

impl Kind {
    pub const ALL: [Self; 12] = [
        Self::Integer,
        Self::Decimal,
        Self::Double,
        Self::Text,
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Truth,
        Self::Instant,
        Self::Interval,
        Self::Json,
        Self::Array,
    ];

    /// The letter of its holes.
    fn letter(self) -> char {
        match self {
            Self::Integer => 'I',
            Self::Decimal => 'D',
            Self::Double => 'F',
            Self::Text => 'T',
            Self::Date => 'A',
            Self::DateTime => 'M',
            Self::Time => 'C',
            Self::Truth => 'B',
            Self::Instant => 'Z',
            Self::Interval => 'V',
            Self::Json => 'J',
            Self::Array => 'Y',
        }
    }
}

/// The templates and constants of a dialect.
pub struct Grammar {
    pub templates: &'static [(Kind, &'static [&'static str])],
    pub constants: &'static [(Kind, &'static [&'static str])],
    /// Aggregates: what stands before and behind an expression of a kind; `{order}` is a total order.
    pub aggregates: &'static [(&'static str, Kind, &'static str)],
    /// The kinds that outputs have.
    pub outputs: &'static [Kind],
    /// Statements that only this dialect has.
    pub own: &'static [Maker],
}

/// Makes a random statement.
pub type Maker = fn(&mut fastrand::Rng, &Grammar, &World) -> Statement;

/// A column that expressions may name.
#[derive(Debug, Clone)]
pub struct ColumnName {
    pub kind: Kind,
    pub text: String,
}

/// An expression as a tree, so that it can be cut down.
#[derive(Debug, Clone)]
pub enum Tree {
    Leaf(String),
    Call { kind: Kind, template: &'static str, parts: Vec<Tree> },
}

impl Tree {
    pub fn random(random: &mut fastrand::Rng, grammar: &Grammar, columns: &[ColumnName], kind: Kind, depth: usize) -> Self {
        let templates = grammar.templates.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, templates)| templates);
        if depth == 0 || templates.is_empty() || random.u8(0..6) == 0 {
            return Self::leaf(random, grammar, columns, kind);
        }
        let template = templates[random.usize(0..templates.len())];
        let parts = holes(template).map(|hole| Self::random(random, grammar, columns, hole, depth - 1)).collect();
        Self::Call { kind, template, parts }
    }

    fn leaf(random: &mut fastrand::Rng, grammar: &Grammar, columns: &[ColumnName], kind: Kind) -> Self {
        let own: Vec<&ColumnName> = columns.iter().filter(|column| column.kind == kind).collect();
        let constants = grammar.constants.iter().find(|(of, _)| *of == kind).map_or(&["NULL"][..], |(_, constants)| constants);
        if own.is_empty() || random.u8(0..5) == 0 {
            return Self::Leaf(constants[random.usize(0..constants.len())].to_owned());
        }
        Self::Leaf(own[random.usize(0..own.len())].text.clone())
    }

    /// Whether it is one of the constants.
    pub fn is_constant(&self, grammar: &Grammar) -> bool {
        match self {
            Self::Leaf(text) => grammar.constants.iter().any(|(_, constants)| constants.contains(&text.as_str())),
            Self::Call { .. } => false,
        }
    }

    pub fn render(&self) -> String {
        match self {
            Self::Leaf(text) => text.clone(),
            Self::Call { template, parts, .. } => {
                let mut out = String::new();
                let mut rest = *template;
                for part in parts {
                    let place = rest.find('{').unwrap();
                    out.push_str(&rest[..place]);
                    out.push_str(&part.render());
                    rest = &rest[place + 3..];
                }
                out + rest
            }
        }
    }

    /// Smaller trees of the same kind: a part in the place of the whole, or one part made smaller.
    pub fn smaller(&self) -> Vec<Self> {
        let Self::Call { kind, template, parts } = self else { return Vec::new() };
        let mut found: Vec<Self> = Vec::new();
        for (hole, part) in holes(template).zip(parts) {
            if hole == *kind {
                found.push(part.clone());
            }
        }
        for (place, part) in parts.iter().enumerate() {
            for smaller in part.smaller() {
                let mut parts = parts.clone();
                parts[place] = smaller;
                found.push(Self::Call { kind: *kind, template, parts });
            }
        }
        found
    }
}

fn holes(template: &'static str) -> impl Iterator<Item = Kind> {
    template.split('{').skip(1).map(move |behind| {
        let letter = behind.chars().next().unwrap();
        Kind::ALL.into_iter().find(|kind| kind.letter() == letter).unwrap_or_else(|| panic!("{template}"))
    })
}
