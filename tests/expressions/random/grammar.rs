//! Typed random expressions: templates with holes for expressions of a kind, as deep as allowed, and how to make one smaller.

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
}

impl Kind {
    pub const ALL: [Self; 8] =
        [Self::Integer, Self::Decimal, Self::Double, Self::Text, Self::Date, Self::DateTime, Self::Time, Self::Truth];

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
        }
    }
}

/// The templates and constants of a dialect.
pub struct Grammar {
    pub templates: &'static [(Kind, &'static [&'static str])],
    pub constants: &'static [(Kind, &'static [&'static str])],
}

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
