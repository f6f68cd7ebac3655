//! A collation as bytes, so that a catalogue can be stored.
//!
//! In: a [`Collation`]. Out: some kilobytes (runs of characters whose ranks rise together are one entry, sequences are
//! differences, and the whole is compressed), as bytes or, in formats for people such as JSON, as hexadecimal text. What is
//! read back compares and encodes exactly as what was written.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::collation::{CODE_POINTS, Collation, Definition, Order, PostgresCollation, SEQUENCE, Weights};
use super::varint::{Reader, push_varint, unzigzag, zigzag};

const VERSION: u8 = 1;
/// More than any collation of 1,114,112 characters needs; what claims to be larger is damaged.
const BYTES_MAX: usize = 32 << 20;

impl Serialize for Collation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = zstd::bulk::compress(&to_bytes(self), 3).map_err(serde::ser::Error::custom)?;
        if serializer.is_human_readable() {
            return serializer.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Collation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_str(CollationVisitor);
        }
        deserializer.deserialize_byte_buf(CollationVisitor)
    }
}

struct CollationVisitor;

impl Visitor<'_> for CollationVisitor {
    type Value = Collation;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a stored collation")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Collation, E> {
        let pairs = text.as_bytes().chunks(2).map(|pair| {
            let [high, low] = pair else { return None };
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        self.visit_bytes(&bytes.ok_or_else(|| E::custom("a stored collation is not hexadecimal text"))?)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Collation, E> {
        let plain = zstd::bulk::decompress(bytes, BYTES_MAX).ok();
        plain.and_then(|plain| from_bytes(&plain)).ok_or_else(|| E::custom("a stored collation is damaged or of another version"))
    }
}

fn to_bytes(collation: &Collation) -> Vec<u8> {
    let definition = collation.definition();
    let mut out = vec![VERSION, u8::from(definition.pad_space)];
    for text in [&definition.name, &definition.charset] {
        push_varint(text.len() as u128, &mut out);
        out.extend_from_slice(text.as_bytes());
    }
    match &definition.order {
        Order::CodePoint => match &definition.postgres {
            None => out.push(0),
            Some(behaviour) => {
                out.extend([2, u8::from(behaviour.deterministic), u8::from(behaviour.ordered_by_bytes)]);
                push_varint(behaviour.character_type.len() as u128, &mut out);
                out.extend_from_slice(behaviour.character_type.as_bytes());
            }
        },
        Order::Weighted(weights) => {
            out.push(1);
            write_weights(weights, &mut out);
        }
    }
    out
}

fn from_bytes(bytes: &[u8]) -> Option<Collation> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return None;
    }
    let pad_space = flag(&mut reader)?;
    let name = std::str::from_utf8(reader.block()?).ok()?.to_owned();
    let charset = std::str::from_utf8(reader.block()?).ok()?.to_owned();
    let (order, postgres) = match reader.byte()? {
        0 => (Order::CodePoint, None),
        1 => (Order::Weighted(read_weights(&mut reader)?), None),
        2 => (Order::CodePoint, Some(read_postgres(&mut reader)?)),
        _ => return None,
    };
    reader.is_empty().then(|| Collation::from_definition(Definition { name, charset, pad_space, order, postgres }))
}

fn read_postgres(reader: &mut Reader<'_>) -> Option<PostgresCollation> {
    Some(PostgresCollation {
        deterministic: flag(reader)?,
        ordered_by_bytes: flag(reader)?,
        character_type: std::str::from_utf8(reader.block()?).ok()?.to_owned(),
    })
}

fn flag(reader: &mut Reader<'_>) -> Option<bool> {
    match reader.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Characters that follow each other and whose entries stay the same (`step` 0) or rise by one (`step` 1).
struct Run {
    first: u32,
    entry: u32,
    step: u32,
    length: u32,
}

fn runs(weights: &Weights) -> Vec<Run> {
    let low = (0_u32..).zip(weights.low.iter().copied()).filter(|(_, entry)| *entry != 0);
    let mut runs: Vec<Run> = Vec::new();
    for (character, entry) in low.chain(weights.high.iter().map(|(character, entry)| (*character, *entry))) {
        if let Some(run) = runs.last_mut()
            && run.first + run.length == character
        {
            if run.length == 1 && (entry == run.entry || entry == run.entry + 1) {
                run.step = entry - run.entry;
            }
            if entry == run.entry + run.step * run.length {
                run.length += 1;
                continue;
            }
        }
        runs.push(Run { first: character, entry, step: 0, length: 1 });
    }
    runs
}

fn push(out: &mut Vec<u8>, number: u32) {
    push_varint(u128::from(number), out);
}

fn write_weights(weights: &Weights, out: &mut Vec<u8>) {
    push(out, weights.rank_end);
    push(out, weights.supplementary);
    let runs = runs(weights);
    push(out, runs.len() as u32);
    let mut next = 0;
    for run in &runs {
        push(out, run.first - next);
        push(out, run.entry);
        push(out, (run.length << 1) | run.step);
        next = run.first + run.length;
    }
    push(out, weights.sequences.len() as u32);
    let mut before: &[u32] = &[];
    for sequence in &weights.sequences {
        push(out, sequence.len() as u32);
        for (index, rank) in sequence.iter().enumerate() {
            let near = before.get(index).copied().unwrap_or(0);
            push_varint(zigzag(i128::from(*rank) - i128::from(near)), out);
        }
        before = sequence;
    }
}

fn read_weights(reader: &mut Reader<'_>) -> Option<Weights> {
    let mut weights = Weights { rank_end: number(reader)?, supplementary: number(reader)?, ..Weights::default() };
    let mut next = 0_u32;
    for _ in 0..number(reader)? {
        let first = next.checked_add(number(reader)?)?;
        let entry = number(reader)?;
        let length_and_step = number(reader)?;
        let (length, step) = (length_and_step >> 1, length_and_step & 1);
        next = first.checked_add(length).filter(|next| *next <= u32::from(char::MAX) + 1)?;
        for offset in 0..length {
            let (character, entry) = (first + offset, entry.checked_add(step * offset)?);
            if character > 0xffff {
                weights.high.insert(character, entry);
            } else {
                weights.low.resize(character as usize, 0);
                weights.low.push(entry);
            }
        }
    }
    for _ in 0..number(reader)? {
        let before = weights.sequences.last();
        let ranks = (0..number(reader)? as usize).map(|index| {
            let near = before.and_then(|before| before.get(index)).copied().unwrap_or(0);
            u32::try_from(i128::from(near).checked_add(unzigzag(reader.varint()?))?).ok()
        });
        let sequence: Option<Box<[u32]>> = ranks.collect();
        weights.sequences.push(sequence?);
    }
    is_sound(&weights).then_some(weights)
}

fn number(reader: &mut Reader<'_>) -> Option<u32> {
    u32::try_from(reader.varint()?).ok()
}

/// Every entry points to a rank or a sequence that exists.
fn is_sound(weights: &Weights) -> bool {
    let is_rank = |rank: u32| rank < weights.rank_end || (weights.rank_end + CODE_POINTS..SEQUENCE - 1).contains(&rank);
    let sound = |entry: u32| {
        if entry & SEQUENCE == 0 {
            entry.checked_sub(1).is_none_or(is_rank)
        } else {
            ((entry - SEQUENCE) as usize) < weights.sequences.len()
        }
    };
    let ranks = weights.sequences.iter().flat_map(|sequence| sequence.iter());
    weights.rank_end < SEQUENCE - CODE_POINTS
        && sound(weights.supplementary)
        && weights.low.iter().chain(weights.high.values()).all(|entry| sound(*entry))
        && ranks.into_iter().all(|rank| is_rank(*rank))
}
