//! Where a regular expression matches: leftmost, then longest, and its groups as PostgreSQL divides a match among them.
//!
//! A part of an expression is a function from a set of places to the set of places behind it, so that no search goes back: the time is
//! that of the text times that of the expression. Groups are found by taking a match apart (`regexec.c`, `cdissect`): earlier parts take as
//! much as the later ones leave them, and of alternatives the first that fits.

use super::syntax::{Class, Expression, Item, Named, Node, Place};
use crate::sql::postgres::routine::Fault;

/// A text with an expression over it. Places count characters from zero.
#[derive(Debug)]
pub struct Search<'e> {
    expression: &'e Expression,
    text: Vec<char>,
    /// Only ASCII characters belong to the classes of the locale.
    ascii: bool,
}

/// A match: from and up to.
pub type Found = (usize, usize);

impl<'e> Search<'e> {
    /// A search; `ascii`: only ASCII characters belong to the classes of the locale.
    ///
    /// # Errors
    /// A character that C libraries class differently, where the expression asks for its class.
    pub fn new(expression: &'e Expression, text: &str, ascii: bool) -> Result<Self, Fault> {
        let text: Vec<char> = text.chars().collect();
        let is_known = |c: char| c.is_ascii() || is_letter_everywhere(c);
        if expression.has_named && !ascii && !text.iter().all(|c| is_known(*c)) {
            return Err("a regular expression with a class such as \\w meets a letter that C libraries class differently");
        }
        Ok(Self { expression, text, ascii })
    }

    /// How many characters the text has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it matches anywhere.
    #[must_use]
    pub fn is_match(&self) -> bool {
        let everywhere: Vec<usize> = (0..=self.text.len()).collect();
        !self.behind(&self.expression.root, &everywhere).is_empty()
    }

    /// The leftmost longest match that begins at `from` or later.
    #[must_use]
    pub fn find(&self, from: usize) -> Option<Found> {
        let (mut low, end) = (from, self.text.len());
        let mut width = 16;
        let matches = |first: usize, last: usize| {
            let places: Vec<usize> = (first..=last).collect();
            !self.behind(&self.expression.root, &places).is_empty()
        };
        // First a window in which a match begins, then its first place.
        let mut high = loop {
            if low > end {
                return None;
            }
            let last = low.saturating_add(width).min(end);
            if matches(low, last) {
                break last;
            }
            low = last + 1;
            width *= 4;
        };
        while low < high {
            let middle = low.midpoint(high);
            if matches(low, middle) { high = middle } else { low = middle + 1 }
        }
        self.behind(&self.expression.root, &[low]).last().map(|end| (low, *end))
    }

    /// The groups of a match, from one; `None` for those that took no part.
    #[must_use]
    pub fn groups(&self, found: Found) -> Vec<Option<Found>> {
        let mut groups = vec![None; self.expression.groups];
        self.divide(&self.expression.root, found, &mut groups);
        groups
    }

    /// The places behind a node, for each place in front of it; sorted, each once.
    fn behind(&self, node: &Node, places: &[usize]) -> Vec<usize> {
        match node {
            Node::One(class) => {
                let fits = |place: &&usize| self.text.get(**place).is_some_and(|c| self.is_in(class, *c));
                places.iter().filter(fits).map(|place| place + 1).collect()
            }
            Node::Place(place) => places.iter().copied().filter(|at| self.is_place(*place, *at)).collect(),
            Node::Sequence(parts) => self.behind_all(parts.iter(), places),
            Node::Group { inner, .. } => self.behind(inner, places),
            Node::Choice(branches) => {
                let mut all: Vec<usize> = branches.iter().flat_map(|branch| self.behind(branch, places)).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
            Node::Repeat { inner, least, most } => self.repeated(inner, *least, *most, places),
        }
    }

    fn behind_all<'n>(&self, parts: impl Iterator<Item = &'n Node>, places: &[usize]) -> Vec<usize> {
        let mut reached = places.to_vec();
        for part in parts {
            if reached.is_empty() {
                break;
            }
            reached = self.behind(part, &reached);
        }
        reached
    }

    fn repeated(&self, inner: &Node, least: u32, most: Option<u32>, places: &[usize]) -> Vec<usize> {
        let mut reached = places.to_vec();
        for _ in 0..least {
            reached = self.behind(inner, &reached);
        }
        let mut all: std::collections::BTreeSet<usize> = reached.iter().copied().collect();
        let mut rounds = most.map(|most| most - least);
        while !reached.is_empty() && rounds != Some(0) {
            // What was reached in fewer rounds need not be gone from again.
            reached = self.behind(inner, &reached).into_iter().filter(|place| all.insert(*place)).collect();
            rounds = rounds.map(|rounds| rounds - 1);
        }
        all.into_iter().collect()
    }

    fn is_in(&self, class: &Class, character: char) -> bool {
        let folds = self.expression.folds;
        let other = if character.is_ascii_lowercase() { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() };
        let holds = |item: &Item| match item {
            Item::Range(first, last) => (*first..=*last).contains(&character) || (folds && (*first..=*last).contains(&other)),
            Item::Named(name) => is_named(*name, character, self.ascii),
        };
        class.items.iter().any(holds) != class.negated
    }

    fn is_place(&self, place: Place, at: usize) -> bool {
        let is_word =
            |at: Option<usize>| at.and_then(|at| self.text.get(at)).is_some_and(|c| is_named(Named::Word, *c, self.ascii));
        let (before, after) = (is_word(at.checked_sub(1)), is_word(Some(at)));
        match place {
            Place::Start => at == 0,
            Place::End => at == self.text.len(),
            Place::WordStart => !before && after,
            Place::WordEnd => before && !after,
            Place::WordEdge => before != after,
            Place::NoWordEdge => before == after,
        }
    }

    fn divide(&self, node: &Node, found: Found, groups: &mut [Option<Found>]) {
        if !node.captures() {
            return;
        }
        match node {
            Node::One(_) | Node::Place(_) => {}
            Node::Group { number, inner } => {
                if let Some(slot) = number.and_then(|number| groups.get_mut(number - 1)) {
                    *slot = Some(found);
                }
                self.divide(inner, found, groups);
            }
            Node::Choice(branches) => {
                let fits = |branch: &&Node| self.behind(branch, &[found.0]).contains(&found.1);
                if let Some(branch) = branches.iter().find(fits) {
                    self.divide(branch, found, groups);
                }
            }
            Node::Repeat { inner, .. } => {
                if found.0 < found.1 {
                    self.divide(inner, found, groups);
                }
            }
            Node::Sequence(parts) => self.divide_parts(parts, found, groups),
        }
    }

    /// What stands before the first parentheses is one part, the parentheses are the next, and so on.
    fn divide_parts(&self, parts: &[Node], found: Found, groups: &mut [Option<Found>]) {
        let mut rest = parts;
        let mut at = found.0;
        while !rest.is_empty() {
            let plain = rest.iter().position(is_parenthesised).unwrap_or(rest.len()).max(1);
            let Some((first, behind)) = rest.split_at_checked(plain) else { return };
            let ends = self.behind_all(first.iter(), &[at]);
            let fits = |end: &&usize| **end <= found.1 && self.behind_all(behind.iter(), &[**end]).contains(&found.1);
            let Some(end) = ends.iter().rev().find(fits).copied() else { return };
            if let [part] = first {
                self.divide(part, (at, end), groups);
            }
            (rest, at) = (behind, end);
        }
    }
}

fn is_parenthesised(node: &Node) -> bool {
    match node {
        Node::Group { .. } => true,
        Node::Repeat { inner, .. } => is_parenthesised(inner),
        _ => false,
    }
}

fn is_named(name: Named, c: char, ascii: bool) -> bool {
    let is_letter = !ascii && is_letter_everywhere(c);
    match name {
        Named::Digit => c.is_ascii_digit(),
        Named::Space => matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}'),
        Named::Word => c.is_ascii_alphanumeric() || c == '_' || is_letter,
        Named::Alpha => c.is_ascii_alphabetic() || is_letter,
        Named::Alnum => c.is_ascii_alphanumeric() || is_letter,
        Named::Upper => c.is_ascii_uppercase(),
        Named::Lower => c.is_ascii_lowercase(),
        Named::Punct => c.is_ascii_punctuation(),
    }
}

/// Letters without case that every C library with Unicode calls letters: Hangul syllables and the oldest block of Han characters.
fn is_letter_everywhere(c: char) -> bool {
    matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{4e00}'..='\u{9fa5}')
}
