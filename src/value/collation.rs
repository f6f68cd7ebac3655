//! Collations of the source: how strings compare and what their sort keys are.
//!
//! In: per character the weight bytes that the source's `WEIGHT_STRING` gave (or nothing, for collations by code point).
//! Out: [`Collation::compare`] as the source compares, and [`Collation::sort_key`], whose bytes are equal where the source
//! says equal, order as `compare` orders, and end by themselves, so that keys can be put one after the other.
//!
//! A weight is cut into units (letters, so to speak; one for most characters) and every unit becomes its rank among all
//! units, so that common characters take one byte in a key.
//! PAD SPACE: strings compare as if followed by endless blanks; control characters below the blank are right, too. Characters
//! that depend on their neighbours (contractions) and collations of several levels cannot be expressed here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A collation by name with the weights the source itself gave. A clone is one reference count.
#[derive(Clone)]
pub struct Collation(Arc<Definition>);

impl std::fmt::Debug for Collation {
    /// The name alone: one source has one collation of a name, and its weights fill pages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collation({})", self.0.name)
    }
}

#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) charset: String,
    pub(super) pad_space: bool,
    pub(super) order: Order,
    pub(super) postgres: Option<PostgresCollation>,
}

/// What sets a collation of PostgreSQL apart: equality is that of bytes unless it is nondeterministic, but only some order by bytes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresCollation {
    /// Whether equal means equal bytes (`collisdeterministic`).
    pub deterministic: bool,
    /// Whether strings order by their bytes: the collations `C`, `POSIX` and `ucs_basic`, and what has the locale `C` or `POSIX`.
    pub ordered_by_bytes: bool,
    /// The `LC_CTYPE` that upper, lower and regular expressions go by, e.g. `C`, `en_US.UTF-8`; empty where another library than the
    /// operating system's decides (ICU).
    pub character_type: String,
}

#[derive(Debug)]
pub(super) enum Order {
    /// A character's rank is its code point.
    CodePoint,
    /// A character's ranks are in the table.
    Weighted(Weights),
}

/// Ranks per character. An entry is 0 (none), 1 + rank, or `SEQUENCE` + an index into `sequences`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Weights {
    /// By code point, as far as the last entry below U+10000.
    pub(super) low: Vec<u32>,
    /// Entries from U+10000 on.
    pub(super) high: BTreeMap<u32, u32>,
    /// Characters without exactly one unit: none at all (ignored when comparing) or several.
    pub(super) sequences: Vec<Box<[u32]>>,
    /// The entry of every other character; 0 if the source gave none.
    pub(super) supplementary: u32,
    /// Where the ranks of characters without any weight begin: one above the largest other rank, or of those below the gap that they fill.
    pub(super) rank_end: u32,
}

/// How many ranks the characters without any weight take.
pub(super) const CODE_POINTS: u32 = 0x11_0000;

/// Marks an entry that is an index into [`Weights::sequences`].
pub(super) const SEQUENCE: u32 = 1 << 31;

impl PartialEq for Collation {
    /// By name: one source has one collation of a name.
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Collation {}

impl Collation {
    /// A collation by code point (`utf8mb4_bin` and the like). For a legacy charset this is right for equality, and for
    /// order only where its byte order is the code point order.
    #[must_use]
    pub fn binary(name: impl Into<String>, charset: impl Into<String>, pad_space: bool) -> Self {
        Self::from_definition(Definition {
            name: name.into(),
            charset: charset.into(),
            pad_space,
            order: Order::CodePoint,
            postgres: None,
        })
    }

    /// A collation of PostgreSQL. It compares and encodes by bytes (in UTF-8 that is by code points): right for equality if it is
    /// deterministic, for order only where [`PostgresCollation::ordered_by_bytes`] says so; whoever binds an order asks first.
    #[must_use]
    pub fn postgres(name: impl Into<String>, behaviour: PostgresCollation) -> Self {
        Self::from_definition(Definition {
            name: name.into(),
            charset: "UTF8".to_owned(),
            pad_space: false,
            order: Order::CodePoint,
            postgres: Some(behaviour),
        })
    }

    /// What PostgreSQL said about the collation; `None` for those of MySQL.
    #[must_use]
    pub fn postgres_behaviour(&self) -> Option<&PostgresCollation> {
        self.0.postgres.as_ref()
    }

    /// A collation by the weights of single characters, as the source's `WEIGHT_STRING` gave them; an empty weight means that
    /// the character is ignored. A character without an entry takes `supplementary`; without that, it sorts by its code
    /// point after all others and equals itself alone.
    #[must_use]
    pub fn weighted(
        name: impl Into<String>,
        charset: impl Into<String>,
        pad_space: bool,
        weights: impl IntoIterator<Item = (char, Vec<u8>)>,
        supplementary: Option<Vec<u8>>,
    ) -> Self {
        let weights = Weights::new(weights.into_iter().collect(), supplementary, None);
        Self::from_definition(Definition {
            name: name.into(),
            charset: charset.into(),
            pad_space,
            order: Order::Weighted(weights),
            postgres: None,
        })
    }

    /// As [`Collation::weighted`], where characters without an entry sort by their code point from the weight `implicit_from` on: below
    /// the characters whose weights begin higher.
    #[must_use]
    pub fn weighted_around(
        name: impl Into<String>,
        charset: impl Into<String>,
        pad_space: bool,
        weights: impl IntoIterator<Item = (char, Vec<u8>)>,
        implicit_from: &[u8],
    ) -> Self {
        let weights = Weights::new(weights.into_iter().collect(), None, Some(implicit_from));
        Self::from_definition(Definition {
            name: name.into(),
            charset: charset.into(),
            pad_space,
            order: Order::Weighted(weights),
            postgres: None,
        })
    }

    pub(super) fn from_definition(definition: Definition) -> Self {
        Self(Arc::new(definition))
    }

    pub(super) fn definition(&self) -> &Definition {
        &self.0
    }

    /// The source's name of the collation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The source's name of the charset.
    #[must_use]
    pub fn charset(&self) -> &str {
        &self.0.charset
    }

    /// Whether trailing blanks do not count (PAD SPACE).
    #[must_use]
    pub fn pads(&self) -> bool {
        self.0.pad_space
    }

    /// Appends the sort key of `text` to `out`: memcomparable, self-delimiting, equal for what compares equal.
    pub fn sort_key(&self, text: &str, out: &mut Vec<u8>) {
        let Some(blank) = self.blank() else {
            self.each_rank(text, |rank| push_code(rank + 1, out));
            push_code(0, out);
            return;
        };
        // A blank is followed by less, nothing or more than endless blanks; that decides a comparison with a string that
        // ends here. So a blank has three codes, and the end of the string is the middle one. Ranks above make room.
        let mut blanks = 0_usize;
        self.each_rank(text, |rank| {
            if rank == blank {
                blanks += 1;
                return;
            }
            let (code, blank_code) = if rank < blank { (rank, blank) } else { (rank + 2, blank + 2) };
            for _ in 0..std::mem::take(&mut blanks) {
                push_code(blank_code, out);
            }
            push_code(code, out);
        });
        push_code(blank + 1, out);
    }

    /// How the source orders two strings of this collation.
    #[must_use]
    pub fn compare(&self, left: &str, right: &str) -> Ordering {
        if left == right {
            return Ordering::Equal;
        }
        let (mut left, mut right) = (self.ranks(left), self.ranks(right));
        let blank = self.blank();
        loop {
            let order = match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (Some(left), Some(right)) => left.cmp(&right),
                (Some(left), None) => blank.map_or(Ordering::Greater, |blank| left.cmp(&blank)),
                (None, Some(right)) => blank.map_or(Ordering::Less, |blank| blank.cmp(&right)),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    }

    /// The rank of the blank, where strings are padded with it.
    fn blank(&self) -> Option<u32> {
        if !self.0.pad_space {
            return None;
        }
        match &self.0.order {
            Order::CodePoint => Some(u32::from(' ')),
            Order::Weighted(weights) => match weights.find(' ') {
                Found::One(rank) => Some(rank),
                Found::Sequence(_) => None,
            },
        }
    }

    fn each_rank(&self, text: &str, mut each: impl FnMut(u32)) {
        match &self.0.order {
            Order::CodePoint => text.chars().for_each(|character| each(u32::from(character))),
            Order::Weighted(weights) => text.chars().for_each(|character| match weights.find(character) {
                Found::One(rank) => each(rank),
                Found::Sequence(ranks) => ranks.iter().for_each(|rank| each(*rank)),
            }),
        }
    }

    fn ranks<'a>(&'a self, text: &'a str) -> impl Iterator<Item = u32> + 'a {
        text.chars().flat_map(|character| {
            let found = match &self.0.order {
                Order::CodePoint => Found::One(u32::from(character)),
                Order::Weighted(weights) => weights.find(character),
            };
            let (one, many) = match found {
                Found::One(rank) => (Some(rank), [].as_slice()),
                Found::Sequence(ranks) => (None, ranks),
            };
            one.into_iter().chain(many.iter().copied())
        })
    }
}

/// What a character weighs.
enum Found<'a> {
    One(u32),
    Sequence(&'a [u32]),
}

impl Weights {
    fn new(weights: BTreeMap<char, Vec<u8>>, supplementary: Option<Vec<u8>>, implicit_from: Option<&[u8]>) -> Self {
        let cutter = Cutter::new(&weights, supplementary.as_ref());
        let mut rank_of: BTreeMap<&[u8], u32> = BTreeMap::new();
        for weight in weights.values().chain(&supplementary) {
            for unit in cutter.units(weight) {
                rank_of.insert(unit, 0);
            }
        }
        let implicit = implicit_from.and_then(|weight| cutter.units(weight).next());
        let (mut next, mut gap) = (0, None);
        for (unit, rank) in &mut rank_of {
            if gap.is_none() && implicit.is_some_and(|implicit| *unit > implicit) {
                gap = Some(next);
                next += CODE_POINTS;
            }
            *rank = next;
            next += 1;
        }
        let rank_end = gap.unwrap_or(next);
        let mut table = Self { rank_end, ..Self::default() };
        let mut known = BTreeMap::new();
        let mut entry_of = |weight: &[u8], sequences: &mut Vec<Box<[u32]>>| {
            let ranks: Box<[u32]> = cutter.units(weight).filter_map(|unit| rank_of.get(unit).copied()).collect();
            if let [rank] = *ranks {
                return rank + 1;
            }
            *known.entry(ranks.clone()).or_insert_with(|| {
                sequences.push(ranks);
                SEQUENCE + (sequences.len() as u32 - 1)
            })
        };
        for (character, weight) in &weights {
            let entry = entry_of(weight, &mut table.sequences);
            let code_point = u32::from(*character);
            if code_point > 0xffff {
                table.high.insert(code_point, entry);
            } else {
                table.low.resize(code_point as usize, 0);
                table.low.push(entry);
            }
        }
        table.supplementary = supplementary.as_ref().map_or(0, |weight| entry_of(weight, &mut table.sequences));
        table
    }

    fn find(&self, character: char) -> Found<'_> {
        let code_point = u32::from(character);
        let entry = match self.low.get(code_point as usize) {
            Some(entry) => *entry,
            None => self.high.get(&code_point).copied().unwrap_or(0),
        };
        let entry = if entry == 0 { self.supplementary } else { entry };
        if entry & SEQUENCE != 0 {
            return Found::Sequence(self.sequences.get((entry - SEQUENCE) as usize).map_or(&[], |ranks| ranks));
        }
        Found::One(entry.checked_sub(1).unwrap_or(self.rank_end + code_point))
    }
}

/// Where weights are cut into units.
struct Cutter {
    /// The length of the blank's weight.
    length: usize,
    /// Single bytes that are the whole weight of some character.
    single: BTreeSet<u8>,
}

impl Cutter {
    fn new(weights: &BTreeMap<char, Vec<u8>>, supplementary: Option<&Vec<u8>>) -> Self {
        let length = weights.get(&' ').or(supplementary).map_or(0, Vec::len);
        let single = weights.values().filter_map(|weight| if let [byte] = weight.as_slice() { Some(*byte) } else { None });
        Self { length, single: single.collect() }
    }

    /// Pieces as long as the blank's weight where that fits, else the weight as one. Where the blank takes one byte, a longer
    /// weight is either an expansion (ß as two letters in `latin1_german2_ci`: every byte is some character's weight) or one
    /// wide character, whose second byte may be that of a blank and must not be taken for one.
    fn units<'a>(&self, weight: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let fits = match self.length {
            0 => false,
            1 => weight.iter().all(|byte| self.single.contains(byte)),
            length => weight.len().is_multiple_of(length),
        };
        weight.chunks(if fits { self.length } else { weight.len().max(1) })
    }
}

/// Appends a number so that bytes order as numbers do and no code is the beginning of another: one byte below 192, then two,
/// three and four.
fn push_code(number: u32, out: &mut Vec<u8>) {
    const ONE: u32 = 0xc0;
    const TWO: u32 = ONE + 0x3c * 0x100;
    const THREE: u32 = TWO + 0x2 * 0x1_0000;
    let (lead, length) = match number {
        0..ONE => return out.push(number as u8),
        ONE..TWO => (0xc000_0000_u32 + ((number - ONE) << 16), 2),
        TWO..THREE => (0xfc00_0000_u32 + ((number - TWO) << 8), 3),
        _ => (0xfe00_0000_u32 + (number - THREE), 4),
    };
    out.extend(lead.to_be_bytes().iter().take(length));
}
