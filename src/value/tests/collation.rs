//! Collations: what the source calls equal has one sort key, and a stored collation means the same.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::strategies;
use crate::value::{Collation, PostgresCollation};

fn sort_key(collation: &Collation, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    collation.sort_key(text, &mut out);
    out
}

#[test]
fn common_characters_take_one_byte_in_a_key() {
    let general = Collation::binary("utf8mb4_bin", "utf8mb4", true);
    assert_eq!(sort_key(&general, "order-1").len(), 8);
    assert_eq!(sort_key(&general, "가").len(), 4);
    assert_eq!(sort_key(&strategies::folding(true), "order-1").len(), 8);
}

#[test]
fn f75_case_accents_and_expansions_follow_the_weights() {
    let collation = strategies::folding(true);
    for (left, right) in [("straße", "STRASSE"), ("é", "e"), ("가 ", "가"), ("😀", "𝄞")] {
        assert_eq!(collation.compare(left, right), Ordering::Equal, "{left} {right}");
        assert_eq!(sort_key(&collation, left), sort_key(&collation, right));
    }
    assert_eq!(collation.compare("가", "각"), Ordering::Less);
}

#[test]
fn a_collation_of_postgresql_is_stored_with_its_behaviour() {
    for (deterministic, ordered_by_bytes, character_type) in [(true, true, "C"), (true, false, "ko_KR.UTF-8"), (false, false, "")]
    {
        let behaviour = PostgresCollation { deterministic, ordered_by_bytes, character_type: character_type.into() };
        let collation = Collation::postgres("default", behaviour.clone());
        let stored = serde_json::to_string(&collation).unwrap();
        let read: Collation = serde_json::from_str(&stored).unwrap();
        assert_eq!((read.name(), read.charset(), read.postgres_behaviour()), ("default", "UTF8", Some(&behaviour)));
        assert_eq!(read.compare("가", "가 "), Ordering::Less);
    }
}

#[test]
fn without_padding_trailing_blanks_count() {
    for collation in [strategies::folding(false), Collation::binary("utf8mb4_0900_bin", "utf8mb4", false)] {
        assert_eq!(collation.compare("a", "a "), Ordering::Less);
        assert_eq!(collation.compare("a", "a\t"), Ordering::Less);
        assert!(sort_key(&collation, "a") < sort_key(&collation, "a\t"));
    }
}

#[test]
fn a_character_without_weight_equals_itself_alone_and_sorts_last() {
    let collation = strategies::mixed_length();
    assert_eq!(collation.compare("漢", "字"), u32::from('漢').cmp(&u32::from('字')));
    assert_eq!(collation.compare("漢", "é"), Ordering::Greater);
    assert_ne!(sort_key(&collation, "漢"), sort_key(&collation, "字"));
}

#[test]
fn a_blank_inside_of_a_longer_weight_is_no_blank() {
    let collation = strategies::mixed_length();
    assert_ne!(sort_key(&collation, "가"), sort_key(&collation, "각"));
    assert_eq!(collation.compare("가", "가 "), Ordering::Equal);
}

#[test]
fn f75_an_expansion_of_a_one_byte_charset_equals_its_letters() {
    let letters = (b' '..0x7f).map(|byte| (char::from(byte), vec![byte.to_ascii_uppercase()]));
    let collation = Collation::weighted("latin1_german2_ci", "latin1", true, letters.chain([('ß', vec![b'S', b'S'])]), None);
    assert_eq!(collation.compare("straße", "STRASSE"), Ordering::Equal);
    assert_eq!(sort_key(&collation, "straße"), sort_key(&collation, "STRASSE "));
}

#[test]
fn a_stored_collation_means_the_same_and_is_small() {
    for collation in [strategies::folding(true), strategies::mixed_length(), Collation::binary("euckr_bin", "euckr", true)] {
        let json = serde_json::to_string(&collation).unwrap();
        assert!(json.len() < 4_096, "{}", json.len());
        let read: Collation = serde_json::from_str(&json).unwrap();
        assert_eq!((read.name(), read.charset(), read.pads()), (collation.name(), collation.charset(), collation.pads()));
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        for character in (0..=0x1_f000).filter_map(char::from_u32) {
            let text = String::from(character);
            assert_eq!(sort_key(&read, &text), sort_key(&collation, &text));
        }
    }
}

#[test]
fn a_damaged_stored_collation_is_refused() {
    let json = serde_json::to_string(&strategies::mixed_length()).unwrap();
    for length in 1..json.len() - 1 {
        let cut = format!("{}\"", &json[..length]);
        assert!(serde_json::from_str::<Collation>(&cut).is_err(), "{length}");
    }
    assert!(serde_json::from_str::<Collation>("\"zz\"").is_err());
    assert!(serde_json::from_str::<Collation>("\"02\"").is_err());
}

proptest! {
    // A damaged run may still name a million characters, so the cases are few.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn damaged_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let plain = [&[1, 1, 1, b'n', 1, b'c', 1], bytes.as_slice()].concat();
        let hex: String = zstd::bulk::compress(&plain, 3).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        if let Ok(collation) = serde_json::from_str::<Collation>(&format!("\"{hex}\"")) {
            sort_key(&collation, "a b 가");
        }
    }
}

proptest! {
    #[test]
    fn comparison_is_an_order(a in strategies::text(), b in strategies::text(), c in strategies::text()) {
        for collation in [strategies::folding(true), strategies::folding(false), strategies::mixed_length()] {
            if collation.compare(&a, &b).is_le() && collation.compare(&b, &c).is_le() {
                prop_assert!(collation.compare(&a, &c).is_le());
            }
        }
    }
}

#[test]
fn characters_without_weights_fill_the_gap_below_the_higher_ones() {
    let weights = [(' ', vec![2, 9]), ('a', vec![3, 1]), ('一', vec![0xfb, 0x40, 0xce, 0]), ('\u{fffd}', vec![0xff, 0xfd])];
    let collation = Collation::weighted_around("test_520_ci", "utf8mb4", true, weights, &[0xfb, 0xc8, 0x80, 0]);
    let stored = serde_json::to_string(&collation).unwrap();
    for collation in [&collation, &serde_json::from_str::<Collation>(&stored).unwrap()] {
        let ascending = ["", "a", "一", "\u{50000}", "\u{e4c19}", "\u{10fffd}", "\u{fffd}"];
        for (left, right) in ascending.iter().zip(&ascending[1..]) {
            assert_eq!(collation.compare(left, right), Ordering::Less, "{left} {right}");
            assert!(sort_key(collation, left) < sort_key(collation, right), "{left} {right}");
        }
    }
}
